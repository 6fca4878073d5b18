"""The fuzzer: every reader gets some of its inputs, and the judge finds what it is there to find."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import strategies as st

from amodal_bench.core.errors import BenchError

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "fuzz.py"
pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason="the scripts are part of a checkout")
sys.path.insert(0, str(SCRIPT.parent))

SLOW = {"settings": 2, "store": 6, "pack": 5, "archive": 15}
COUNTS = {
    **dict.fromkeys(("cocoa", "bsds", "cocoa_cls", "kins", "sailvos", "fishbowl", "fishbowl_rows"), 12),
    **dict.fromkeys(
        ("predictions", "segmentation", "ids", "picture", "map", "run_json", "checkpoint", "overrides"), 40
    ),
    **SLOW,
}
"""How many inputs a fast test has time for."""


@pytest.mark.parametrize("name", COUNTS)
def test_a_reader_answers_or_says_what_is_wrong(name: str) -> None:
    from fuzzing import READERS
    from fuzzing.judge import judge

    assert set(COUNTS) == set(READERS)
    found = judge(READERS[name], COUNTS[name])
    assert found.findings == []
    assert found.answers + found.errors == found.inputs == COUNTS[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ids", "archive", "pack"])
def test_inputs_depend_on_their_number_alone(name: str, tmp_path: Path) -> None:
    from fuzzing import READERS
    from fuzzing.judge import inputs

    reader = READERS[name](tmp_path)
    alone = [next(inputs(reader, 3, number, number + 1)) for number in (0, 7, 212)]
    assert alone == [pair for pair in inputs(reader, 3, 0, 8) if pair[0] in (0, 7)] + alone[2:]
    assert next(inputs(reader, 3, 212, 213)) == alone[2] != next(inputs(reader, 4, 212, 213))


def hostile() -> type[Any]:
    """A reader of numbers, each of which does something else."""
    from fuzzing.judge import Reader

    class Hostile(Reader):
        name = "hostile"

        def changed(self, random: Random) -> bytes:
            return str(random.randrange(10**9)).encode()

        def generated(self) -> Any:
            return st.binary()

        def read(self, data: bytes) -> None:
            kind = self.kinds[int(data) % len(self.kinds)]
            if kind == "abort":
                os.abort()
            if kind == "exit":
                os._exit(3)
            if kind == "hang":
                time.sleep(60)
            if kind == "work":
                end = time.process_time() + 0.1
                while time.process_time() < end:
                    pass
            if kind == "bomb":
                self.held = bytearray(b"1") * (80 << 20)
            if kind == "stray":
                raise ZeroDivisionError("one\ntwo")
            if kind == "own":
                raise BenchError("a file is broken")

        kinds = ("answer", "own", "stray", "abort", "exit", "hang", "work", "bomb")

    return Hostile


@pytest.mark.slow
def test_the_judge_survives_and_finds_what_breaks_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fuzzing import judge as judging

    monkeypatch.setattr(judging, "HANGS", 0.4)
    monkeypatch.setattr(judging, "MOST_SECONDS", 0.05)
    monkeypatch.setattr(judging, "MOST_BYTES", 40 << 20)
    kind = hostile()
    expected: dict[str, Any] = {
        "answer": "", "own": "", "stray": "ZeroDivisionError at test_fuzz.py", "abort": "ends the process (SIGABRT)",
        "exit": "ends the process (status 3)", "hang": "hangs", "work": ("takes ", "hangs"), "bomb": "takes ",
    }  # fmt: skip
    kinds = [kind.kinds[int(data) % 8] for _, data in judging.inputs(kind(tmp_path), 0, 0, 25)]
    assert set(kinds) == set(expected), "the seed gives too few kinds"
    found = judging.judge(kind, 25, kept=tmp_path / "kept", workers=2)
    told = dict(found.findings)
    assert set(told) == {number for number, done in enumerate(kinds) if expected[done]}
    for number, what in told.items():
        assert what.startswith(expected[kinds[number]]), kinds[number]
    assert (found.inputs, found.answers, found.errors) == (25, kinds.count("answer"), kinds.count("own"))
    assert {file.name for file in (tmp_path / "kept").iterdir()} == {f"hostile-{number}" for number in told}


def test_an_error_of_several_lines_is_a_finding() -> None:
    from fuzzing.judge import check_message

    class Lines(BenchError):
        def __str__(self) -> str:
            return "one\ntwo"

    check_message(BenchError("one line"))
    with pytest.raises(AssertionError, match="not one line"):
        check_message(Lines())


@pytest.mark.slow
def test_the_script_prints_a_row_for_each_reader(tmp_path: Path) -> None:
    words = ["--inputs", "60", "--reader", "segmentation", "ids", "--keep", str(tmp_path / "kept")]
    told = subprocess.run(
        [sys.executable, str(SCRIPT), *words], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    head, *rows = (line.split() for line in told.splitlines())
    assert head[:2] == ["reader", "inputs"] and [row[:2] for row in rows] == [["segmentation", "60"], ["ids", "60"]]
    assert all(int(row[2]) + int(row[3]) == 60 and row[4] == "0" for row in rows)
    assert not (tmp_path / "kept").exists()
