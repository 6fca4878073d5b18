"""The words of a table: what they make of its columns, its samples and its estimates."""

from __future__ import annotations

from pathlib import Path

import pytest

from amodal_bench.core.errors import UsageError
from amodal_bench.paper.cells import Plan, adapted, cells
from amodal_bench.paper.table import Line, Table


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
