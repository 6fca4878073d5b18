"""The driver of many workers, with workers of this process: who gets what, and what becomes of a lost one's."""

from __future__ import annotations

import importlib.util
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import composed
from stored_runs import Things, things

from amodal_bench.core.errors import BenchError, ConfigError, InputError
from amodal_bench.core.seeds import sample_seed
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Query, Sample
from amodal_bench.runner.actors import worker as worker_module
from amodal_bench.runner.actors.ahead import Ahead
from amodal_bench.runner.actors.cluster import RayPool, Wanted, require_ray
from amodal_bench.runner.actors.driver import run_in
from amodal_bench.runner.actors.pool import Done, Event, Lost, Ready, Task
from amodal_bench.runner.actors.queue import DEPTH, Queue
from amodal_bench.runner.actors.worker import Answer, Recipe, Worker, last_of
from amodal_bench.runner.first_failures import AllFailed
from amodal_bench.runner.identity import Identity, identify
from amodal_bench.runner.in_flight import InFlight, Key, Stage, Suspect
from amodal_bench.runner.loop import run
from amodal_bench.runner.schema import INSTANCES
from amodal_bench.runner.store import Row, Store
from amodal_bench.runner.work import Work

TARGET = "own.Shown"
SAME = Identity({"seed": 0})


