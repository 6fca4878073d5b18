"""The gate to pycocotools: the same pixels as it makes, and nothing passes that its C code must not be given."""

from __future__ import annotations

import json
import re
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from trees import edit

import amodal_bench
from amodal_bench.core import native
from amodal_bench.core.polygons import polygon_runs
from amodal_bench.core.rle import decode, encode, united
from amodal_bench.core.types import Mask
from amodal_bench.datasets.coco_a.cocoa import Cocoa
from amodal_bench.models.prediction_files import ResultsFile
from amodal_bench.testing.export.cocoa import export

FAR: list[float] = [1e6, 1e6, -1e6, -1e6] * 5000
"""A polygon of 10,000 points that runs to and fro: pycocotools asks for 400 GB to walk along it."""


def by_pycocotools(polygons: list[list[float]], height: int, width: int) -> Mask:
    rles = coco_mask.frPyObjects(polygons, height, width)
    return np.asarray(coco_mask.decode(coco_mask.merge(rles)), bool)


def random_polygon(rng: np.random.Generator) -> list[float]:
    """Polygons of any size and place: on whole, half and fifth pixels, and with a corner twice."""
    points = rng.normal(size=(rng.integers(3, 12), 2)) * rng.choice([5, 30, 500, 3000]) + rng.uniform(0, 40)
    grid = rng.choice([0, 0.1, 0.2, 0.5, 1, 10])
    points = np.round(points / grid) * grid if grid else points
    if rng.random() < 0.3:
        points[1] = points[0]
    return [float(value) for value in points.ravel()]


