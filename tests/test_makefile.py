"""The words of make: each one reaches the command, whole, or is refused."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from amodal_bench.paper.figures.declared import figure_names
from amodal_bench.paper.table import names

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


def made(*words: str) -> subprocess.CompletedProcess[str]:
    """What make would do for these words."""
    return subprocess.run(["make", "-n", *words], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["table1"], ["table1", "results=results"]),
        (["table1", "DATA=/my data", "SAMPLE=6 7"], ["table1", "data=/my data", "sample=6 7", "results=results"]),
        (["table2", "sample=6", "results=r"], ["table2", "sample=6", "results=r"]),
        (["table-seeds", "toy=yes"], ["table-seeds", "toy=yes", "results=results"]),
        (["paper", "DATASET=toy"], ["all", "toy=1", "results=results"]),
        (["figure6", "IDS=a,b", "BUDGET=8h", "RESULTS=r"], ["figure6", "budget=8h", "results=r", "ids=a,b"]),
        (["figure5", "TOY=1", "weights=random", "ARGS=--render seed=1"],
         ["figure5", "toy=1", "weights=random", "results=results", "--render", "seed=1"]),
    ],
)  # fmt: skip
def test_a_word_of_make_reaches_the_command(words: list[str], expected: list[str]) -> None:
    (line,) = [line for line in made(*words).stdout.splitlines() if "amodal-bench paper" in line]
    assert shlex.split(line)[2:] == expected


def test_every_table_and_figure_is_a_target_that_help_and_the_page_name() -> None:
    told = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    page = (ROOT / "docs/reproducing.md").read_text(encoding="utf-8")
    listed = {line.split()[0] for line in told.splitlines()}
    assert {*names(), *figure_names(), "paper", "protocol-search"} <= listed
    assert [name for name in names() if f"| `{name}` |" not in page] == []
    for name in [*names(), *figure_names()]:
        assert f"amodal-bench paper {name} " in made(name, "toy=1").stdout


def test_a_dataset_that_would_be_ignored_is_refused() -> None:
    for words in (["paper", "DATASET=kins"], ["table-seeds", "dataset=kins", "toy=1"]):
        found = made(*words)
        assert found.returncode == 2 and "=kins: a table has its own datasets; give DATASET=toy" in found.stderr
        assert "amodal-bench" not in found.stdout


def test_the_protocol_search_takes_folders_with_spaces_and_brackets() -> None:
    found = made("protocol-search", "RESULTS=my results (1)", "DATA=/my data", "DATASETS=kins", "MODELS=sam")
    lines = found.stdout.replace("\\\n", " ")
    assert '"dataset.root=/my data/$dataset"' in lines
    assert lines.count('"results=my results (1)/protocol-search"') == 1
    assert '-o "my results (1)/protocol-search"/' in lines
