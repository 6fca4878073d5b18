"""The process ends when the command has ended, whatever threads a component has left."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest
from processes import ended

from amodal_bench.cli import leaving
from amodal_bench.cli.leaving import leave_in_time


def leave(seconds: float, status: int) -> None:
    """End a process as `main` does, with a thread that takes so long; the interpreter waits for such threads."""
    before = threading.enumerate()
    worker = threading.Thread(target=time.sleep, args=(seconds,))
    worker.start()
    leave_in_time(status, before)
    worker.join()
    sys.exit(0)


def test_a_thread_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "PATIENCE", 0.05)
    told = tmp_path / "told.txt"
    assert ended(lambda: leave(60, 3), told) == 3
    assert told.read_text().startswith("warning: a thread of a component goes on after the command")


def test_nothing_is_ended_where_no_thread_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "PATIENCE", 0.0)
    before = threading.enumerate()
    leave_in_time(3, before)
    assert threading.enumerate() == before, "nothing waits to end the process"
