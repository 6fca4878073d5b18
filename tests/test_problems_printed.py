"""`data check`: at most ten problems of a kind on the terminal, all in a file; and areas as real files state them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from one_picture import SOUND, opened, tree_of, write_tree, written
from params import mostly_slow

from amodal_bench.cli.data.command import main as data
from amodal_bench.cli.data.problems import Line, all_of_them, by_kind, printed
from amodal_bench.core.polygons import enclosed
from amodal_bench.core.rle import outline
from amodal_bench.datasets.reading.measures import agrees
from amodal_bench.testing.datasets import examine

LINES = [Line(f"f: {n}: area says {n}", f"area says {n}") for n in range(25)]
OTHER = Line("f: 9: it has no 'name'", "it has no 'name'")


def test_ten_of_a_kind_are_printed_with_the_count() -> None:
    told = list(printed([*LINES[:5], OTHER, *LINES[5:]], None))
    assert told[:10] == [line.text for line in LINES[:10]]
    assert told[10:] == ["... and 15 more like it, 25 in all", OTHER.text]
    assert list(printed(LINES[:10], None)) == [line.text for line in LINES[:10]]


def test_a_limit_counts_all_kinds() -> None:
    assert list(printed(LINES, 12))[11:] == [LINES[11].text, "... and 13 more"]
    assert list(printed(LINES, 25)) == [line.text for line in LINES]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("area says 7.5 but 3", "area says 1e+06 but 12", True),
        ("'a b' is listed twice", "'c' is listed twice", True),
        ("it has no id", "it has no name", False),
    ],
)
def test_texts_that_differ_by_numbers_and_names_are_of_a_kind(first: str, second: str, same: bool) -> None:
    assert (len(by_kind([Line("x", first), Line("y", second)])) == 1) is same


def test_the_file_has_a_line_for_each_problem(tmp_path: Path) -> None:
    file = tmp_path / "new" / "folder" / "cocoa.txt"
    lines = [*LINES, Line("two\nlines \ud800", "x")]
    assert all_of_them(lines, file) == f"in {file}"
    assert file.read_text().splitlines() == [*(line.text for line in LINES), "two lines \\ud800"]
    (tmp_path / "taken").write_text("")
    assert all_of_them(lines, tmp_path / "taken" / "x.txt").endswith("--limit 26 prints them")


def test_the_command_says_where_all_problems_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_tree(tmp_path / "tree", "cocoa_cls", tree_of("cocoa_cls", [SOUND | {"area": 90}] * 12))
    assert data(["check", "cocoa_cls", "dataset.root=tree", "--samples", "1"]) == 1
    out = capsys.readouterr().out.splitlines()
    told = [line for line in out if "amodal_pixels says 90" in line]
    assert len(told) == 10 and out[-1] == "... and 2 more like it, 12 in all"
    file = Path("results/checks/cocoa_cls.txt")
    assert f"all        in {file}" in out
    assert len([line for line in file.read_text().splitlines() if "amodal_pixels says 90" in line]) == 12


def rough(count: int, centre: tuple[float, float], radius: float, seed: int) -> list[float]:
    """A closed outline with whole coordinates, as annotation tools draw it."""
    random = np.random.default_rng(seed)
    angles = np.sort(random.uniform(0, 2 * np.pi, count))
    far = radius * random.uniform(0.7, 1, count)
    points = np.stack([centre[0] + far * np.cos(angles), centre[1] + far * np.sin(angles)], axis=1).round()
    return [float(value) for value in points.ravel()]


def test_the_area_that_a_polygon_encloses_is_exact() -> None:
    assert enclosed([0, 0, 4, 0, 4, 3, 0, 3]) == (12, 14)
    assert enclosed([1e6, 1e6, 1e6 + 4, 1e6, 1e6 + 4, 1e6 + 3]) == (6, 12)
    assert outline([[0, 0, 4, 0, 4, 3, 0, 3], [0, 0, 0, 1, 1, 1], [5, 5]]) == pytest.approx((12.5, 14 + 2 + 2**0.5))
    assert outline({"size": [2, 2], "counts": "04"}) is None and outline([]) is None and outline("x") is None


@pytest.mark.parametrize("name", mostly_slow(["cocoa", "cocoa_cls", "bsds", "kins", "sailvos"], 2))
def test_the_area_of_a_polygon_is_no_fault_and_a_wrong_one_is(tmp_path: Path, name: str) -> None:
    polygons = [[rough(9, (40, 30), 26, seed)] for seed in range(8)]
    areas = [sum(enclosed(part)[0] for part in polygon) for polygon in polygons]
    fields: list[dict[str, Any]] = [
        {"segmentation": polygon, "visible_mask": polygon, "i_segm": polygon, "area": area}
        for polygon, area in zip(polygons, areas, strict=True)
    ]
    dataset = written(tmp_path / "right", name, fields)
    pixels = [int(dataset.sample(id).amodal.sum()) for id in dataset.records()["id"]]
    assert sum(abs(one - other) > 0.5 for one, other in zip(areas, pixels, strict=True)) >= 4
    verdict = examine(dataset, 8)
    assert not verdict.problems and not verdict.violations
    for factor in (0.9, 1.1, 4):
        wrong = written(tmp_path / f"{factor}", name, [each | {"area": factor * each["area"]} for each in fields])
        assert len([problem for problem in wrong.check() if "amodal_pixels says" in problem.what]) == 8


def test_the_area_of_the_visible_mask_is_compared_alike(tmp_path: Path) -> None:
    polygon = [rough(9, (40, 30), 26, 3)]
    area = enclosed(polygon[0])[0]
    for stated, count in ((area, 0), (2 * area, 1)):
        fields = {"segmentation": polygon, "visible_mask": polygon, "area": area, "area_visible": stated}
        write_tree(tmp_path / str(count), "sailvos", tree_of("sailvos", [fields]))
        assert len(opened(tmp_path / str(count), "sailvos").check()) == count


@pytest.mark.parametrize(
    ("stated", "fits"), [(100, True), (100.4, True), (101, False), (float("nan"), True), (float("inf"), False)]
)
def test_of_an_rle_the_pixels_alone_count(stated: float, fits: bool) -> None:
    assert agrees(stated, 100, lambda: {"size": [10, 10], "counts": [0, 100]}) is fits


def test_no_name_in_a_file_makes_a_line_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    tree = tree_of("cocoa_cls", [SOUND])
    tree["images"][0]["file_name"] = "a\x1b[31m\nproblems   none.jpg"
    write_tree(tmp_path / "tree", "cocoa_cls", tree)
    assert data(["check", "cocoa_cls", "dataset.root=tree", "--samples", "1"]) == 1
    out = capsys.readouterr().out
    assert "a\\x1b[31m problems none.jpg: " in out and "\x1b" not in out
    assert [line for line in out.splitlines() if line.startswith("problems")] == ["problems   1"]
