"""Runs in Ray's actors: the rows, tables and errors of a run in one process, whatever becomes of the actors."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from errno import ECONNREFUSED
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
from conftest import composed

import amodal_bench
from amodal_bench.cli.main import program
from amodal_bench.core.errors import ConfigError
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Query
from amodal_bench.evaluation.command import evaluate
from amodal_bench.report.outcome import Outcome
from amodal_bench.report.progress import Progress
from amodal_bench.runner.actors.cluster import RayPool, Wanted
from amodal_bench.runner.actors.pool import Done, Event
from amodal_bench.runner.actors.worker import Worker
from amodal_bench.runner.schema import INSTANCES
from amodal_bench.runner.store import STORE, Store

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

FAST = ("dataset=toy", "dataset.images=8", "baselines=null", "sheet=0", "engine.batch_size=3")
TINY = (*FAST, "model=tiny", "model.steps=2")
IN_ACTORS = ("engine=ray", "engine.batch_size=3")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Four cores on paper, for all tests of this file that do not start a cluster of their own."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options = {"include_dashboard": False, "object_store_memory": 200 * 2**20, "log_to_driver": False}
    ray.init(address="local", num_cpus=4, **options)
    yield
    ray.shutdown()


def ran(results: Path, *words: str) -> Outcome:
    return evaluate(composed(*words, f"results={results}"), bar=False)[0]


def kept(outcome: Outcome) -> tuple[list[tuple[Any, ...]], dict[str, bytes]]:
    """The rows of a run's store without their times, and its tables by name."""
    names = ", ".join(name for name in INSTANCES if name not in ("data_s", "predict_s"))
    with Store(outcome.main.folder / STORE, read_only=True) as store:
        rows = list(store.db.execute(f"SELECT {names} FROM instances ORDER BY id, draw"))
    return rows, {file.name: file.read_bytes() for file in sorted(outcome.main.score_folder.glob("*.csv"))}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[tuple[Any, ...]], dict[str, bytes]]:
    """The run of one process."""
    return kept(ran(tmp_path_factory.mktemp("whole"), *TINY))


@pytest.mark.parametrize("actors", [1, 2, 4])
def test_actors_make_the_rows_and_tables_of_one_process(
    tmp_path: Path, cluster: None, whole: Any, actors: int
) -> None:
    """V and its hull are run first, and an actor that starts slowly is still at V when the next run begins."""
    del cluster
    words = [word for word in TINY if word != "baselines=null"]
    outcome = ran(tmp_path, *words, *IN_ACTORS, f"engine.actors={actors}")
    found = kept(outcome)
    assert found[0] == whole[0] and len(found[0]) >= 16
    assert found[1]["instances.csv"] == whole[1]["instances.csv"]
    for scored in outcome.scored:
        assert len(scored.predictions) == len(found[0]) and scored.errors().empty