@pytest.mark.parametrize("seed", range(4))
def test_crossings_give_the_pixels_of_pycocotools_that_walks_along_the_whole_polygon(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(40):
        height, width = (int(side) for side in rng.integers(1, 50, 2))
        polygon = random_polygon(rng)
        runs = polygon_runs(polygon, height, width)
        assert native.from_runs(runs, height, width) == coco_mask.frPyObjects([polygon], height, width)[0]


@pytest.mark.parametrize("steps", [0, native.MOST_STEPS], ids=["computed", "walked"])
def test_a_union_is_that_of_pycocotools(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "MOST_STEPS", steps)
    monkeypatch.setattr(native, "FEW_PARTS", 2)
    rng = np.random.default_rng(0)
    for _ in range(40):
        height, width = (int(side) for side in rng.integers(1, 50, 2))
        polygons = [random_polygon(rng) for _ in range(rng.integers(1, 6))]
        np.testing.assert_array_equal(decode(polygons, height, width), by_pycocotools(polygons, height, width))


@pytest.mark.parametrize(
    ("polygon", "shows"),
    [
        ([-1e6, -1e6, 1e6, -1e6, 1e6, 1e6, -1e6, 1e6], True),
        ([1e6, 0, 1e6, 1e6, 5e5, 1e6], False),
        ([-1e6, -1e6, -1e6, 1e6, -5e5, 0], False),
        (FAR[:2000], False),
    ],
    ids=["all around", "to the right", "to the left", "to and fro"],
)
def test_a_polygon_far_outside_costs_what_the_picture_costs(polygon: list[float], shows: bool) -> None:
    tracemalloc.start()
    start = time.process_time()
    mask = decode(polygon, 480, 640)
    assert (mask == shows).all()
    assert tracemalloc.get_traced_memory()[1] < 300e6 and time.process_time() - start < 1 + shows
    tracemalloc.stop()


def test_a_part_outside_takes_nothing_from_the_part_inside() -> None:
    near = [5.0, 8.0, 25.0, 8.0, 25.0, 20.0, 5.0, 20.0]
    np.testing.assert_array_equal(decode([near, FAR], 30, 40), decode([near], 30, 40))


def wrapping() -> str:
    """Forty thousand positive runs that grow by 2 ** 33 - 1: as whole numbers of 64 bits, their sum is any number."""
    return "P1P1P1" + "oooooo7" * 40_000


FLOOD = [0] * 60_000 + [768]
REFUSED: dict[str, tuple[Any, int, int, str]] = {
    "empty runs": ({"size": [24, 32], "counts": FLOOD}, 24, 32, "more runs than its 768 pixels and one"),
    "empty runs, text": ({"size": [24, 32], "counts": "0" * 60_000}, 24, 32, "more runs than its 768 pixels"),
    "sums that wrap": ({"size": [512, 512], "counts": wrapping()}, 512, 512, "malformed RLE: it has a run of "),
    "in a list": ([encode(np.zeros((24, 32), bool)), {"size": [24, 32], "counts": FLOOD}], 24, 32, "more runs"),
    "huge size": ({"size": [60_000] * 2, "counts": [3_600_000_000]}, 60_000, 60_000, "than the 178,956,970 pixels"),
    "no height": ({"size": [0, 32], "counts": []}, 0, 32, "not whole numbers that a picture can have"),
    "long size": ({"size": [10**4000, 32], "counts": [1]}, 24, 32, r"mask is 100000000\.\.\.x32 but"),
    "many points": ([[1.0, 2.0] * (native.MOST_POINTS + 1)], 24, 32, "more than 262,144 points"),
    "to and fro": ([[0.0, 0.0, 640.0, 500.0] * 4000], 480, 640, "crosses the columns of the picture [0-9,]+ times"),
}


@pytest.mark.parametrize(("segmentation", "height", "width", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_too_much_is_refused_before_native_code(
    segmentation: Any, height: int, width: int, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for read in (decode, united):
        with monkeypatch.context() as patch:
            patch.setattr(native, "_coco", None)
            with pytest.raises(ValueError, match=says) as caught:
                read(segmentation, height, width)
        assert len(str(caught.value)) < 200 and "\n" not in str(caught.value)


def test_the_most_runs_that_a_mask_can_have_are_read() -> None:
    checks = np.add.outer(np.arange(24), np.arange(32)) % 2 == 1
    np.testing.assert_array_equal(decode(encode(checks), 24, 32), checks)
    solid = {"size": [24, 32], "counts": [0] + [1] * 768}
    assert native.area(united(solid, 24, 32)) == 384
    noise = np.random.default_rng(0).random((24, 32)) < 0.5
    np.testing.assert_array_equal(decode(encode(noise), 24, 32), noise)


def test_masks_of_different_sizes_are_not_compared() -> None:
    small, large = (native.from_mask(np.ones((side, 4), bool)) for side in (3, 4))
    for compare in (lambda: native.intersected(small, large), lambda: native.ious([small], [large], [0])):
        with pytest.raises(ValueError, match="masks of different sizes"):
            compare()
    with pytest.raises(ValueError, match="runs do not fill"):
        native.from_runs(np.array([5, 0, 7]), 3, 4)


def test_no_other_module_calls_pycocotools_mask_functions() -> None:
    package = Path(amodal_bench.__file__).parent
    calls = re.compile(r"^\s*(?:import|from) pycocotools\b(?!\.cocoeval)", re.MULTILINE)
    found = [str(file.relative_to(package)) for file in package.rglob("*.py") if calls.search(file.read_text())]
    assert found == ["core/native.py"]


@pytest.mark.parametrize(
    "segmentation",
    [{"size": [1, 1], "counts": FLOOD}, {"size": [1, 1], "counts": "0" * 60_000}],
    ids=["runs", "text"],
)
def test_a_flood_in_an_annotation_and_in_a_prediction_is_one_line(tmp_path: Path, segmentation: Any) -> None:
    export(tmp_path / "cocoa", "val", 1, 0)

    def flood(data: dict[str, Any]) -> None:
        image = data["images"][0]
        segmentation["size"] = [image["height"], image["width"]]
        segmentation["counts"] *= image["height"] * image["width"] // 20_000 + 1
        data["annotations"][0]["regions"][0]["segmentation"] = segmentation

    edit(tmp_path / "cocoa", flood)
    problems = Cocoa(str(tmp_path / "cocoa"), "val").check()
    assert sum("more runs than its" in problem for problem in map(str, problems)) == 1
    file = tmp_path / "predictions.json"
    file.write_text(json.dumps([{"id": "a", "segmentation": segmentation}]))
    with pytest.raises(amodal_bench.PredictionError, match=r"predictions.json: entry 0 \(a\): malformed RLE: it has"):
        ResultsFile(file).mask("a", *segmentation["size"])


@pytest.mark.parametrize("digits", ["1" + "0" * 400, "-1" + "0" * 400])
def test_a_score_without_a_float_is_one_line(tmp_path: Path, digits: str) -> None:
    file = tmp_path / "r.json"
    file.write_text(f'[{{"id": "a", "score": {digits}}}]')
    with pytest.raises(amodal_bench.InputError, match="entry 0: its score is not a number"):
        ResultsFile(file).ids()
    file.write_text('[{"id": "a", "image_id": Infinity}]')
    with pytest.raises(amodal_bench.InputError, match="entry 0: its image_id is not a number"):
        ResultsFile(file).ids()
