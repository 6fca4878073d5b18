"""One instance in every format: its pixels, occlusion rate, truncation and hiddenness are the same everywhere."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amodal_bench.core.rle import begins_with_pixels, encode
from amodal_bench.core.types import Mask
from amodal_bench.datasets import toy
from amodal_bench.datasets.coco_a.bsds import Bsds
from amodal_bench.datasets.coco_a.cocoa import Cocoa
from amodal_bench.datasets.coco_a.cocoa_cls import CocoaCls
from amodal_bench.datasets.fishbowl.fishbowl import FishBowl
from amodal_bench.datasets.kins.kins import Kins
from amodal_bench.datasets.reading.indexed import IndexedDataset
from amodal_bench.datasets.reading.measures import Measures, Segmentations, of_masks, of_segmentations
from amodal_bench.datasets.sailvos.sailvos import SailVos
from amodal_bench.testing.export import _tree, bsds, cocoa, cocoa_cls, fishbowl, kins, sailvos
from amodal_bench.toy.scene import Instance, Scene
from amodal_bench.toy.sprite import Sprite

HEIGHT, WIDTH = 60, 80

pytestmark = pytest.mark.usefixtures("empty_cache")  # scenes are planted: none may reach other tests


def box(left: int, top: int, right: int, bottom: int) -> Mask:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top:bottom, left:right] = True
    return mask


def planted(left: int, top: int, right: int, bottom: int, visible: Mask) -> Scene:
    """A scene of one fish whose A is a box."""
    outline = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float)
    colour, alpha = np.zeros((1, 1, 3), np.float32), np.zeros((1, 1), np.float32)
    amodal = box(left, top, right, bottom)
    instance = Instance(Sprite("fish", left, top, colour, alpha, outline), amodal, visible)
    assert np.array_equal(instance.sprite.amodal(HEIGHT, WIDTH), amodal)
    return Scene(np.full((HEIGHT, WIDTH, 3), 90, np.uint8), (instance,))


def opened_fishbowl(root: Path, layout: str, rate: float | None) -> IndexedDataset:
    fishbowl.export(root, images=1, layout=layout)
    if layout != "savos":
        return FishBowl(str(root))
    rows = root / "rows.csv"
    rows.write_text(f"v_id,obj_id,frame_id,OCC_R\n0,{fishbowl.FIRST_ID},0,{'' if rate is None else rate}\n")
    return FishBowl(str(root), rows=str(rows))


def opened_sailvos(root: Path, variant: str) -> IndexedDataset:
    sailvos.export(root, images=1, variant=variant)
    return SailVos(str(root))


def state(root: Path, rate: float | None) -> None:
    """Have the annotation files state a rate wherever they state one; None for none at all."""

    def changed(fields: dict[str, Any]) -> dict[str, Any]:
        return fields | {"occlude_rate": rate} if "occlude_rate" in fields else fields

    for file in root.rglob("*.json"):
        file.write_text(json.dumps(json.loads(file.read_text(), object_hook=changed)))


def of(export: Callable[..., object], loader: Callable[[str], IndexedDataset], **options: str) -> Callable[..., Any]:
    def opened(root: Path, rate: float | None) -> IndexedDataset:
        export(root, images=1, **options)
        state(root, rate)
        return loader(str(root))

    return opened


FORMATS: dict[str, Callable[[Path, float | None], IndexedDataset]] = {
    "cocoa": of(cocoa.export, Cocoa),
    "cocoa_cls": of(cocoa_cls.export, CocoaCls),
    "bsds": of(bsds.export, Bsds),
    "kins 2019": of(kins.export, lambda root: Kins(root, release="2019"), release="2019"),
    "kins 2020": of(kins.export, Kins),
    "fishbowl": lambda root, rate: opened_fishbowl(root, "generator", rate),
    "fishbowl with rows": lambda root, rate: opened_fishbowl(root, "savos", rate),
    "sailvos": of(sailvos.export, SailVos),
    "sailvos of vatrack": of(sailvos.export, SailVos, variant="vatrack"),
    "toy": lambda root, rate: toy.Toy(images=1),
}
"""How a tree with the planted scene is written and opened; the rate is stated where a format can."""


@dataclass(frozen=True)
class Case:
    """A box as A, V, the rate that the files state, and what every index has to say."""

    amodal: tuple[int, int, int, int]
    visible: Mask
    rate: float | None
    expected: Measures


INSIDE = (20, 10, 50, 40)
CASES = {
    "one visible pixel and a stated rate of 1": Case(
        INSIDE, box(20, 10, 21, 11), 1.0, Measures(900, 1 - 1 / 900, False, False)
    ),
    "empty V and a stated rate of 0.4": Case(INSIDE, box(0, 0, 0, 0), 0.4, Measures(900, 1.0, False, True)),
    "empty V and no rate": Case(INSIDE, box(0, 0, 0, 0), None, Measures(900, 1.0, False, True)),
    "V = A, which some formats do not write": Case(INSIDE, box(*INSIDE), None, Measures(900, 0.0, False, False)),
    "V reaches beyond A": Case(INSIDE, box(35, 10, 60, 40), None, Measures(900, 0.5, False, False)),
    "V beside A": Case(INSIDE, box(50, 10, 60, 40), 1.0, Measures(900, 1.0, False, False)),
    "A at the border": Case((50, 20, 80, 50), box(50, 20, 65, 50), None, Measures(900, 0.5, True, False)),
    "A one pixel off the border": Case((49, 29, 79, 59), box(49, 29, 79, 44), None, Measures(900, 0.5, False, False)),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_format_says_the_same_of_the_same_instance(
    name: str, case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (_tree, fishbowl, sailvos, toy):
        monkeypatch.setattr(module, "draw_scene", lambda *_: planted(*case.amodal, case.visible))
    monkeypatch.setattr(fishbowl, "LEAST_VISIBLE", -1)
    dataset = FORMATS[name](tmp_path / "tree", case.rate)
    record = dataset.records().iloc[0].to_dict()
    expected = asdict(case.expected)
    assert {column: record[column] for column in expected} == pytest.approx(expected, abs=1e-12)
    sample = dataset.sample(record["id"])
    assert np.array_equal(sample.visible, case.visible)
    assert of_masks(sample.amodal, sample.visible) == case.expected


@pytest.mark.parametrize("name", ["cocoa", "cocoa_cls", "bsds", "sailvos", "fishbowl with rows"])
def test_a_stated_rate_counts_unless_v_says_otherwise_which_check_tells(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = planted(*INSIDE, box(20, 10, 50, 25))
    for module in (_tree, fishbowl, sailvos):
        monkeypatch.setattr(module, "draw_scene", lambda *_: scene)
    rounded = FORMATS[name](tmp_path / "rounded", 0.5004)
    assert rounded.records()["occlusion_rate"].iloc[0] == 0.5004
    assert not [problem for problem in rounded.check() if "rate" in problem.what or "OCC_R" in problem.what]
    wrong = FORMATS[name](tmp_path / "wrong", 1.0)
    assert wrong.records()["occlusion_rate"].iloc[0] == 0.5
    said = {problem.what for problem in wrong.check()}
    assert said & {f"{key} says 1 but the masks give 0.5" for key in ("occlude_rate", "OCC_R")}


def stripes(seed: int) -> Mask:
    rng = np.random.default_rng(seed)
    mask = rng.random((HEIGHT, WIDTH)) < (0.3, 0.02, 0.0005, 0.0)[seed % 4]
    mask[rng.integers(HEIGHT) :] = False
    return np.asarray(mask)


def runs(mask: Mask) -> dict[str, Any]:
    """An RLE as a list of runs, with two empty ones, which are allowed: pycocotools itself does not merge such."""
    edges = np.flatnonzero(np.diff(mask.ravel(order="F"), prepend=False, append=mask[-1, -1]))
    lengths = [int(run) for run in np.diff([0, *edges, mask.size])]
    return {"size": [HEIGHT, WIDTH], "counts": [0, 0, *lengths]}


@pytest.mark.parametrize("form", [encode, runs], ids=["text", "runs"])
@pytest.mark.parametrize("seed", range(12))
def test_segmentations_measure_what_their_masks_do(form: Callable[[Mask], Any], seed: int) -> None:
    amodal, visible = stripes(seed), stripes(seed + 1)
    measured = of_segmentations(form(amodal), form(visible), (HEIGHT, WIDTH))
    assert measured == of_masks(amodal, visible) or (not amodal.any() and math.isnan(measured.occlusion_rate))
    assert measured.hidden == (not visible.any())
    outside = Segmentations(form(amodal), form(visible), (HEIGHT, WIDTH)).visible_outside
    assert outside == (visible & ~amodal).sum()


@pytest.mark.parametrize(
    ("counts", "begins"),
    [
        ([5, 0, 5], False),
        ([0, 10], True),
        ([10], False),
        ([3, "7"], False),
        (encode(box(0, 0, 0, 0))["counts"], False),
        (encode(box(0, 0, WIDTH, HEIGHT))["counts"], True),
        (encode(box(3, 50, 60, 51))["counts"], True),
        ("0", False),
        ("", False),
        (None, False),
    ],
)
def test_the_first_runs_tell_of_pixels(counts: Any, begins: bool) -> None:
    assert begins_with_pixels({"size": [HEIGHT, WIDTH], "counts": counts}) == begins


def test_what_cannot_be_read_is_unknown_and_what_is_stated_of_it_counts() -> None:
    cut, whole = {"size": [HEIGHT, WIDTH], "counts": "0o"}, encode(box(*INSIDE))
    size = (HEIGHT, WIDTH)
    unknown = Measures()
    assert repr(of_segmentations(cut, whole, size)) == repr(unknown)
    assert repr(of_segmentations(whole, whole, None)) == repr(unknown)
    assert of_segmentations(cut, cut, size, 9, 1.0) == Measures(9, 1.0, False, False)
    half = of_segmentations(whole, cut, size)
    assert half.amodal_pixels == 900 and math.isnan(half.occlusion_rate) and not half.hidden
