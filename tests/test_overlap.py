"""Reading, predicting and keeping beside each other: the same rows, whatever fails in whichever thread."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from processes import ended

from amodal_bench.core import stops
from amodal_bench.core.errors import InputError
from amodal_bench.core.stages import Stages
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import RECORD_COLUMNS, Problem, Query, Sample, is_read_ahead
from amodal_bench.datasets.toy import Toy
from amodal_bench.models.base import Prepares
from amodal_bench.models.hull import ConvexHull
from amodal_bench.models.preparing import PreparedQuery, Preparing
from amodal_bench.runner import crew, loop
from amodal_bench.runner.crew import Hand
from amodal_bench.runner.first_failures import AllFailed
from amodal_bench.runner.limit import HUNG
from amodal_bench.runner.loop import run
from amodal_bench.runner.store import Row, Store
from amodal_bench.runner.work import Work

IDS = [f"{n:02d}" for n in range(12)]
BAD = "05"


def nothing() -> None:
    """Does nothing."""


class Twelve:
    """Twelve 6x6 samples that may be read ahead; `does` is done as number 5 is read."""

    name = "twelve"
    read_ahead = True

    def __init__(self, does: Callable[[], object] = nothing) -> None:
        self.does, self.threads = does, set[str]()

    def records(self) -> pd.DataFrame:
        return pd.DataFrame({"id": IDS}, columns=list(RECORD_COLUMNS))

    def sample(self, id: str) -> Sample:
        self.threads.add(threading.current_thread().name)
        if id == BAD:
            self.does()
        amodal = np.zeros((6, 6), bool)
        amodal.flat[: int(id) + 4] = True
        visible = amodal.copy()
        visible.flat[:2] = False
        return Sample(id, np.full((6, 6, 3), int(id), np.uint8), visible, amodal, ~amodal)

    def fingerprint(self) -> str:
        return "0"

    def check(self) -> list[Problem]:
        return []


class Drawn:
    """Prepares a seeded mask of each query, and predicts V and that mask; `does` is done with number 5."""

    def __init__(
        self, does: Callable[[], object] = lambda: None, prepares: Callable[[], object] = lambda: None
    ) -> None:
        self.does, self.prepares = does, prepares
        self.asked, self.carried, self.threads = list[list[str]](), list[bool](), set[str]()
        self.preparing = Preparing(self, self.make, Stages())

    def describe(self) -> dict[str, str]:
        return {}

    def make(self, query: Query, seed: int) -> Mask:
        self.threads.add(threading.current_thread().name)
        if query.id == BAD:
            self.prepares()
        return np.random.default_rng(seed).random(query.visible.shape) < 0.3

    def prepared(self, query: Query, seed: int) -> Query:
        return self.preparing.ahead(query, seed)

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
        self.asked.append([query.id for query in queries])
        self.carried += [isinstance(query, PreparedQuery) for query in queries]
        if any(query.id == BAD for query in queries):
            self.does()
        return [query.visible | job for query, job in zip(queries, self.preparing.jobs(queries, seeds), strict=True)]


def started(
    folder: Path, dataset: Twelve | None = None, model: Drawn | None = None, batch_size: int = 4, **said: object
) -> list[Row]:
    """Run what the store in a folder lacks, as a command does; returns the rows that were reported."""
    reported: list[Row] = []
    with Store(folder / "store.sqlite") as store:
        done = {(id, 0) for id in store.done()}
        work = Work(dataset or Twelve(), model or Drawn(), IDS, 0, batch_size, done=done)
        run(replace(work, **said), store, reported.extend)  # type: ignore[arg-type]
    return reported


def table(folder: Path) -> pd.DataFrame:
    """What the store has of the predictions, without what they cost."""
    with Store(folder / "store.sqlite", read_only=True) as store:
        return store.table().drop(columns=["data_s", "predict_s"])


def raising(error: BaseException) -> Callable[[], object]:
    def fail() -> object:
        raise error

    return fail


@pytest.mark.parametrize("batch_size", [1, 4, 5, 12, 40])
def test_the_rows_are_those_of_one_stage_after_the_other(tmp_path: Path, batch_size: int) -> None:
    bad = raising(InputError("twelve.json", "is torn", "mend it", "record 5"))
    for name, overlap in (("apart", False), ("beside", True)):
        (tmp_path / name).mkdir()
        model, dataset = Drawn(), Twelve(bad)
        rows = started(tmp_path / name, dataset, model, batch_size, overlap=overlap)
        assert [row.id for row in rows] == IDS and [row.id for row in rows if row.error] == [BAD]
        assert dataset.threads == {"reading" if overlap else "MainThread"}
        assert model.carried == [overlap] * 11
    pd.testing.assert_frame_equal(table(tmp_path / "apart"), table(tmp_path / "beside"))


def test_it_reads_the_next_batch_and_keeps_the_last_one_while_it_predicts(tmp_path: Path) -> None:
    """The model waits in its second batch until the third is read and the first is in the store."""
    dataset, read = Twelve(), threading.Event()
    real = dataset.sample

    def sample(id: str) -> Sample:
        if id == IDS[8]:
            read.set()
        return real(id)

    dataset.sample = sample  # type: ignore[method-assign]
    seen: list[int] = []

    def waits() -> None:
        assert read.wait(10), "the third batch is not read while the second one is predicted"
        until = time.monotonic() + 10
        while not seen or (seen[-1] < 4 and time.monotonic() < until):
            with Store(tmp_path / "store.sqlite", read_only=True) as store:
                seen.append(len(store.done()))
            time.sleep(0.01)

    started(tmp_path, dataset, Drawn(waits))
    assert seen[-1] == 4 and len(table(tmp_path)) == 12


def test_three_batches_are_in_memory_at_most(tmp_path: Path) -> None:
    lock, alive, most = threading.Lock(), [0], [0]

    def dropped() -> None:
        with lock:
            alive[0] -= 1

    dataset = Twelve()
    real = dataset.sample

    def sample(id: str) -> Sample:
        found = real(id)
        with lock:
            alive[0] += 1
            most[0] = max(most[0], alive[0])
        weakref.finalize(found.others, dropped)
        return found

    dataset.sample = sample  # type: ignore[method-assign]

    class Slow(Drawn):
        def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
            time.sleep(0.02)
            return super().predict(queries, seeds)

    started(tmp_path, dataset, Slow(), batch_size=2)
    assert 4 <= most[0] <= 6 + 1  # and the last sample, which the reader keeps for its other draws


def test_a_dataset_that_says_nothing_is_read_in_the_main_thread(tmp_path: Path) -> None:
    dataset = Twelve()
    dataset.read_ahead = False
    started(tmp_path, dataset)
    assert dataset.threads == {"MainThread"} and not is_read_ahead(dataset)
    assert is_read_ahead(Toy(images=1))


def test_a_preparation_that_fails_leaves_it_to_predict(tmp_path: Path) -> None:
    model = Drawn(prepares=raising(ValueError("no such view")))
    rows = {row.id: row.error for row in started(tmp_path, model=model)}
    assert rows[BAD] == "ValueError: no such view" and [id for id, error in rows.items() if error] == [BAD]
    assert model.carried.count(False) > 0


def test_what_was_prepared_of_another_query_is_not_taken() -> None:
    model, sample = Drawn(), Twelve().sample("07")
    ahead = model.prepared(sample.query, 3)
    fresh = model.predict([sample.query], [3])
    assert np.array_equal(model.predict([ahead], [3]), fresh)
    assert not np.array_equal(model.predict([ahead], [4]), fresh)
    other = replace(ahead, visible=~sample.visible)
    assert np.array_equal(model.predict([other], [3])[0], ~sample.visible | model.make(sample.query, 3))
    assert np.array_equal(Drawn().predict([ahead], [4]), Drawn().predict([sample.query], [4]))
    assert isinstance(model, Prepares) and not isinstance(ConvexHull(), Prepares)


@pytest.mark.parametrize("where", ["read", "predict"])
def test_a_wish_to_stop_ends_it_with_what_is_kept(tmp_path: Path, where: str) -> None:
    stop = raising(stops.Stopped(signal.SIGINT))
    with pytest.raises(stops.Stopped):
        started(
            tmp_path,
            Twelve(stop if where == "read" else lambda: None),
            Drawn(stop if where == "predict" else lambda: None),
        )
    assert set(table(tmp_path)["id"]) == set(IDS[:4])
    assert len(started(tmp_path)) == 8 and not [t for t in threading.enumerate() if t.name in ("reading", "keeping")]


def test_a_store_that_cannot_be_written_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Store.write

    def full(self: Store, rows: list[Row], costs: object = None) -> None:
        if any(row.id == BAD for row in rows):
            raise sqlite3.OperationalError("database or disk is full")
        write(self, rows, costs)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "write", full)
    with pytest.raises(sqlite3.OperationalError, match="disk is full"):
        started(tmp_path)
    assert set(table(tmp_path)["id"]) >= set(IDS[:4])
    monkeypatch.undo()
    started(tmp_path)
    assert set(table(tmp_path)["id"]) == set(IDS)


def test_a_model_that_always_fails_stops_after_its_first_batch(tmp_path: Path) -> None:
    class Faulty(Drawn):
        def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
            self.asked.append([query.id for query in queries])
            raise TypeError("no such thing")

    model = Faulty()
    with pytest.raises(AllFailed, match="the first 8 predictions failed"):
        started(tmp_path, model=model, batch_size=8)
    assert not any(set(asked) & set(IDS[8:]) for asked in model.asked)


@pytest.mark.parametrize("where", ["read", "predict"])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_what_ends_the_process_is_found(tmp_path: Path, where: str, batch_size: int) -> None:
    """Whatever else is in flight then is predicted; the guilty one is tried alone, then left out."""

    def ends() -> None:
        os.kill(os.getpid(), signal.SIGABRT)

    def work() -> None:
        dataset = Twelve(ends if where == "read" else nothing)
        started(tmp_path, dataset, Drawn(ends if where == "predict" else nothing), batch_size)

    # The stacks of other threads are written while they run, which may end the process by another signal.
    assert ended(work) < 0
    assert ended(work) == -signal.SIGABRT
    assert ended(work) == 0
    found = table(tmp_path).set_index("id")["error"].dropna()
    assert list(found.index) == [BAD] and "aborted" in found[BAD]
    assert ("while it was read" if where == "read" else "while it was predicted") in found[BAD]


def test_a_read_that_hangs_is_interrupted(tmp_path: Path) -> None:
    def hangs() -> None:
        while True:
            time.sleep(0.01)

    rows = {row.id: row.error for row in started(tmp_path, Twelve(hangs), time_limit=0.2)}
    assert rows[BAD] == "took longer than engine.time_limit=0.2 s"
    assert [id for id, error in rows.items() if error] == [BAD]


def test_a_read_that_no_line_of_python_follows_ends_the_process_and_is_found(tmp_path: Path) -> None:
    def work() -> None:
        started(tmp_path, Twelve(lambda: threading.Event().wait(20)), time_limit=0.2)

    assert ended(work) == HUNG
    assert ended(work) == 0
    found = table(tmp_path).set_index("id")["error"].dropna()
    assert dict(found) == {BAD: "took longer than engine.time_limit=0.2 s"}


def test_the_clocks_add_up_to_the_wall(tmp_path: Path) -> None:
    class Slow(Drawn):
        def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
            time.sleep(0.1)
            return super().predict(queries, seeds)

    began = time.perf_counter()
    rows = started(tmp_path, model=Slow())
    wall = time.perf_counter() - began
    with Store(tmp_path / "store.sqlite", read_only=True) as store:
        costs = store.costs()
    assert set(costs) == {loop.COUNT, loop.WRITE, loop.IDLE}
    assert costs[loop.COUNT].instances == costs[loop.WRITE].instances == costs[loop.IDLE].instances == 12
    worked = sum(row.predict_s for row in rows)
    assert worked >= 0.3 and 0.6 * wall < worked + costs[loop.IDLE].seconds <= wall


def test_a_hand_does_not_keep_a_process_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "PATIENCE", 0.1)

    def work() -> None:
        with Hand("stuck") as hand:
            hand.do(lambda: threading.Event().wait(60))

    began = time.monotonic()
    assert ended(work) == 0
    assert time.monotonic() - began < 30