@pytest.fixture(autouse=True)
def same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers and command agree on what the run is: to find it takes longer than such a run."""
    monkeypatch.setattr(worker_module, "identify", lambda *about: SAME)


class Threaded(Things):
    """A dataset that may be read in any thread."""

    read_ahead = True


class Shown:
    """Predicts V, unless `fails` says otherwise."""

    def __init__(self, fails: Callable[[Sequence[Query]], None] = lambda queries: None) -> None:
        self.fails = fails

    def describe(self) -> dict[str, Any]:
        return {}

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
        self.fails(queries)
        return [query.visible if seed % 2 else ~query.visible for query, seed in zip(queries, seeds, strict=True)]


def work_of(data: Things, model: Any, draws: int = 1, batch_size: int = 4, **more: Any) -> Work:
    return Work(data, model, list(data.instances), 0, batch_size, draws=draws, **more)


@dataclass
class Here:
    """Workers of this process.

    Attributes:
        data, model: what each of them is given.
        count: how many there are at once.
        dies: says of a task whether its worker ends at it, and how.
        given: all tasks, in the order in which they were given.
    """

    data: Things
    model: Any
    count: int = 2
    dies: Callable[[Task], Lost | None] = lambda task: None
    given: list[Task] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._workers: dict[int, tuple[Worker, deque[tuple[Task, Sequence[Key]]]]] = {}
        self._started, self._events, self.most = 0, deque[Event](), 0
        for _ in range(self.count):
            self._start()

    def _start(self) -> None:
        worker = Worker()
        assert worker.begin(Recipe(self.data, self.model, TARGET, SAME, 0, False, None)) == ("", None)
        self._workers[self._started] = worker, deque()
        self._events.append(Ready(self._started))
        self._started += 1

    def give(self, worker: int, task: Task, then: Sequence[Key]) -> None:
        self._workers[worker][1].append((task, then))
        self.given.append(task)
        self.most = max(self.most, len(self._workers[worker][1]))

    def wait(self) -> Event:
        if self._events:
            return self._events.popleft()
        number = max(self._workers, key=lambda each: len(self._workers[each][1]))
        worker, tasks = self._workers[number]
        task, then = tasks.popleft()
        if (lost := self.dies(task)) is not None:
            self._workers.pop(number)
            worker.end()
            self._start()
            return Lost(number, lost.blamed, lost.why, lost.stage)
        return Done(number, worker.fail(task.guilty) if task.guilty else worker.predict(task.keys, then))

    def close(self) -> None:
        for worker, _ in self._workers.values():
            worker.end()


def rows(store: Store) -> list[tuple[Any, ...]]:
    names = ", ".join(name for name in INSTANCES if name not in ("data_s", "predict_s"))
    return list(store.db.execute(f"SELECT {names} FROM instances ORDER BY id, draw"))


def driven(pool: Here, work: Work, store: Store) -> list[Row]:
    reported: list[Row] = []
    try:
        run_in(pool, work, store, reported.extend)
    finally:
        pool.close()
    return reported


def local(work: Work, folder: Path) -> list[tuple[Any, ...]]:
    folder.mkdir()
    with Store(folder / "store.sqlite") as store:
        run(work, store, lambda rows: None)
        return rows(store)


def dies_at(id: str, why: str = "a signal", blamed: bool = True, times: int = 99) -> Callable[[Task], Lost | None]:
    left = [times]

    def dies(task: Task) -> Lost | None:
        if task.guilty is None and left[0] and id in {each for each, _ in task.keys}:
            left[0] -= 1
            return Lost(0, blamed, why, Stage.PREDICTING)
        return None

    return dies


@pytest.mark.parametrize(("workers", "size", "draws"), [(1, 4, 1), (2, 3, 2), (4, 5, 1)])
def test_many_workers_write_the_rows_that_one_process_does(
    tmp_path: Path, workers: int, size: int, draws: int
) -> None:
    data, model = things(17), Shown()
    pool = Here(data, model, workers)
    with Store(tmp_path / "store.sqlite") as store:
        reported = driven(pool, work_of(data, model, draws, size), store)
        found = rows(store)
    assert found == local(work_of(data, model, draws), tmp_path / "local") and len(found) == 17 * draws
    assert sorted((row.id, row.draw) for row in reported) == [row[:2] for row in found]
    assert pool.most == DEPTH


def test_what_a_lost_worker_had_not_begun_is_done_as_it_was(tmp_path: Path) -> None:
    data, model = things(24), Shown()
    pool = Here(data, model, 2, dies_at("id-000", times=1))
    with Store(tmp_path / "store.sqlite") as store:
        driven(pool, work_of(data, model), store)
        assert rows(store) == local(work_of(data, model), tmp_path / "local")
        assert InFlight(store.db).suspects(work_of(data, model).wanted) == []
    counts = Counter(key for task in pool.given for key in task.keys)
    again = [key for key, count in counts.items() if count > 1]
    assert {(f"id-{n:03d}", 0) for n in range(4)} <= set(again) and len(again) == 8  # the second batch of two
    assert sorted(len(task.keys) for task in pool.given) == [1] * 4 + [4] * 7


def test_what_ends_two_workers_becomes_an_error_that_the_local_engine_respects(tmp_path: Path) -> None:
    data, model = things(10), Shown()
    pool = Here(data, model, 2, dies_at("id-005", "segmentation fault"))
    work = work_of(data, model, draws=2)
    with Store(tmp_path / "store.sqlite") as store:
        driven(pool, work, store)
        found = {row[:2]: row for row in rows(store)}
        whole = {row[:2]: row for row in local(work, tmp_path / "local")}
        for draw in (0, 1):
            bad = found.pop(("id-005", draw))
            assert bad[2] is not None and "twice while it was predicted (the last time: segmentation fault)" in bad[2]
            assert bad[5] is None and sum(bad[6:]) == sum(whole.pop(("id-005", draw))[6:])  # counts as empty
        assert found == whole
        tried: list[str] = []
        again = Shown(lambda queries: tried.extend(query.id for query in queries))
        done = {row[:2] for row in rows(store) if row[2] is None}
        run(work_of(data, again, draws=2, done=done), store, lambda rows: None)
        assert tried == []
        run(work_of(data, again, draws=2, done=done, retry_fatal=True), store, lambda rows: None)
        assert set(tried) == {"id-005"} and rows(store) == local(work, tmp_path / "again")


@pytest.mark.parametrize(("why", "ends"), [("", 4), ("a signal", 2)])
def test_an_end_that_nothing_shows_takes_more_to_be_believed(tmp_path: Path, why: str, ends: int) -> None:
    data, model = things(6), Shown()
    pool = Here(data, model, 1, dies_at("id-001", why))
    with Store(tmp_path / "store.sqlite") as store:
        driven(pool, work_of(data, model), store)
        assert [row[0] for row in rows(store) if row[2] is not None] == ["id-001"]
    tried = [task for task in pool.given if ("id-001", 0) in task.keys and task.guilty is None]
    assert len(tried) == ends and [len(task.keys) for task in tried] == [4] + [1] * (ends - 1)


def test_a_machine_that_is_gone_blames_nothing(tmp_path: Path) -> None:
    data, model = things(12), Shown()
    pool = Here(data, model, 2, dies_at("id-001", blamed=False, times=6))
    with Store(tmp_path / "store.sqlite") as store:
        driven(pool, work_of(data, model), store)
        assert rows(store) == local(work_of(data, model), tmp_path / "local")
    assert all(len(task.keys) == 4 for task in pool.given)


def test_a_worker_that_ends_at_reading_a_guilty_one_costs_its_counts_alone(tmp_path: Path) -> None:
    data, model = things(6), Shown()

    def dies(task: Task) -> Lost | None:
        return Lost(0, True, "a signal") if ("id-002", 0) in task.keys else None

    with Store(tmp_path / "store.sqlite") as store:
        driven(Here(data, model, 2, dies), work_of(data, model), store)
        bad = [row for row in rows(store) if row[2] is not None]
    assert [(row[0], row[6]) for row in bad] == [("id-002", None)]


def test_a_stopped_driver_blames_nothing_and_a_killed_one_everything_in_flight(tmp_path: Path) -> None:
    data, model = things(20), Shown()
    pool, work = Here(data, model, 2), work_of(data, model)

    def stops(rows: Sequence[Row]) -> None:
        del rows
        raise KeyboardInterrupt

    with Store(tmp_path / "store.sqlite") as store:
        with pytest.raises(KeyboardInterrupt):
            run_in(pool, work, store, stops)
        pool.close()
        assert InFlight(store.db).suspects(work.wanted) == []
        flight = InFlight(store.db)
        flight.begin(work.wanted[4:8], Stage.PREDICTING)  # as a driver leaves it that was killed
        done = {row[:2] for row in rows(store)}
        again = Here(data, model, 2)
        driven(again, work_of(data, model, done=done), store)
        assert [len(task.keys) for task in again.given][:4] == [1] * 4
        assert rows(store) == local(work, tmp_path / "local")
        assert InFlight(store.db).suspects(work.wanted) == []


def test_the_local_engine_goes_on_where_a_driver_stopped(tmp_path: Path) -> None:
    data, model = things(20), Shown()
    pool, work = Here(data, model, 2, dies_at("id-001", times=1)), work_of(data, model)
    seen: list[Row] = []

    def stops(rows: Sequence[Row]) -> None:
        seen.extend(rows)
        if len(seen) >= 8:
            raise KeyboardInterrupt

    with Store(tmp_path / "store.sqlite") as store:
        with pytest.raises(KeyboardInterrupt):
            run_in(pool, work, store, stops)
        pool.close()
        done = {row[:2] for row in rows(store)}
        assert 8 <= len(done) < 20
        run(work_of(data, model, done=done), store, lambda rows: None)
        assert rows(store) == local(work, tmp_path / "local")


def test_a_model_that_fails_from_the_first_on_stops_the_run(tmp_path: Path) -> None:
    def fails(queries: Sequence[Query]) -> None:
        del queries
        raise TypeError("no such thing")

    data, model = things(30), Shown(fails)
    with Store(tmp_path / "store.sqlite") as store:
        with pytest.raises(AllFailed, match=r"^the first 8 predictions failed: TypeError: no such thing$") as failed:
            driven(Here(data, model, 2), work_of(data, model), store)
        assert "in fails" in failed.value.report and len(rows(store)) == 8
        driven(Here(data, model, 2), work_of(data, model, tolerant=True), store)
        assert len(rows(store)) == 30


def test_an_error_of_the_settings_stops_the_run(tmp_path: Path) -> None:
    def fails(queries: Sequence[Query]) -> None:
        del queries
        raise ConfigError("no weights")

    data, model = things(8), Shown(fails)
    with Store(tmp_path / "store.sqlite") as store, pytest.raises(BenchError, match="no weights"):
        driven(Here(data, model, 1), work_of(data, model), store)


def test_the_other_draws_of_what_is_guilty_wait_for_nothing() -> None:
    wanted: list[Key] = [("a", 0), ("a", 1), ("b", 0), ("a", 2)]
    queue = Queue(wanted, 2)
    queue.join(0)
    assert queue.hand_out() == (0, Task(wanted[:2]), wanted[2:])
    assert queue.leave(0) == Task(wanted[:2])
    suspect = Suspect(("a", 0), 2, "a signal", Stage.PREDICTING)
    queue.condemn(suspect)
    queue.try_alone(Suspect(("a", 1), 1, "", Stage.PREDICTING))
    queue.join(1)
    given = []
    while (found := queue.hand_out()) is not None:
        given.append(found[1])
        queue.done(1)
    assert [(list(task.keys), task.guilty is not None) for task in given] == [
        ([("a", 0)], True), ([("a", 2)], True), ([("a", 1)], True), ([("b", 0)], False)
    ]  # fmt: skip
    assert queue.empty


def test_each_worker_knows_what_comes_next_until_another_has_nothing_to_do() -> None:
    queue = Queue([(str(n), 0) for n in range(6)], 1)
    queue.join(0)
    found = [queue.hand_out() for _ in range(DEPTH + 1)]
    assert found == [(0, Task([("0", 0)]), [("1", 0)]), (0, Task([("1", 0)]), [("2", 0)]), None]
    queue.join(1)
    assert queue.hand_out() == (1, Task([("3", 0)]), [("4", 0)])
    assert queue.hand_out() == (1, Task([("4", 0)]), [("5", 0)])
    queue.done(0)
    assert queue.hand_out() == (0, Task([("2", 0)]), [])
    queue.done(0)
    assert queue.hand_out() == (0, Task([("5", 0)]), [])  # it was kept for the other worker
    assert queue.leave(1) == Task([("3", 0)])
    queue.put_back(Task([("3", 0)]))
    assert [queue.done(0).keys, queue.done(0).keys] == [[("2", 0)], [("5", 0)]]
    assert [queue.hand_out(), queue.hand_out()] == [(0, Task([("3", 0)]), []), (0, Task([("4", 0)]), [])]


def test_what_is_read_ahead_is_read_once_and_its_errors_come_where_it_is_asked_for() -> None:
    data, read = things(6), list[str]()

    class Reads(Threaded):
        def sample(self, id: str) -> Sample:
            read.append(id)
            if id == "id-002":
                raise InputError("a.json", "is bad", "mend it", id)
            return super().sample(id)

    ahead = Ahead(Reads("reads", data.instances))
    ahead.expect([("id-000", 0)], [("id-001", 0), ("id-002", 0)])
    assert ahead.sample("id-000").id == "id-000" and ahead.sample("id-001").id == "id-001"
    with pytest.raises(InputError, match=r"a\.json: id-002: is bad; mend it"):
        ahead.sample("id-002")
    ahead.expect([("id-003", 0)], [])
    assert ahead.sample("id-003").id == "id-003"
    ahead.end()
    assert sorted(read) == [f"id-00{n}" for n in range(4)]


def test_a_sample_that_hangs_while_it_is_read_ahead_keeps_no_other_from_being_read() -> None:
    data, go_on = things(3), threading.Event()

    class Hangs(Threaded):
        def sample(self, id: str) -> Sample:
            if id == "id-000":
                go_on.wait(10)
            return super().sample(id)

    ahead = Ahead(Hangs("hangs", data.instances))
    ahead.expect([], [(id, 0) for id in data.instances])
    assert ahead.sample("id-001").id == "id-001" and ahead.sample("id-002").id == "id-002"
    go_on.set()
    assert ahead.sample("id-000").id == "id-000"
    ahead.end()


def test_what_the_model_can_do_ahead_is_done_in_the_thread_that_reads(tmp_path: Path) -> None:
    """The second worker's first batch was never announced; what fails ahead is left to `predict`."""
    data, done, main = (
        Threaded("things", things(16).instances),
        list[tuple[str, int, bool]](),
        threading.main_thread(),
    )

    class Prepares(Shown):
        def prepared(self, query: Query, seed: int) -> Query:
            if query.id == "id-009":
                raise ValueError("no")
            done.append((query.id, seed, threading.current_thread() is main))
            return query

    pool = Here(data, Prepares(), 1)
    with Store(tmp_path / "store.sqlite") as store:
        driven(pool, work_of(data, pool.model, draws=2, batch_size=4), store)
        assert rows(store) == local(work_of(data, Shown(), draws=2), tmp_path / "local")
    assert not any(in_main for _, _, in_main in done)
    wanted = {(id, sample_seed(0, id, draw)) for id in data.instances for draw in (0, 1)}
    assert {each[:2] for each in done} <= wanted and len({id for id, _, _ in done}) >= 8
    assert len({each[:2] for each in done}) == len(done)


