"""The loop: one bad sample costs one row, and out of memory costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from amodal_bench.core.errors import BenchError, InputError, NotFinite, PredictionError
from amodal_bench.core.seeds import sample_seed
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import RECORD_COLUMNS, Problem, Query, Sample
from amodal_bench.runner.first_failures import AllFailed
from amodal_bench.runner.loop import run
from amodal_bench.runner.store import Row, Store
from amodal_bench.runner.work import Work


class Ten:
    """Ten 4x4 samples, of which number 3 cannot be read."""

    name = "ten"

    def records(self) -> pd.DataFrame:
        return pd.DataFrame({"id": [str(n) for n in range(10)]}, columns=list(RECORD_COLUMNS))

    def sample(self, id: str) -> Sample:
        if id == "3":
            raise InputError("ten.json", "mask is 1x1", "repair it", "record 3")
        amodal = np.zeros((4, 4), bool)
        amodal.flat[: int(id) + 1] = True
        return Sample(id, np.zeros((4, 4, 3), np.uint8), amodal, amodal, ~amodal)

    def fingerprint(self) -> str:
        return "0"

    def check(self) -> list[Problem]:
        return []


class Scripted:
    """Predicts V, unless `fails` says otherwise of a batch."""

    def __init__(self, fails: Callable[[Sequence[Query]], Exception | None] = lambda queries: None) -> None:
        self.fails, self.batches = fails, list[int]()

    def describe(self) -> dict[str, str]:
        return {}

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
        self.batches.append(len(queries))
        if (error := self.fails(queries)) is not None:
            raise error
        return [query.visible for query in queries]


def rows_of(model: Scripted, tmp_path: Path, batch_size: int = 10) -> dict[str, Row]:
    reported: list[Row] = []
    with Store(tmp_path / "store.sqlite") as store:
        run(Work(Ten(), model, [str(n) for n in range(10)], 0, batch_size), store, reported.extend)
        assert sorted(store.table()["id"]) == sorted(row.id for row in reported)
    return {row.id: row for row in reported}


@pytest.mark.parametrize("batch_size", [1, 4, 10])
def test_an_unreadable_sample_is_a_row_with_its_error(tmp_path: Path, batch_size: int) -> None:
    rows = rows_of(Scripted(), tmp_path, batch_size)
    assert len(rows) == 10
    assert rows["3"].error == "ten.json: record 3: mask is 1x1; repair it"
    assert [id for id, row in rows.items() if row.error] == ["3"]


def test_a_sample_that_the_model_cannot_do_fails_alone(tmp_path: Path) -> None:
    model = Scripted(lambda queries: ValueError("no\nface") if any(q.id == "7" for q in queries) else None)
    rows = rows_of(model, tmp_path)
    assert {id for id, row in rows.items() if row.error} == {"3", "7"}
    assert rows["7"].error == "ValueError: no face"


def test_out_of_memory_halves_the_batch_until_it_fits(tmp_path: Path) -> None:
    model = Scripted(lambda queries: MemoryError("too many") if len(queries) > 2 else None)
    rows = rows_of(model, tmp_path)
    assert {id for id, row in rows.items() if row.error} == {"3"}
    assert max(size for size in model.batches if size <= 2) == 2


def test_an_error_of_the_settings_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no weights"):
        rows_of(Scripted(lambda queries: BenchError("no weights")), tmp_path)


@pytest.mark.parametrize(
    "wrong", [np.zeros((2, 2), bool), np.zeros((4, 4), np.uint8), None], ids=["shape", "dtype", "nothing"]
)
def test_a_prediction_that_is_no_mask_is_an_error_row(tmp_path: Path, wrong: Mask) -> None:
    class Wrong(Scripted):
        def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
            return [wrong if query.id == "4" else query.visible for query in queries]

    assert [id for id, row in rows_of(Wrong(), tmp_path).items() if row.error] == ["3", "4"]


def test_a_model_that_loses_a_mask_is_found_out(tmp_path: Path) -> None:
    class Short(Scripted):
        def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
            return [query.visible for query in queries][: 1 if queries[0].id == "0" else -1]

    rows = rows_of(Short(), tmp_path)
    assert rows["0"].error is None
    assert all("returned 0 masks" in str(row.error) for id, row in rows.items() if id not in "03")


@pytest.mark.parametrize(("batch_size", "tried"), [(1, 8), (5, 9), (10, 9)])
def test_a_model_that_fails_from_the_first_instance_on_stops_the_run(
    tmp_path: Path, batch_size: int, tried: int
) -> None:
    """Its rows are kept, the sample that cannot be read among them, and the fault's own line is in the traceback."""

    def fails(queries: Sequence[Query]) -> Exception:
        del queries
        return TypeError("no such\nthing")

    model = Scripted(fails)
    with pytest.raises(AllFailed, match=rf"^the first {tried} predictions failed: TypeError: no such thing$") as all:
        rows_of(model, tmp_path, batch_size)
    assert "raise error\nTypeError: no such\nthing" in all.value.report and "in predict" in all.value.report
    with Store(tmp_path / "store.sqlite") as store:
        assert len(store.table()) == tried + 1 and not store.done()