def test_a_killed_actor_and_a_stop_cost_nothing_and_the_local_engine_goes_on(
    tmp_path: Path, cluster: None, whole: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Actors are killed after two batches; the command is stopped after four."""
    del cluster
    wait, report, heard = RayPool.wait, Progress.report, [0, 0]

    def killing(self: RayPool) -> Event:
        event = wait(self)
        heard[0] += isinstance(event, Done)
        if heard[0] == 2:
            heard[0] += 1
            pids = [actor.pid for actor in self._actors.values() if actor.pid is not None]
            os.kill(random.choice(pids), signal.SIGKILL)
        return event

    def stopping(self: Progress, rows: Any) -> None:
        report(self, rows)
        heard[1] += 1
        if heard[1] == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(RayPool, "wait", killing)
    monkeypatch.setattr(Progress, "report", stopping)
    with pytest.raises(KeyboardInterrupt):
        ran(tmp_path, *TINY, *IN_ACTORS, "engine.actors=2")
    monkeypatch.undo()
    (file,) = tmp_path.glob(f"runs/*/{STORE}")
    with Store(file, read_only=True) as store:
        assert 0 < len(store.done()) < len(whole[0])
    assert kept(ran(tmp_path, *TINY)) == whole


def test_what_ends_actors_is_an_error_row(tmp_path: Path, cluster: None, capsys: pytest.CaptureFixture[str]) -> None:
    del cluster
    folder = tmp_path / "own"
    (folder / "model").mkdir(parents=True)
    (folder / "fatal_one.py").write_text(
        "import ctypes\n\n\nclass Fatal:\n    def describe(self):\n        return {}\n\n"
        "    def predict(self, queries, seeds):\n"
        "        if any(query.id == 'test-00002-1' for query in queries):\n            ctypes.string_at(0)\n"
        "        return [query.visible for query in queries]\n"
    )
    words = [*FAST, *IN_ACTORS, "engine.actors=2", f"results={tmp_path / 'results'}"]
    (folder / "model/fatal.yaml").write_text("_target_: fatal_one.Fatal\nname: fatal\n")
    assert program(["--config-dir", str(folder), "model=fatal", *words]) == 0
    assert "test-00002-1: took the process with it twice" in "".join(capsys.readouterr())
    (file,) = (tmp_path / "results").glob(f"runs/*/{STORE}")
    with Store(file, read_only=True) as store:
        failed = store.table().query("error.notna()")
    assert list(failed["id"]) == ["test-00002-1"] and "(the last time: segmentation fault)" in failed["error"].iloc[0]
    assert failed["c00"].notna().all()  # it counts as empty


class Upside:
    """Predicts all but V."""

    def describe(self) -> dict[str, Any]:
        return {}

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
        return [~query.visible for query in queries]


class Locked(Upside):
    """Cannot be sent to another process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


def test_objects_are_sent_to_actors(tmp_path: Path, cluster: None) -> None:
    del cluster
    given: Any = {"dataset": "toy", "name": "upside", "results": tmp_path}
    overrides = (*FAST[1:], *IN_ACTORS, "engine.actors=2")
    outcome = amodal_bench.evaluate(*overrides, model=Upside(), **given)
    with Store(outcome.main.folder / STORE, read_only=True) as store:
        table = store.table()
    assert len(table) >= 16 and table["error"].isna().all()
    with pytest.raises(
        ConfigError, match=r"model: an object of Locked cannot be sent to actors .*name its class in a YAML"
    ):
        amodal_bench.evaluate(*overrides, model=Locked(), **given)


def processes_of(folder: Path) -> list[str]:
    """Command lines of processes that run in a folder, which those of a cluster do that was started there."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (place / "cwd").readlink() == folder:
                found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:80])
    return found


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="processes are found in /proc")
def test_a_command_ends_the_cluster_that_it_has_started(tmp_path: Path) -> None:
    """Ctrl-C in a terminal reaches every process of the command."""
    words = [sys.executable, "-m", "amodal_bench", *FAST, "model=visible", *IN_ACTORS, "engine.actors=2"]
    words += ["dataset.images=100", "engine.batch_size=1", "results=results"]
    with (tmp_path / "said").open("w") as said:
        command = subprocess.Popen(words, cwd=tmp_path, stdout=said, stderr=said, start_new_session=True)
        rows, until = 0, time.monotonic() + 100
        while not rows and time.monotonic() < until and command.poll() is None:
            time.sleep(0.2)
            for file in tmp_path.glob(f"results/runs/*/{STORE}"):
                with suppress(sqlite3.Error):
                    db = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
                    (rows,) = db.execute("SELECT count(*) FROM instances").fetchone()
        os.killpg(command.pid, signal.SIGINT)
        assert command.wait(60) == 130, (tmp_path / "said").read_text()
    assert rows and "interrupted: all finished batches are kept" in (tmp_path / "said").read_text()
    until = time.monotonic() + 20
    while processes_of(tmp_path) and time.monotonic() < until:
        time.sleep(0.5)
    assert processes_of(tmp_path) == []


SENDS = "os.kill(os.getpid(), signal.SIGTERM)"
MOMENTS = {
    "while Ray starts": (
        f"import ray\ninit = ray.init\nray.init = lambda **options: ({SENDS}, init(**options))\n",
        "",
    ),
    "while Ray waits": (
        "",
        "import ray; work = ray.remote(lambda: time.sleep(60)).remote(); "
        f"threading.Timer(1, lambda: {SENDS}).start(); ray.wait([work])",
    ),
    "and again while Ray ends": (
        "import ray\n"
        "shutdown = ray.shutdown\n"
        f"ray.shutdown = lambda: (shutdown(), time.sleep(0.5), {SENDS}, time.sleep(0.5))\n",
        f"{SENDS}; time.sleep(5)",
    ),
    "after Ray has ended": ("", ""),
}
"""What is done before a cluster is started, and while it is there."""


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="processes are found in /proc")
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_sigterm_is_told_as_one_around_ray(tmp_path: Path, moment: str) -> None:
    """An interruption must leave no half of a cluster; as Ray ends, native code lets SIGTERM end the process."""
    before, there = MOMENTS[moment]
    code = (
        "import os, signal, sys, threading, time\n"
        "from amodal_bench.cli.answers import answered\n"
        "from amodal_bench.core import stops\n"
        "from amodal_bench.runner.actors.cluster import Wanted, connected\n"
        "def work():\n"
        f"    with connected(Wanted(actors=1)): {there or 'pass'}\n"
        f"    {SENDS}\n"
        "    time.sleep(5)\n"
        "    return 7\n"
        "with stops.stoppable():\n"
        f"{indent(before, '    ')}"
        "    sys.exit(answered(work, 'all is kept'))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (found.returncode, found.stderr) == (143, "ended by SIGTERM: all is kept\n")
    until = time.monotonic() + 20
    while processes_of(tmp_path) and time.monotonic() < until:
        time.sleep(0.5)
    assert processes_of(tmp_path) == []


def test_what_no_cluster_can_give_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [sys.executable, "-m", "amodal_bench", *FAST, "model=visible", *IN_ACTORS, "results=results"]
    refused = f"([Errno {ECONNREFUSED}] Connection refused)"
    said = {
        "engine.gpus=1": "engine.gpus=1: no actor has room; this machine has 0, so set it to that",
        "engine.address=127.0.0.1:9": f"engine=ray: engine.address=127.0.0.1:9 {refused}",
    }
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for word, line in said.items():
        found = subprocess.run([*words, word], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert (found.returncode, found.stderr.splitlines()[-1]) == (2, f"error: {line}")


def test_an_actor_that_gets_no_place_is_looked_for_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program has the first machine of the cluster for itself."""
    from ray.cluster_utils import Cluster
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    class Busy:  # is sent with its code
        def where(self) -> int:
            return os.getpid()

    ray.shutdown()
    node = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        cluster.add_node(**node)
        ray.init(address=cluster.address, namespace="amodal_bench", log_to_driver=False)
        monkeypatch.setattr("amodal_bench.runner.actors.cluster.PATIENCE", 5.0)
        taken = next(iter(RayPool(ray, Wanted(1), None)._rooms()))
        other = ray.remote(num_cpus=1)(Busy).options(scheduling_strategy=NodeAffinitySchedulingStrategy(taken, False))
        here = other.remote()
        ray.get(here.where.remote())
        outcome = ran(tmp_path, *FAST, "model=visible", *IN_ACTORS, "engine.actors=1")
        assert outcome.scored[0].errors().empty and len(outcome.scored[0].predictions) >= 16
    finally:
        ray.shutdown()
        cluster.shutdown()


def test_a_worker_removes_what_killed_ones_have_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended = subprocess.Popen(["true"])
    ended.wait()
    names = {"old": f".amodal_bench-x.{ended.pid}-0.partial", "new": f".amodal_bench-y.{ended.pid}-0.partial"}
    names |= {"at work": f".amodal_bench-x.{os.getpid()}-0.partial", "other": "amodal_bench-x"}
    for name in names.values():
        (tmp_path / name).mkdir()
    for name in ("old", "at work", "other"):
        os.utime(tmp_path / names[name], (0, 0))
    worker = Worker()
    assert {file.name for file in tmp_path.iterdir()} == {worker.folder.name, *names.values()} - {names["old"]}
