"""Ids, sizes and runs as tools write them: 7.0 is 7, "60" is 60, and all RLEs of a segmentation are one mask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from masks import box
from one_picture import AMODAL, DATASETS, SIZE, SOUND, VISIBLE, mask_under, opened, tree_of, write_tree

from amodal_bench.core.errors import InputError
from amodal_bench.core.plain import whole
from amodal_bench.core.rle import decode, encode, pixels, united
from amodal_bench.core.types import Mask
from amodal_bench.datasets.fishbowl.fishbowl import FishBowl
from amodal_bench.datasets.reading.fields import side, text
from amodal_bench.models.prediction_files import ResultsFile


def runs_of(mask: Mask) -> list[int]:
    """A mask as an uncompressed RLE's runs."""
    down = mask.T.ravel()
    edges = np.flatnonzero(np.diff(down)) + 1
    runs = np.diff(edges, prepend=0, append=down.size).tolist()
    return [0, *runs] if down[0] else runs


def floats(value: Any) -> Any:
    """Every whole number of parsed JSON as a float, as pandas writes columns with a gap."""
    if isinstance(value, dict):
        return {key: floats(each) for key, each in value.items()}
    if isinstance(value, list):
        return [floats(each) for each in value]
    return float(value) if type(value) is int else value


@pytest.mark.parametrize("name", DATASETS)
def test_whole_numbers_may_be_floats_in_every_dataset(tmp_path: Path, name: str) -> None:
    runs = {"segmentation": {"size": list(SIZE), "counts": runs_of(AMODAL)}}
    tree = tree_of(name, [SOUND | runs, SOUND])
    write_tree(tmp_path / "whole", name, tree)
    write_tree(tmp_path / "floats", name, floats(tree))
    expected, found = opened(tmp_path / "whole", name), opened(tmp_path / "floats", name)
    columns = ["id", "image_id", "category", "amodal_pixels", "occlusion_rate", "hidden", "truncated", "crowd"]
    assert found.records()[columns].equals(expected.records()[columns])
    assert not found.check() and not expected.check()
    assert np.array_equal(found.sample(found.records()["id"][0]).amodal, AMODAL)


@pytest.mark.parametrize("name", DATASETS)
@pytest.mark.parametrize("size", [["60", "80"], [" 60 ", 80]])
def test_a_size_may_be_text(tmp_path: Path, name: str, size: list[Any]) -> None:
    masks = {key: mask | {"size": size} for key, mask in SOUND.items()}
    tree = tree_of(name, [masks | {"segmentation": encode(AMODAL) | {"size": size}}])
    for stated in (True, False):
        tree["images"][0].update(height=size[0] if stated else None, width=size[1] if stated else None)
        write_tree(tmp_path / str(stated), name, tree)
        dataset = opened(tmp_path / str(stated), name)
        sample = dataset.sample(dataset.records()["id"][0])
        assert np.array_equal(sample.visible, VISIBLE) and np.array_equal(sample.amodal, AMODAL)


@pytest.mark.parametrize("name", DATASETS)
def test_all_rles_of_a_segmentation_are_its_mask(tmp_path: Path, name: str) -> None:
    parts = [box(SIZE, 20, 30, 30, 20), box(SIZE, 20, 45, 30, 25)]
    tree = tree_of(name, [SOUND | {"segmentation": [encode(part) for part in parts]}])
    del tree["images"][0]["height"]
    write_tree(tmp_path, name, tree)
    dataset = opened(tmp_path, name)
    sample = dataset.sample(dataset.records()["id"][0])
    assert np.array_equal(sample.amodal, AMODAL) and np.array_equal(sample.visible, VISIBLE)


def test_rles_and_polygons_of_one_segmentation_are_united() -> None:
    polygon = [30, 20, 50, 20, 50, 50, 30, 50]
    mixed = [polygon, encode(box(SIZE, 20, 45, 30, 25))]
    assert np.array_equal(decode(mixed, *SIZE), AMODAL) and pixels(united(mixed, *SIZE)) == AMODAL.sum()
    with pytest.raises(ValueError, match="not both in one"):
        decode([30, 20, encode(AMODAL)], *SIZE)