@pytest.mark.parametrize(
    ("error", "stops"),
    [(PredictionError("no face"), False), (NotFinite("the latents are not finite"), True), (KeyError("a"), True)],
)
def test_a_model_that_declines_is_no_faulty_one(tmp_path: Path, error: Exception, stops: bool) -> None:
    with pytest.raises(AllFailed) if stops else nullcontext():
        assert all(row.error for row in rows_of(Scripted(lambda _: error), tmp_path).values())


def test_failures_after_a_prediction_stop_nothing(tmp_path: Path) -> None:
    model = Scripted(lambda queries: ValueError("no") if {q.id for q in queries} - {"7"} else None)
    assert [id for id, row in rows_of(model, tmp_path).items() if not row.error] == ["7"]
    ids = [str(n) for n in range(9)]
    with Store(tmp_path / "store.sqlite") as store:
        run(Work(Ten(), Scripted(lambda _: ValueError("no")), ids, 0, 9, tolerant=True), store, lambda rows: None)


def test_an_empty_prediction_is_a_score_of_zero_and_no_error(tmp_path: Path) -> None:
    class Empty(Scripted):
        def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
            return [np.zeros_like(query.visible) for query in queries]

    rows = rows_of(Empty(), tmp_path)
    assert [id for id, row in rows.items() if row.error] == ["3"]


def test_an_object_that_turns_out_to_be_hidden_is_an_error(tmp_path: Path) -> None:
    class OneHidden(Ten):
        def sample(self, id: str) -> Sample:
            sample = super().sample(id)
            return replace(sample, visible=np.zeros_like(sample.visible)) if id == "5" else sample

    reported: list[Row] = []
    with Store(tmp_path / "store.sqlite") as store:
        run(Work(OneHidden(), Scripted(), ["4", "5", "6"], 0, 3), store, reported.extend)
    assert {row.id: bool(row.error) for row in reported} == {"4": False, "5": True, "6": False}
    assert "the visible mask is empty" in str(next(row.error for row in reported if row.id == "5"))


def test_a_sample_is_read_once_for_its_draws_and_each_has_a_seed_of_its_own(tmp_path: Path) -> None:
    class Counting(Ten):
        read: ClassVar[list[str]] = []

        def sample(self, id: str) -> Sample:
            self.read.append(id)
            return super().sample(id)

    class Asked(Scripted):
        def __init__(self) -> None:
            super().__init__()
            self.asked = list[tuple[str, int]]()

        def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
            self.asked += [(query.id, seed) for query, seed in zip(queries, seeds, strict=True)]
            return super().predict(queries, seeds)

    model, reported = Asked(), list[Row]()
    done = {("4", 0), ("5", 0), ("5", 1), ("5", 2)}
    with Store(tmp_path / "store.sqlite") as store:
        # A batch of four ends in the middle of an instance.
        run(Work(Counting(), model, ["2", "3", "4", "5", "6"], 7, 4, draws=3, done=done), store, reported.extend)
        kept = store.drawn()[["id", "draw"]].to_numpy().tolist()
    expected = [("2", 0), ("2", 1), ("2", 2), ("4", 1), ("4", 2), ("6", 0), ("6", 1), ("6", 2)]
    assert Counting.read == ["2", "3", "4", "6"]
    assert model.asked == [(id, sample_seed(7, id, draw)) for id, draw in expected]
    assert model.batches == [3, 2, 3]  # of a batch of four, those of sample 3 cannot be read
    assert sorted(map(tuple, kept)) == sorted([*expected, *(("3", draw) for draw in range(3))])
    assert {(row.id, row.draw) for row in reported if row.error} == {("3", 0), ("3", 1), ("3", 2)}
