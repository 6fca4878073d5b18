"""A run that is killed before any one of the things that it does to files and databases: the next start goes on.

Kills at random times (`scripts/kill_rounds.py`, `scripts/engine_rounds.py`) rarely meet the milliseconds in which a
folder, a file or a table is made. `KILL_POINTS=all` tries every point, which takes minutes.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import composed
from processes import ended

from amodal_bench.config.settings import Settings
from amodal_bench.evaluation.command import evaluate
from amodal_bench.runner.schema import INSTANCES
from amodal_bench.runner.store import STORE, Store

FAST = ("dataset=toy", "dataset.images=3", "sheet=0", "model=hull", "engine.batch_size=4")
MADE = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.truncate", "os.utime", "sqlite3.connect")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
TRIED = 5


def killed_before(point: int, below: Path, work: Callable[[], object], count: Path | None = None) -> int:
    """How a process ends that is killed before the n-th thing that it does to what lies below a folder.

    Args:
        point: which, from 0.
        below: the folder.
        work: what it does.
        count: a file that takes how many there were.
    """
    done = itertools.count()

    def step() -> None:
        if next(done) == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, told: tuple[Any, ...]) -> None:
        if event == "open" and not (isinstance(told[2], int) and told[2] & WRITES):
            return
        if (event == "open" or event in MADE) and str(below) in str(told[0]):
            step()

    def watched() -> None:
        real = sqlite3.connect

        def connect(*words: Any, **options: Any) -> sqlite3.Connection:
            db: sqlite3.Connection = real(*words, **options)
            db.set_trace_callback(lambda _: step())
            return db

        vars(sqlite3)["connect"] = connect
        sys.addaudithook(hook)
        work()
        if count is not None:
            count.write_text(str(next(done)))

    return ended(watched)


def rows(folder: Path) -> list[tuple[Any, ...]]:
    names = ", ".join(name for name in INSTANCES if name not in ("data_s", "predict_s"))
    with Store(folder / STORE, read_only=True) as store:
        return list(store.db.execute(f"SELECT {names} FROM instances ORDER BY id, draw"))


def every_row(results: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The predictions of all runs in a folder of results, without their times."""
    return {folder.name: rows(folder) for folder in sorted((results / "runs").iterdir())}


def settings(results: Path, *words: str) -> Settings:
    return composed(*FAST, *words, f"results={results}")


@pytest.mark.slow
@pytest.mark.parametrize("words", [(), ("engine.shard=0/1",), ("engine.overlap=false",)], ids=str)
@pytest.mark.parametrize("baselines", ["baselines=null", "~baselines.hull"])
def test_a_run_goes_on_whatever_it_was_killed_before(tmp_path: Path, baselines: str, words: tuple[str, ...]) -> None:
    evaluate(settings(tmp_path / "alone", baselines), bar=False)
    whole, results = every_row(tmp_path / "alone"), tmp_path / "results"
    assert len(whole) == (1 if baselines == "baselines=null" else 2)
    first, then = settings(results, baselines, *words), settings(results, baselines)
    told = tmp_path / "count"
    assert killed_before(-1, results, lambda: evaluate(first, bar=False), told) == 0
    points = list(range(int(told.read_text())))
    assert len(points) > 30, "else nothing was watched"
    rng = random.Random(f"{baselines} {words}")
    for point in points if os.environ.get("KILL_POINTS") == "all" else rng.sample(points, TRIED):
        shutil.rmtree(results, ignore_errors=True)
        status = killed_before(point, results, lambda: evaluate(first, bar=False))
        assert status in (0, -signal.SIGKILL), point
        assert ended(lambda: evaluate(then, bar=False)) == 0, point
        assert every_row(results) == whole, point
