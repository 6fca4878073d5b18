"""Progress bars: on a terminal or in a notebook, and nothing of them in a log."""

from __future__ import annotations

import ast
import io
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from one_picture import SOUND, opened, tree_of, write_tree

import amodal_bench
from amodal_bench.cli.streams import lasting_streams
from amodal_bench.datasets.reading import records
from amodal_bench.report.progress import Progress
from amodal_bench.runner.store import COUNTS

PACKAGE = Path(amodal_bench.__file__).parent
NONE = pd.DataFrame(columns=["id", "draw", "error", *COUNTS])


def shown(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, bar: bool = True) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress("toy hull", ["1", "2"], NONE, lambda *_: None, bar) as progress:
        progress.report([])
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
    for stream, seen in ((io.StringIO(), False), (Terminal(), True)):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("AMODAL_BENCH_CACHE", str(tmp_path / str(seen)))
        dataset = opened(tmp_path, "cocoa_cls")
        dataset.check()
        assert ("indexing" in stream.getvalue()) is seen and ("checking" in stream.getvalue()) is seen
        assert bool(stream.getvalue()) is seen


def test_every_bar_of_the_program_asks_whether_there_is_a_terminal() -> None:
    """One without `disable` goes to a log, too."""
    bars = [
        (path.relative_to(PACKAGE), call)
        for path in PACKAGE.rglob("*.py")
        if "tqdm" in (source := path.read_text(encoding="utf-8"))
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "tqdm"
    ]
    assert len(bars) >= 9
    assert not [path for path, call in bars if "disable" not in [keyword.arg for keyword in call.keywords]]


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
