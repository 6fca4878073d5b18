"""Fields of JSON records: one way to read texts, names of files and numbers, and what a wrong one becomes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from params import mostly_slow
from trees import edit

from amodal_bench.cli.data.command import main as data
from amodal_bench.core.errors import InputError
from amodal_bench.datasets.coco_a.bsds import Bsds
from amodal_bench.datasets.coco_a.cocoa import Cocoa
from amodal_bench.datasets.coco_a.cocoa_cls import CocoaCls
from amodal_bench.datasets.fishbowl.fishbowl import FishBowl
from amodal_bench.datasets.kins.kins import Kins
from amodal_bench.datasets.reading.fields import LARGEST, NO_NAME, file_name, odd_numbers, pixels, share, text
from amodal_bench.datasets.reading.files import read_json
from amodal_bench.datasets.reading.indexed import IndexedDataset
from amodal_bench.datasets.reading.records import read_records
from amodal_bench.datasets.sailvos.sailvos import SailVos
from amodal_bench.testing.datasets import examine
from amodal_bench.testing.export import bsds, cocoa, cocoa_cls, fishbowl, kins, sailvos

HALF = "\ud800"
"""Half a surrogate pair: JSON can spell it, no UTF-8 file can hold it."""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, "", id="null"),
        pytest.param(7, "7", id="number"),
        pytest.param(" a \n b\t", "a b", id="blanks"),
        pytest.param(f"a{HALF}b", "a?b", id="half a pair"),
        pytest.param("🐟", "🐟", id="a whole pair"),
    ],
)
def test_text(value: Any, expected: str) -> None:
    assert text(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, "", id="null"),
        pytest.param(" a  b.png ", "a  b.png", id="blanks inside belong to it"),
        pytest.param(7, "7", id="number"),
        pytest.param("ä/🐟.png", "ä/🐟.png", id="not ASCII"),
        pytest.param(f"{HALF}.png", "", id="half a pair"),
        pytest.param("\udcff.png", "", id="a byte that is not UTF-8"),
        pytest.param("a\0.png", "", id="zero byte"),
    ],
)
def test_file_name(value: Any, expected: str) -> None:
    assert file_name(value) == expected


def test_numbers() -> None:
    assert pixels(0) == 0 and pixels(7.5) == 7.5 and share(1) == 1 and share(0.25) == 0.25
    for wrong in (None, "7", [7], math.nan, math.inf, -1, LARGEST, 10**400):
        assert math.isnan(pixels(wrong)) and math.isnan(share(wrong))
    assert math.isnan(share(1.5))
    fields = {"area": -1, "a_area": None, "rate": 7, "other": "x"}
    assert list(odd_numbers(fields, ("area", "a_area"), ("rate",))) == [
        "area must be a number of pixels",
        "rate must be a number between 0 and 1",
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param('{"images": [{"id": ' + "1" * 5000 + "}]}", "too many digits", id="digits"),
        pytest.param('{"images": [' + "[" * 200_000, "nested too deeply", id="depth"),
    ],
)
def test_json_that_python_refuses_is_one_line(tmp_path: Path, content: str, problem: str) -> None:
    file = tmp_path / "a.json"
    file.write_text(content)
    for read in (read_json, lambda path: list(read_records(path, ["images"], "a file", "use another"))):
        with pytest.raises(InputError, match=problem) as caught:
            read(file)
        assert "\n" not in str(caught.value) and "a.json" in str(caught.value)


# Half a surrogate pair in each loader's texts and names of files


def in_passes(content: Any) -> None:
    content["annotations"][0]["author"] = f"an{HALF}"
    content["annotations"][0]["regions"][0]["name"] = f"fi{HALF}sh"
    content["images"][1]["file_name"] = f"{HALF}.png"


def in_objects(content: Any) -> None:
    content["categories"][0]["name"] = f"fi{HALF}sh"
    content["images"][1]["file_name"] = f"{HALF}.png"


def in_fish(content: Any) -> None:
    content[0]["type_name"] = f"fi{HALF}sh"


CASES: dict[str, tuple[Any, str, Callable[[Any], None], Callable[[str], IndexedDataset]]] = {
    "cocoa": (cocoa, "annotations/COCO_amodal_val2014.json", in_passes, Cocoa),
    "cocoa_cls": (cocoa_cls, "annotations/COCO_amodal_val2014_with_classes.json", in_objects, CocoaCls),
    "bsds": (bsds, "annotations/BSDS_amodal_test.json", in_passes, Bsds),
    "kins": (kins, "update_test_2020.json", in_objects, Kins),
    "sailvos": (sailvos, "valid.json", in_objects, SailVos),
    "fishbowl": (fishbowl, "00001/objects.json", in_fish, FishBowl),
}


@pytest.mark.parametrize("name", mostly_slow(CASES))
def test_half_a_surrogate_pair_is_a_named_problem(name: str, tmp_path: Path) -> None:
    module, file, change, opened = CASES[name]
    module.export(tmp_path, images=2)
    edit(tmp_path / file, change)
    dataset = opened(str(tmp_path))
    assert dataset.records().equals(opened(str(tmp_path)).records())  # the second one out of the cache
    assert "fi?sh" in set(dataset.records()["category"])
    verdict = examine(dataset)
    assert verdict.violations == []
    told = [problem for problem in verdict.problems if problem.what == NO_NAME]
    if name == "fishbowl":  # its files name no picture
        assert verdict.problems == []
        return
    image = dataset.records()["image_id"].unique()[1]
    assert [(p.file, p.record) for p in told] == [(str(tmp_path / file), f"image {image}")]
    for row in dataset.records().itertuples():
        if row.image_id == image:
            with pytest.raises(InputError, match=r"picture has a bad entry in .images. \(its file_name cannot be"):
                dataset.sample(str(row.id))
        else:
            assert dataset.sample(str(row.id)).amodal.any()
    status = data(["check", name, f"dataset.root={tmp_path}"])  # prints what it found
    assert status == 1


def test_a_raw_folder_whose_name_is_not_utf8_is_a_named_problem(tmp_path: Path) -> None:
    sailvos.export(tmp_path, images=1)
    odd = tmp_path / "toy_val_0" / "7_fi\udcffsh"
    try:
        odd.mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (odd / "000003.png").write_bytes((tmp_path / "toy_val_0/1_plant/000003.png").read_bytes())
    dataset = SailVos(str(tmp_path), source="folders")
    assert [(p.file, p.what) for p in dataset.check()] == [
        (str(tmp_path / "toy_val_0/7_fi?sh/000003.png"), "its name is not UTF-8: rename it")
    ]
    assert all(np.any(dataset.sample(str(id)).amodal) for id in dataset.records()["id"])
