"""Progress: a bar on a terminal or in a notebook, and lines without a carriage return in a log."""

from __future__ import annotations

import ast
import io
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from one_picture import SOUND, opened, tree_of, write_tree

import amodal_bench
from amodal_bench.cli.streams import lasting_streams
from amodal_bench.core import progress
from amodal_bench.datasets.reading import records
from amodal_bench.report.progress import Earlier, Progress
from amodal_bench.runner.store import Row

PACKAGE = Path(amodal_bench.__file__).parent
NONE = Earlier(0, lambda: (0.0, 0.0))


def shown(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, bar: bool = True) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress("toy hull", ["1", "2"], NONE, lambda *_: None, bar) as work:
        work.report([])
    return stream.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


Notebook = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})


@pytest.mark.parametrize(
    ("stream", "bar", "seen"),
    [(Terminal, True, True), (Notebook, True, True), (io.StringIO, True, False), (Terminal, False, False)],
)
def test_a_run_shows_its_bar_to_people_alone(
    stream: type[io.StringIO], bar: bool, seen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = shown(stream(), monkeypatch, bar)
    assert ("toy hull" in said) is seen and bool(said) is seen


def test_a_large_file_that_is_read_shows_none_in_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(tmp_path, "cocoa_cls", tree_of("cocoa_cls", [SOUND] * 5))
    monkeypatch.setattr(records, "SHOW_PROGRESS", 1)
    monkeypatch.setattr(progress, "WAIT", 0.0)
    for stream, seen in ((io.StringIO(), False), (Terminal(), True)):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("AMODAL_BENCH_CACHE", str(tmp_path / str(seen)))
        dataset = opened(tmp_path, "cocoa_cls")
        dataset.check()
        assert ("indexing" in stream.getvalue()) is seen and ("checking" in stream.getvalue()) is seen
        assert bool(stream.getvalue()) is seen


@pytest.mark.slow
def test_one_module_of_the_program_draws_bars() -> None:
    """So that none goes to a log, and all long work looks alike."""
    found = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom | ast.Import) and "tqdm" in ast.unparse(node)
    ]
    assert found == ["core/progress.py"]


