"""Text from files and models: a terminal, a spreadsheet or a page obeys nothing of it."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import amodal_bench
from amodal_bench.cli.answers import complain
from amodal_bench.cli.columns import columns
from amodal_bench.core.errors import LONGEST, InputError, first_line, one_line, unbroken
from amodal_bench.core.ids import is_listable
from amodal_bench.core.shown import for_terminal, markdown, markdown_line, shown, spreadsheet
from amodal_bench.paper.grid import Grid
from amodal_bench.paper.tex import latex
from amodal_bench.paper.written import markdown as page_of
from amodal_bench.report.compare_text import Section
from amodal_bench.report.compare_text import markdown as comparison
from amodal_bench.report.csv_logger import write_csv, write_joined

EVIL = "\x1b]0;title\x07\x1b[2J\x9b31m\u202egnp.exe\r\x00\ud800"
ESCAPED = "\\x1b]0;title\\x07\\x1b[2J\\x9b31m\\u202egnp.exe\\x0d\\x00\\ud800"


def test_what_a_terminal_obeys_is_shown_as_its_code() -> None:
    assert shown(EVIL) == ESCAPED
    assert shown("a\tb\nc é ± 漢 👀") == "a\tb\nc é ± 漢 👀"
    assert unbroken(f"one\n two {EVIL[:8]}") == "one two \\x1b]0;titl"
    assert first_line(ValueError(f"{EVIL[:8]}\nsecond")) == "\\x1b]0;titl"
    assert "\x1b" not in one_line(InputError(EVIL, "is\x1b[1A bad", "do\nthis"))


def test_what_moves_over_other_lines_passes_at_the_ends_alone() -> None:
    assert for_terminal("\ra\rb\x1b[Ac\r") == "\ra\\x0db\\x1b[Ac\r"
    assert for_terminal('warning: =HYPERLINK("x")\r\x1b[A\n') == 'warning: =HYPERLINK("x")\\x0d\\x1b[A\n'


def test_the_programs_own_bars_and_colours_pass() -> None:
    for own in ("\r 50%|█████| 1/2", "\n\x1b[A", "\x1b[A", "\r   \r", "\x1b[1mbold\x1b[0m", "plain\n"):
        assert for_terminal(own) == own
    assert for_terminal("\x1b[1m" + EVIL.replace("\r", "") + "\x1b[0m") == (
        "\x1b[1m" + ESCAPED.replace("\\x0d", "") + "\x1b[0m"
    )


@pytest.mark.parametrize("text", ["=1+1", '=HYPERLINK("http://x")', "+cmd|' /C calc'!A0", "-A1", "@SUM(A1)", "\t=1"])
def test_a_cell_that_a_spreadsheet_would_compute_is_text(text: str) -> None:
    assert spreadsheet(text) == f"'{text}"
    assert spreadsheet(spreadsheet(text)) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["-5", "+0.5", "-1e-07", "-inf", "+5.5 [4.9, 6.1]", "-", "a=1", "steps=20", "", "- 3"]
)
def test_numbers_and_plain_words_stay_as_they_are(text: str) -> None:
    assert spreadsheet(text) == text


def test_tables_are_written_without_formulas_and_escapes(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"model": ["=1+1", "-7", f"a{EVIL[:-1]}"], "miou": [-0.25, 1 / 3, float("nan")], "=n": [1, 2, 3]}
    )
    write_csv(table, tmp_path / "t.csv")
    text = (tmp_path / "t.csv").read_text()
    assert text == f"model,miou,'=n\n'=1+1,-0.25,1\n-7,{1 / 3!r},2\na{ESCAPED[:-6]},,3\n"
    write_joined(table, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == text  # a row is known again
    assert table["model"].tolist()[0] == "=1+1"


def test_pages_and_columns_show_it() -> None:
    grid = Grid(f"t{EVIL}", ["a|b", EVIL], [["<script>x</script>", f"p|q\\{EVIL}"]])
    compared = comparison([EVIL], [Section("t", ["a"], [["<b>|x\x1b"]])], [])
    for text in (page_of([grid], [EVIL]), latex([grid], [EVIL]), columns([[EVIL]], [""]), compared):
        assert text == shown(text)
        assert "<script>" not in text and "<b>" not in text
    assert markdown("a|b\n<i>\\") == "a\\|b &lt;i>\\\\"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("_x_ __init__", r"\_x\_ \_\_init\_\_"),
        ("of_mine coco_ap@1", "of_mine coco_ap@1"),
        ("*x* **y**", r"\*x\* \*\*y\**"),
        ("75.1 [73.9, 76.2]*", "75.1 [73.9, 76.2]*"),
        ("~75.1 [73.9, 76.2]", "~75.1 [73.9, 76.2]"),
        ("~~gone~~", r"~\~gone\~\~"),
        ("`a` $b$", r"\`a\` \$b\$"),
        ("![x](http://y)", r"![x\](http://y)"),
        ("&lt;b&#62; a & b", "&amp;lt;b&amp;#62; a & b"),
        ("<script>", "&lt;script>"),
    ],
)
def test_a_cell_in_markdown_is_what_it_says(text: str, escaped: str) -> None:
    assert markdown(text) == escaped


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("# a", r"\# a"), ("- a", r"\- a"), ("---", r"\---"), ("> a", r"\> a"), ("* few", r"\* few"), ("*", r"\*"),
        ("1. a", r"1\. a"), ("2) a", r"2\) a"), ("5.5 points", "5.5 points"), ("plain", "plain"),
        ("<b>x</b>", "&lt;b>x&lt;/b>"),
    ],
)  # fmt: skip
def test_a_line_in_markdown_is_no_list_and_no_heading(text: str, escaped: str) -> None:
    assert markdown_line(text) == escaped


def test_an_id_that_would_be_shown_otherwise_cannot_be_listed() -> None:
    assert is_listable("a b-1") and not is_listable("a\x1b[2Jb") and not is_listable("a\u202eb")


def test_a_model_of_ones_own_cannot_write_to_the_terminal() -> None:
    """What is printed in the process goes through the same stream."""
    lines = [
        "import sys",
        "from amodal_bench.cli import main as door",
        f"door.program = lambda words: print({EVIL[:-1]!r}, file=sys.stderr) or print({EVIL[:-1]!r}) or 0",
        "door.main()",
    ]
    root = Path(amodal_bench.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, cwd=root, check=True)
    for stream in (done.stdout, done.stderr):
        text = io.TextIOWrapper(io.BytesIO(stream), encoding="utf-8", newline="").read()
        assert text.rstrip("\n") == ESCAPED.removesuffix("\\ud800")


def test_an_error_is_a_line_that_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    complain("a" * 10**6)
    assert len(capsys.readouterr().err) < LONGEST + 60