@pytest.mark.slow
def test_a_worker_that_would_make_another_run_says_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "identify", identify)
    data, model = things(2), Shown()
    facts = identify(data, model, TARGET, 0).facts
    worker = Worker()
    other = Recipe(data, model, TARGET, Identity({**facts, "seed": 7}), 0, False, None)
    assert worker.begin(other) == ("seed 0, was 7", None)
    elsewhere = {**facts, "code": "another file", "versions": {**facts["versions"], "scipy": "1"}}
    given = Recipe(data, model, TARGET, Identity(elsewhere), 0, False, None)
    assert worker.begin(given) == ("", None)  # the object's code came with it
    lost = Recipe({"_target_": "no.such.Thing"}, model, TARGET, Identity(facts), 0, False, None)
    assert "cannot import no.such.Thing" in str(worker.begin(lost)[1])
    gone = Recipe(data, model, TARGET, Identity(facts), 0, False, None, folder="/no/such/folder")
    assert "a folder that all machines share" in str(worker.begin(gone)[1])
    worker.end()
    assert not worker.folder.exists()


def test_what_ended_a_worker_is_found_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w/last-words.txt").write_text("amodal-bench\nFatal Python error: Segmentation fault\n")
    with Store(tmp_path / "w/store.sqlite") as store:
        InFlight(store.db).begin([("a", 0)], Stage.READING)
    assert last_of(str(tmp_path / "w")) == ("segmentation fault", Stage.READING)
    assert not (tmp_path / "w").exists() and last_of(str(tmp_path / "w")) == ("", Stage.PREDICTING)