class Clock:
    """A clock that stands until it is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(progress.Progress, "_watch", lambda _: None)

    def tell(self, work: progress.Progress, seconds: float) -> None:
        """Let seconds pass one by one, as the thread sees them that looks whether a line is due."""
        for _ in range(round(seconds)):
            self.now += 1
            if work._due(self.now):
                work._log(self.now)


def logged(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def test_a_log_gets_a_line_for_each_twentieth_but_never_two_within_half_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, stream = Clock(monkeypatch), logged(monkeypatch)
    with progress.Progress("toy tiny", 1000, "inst") as work:
        for _ in range(1000):
            clock.tell(work, 2)
            work.advance()
    lines = stream.getvalue().splitlines()
    assert 20 <= len(lines) <= 22 and "\r" not in stream.getvalue()
    assert lines[0] == "toy tiny: 14 of 1000 instances (1 %), 0.464 instances/s, 35:24 left"
    assert lines[1].startswith("toy tiny: 64 of 1000 instances (6 %), 0.49")
    assert lines[-1] == "toy tiny: done, 1000 of 1000 instances (100 %), in 33:20"
    stream.truncate(stream.seek(0))
    with progress.Progress("quick", 100) as work:  # a percent each second
        for _ in range(100):
            clock.tell(work, 1)
            work.advance()
    assert [line.partition(" (")[0] for line in stream.getvalue().splitlines()] == [
        "quick: 29 of 100", "quick: 59 of 100", "quick: 89 of 100", "quick: done, 100 of 100"
    ]  # fmt: skip


def test_short_work_leaves_no_line_in_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, stream = Clock(monkeypatch), logged(monkeypatch)
    with progress.asked(), progress.stage("loading"):
        clock.now += 29
    for _ in progress.follow(range(10), "reading", show=True):
        clock.now += 2
    assert stream.getvalue() == ""


def test_stages_have_lines_and_what_stands_still_says_so_every_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, stream = Clock(monkeypatch), logged(monkeypatch)
    with progress.Progress("toy sd15", 8, "inst") as work:
        work.stage("first batch")
        with progress.stage("loading weights of Stable Diffusion"):
            clock.tell(work, 40)
        clock.tell(work, 700)
        work.say("mIoU 81.2 of 4")
        work.stage("predicting")
        work.advance(4)
        clock.tell(work, 1)
    assert stream.getvalue().splitlines() == [
        "toy sd15: loading weights of Stable Diffusion, 0 of 8 instances (0 %), 0:30 so far",
        "toy sd15: first batch, 0 of 8 instances (0 %), 1:00 so far",
        "toy sd15: first batch, 0 of 8 instances (0 %), 6:00 so far",
        "toy sd15: first batch, 0 of 8 instances (0 %), 11:00 so far",
        "toy sd15: predicting, 4 of 8 instances (50 %), 12:21 so far, mIoU 81.2 of 4",
        "toy sd15: done, 4 of 8 instances (50 %), in 12:21, mIoU 81.2 of 4",
    ]


def test_a_thread_writes_the_lines_while_the_work_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = logged(monkeypatch)
    monkeypatch.setattr(progress, "BLINK", 0.005)
    monkeypatch.setattr(progress, "APART", 0.02)
    with progress.asked(), progress.stage("reading the store"):
        time.sleep(0.1)
    lines = stream.getvalue().splitlines()
    assert lines == ["reading the store: 0:01 so far", "reading the store: done, in 0:01"]


def test_bytes_have_units_and_failed_work_no_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, stream = Clock(monkeypatch), logged(monkeypatch)
    with suppress(OSError), progress.Progress("kins.zip", 2_500_000_000, "B", 500_000_000) as work:
        work.advance(1)
        clock.now += 40
        work.advance(200_000_000)
        clock.tell(work, 1)
        raise OSError("cut")
    assert stream.getvalue() == "kins.zip: 700 MB of 2.5 GB (28 %), 4.88 MB/s, 6:09 left\n"


def test_as_a_library_only_what_is_asked_for_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "WAIT", 0.0)
    list(progress.follow(range(3), "counting"))
    with progress.stage("scoring"):
        pass
    assert stream.getvalue() == ""
    with progress.asked():
        list(progress.follow(range(3), "counting"))
        with progress.stage("scoring"):
            pass
    assert "counting" in stream.getvalue() and "scoring" in stream.getvalue()


def test_a_dumb_terminal_is_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    for term, drawn in (("dumb", False), ("xterm", True)):
        monkeypatch.setenv("TERM", term)
        assert bool(shown(Terminal(), monkeypatch)) is drawn


def test_a_bar_has_stage_rate_time_left_and_the_number_with_its_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    counts = np.zeros(16, np.int64)
    counts[3] = 10  # predicted and amodal: an IoU of 1
    with Progress("toy hull", ["1", "2"], NONE, lambda *_: None, compiles=True) as work:
        work.report([Row("1", counts=counts)])
        work.report([Row("2", error="no answer", counts=np.roll(counts, -1))])
    drawn = [state for state in stream.getvalue().split("\r") if state.strip()]
    assert any(state.startswith("toy hull, first batch, compiling:") for state in drawn)
    assert drawn[-1].startswith("toy hull, predicting: 100%") and "2/2 [00:00<00:00" in drawn[-1]
    assert "inst/s, mIoU 50.0 of 2, 1 error]" in drawn[-1]


def test_a_bar_is_ascii_in_the_c_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    for locale, plain in (("C", True), ("en_US.UTF-8", False)):
        monkeypatch.setenv("LC_ALL", locale)
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        with progress.Progress("reading", 3, keep=True) as work:
            work.advance(2)
            work._bar.refresh()
        assert stream.getvalue().isascii() is plain


def test_bars_of_libraries_are_switched_off_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, value in ((io.StringIO(), "1"), (Terminal(), None)):
        monkeypatch.delenv("TQDM_DISABLE", raising=False)
        monkeypatch.setattr(sys, "stderr", stream)
        with lasting_streams():
            assert os.environ.get("TQDM_DISABLE") == value
        assert "TQDM_DISABLE" not in os.environ


@pytest.mark.slow
def test_a_run_into_a_log_has_no_carriage_return(tmp_path: Path) -> None:
    words = ["dataset.images=2", "model=hull", "sheet=0", f"results={tmp_path}"]
    done = subprocess.run([sys.executable, "-m", "amodal_bench", *words], capture_output=True, check=True)
    assert b"\r" not in done.stdout + done.stderr and b"inst/s" not in done.stderr
