"""The history of benchmarks: what became slower is seen, and nothing else."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import history

HEAD = "commit,date,machine,benchmark,what,ratio\n"


def test_ratios_are_added_with_commit_and_machine(tmp_path: Path) -> None:
    file = tmp_path / "made/history.csv"
    history.keep(None, "counts", {"COCO": 5.0})
    history.keep(file, "counts", {"COCO, against a loop": 5.12345, "KINS": 11.0})
    history.keep(file, "prepare", {"512": 3.5})
    found = history.notes(file)
    assert [(note.benchmark, note.what, note.ratio) for note in found] == [
        ("counts", "COCO, against a loop", 5.123),
        ("counts", "KINS", 11.0),
        ("prepare", "512", 3.5),
    ]
    assert re.fullmatch(r"[0-9a-f]{10}\+?|unknown", found[0].commit) and found[0].machine.endswith(" cores")


def test_a_slower_commit_is_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("a", 5.0), ("b", 5.2), ("b", 4.8), ("c", 3.5)]
    file = tmp_path / "history.csv"
    file.write_text(HEAD + "".join(f"{commit},2026-01-01 00:00,cpu,counts,COCO,{ratio}\n" for commit, ratio in rows))
    assert history.main(["--history", str(file)]) == 1
    assert re.search(r"counts +COCO +5\.00 +3\.50   SLOWER\n\n1 of 1 became slower", capsys.readouterr().out)
    assert history.main(["--history", str(file), "--tolerance", "0.4"]) == 0


def test_a_new_benchmark_and_a_faster_one_are_no_fault(tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text(HEAD + "a,d,cpu,counts,COCO,5\nb,d,cpu,counts,COCO,9\nb,d,cpu,prepare,512,3\n")
    assert [(each.before, each.now) for each in history.changes(history.notes(file))] == [(5.0, 9.0), (None, 3.0)]
    assert history.main(["--history", str(file)]) == 0


def test_what_is_no_history_is_named(tmp_path: Path) -> None:
    for text in (None, "a,b\n1,2\n", HEAD + "a,d,cpu,counts,COCO,fast\n"):
        file = tmp_path / "history.csv"
        file.unlink(missing_ok=True)
        if text is not None:
            file.write_text(text)
        with pytest.raises(SystemExit, match=r"history\.csv: is no history of benchmarks .*make bench"):
            history.main(["--history", str(file)])
