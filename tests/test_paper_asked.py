"""The words of a table: what they make of its columns, its samples and its estimates."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from indexes import pictures

from amodal_bench.core.errors import ConfigError, UsageError
from amodal_bench.metrics.protocols import ScoringProtocol, shipped
from amodal_bench.paper import estimate
from amodal_bench.paper.cells import Cell, Plan, adapted, cells
from amodal_bench.paper.estimate import Estimate, Priced, affordable
from amodal_bench.paper.sample import note, noted, ordered, sampled, written
from amodal_bench.paper.table import Line, Table
from amodal_bench.testing.export import kins


def table_of(
    *columns: Line, rows: tuple[Line, ...] = (Line("V", ["model=visible"]),), run: tuple[str, ...] = ()
) -> Table:
    return Table("t", "t", rows, columns, run=run, average="mean")


@pytest.mark.parametrize(
    ("columns", "expected", "average"),
    [
        ((Line("a", ["dataset=toy"]), Line("b", ["dataset=toy", "dataset.split=train"])), ["a", "b"], "mean"),
        ((Line("b", ["dataset=toy", "dataset.seed=1"]), Line("c", ["dataset=kins"])), ["b", "toy"], ""),
        ((Line("toy", ["dataset=toy", "dataset.seed=1"]), Line("c", ["dataset=kins"])), ["toy", "toy aquarium"], ""),
        ((Line("a", ["dataset=toy"]), Line("c", ["dataset=kins"])), ["a"], ""),
        ((Line("c", ["dataset=kins"]), Line("d", ["dataset=cocoa"])), ["toy"], ""),
    ],
)
def test_on_the_toy_aquarium_columns_that_are_toy_already_stay(
    columns: tuple[Line, ...], expected: list[str], average: str
) -> None:
    found = adapted(table_of(*columns), Plan(toy=True))
    assert ([column.name for column in found.columns], found.average) == (expected, average)
    for column in found.columns:
        assert column in columns or column.run == ("dataset=toy",)


def test_columns_that_are_no_datasets_stay_where_the_whole_table_is_toy() -> None:
    columns = Line("a", ["dataset.seed=1"]), Line("b", ["dataset.seed=2"])
    assert list(adapted(table_of(*columns, run=("dataset=toy",)), Plan(toy=True)).columns) == list(columns)
    with pytest.raises(UsageError, match="the columns of this table are not datasets"):
        adapted(table_of(*columns), Plan(toy=True))
    other = (Line("V", ["model=visible", "dataset=kins"]),)
    with pytest.raises(UsageError, match="row V of t sets dataset=kins"):
        adapted(table_of(Line("a", ["dataset=toy"]), rows=other), Plan(toy=True))


def test_ids_of_a_row_and_a_sample_exclude_each_other() -> None:
    table = table_of(Line("a", ["dataset=toy", "ids=mine.txt"]))
    assert "ids=mine.txt" in cells(table, Plan())[0].command
    with pytest.raises(UsageError, match="sets ids itself; leave sample out"):
        cells(table, Plan(ids={"a": Path("sample.txt")}))


def priced(ends: list[int], kept: list[int], seconds: float | None = 1.0) -> Priced:
    before = Estimate(Cell("V", "a", []), False, ends[-1], seconds, "")
    return Priced(before, np.array(ends), np.array(kept))


@pytest.mark.parametrize(
    ("cells", "budget", "size"),
    [
        ([priced([3, 5, 9], [0, 0, 0])], 5, 8),  # room for 8, whole images for 5
        ([priced([3, 5, 9], [0, 0, 0])], 8.9, 8),
        ([priced([3, 5, 9], [0, 0, 0])], 9, 9),
        ([priced([3, 5, 9], [3, 5, 5])], 0.5, 8),  # what is stored costs nothing
        ([priced([3, 5, 9], [3, 5, 5])], 4, 9),
        ([priced([2, 4], [0, 0]), priced([3, 6], [0, 0], 10.0)], 34, 5),
        ([priced([2], [0]), priced([3, 6], [0, 0])], 100, 6),
    ],
)
def test_a_budget_is_never_overshot(cells: list[Priced], budget: float, size: int) -> None:
    assert affordable(cells, budget) == size
    assert sum(each.seconds(size) for each in cells) <= budget


def test_a_budget_that_has_no_room_for_one_image_of_each_dataset_says_what_that_takes() -> None:
    with pytest.raises(ConfigError, match=r"first image or video in each of 2 cells, which takes 5 s"):
        affordable([priced([2, 4], [0, 0]), priced([3, 6], [0, 0])], 4.9)
    with pytest.raises(ConfigError, match=r"what an instance of V on a takes is not known"):
        affordable([priced([2, 4], [0, 0], None)], 100)


def test_a_sample_that_fits_is_the_sample_of_as_many_instances() -> None:
    records = pictures(np.arange(40) % 7 / 10, each=4)
    protocol = shipped("instance")
    assert isinstance(protocol, ScoringProtocol)
    order = ordered(records, protocol)
    assert [order.within(most) for most in (3, 4, 7, 8, 40, 99)] == [0, 1, 1, 2, 10, 10]
    assert order.taken(order.within(11)) == sampled(records, protocol, 8) == sampled(records, protocol, 5)
    assert order.number_of(order.taken(2)).tolist() == [4, *[8] * 9]


def test_a_sample_is_found_again_by_its_words_unless_its_list_is_damaged(tmp_path: Path) -> None:
    file = written(tmp_path / "ids", "toy", ["a", "b"])
    note(tmp_path / "ids", ["sample=2", "dataset=toy"], file)
    assert noted(tmp_path / "ids", ["sample=2", "dataset=toy"]) == file
    assert noted(tmp_path / "ids", ["sample=3", "dataset=toy"]) is None
    file.write_text("a\n")
    assert noted(tmp_path / "ids", ["sample=2", "dataset=toy"]) is None


@pytest.mark.slow
def test_a_device_that_this_machine_has_not_is_told_once_before_anything_runs(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "table").mkdir()
    row = "{name: tiny, run: [model=tiny]}, {name: again, run: [model=tiny, seed=1]}"
    (tmp_path / "table/mine.yaml").write_text(
        f"title: T\nrows: [{row}]\ncolumns: [{{name: toy, run: [dataset=toy]}}]"
    )

    def nope(setting: str) -> str:
        raise ConfigError(f"device={setting}: torch has no such device")

    monkeypatch.setattr(estimate, "device_of", nope)
    words = ["paper", "mine", "--dry-run", "dataset.images=1", "--config-dir", str(tmp_path)]
    _, out, _ = run(*words, "model.backbone.device=nope")
    assert out.count("device=nope: torch has no such device") == 1 and out.count("(1)") == 3
    assert not Path("results").exists()


@pytest.mark.slow
def test_a_dry_run_tells_what_is_stored_and_changed_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    root = tmp_path / "tree/kins"
    kins.export(root, images=4)
    (tmp_path / "conf/table").mkdir(parents=True)
    rows = "rows: [{name: V, run: [model=visible]}, {name: hull, run: [model=hull]}]"
    text = f"title: T\n{rows}\ncolumns: [{{name: KINS, run: [dataset=kins]}}]"
    (tmp_path / "conf/table/mine.yaml").write_text(text)
    words = ["paper", "mine", f"data={tmp_path}/tree", "--config-dir", str(tmp_path / "conf")]
    assert run(*words, "sample=1")[0] == 0
    before = {file: file.read_bytes() for file in Path("results/paper").rglob("*") if file.is_file()}
    state = run(*words, "sample=1", "--dry-run")[1]
    assert "2 cells, 2 done" in state and state.endswith("to run: nothing\n")
    # As many as fit, beside what is stored: the promise is what is listed.
    _, out, err = run(*words, "budget=1h", "--dry-run")
    count, stored = states(out)
    assert 0 < stored < count and f"instances {count} of KINS" in err
    assert before == {file: file.read_bytes() for file in Path("results/paper").rglob("*") if file.is_file()}
    # Elsewhere, with the same words and without the datasets.
    shutil.move(tmp_path / "tree", tmp_path / "away")
    Path("results/paper/mine.csv").unlink()
    status, _, err = run(*words, "sample=1", "--render")
    assert (status, err) == (0, "")
    assert Path("results/paper/mine.csv").read_bytes() == before[Path("results/paper/mine.csv")]
    status, _, err = run(*words, "budget=8h", "--render")
    assert status == 2 and "was never made with this budget" in err
    shutil.move(tmp_path / "away", tmp_path / "tree")
    file = root / "update_test_2020.json"
    said = json.loads(file.read_text())
    file.write_text(json.dumps(said | {"info": "another version"}))
    out = run(*words, "sample=1", "--dry-run")[1]
    assert "2 cells, 0 done" in out and out.count("changed  ") == 2 and "changed: run before with other code" in out
    file.unlink()
    out = run(*words, "--dry-run")[1]
    assert out.count(f"{file.name}") == 1 and out.count("(1)") == 3


def states(out: str) -> tuple[int, int]:
    """Instances and stored ones of the first cell that is listed."""
    line = out.splitlines()[2].split()
    assert line[:4] == ["V", "KINS", "to", "run"]
    return int(line[4]), int(line[5]) if line[5].isdigit() else 0
