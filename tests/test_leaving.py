"""The process ends when the command has ended, whatever threads a component has left."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from processes import ended

from amodal_bench.cli import leaving
from amodal_bench.cli.leaving import leave_in_time
from amodal_bench.core.lanes import side_by_side


def leave(seconds: float, status: int) -> None:
    """End a process as `main` does, with a thread that takes so long; the interpreter waits for such threads."""
    before = threading.enumerate()
    worker = threading.Thread(target=time.sleep, args=(seconds,))
    worker.start()
    leave_in_time(status, before)
    worker.join()
    sys.exit(0)


def stuck_lane() -> None:
    """Interrupt two lanes of which one never comes back. Raises `BrokenPipeError`."""

    def late(*_: object) -> None:
        raise BrokenPipeError

    def stuck() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        time.sleep(1e6)

    before = signal.signal(signal.SIGALRM, late)
    try:
        side_by_side([stuck, lambda: None])
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_thread_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "PATIENCE", 0.05)
    told = tmp_path / "told.txt"
    assert ended(lambda: leave(60, 3), told) == 3
    assert told.read_text().startswith("warning: a thread of a component goes on after the command")


def test_a_lane_that_does_not_come_back_is_ended_and_not_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "PATIENCE", 0.05)
    told = tmp_path / "told.txt"

    def interrupted() -> None:
        with pytest.raises(BrokenPipeError):
            stuck_lane()
        leave_in_time(3, threading.enumerate())

    assert ended(interrupted, told) == 3
    assert told.read_text() == ""


def test_a_program_that_uses_lanes_ends_when_one_does_not_come_back() -> None:
    """Python waits for a while, and no more."""
    words = "from functools import partial\nfrom test_leaving import *\nfrom amodal_bench.core import aside\n"
    words += "import atexit\natexit.unregister(aside.all_ended)\natexit.register(partial(aside.all_ended, 0.2))\n"
    words += "try:\n    stuck_lane()\nexcept BrokenPipeError:\n    print('goes on')\n"
    folder = Path(__file__).parent
    end = subprocess.run([sys.executable, "-c", words], cwd=folder, capture_output=True, text=True, timeout=60)
    assert (end.returncode, end.stdout, end.stderr) == (0, "goes on\n", "")


def test_nothing_is_ended_where_no_thread_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "PATIENCE", 0.0)
    before = threading.enumerate()
    leave_in_time(3, before)
    assert threading.enumerate() == before, "nothing waits to end the process"