def test_two_rles_of_sail_vos_are_both_masks_unless_the_visible_one_stands_elsewhere(tmp_path: Path) -> None:
    left, right = box(SIZE, 20, 30, 30, 20), box(SIZE, 20, 50, 30, 20)
    pair = [encode(AMODAL), encode(VISIBLE)]
    fields: list[dict[str, Any]] = [{"segmentation": pair}, {"segmentation": pair, "visible_mask": encode(VISIBLE)}]
    parts: dict[str, Any] = {"segmentation": [encode(left), encode(right)], "visible_mask": encode(VISIBLE)}
    write_tree(tmp_path, "sailvos", tree_of("sailvos", [*fields, parts]))
    dataset = opened(tmp_path, "sailvos")
    for id in ("1", "2", "3"):
        sample = dataset.sample(id)
        assert np.array_equal(sample.amodal, AMODAL) and np.array_equal(sample.visible, VISIBLE), id


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ([1700.0, 3100.5], "counts are neither text nor whole numbers"),
        ([float("nan"), 4800.0], "counts are neither text nor whole numbers"),
        ([float("inf"), 4800.0], "counts are neither text nor whole numbers"),
        ([-1.0, 4801.0], "it has a negative run"),
        ([4800.0, "0"], "counts are neither text nor whole numbers"),
    ],
)
def test_runs_that_are_no_whole_numbers_are_refused(counts: list[Any], said: str) -> None:
    for read in (decode, united):
        with pytest.raises(ValueError, match=said):
            read({"size": [60, 80], "counts": counts}, *SIZE)


@pytest.mark.parametrize(
    "size", [["60", "81"], ["60.5", 80], [60.5, 80], ["x", 80], [True, 80], [None, 80], ["²", 80]]
)
def test_a_size_that_is_another_is_refused(size: list[Any]) -> None:
    with pytest.raises(ValueError, match=r"mask is .* but the image is 60x80"):
        decode({"size": size, "counts": encode(AMODAL)["counts"]}, *SIZE)


@pytest.mark.parametrize(
    ("value", "found"),
    [(7, 7), (7.0, 7), (-0.0, 0), (7.5, None), (1e300, None), (float("nan"), None), (True, None), ("7", None)],
)
def test_a_whole_number_is_whole_however_it_is_written(value: Any, found: int | None) -> None:
    assert whole(value) == found


def test_ids_and_sides_are_read_alike() -> None:
    assert [text(value) for value in (7, 7.0, "7", " 7 ", None, 7.5)] == ["7", "7", "7", "7", "", "7.5"]
    assert [side(value) for value in (60, 60.0, "60", 60.5, "x", None, 0, True, 1 << 16)] == [60, 60, 60, *[0] * 6]


def predictions(folder: Path, *entries: dict[str, Any]) -> ResultsFile:
    (folder / "results.json").write_text(json.dumps(list(entries)))
    return ResultsFile(folder / "results.json")


@pytest.mark.parametrize("key", ["annotation_id", "instance_id", "id"])
def test_predictions_may_have_floats_for_ids(tmp_path: Path, key: str) -> None:
    left, right = box(SIZE, 20, 30, 30, 20), box(SIZE, 20, 50, 30, 20)
    parts = [{"size": ["60", 80.0], "counts": [float(run) for run in runs_of(part)]} for part in (left, right)]
    found = predictions(tmp_path, {key: 7.0, "image_id": 3.0, "segmentation": parts})
    assert list(found.ids()) == ["7"] and found.images() == {"7": "3"}
    assert np.array_equal(found.mask("7", *SIZE), AMODAL)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"id": 7.5}, "has no id"),
        ({"id": True}, "has no id"),
        ({"id": 7, "image_id": 7.5}, "its image_id is not a number or a text"),
        ({"id": 7, "image_id": True}, "its image_id is not a number or a text"),
        ({"id": 7, "image_id": [7]}, "its image_id is not a number or a text"),
    ],
)
def test_predictions_whose_ids_are_none_are_named(tmp_path: Path, entry: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=rf"results\.json: entry 0: {said}"):
        predictions(tmp_path, entry | mask_under("i_segm")).ids()


def test_fish_may_have_floats_for_ids_and_sizes(tmp_path: Path) -> None:
    """One fish in one frame, as the generator lays it out; frames are not read."""
    for folder, mask in (("1", VISIBLE), ("1_object7", AMODAL)):
        (tmp_path / folder).mkdir()
        rle = {"size": ["60", 80.0], "counts": encode(mask)["counts"]}
        (tmp_path / folder / "objects.json").write_text(json.dumps([{"id": 7.0, "masks": [rle]}]))
    (record,) = FishBowl(str(tmp_path)).records().to_dict("records")
    assert record["id"] == "1-7-00000" and record["amodal_pixels"] == AMODAL.sum()
    assert record["occlusion_rate"] == pytest.approx(1 - 25 / 40)