class SlowRay:
    """Ray with room for two actors of one machine; a call is answered when it is in `answered`, by its number."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.answered: deque[int] = deque()
        self.exceptions = SimpleNamespace(RayTaskError=SystemError, RayError=SystemError, RayActorError=SystemError)

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2}

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "NodeID": "here", "Resources": {"CPU": 2}}]

    def put(self, value: object) -> object:
        return value

    def remote(self, **resources: Any) -> Callable[[type], Any]:
        del resources
        return lambda kind: SimpleNamespace(options=lambda **where: SimpleNamespace(remote=self._actor))

    def _actor(self, base: object) -> Any:
        del base

        def method(name: str) -> Any:
            def remote(*words: object) -> int:
                del words
                self.calls.append(name)
                return len(self.calls) - 1

            return SimpleNamespace(remote=remote)

        return SimpleNamespace(**{name: method(name) for name in ("where", "begin", "predict")})

    def wait(self, heads: list[int], **options: Any) -> tuple[list[int], list[int]]:
        del options
        assert self.answered[0] in heads
        return [self.answered.popleft()], []

    def get(self, number: int) -> Any:
        return {"where": ("/folder", 1), "begin": ("", None), "predict": Answer()}[self.calls[number]]


@pytest.mark.parametrize("tasks", [1, 5])
def test_what_an_actor_says_of_an_earlier_run_is_not_heard(monkeypatch: pytest.MonkeyPatch, tasks: int) -> None:
    """An actor that starts slowly answers when the next run has begun, which has work for it, or has not."""
    monkeypatch.setattr(RayPool, "_at", lambda self, node: node)
    ray = SlowRay()
    pool = RayPool(ray, Wanted(actors=2), None)
    one, other = (Recipe({}, {}, TARGET, SAME, seed, False, None) for seed in (0, 1))
    pool.take_up(one, 5)
    ray.answered.extend([0, 1, 2])
    assert pool.wait() == Ready(0)
    pool.give(0, Task([("a", 0)]), [])
    assert pool.wait() == Done(0, Answer())
    pool._plan()
    pool.take_up(other, tasks)
    assert ray.calls == ["where", "begin", "predict", "where", "begin", "begin"]
    ray.answered.extend([3, 5, 4])  # where the second actor is; the first is ready; the second is, for the run before
    assert pool.wait() == Ready(0)
    pool.give(0, Task([("a", 0)]), [])
    ray.answered.extend([6])
    assert pool.wait() == Done(0, Answer())
    pool._plan()
    if tasks > 1:
        assert ray.calls[7:] == ["begin"]
        ray.answered.extend([7])
        assert pool.wait() == Ready(1)


def test_a_missing_ray_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"^engine=ray: Ray is not installed; pip install 'amodal-bench\[ray\]'"):
        require_ray()


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("engine.actors=0", r"engine\.actors: 0 must be >= 1"),
        ("engine.cpus=0", r"engine\.cpus: 0 must be >= 1"),
        ("engine.gpus=1.5", r"engine\.gpus: 1\.5 must be 0, a part of one GPU, or a whole number"),
        ("engine.kind=rays", r"engine\.kind: 'rays' is not an engine; did you mean 'ray'\?"),
    ],
)
def test_settings_out_of_range_are_refused(word: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        composed("engine=ray", word)
