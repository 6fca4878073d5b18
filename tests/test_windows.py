"""What is printed in windows of 60 to 200 columns, without colour, on dumb terminals and in ASCII alone."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from amodal_bench.cli import columns as listings
from amodal_bench.cli.data import listing as datasets
from amodal_bench.cli.main import program
from amodal_bench.cli.models import listing as models
from amodal_bench.cli.paper.shown import as_shown
from amodal_bench.cli.results.grouped import grouped
from amodal_bench.core import window
from amodal_bench.paper.grid import Grid as PaperGrid
from amodal_bench.paper.written import AGAINST, HEADS
from amodal_bench.report.csv_logger import CsvLogger
from amodal_bench.report.folding import folded
from amodal_bench.report.grid import Column, Grid, Row, fitted, note
from amodal_bench.report.numbers import order_note
from amodal_bench.report.outcome import Outcome
from amodal_bench.report.spark import bar, spark
from amodal_bench.report.summary_tables import cell_of
from amodal_bench.report.terminal import Cell, show, show_cells, show_rows

WIDTHS = [60, 80, 100, 120, 200]
SETTINGS = "view=crop 0.15 leakage=conditioning area=dilated_hull segmenter=grabcut"
NAMES = ["visible", "hull", "tiny", "a-model-with-a-rather-long-name-of-its-own"]

Bench = Callable[..., Outcome]
Printed = Callable[..., str]


def summary(*protocols: str, **changed: Any) -> pd.DataFrame:
    """Rows as a run has them: a gain that is not decisive among many, and failures."""
    rows = [
        {"dataset": "toy", "model": name, "settings": SETTINGS if name == "tiny" else "", "protocol": protocol,
         "miou": 0.854, "miou_low": 0.766, "miou_high": 1.0, "occluded_miou": 0.2, "occluded_miou_low": 0.199,
         "occluded_miou_high": 0.305, "miou_gain": None if name == "visible" else 0.019,
         "miou_gain_low": 0.002, "miou_gain_high": 0.123, "miou_gain_holm": 0.2, "instances": 1531,
         "occluded_instances": 303, "errors": 7 * (name == "tiny"), "draws": 1, "clusters": 3, "seed": 0, "run": name,
         "protocol_digest": "0" * 8, "ids": "9:abc", "split": "test", **changed}
        for protocol in protocols or ("instance@2", "pooled@2") for name in NAMES
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Printed:
    """What something prints in a window of so many columns, with more of the environment."""

    def run(work: Callable[[], object], columns: int, terminal: bool = True, **more: str) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        for name, value in more.items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
        work()
        out: str = capsys.readouterr().out
        assert "\x1b" not in out and "\r" not in out
        return out

    return run


def too_wide(text: str, columns: int) -> list[str]:
    """Lines that have no room, but for those that are one word: a path is never broken."""
    return [line for line in text.splitlines() if len(line) > columns and len(line.split()) > 1]


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_run_has_its_names_and_intervals_in_every_window(printed: Printed, columns: int) -> None:
    out = printed(lambda: show_rows("toy, % with 95 % intervals", summary(), "summary.csv"), columns)
    assert not too_wide(out, columns)
    for word in ["visible", "hull", "tiny", *SETTINGS.split(), "instance@2", "pooled@2", "mIoU", "gain"]:
        assert word in re.split(r"[\s,]+", out), word
    assert all(NAMES[-1][place : place + 8] in out for place in range(0, len(NAMES[-1]), 8))
    assert out.count("85.4") == 8 and out.count("[76.6, 100.0]*") == 8 and out.count("[19.9, 30.5]*") == 8
    if columns == 60:
        assert "left out for want of room: " in out and "summary.csv has it, too" in " ".join(out.split())
    else:
        assert "left out" not in out and out.count("7") >= 2


def test_the_order_in_which_columns_give_way() -> None:
    """What the page on the command line says: settings, words, intervals, names, then columns, the least first."""
    columns = [Column("mIoU"), Column("occluded mIoU", 1), Column("gain over V", 5), Column("errors", 80)]
    cells = [("87.0", "[79.4, 95.3]*"), ("26.8", "[13.3, 35.9]*"), ("+1.7", "[-4.7, 4.0]", "not decisive"), ("0",)]
    table = Grid(columns, [Row("tiny-with-a-long-name", SETTINGS, cells)])
    seen: list[tuple[str, ...]] = []
    for width in range(220, 10, -1):
        found = fitted(table, width)
        text = "\n".join(found.lines)
        assert width < 26 or max(map(len, found.lines)) <= width
        state = (
            "settings beside" if f"tiny-with-a-long-name {SETTINGS}" in text else "settings below",
            "words beside" if "4.0] not decisive" in text else "words below",
            "intervals beside" if "87.0 [79.4" in text else "intervals below",
            "name whole" if "tiny-with-a-long-name" in text else "name folded",
            ", ".join(found.left_out),
        )
        if state not in seen:
            seen.append(state)
    assert seen[:4] == [
        ("settings beside", "words beside", "intervals beside", "name whole", ""),
        ("settings below", "words beside", "intervals beside", "name whole", ""),
        ("settings below", "words below", "intervals beside", "name whole", ""),
        ("settings below", "words below", "intervals below", "name whole", ""),
    ]
    assert seen[4][3:] == ("name folded", "")
    assert [each[4] for each in seen if each[4]][-1] == "errors, gain over V, occluded mIoU"
    assert list(dict.fromkeys(each[4] for each in seen)) == [
        "", "errors", "errors, gain over V", "errors, gain over V, occluded mIoU"
    ]  # fmt: skip
    said = note([fitted(table, 40)], "x.csv")
    needed = int(re.findall(r"window of (\d+) columns", said)[0])
    assert said.startswith("left out for want of room: errors") and said.endswith("x.csv has it, too")
    assert not fitted(table, needed).left_out and fitted(table, needed - 1).left_out == []  # a folded name has room
    assert note([fitted(table, 200)]) == ""


def test_a_table_of_runs_marks_few_images_and_keeps_its_errors(printed: Printed) -> None:
    """In any window: the gain has the mark that the number has, and a run that failed never looks clean."""
    rows = summary("instance@2")
    for columns in (40, 60, 80, 200):
        out = printed(lambda: print(grouped(rows, dict.fromkeys(NAMES, "|#|"), "table.csv")), columns)
        assert out.count("[76.6, 100.0]*") == 4
        assert out.count("[0.2, 12.3]*") == 3 or "gain over V" in out.partition("left out")[2]
        assert ("errors: tiny seed 0 7" in out) == ("errors" in out.partition("left out")[2])
        assert columns == 200 or "errors: tiny seed 0 7" in out
    said = printed(lambda: print(grouped(rows, dict.fromkeys(NAMES, "|#|"), "table.csv")), 80)
    assert "and table.csv has it, too, but for IoU, 0 to 100 %" in " ".join(said.split())
    clean = printed(lambda: print(grouped(rows.assign(errors=0), {}, "table.csv")), 60)
    assert "errors: " not in clean


def test_a_table_says_what_its_rows_are_ordered_by() -> None:
    assert order_note(summary()) == "the best first: by occluded mIoU"
    mixed = pd.concat([summary("instance@2"), summary("iou@1").drop(columns="occluded_miou")])
    assert order_note(mixed) == "the best first: instance@2 by occluded mIoU; iou@1 by mIoU"
    assert order_note(summary("instance@2").head(1)) == ""


def test_names_of_two_columns_a_letter_keep_the_columns_straight() -> None:
    table = Grid([Column("mIoU")], [Row("模型", "", [("1.0",)]), Row("hull", "", [("12.0",)])])
    lines = fitted(table, 60).lines
    assert lines[2:] == ["  模型    1.0", "  hull   12.0"]


@pytest.mark.parametrize(
    ("text", "room", "lines"),
    [
        ("a path /that/is/long", 10, ["a path", "  /that/is/long"]),
        ("  two words", 6, ["  two", "  words"]),
        ("short", 10, ["short"]),
        ("", 10, []),
    ],
)
def test_text_is_broken_at_blanks_and_words_stay_whole(text: str, room: int, lines: list[str]) -> None:
    assert list(folded(text, room, "  ", whole=True)) == lines
    assert all(len(line) <= room for line in folded(text, room, "  "))


def test_a_protocol_of_many_numbers_has_a_line_for_each_of_them(printed: Printed) -> None:
    more = {f"miou_{n}{end}": 0.5 for n in range(7) for end in ("", "_low", "_high")}
    for columns in WIDTHS:
        out = printed(lambda: show_rows("toy", summary("samba@1", **more)), columns)
        assert not too_wide(out, columns)
        assert out.count("visible") == 1 and out.count("85.4 [76.6, 100.0]*") + out.count("85.4\n") >= 1
        assert all(f"mIoU {n}" in out for n in range(7)) and "view=crop" in out


@pytest.mark.slow
def test_a_report_has_its_sections_in_their_order(outcome: Outcome, printed: Printed, tmp_path: Path) -> None:
    files = [tmp_path / "scores" / "summary.csv", tmp_path / "store.sqlite", tmp_path / "scores" / "sheet.png"]
    heads = ("toy, % with", "instances ", "left out: ", "errors: none", "wrote\n", "next: amodal-bench results comp")
    for columns in WIDTHS:
        out = printed(lambda: show(outcome, files), columns)
        assert not too_wide(out.partition("\nwrote")[0], columns)
        places = [out.index(head) for head in heads]
        assert places == sorted(places) and "left out: 3 for stuff\n" in out
        assert f"  {tmp_path / 'scores'}/\n    summary.csv  sheet.png\n" in out and out.count("next: ") == 1
        assert out.endswith(f"{outcome.scored[0].folder} {outcome.main.folder}\n")


def test_errors_are_listed_and_decide_what_to_do_next(outcome: Outcome, printed: Printed) -> None:
    rows = outcome.main.rows.copy()
    rows["error"] = [None, *["the model has no answer"] * (len(rows) - 1)]
    failed = replace(outcome, scored=[outcome.scored[0], replace(outcome.main, rows=rows)])
    out = printed(lambda: show(failed, []), 80)
    assert out.count("error, hull, ") == 5 and "... and 3 more in " in out and "errors: none" not in out
    assert out.splitlines()[-1].startswith("next: see ") and "errors.csv; the same command tries again" in out


@pytest.fixture
def outcome(bench: Bench) -> Outcome:
    return bench("model=hull", "dataset.images=3", "sheet=0")


C_LOCALE = {"LC_ALL": "", "LC_CTYPE": "C.UTF-8", "LANG": "C"}
"""`LANG=C` as a process finds it: Python takes it for UTF-8, and sets `LC_CTYPE`."""


def test_a_report_is_ascii_in_the_c_locale(outcome: Outcome, printed: Printed, tmp_path: Path) -> None:
    seeds = pd.concat([summary("instance@2", seed=n, miou=0.85 + n / 100) for n in (0, 1)])
    cells = [Cell([f"seed={n}"], seeds[seeds["seed"] == n].tail(1)) for n in (0, 1)]
    for columns in (60, 120):
        assert printed(lambda: show(outcome, [tmp_path / "a.csv"]), columns, **C_LOCALE).isascii()
        assert "85.5 +/- 0.7" in (out := printed(lambda: show_cells(cells), columns)) and out.isascii()
    out = printed(lambda: show_cells(cells), 120, LC_ALL="C.UTF-8")
    assert "85.5 ± 0.7" in out and "───" in out


@pytest.mark.slow
def test_listings_lose_nothing_in_any_window(
    outcome: Outcome, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    CsvLogger().finish(outcome)
    for module, name in ((models, "_rows"), (datasets, "_state")):  # composing takes most of the time
        monkeypatch.setattr(module, name, kept(getattr(module, name)))
    results = outcome.main.folder.parent.parent
    folders = [str(scored.folder) for scored in outcome.scored]
    for words, wanted in (
        (["results", "table", str(results)], ["visible", "hull", "85.4", "[76.6, 100.0]*", "9:6e6be5148420"]),
        (["results", "list", str(results)], ["visible", "hull", "9:6e6be5148420", *folders]),
        (["results", "compare", *folders], ["mIoU", "-19.4", "[-32.4, -12.8]", "worse", *folders]),
        (["data", "info", "toy", "dataset.images=3"], ["instances", "fish", "0-10", "median", "histogram"]),
        (["data", "list"], ["kins", "datasets/kins", "Toy"]),
        (["models", "list"], ["flux", "black-forest-labs/FLUX.1-Fill-dev", "sd15", "tiny"]),
        (["published", "--dataset", "cocoa"], ["pix2gestalt", "82.87", "users"]),
    ):
        for columns in WIDTHS:
            out = printed(lambda words=words: program(words), columns, LC_ALL="C.UTF-8")
            assert not [word for word in wanted if word not in out], (words, columns, out)
            assert not too_wide(re.sub(r"(?m)^.*/.*$", "", out), columns), (words, columns, out)
            if columns in (60, 200):
                out = printed(lambda words=words: program(words), columns, **C_LOCALE)
                assert out.isascii() and not [word for word in wanted if word not in out], (words, columns, out)
    assert re.search(r"\|[ .:=+*#@-]{10}\|", printed(lambda: program(["results", "table", str(results)]), 200))


def kept(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is asked once for each name."""
    known: dict[str, Any] = {}

    def ask(name: str, *words: Any) -> Any:
        if name not in known:
            found = function(name, *words)
            known[name] = found if isinstance(found, str) else list(found)
        return known[name]

    return ask


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_table_of_the_paper_fits_its_window(printed: Printed, columns: int) -> None:
    heads = ["", *(f"{name}, {number}" for name in ("COCO-A", "KINS", "FishBowl") for number in ("mIoU", "occluded"))]
    cells = ["75.1 [73.9, 76.2]"] * 6
    grids = [
        PaperGrid("Table 1", heads, [["visible mask", *cells], ["ours", *cells]], frozenset({(1, 1)})),
        PaperGrid(
            AGAINST, HEADS, [["ours", "KINS", "75.1 [73.9, 76.2]", "75", "+0.1", "holds", "the paper, Table 1"]]
        ),
    ]
    out = printed(lambda: print(as_shown(grids, ["Bold: better than every other row."], "table1.csv")), columns)
    assert not too_wide(out, columns) and "visible" in out and "**75.1**" in out and "[73.9, 76.2]" in out
    assert ("left out for want of room" in out) is (columns <= 80) and "holds" in out
    piped = printed(lambda: print(as_shown(grids, [], "table1.csv")), columns, terminal=False)
    assert "| visible mask | 75.1" in piped


def test_a_listing_has_columns_then_folded_cells_then_paragraphs(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("flux", "34", "a licence of several words"), ("", "2.6", "Apache-2.0")]
    found = {}
    for columns in (60, 30, 14):
        monkeypatch.setenv("COLUMNS", str(columns))
        found[columns] = listings.columns(rows, ("model", "GB", "licence"), ("GB",))
    assert found[60] == ("model   GB  licence\nflux    34  a licence of several words\n       2.6  Apache-2.0")
    assert found[30] == (
        "model   GB  licence\nflux    34  a licence of\n            several words\n       2.6  Apache-2.0"
    )
    assert found[14].splitlines()[:2] == ["flux", "  GB       34"] and "Apache-2.0" in found[14]
    assert listings.columns([], ("model",)) == "model"


@pytest.mark.parametrize(
    ("environment", "ascii"),
    [
        ({"LC_ALL": "C"}, True),
        ({"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, True),
        ({"LANG": "C"}, True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),
        ({"LANG": "C", "LC_CTYPE": "en_US.UTF-8"}, False),
        ({"LANG": "C.UTF-8"}, False),
        ({"LC_ALL": "de_DE.UTF-8", "LANG": "C"}, False),
        ({}, False),
    ],
)
def test_which_locales_are_ascii(environment: dict[str, str], ascii: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert window.ascii_only() is ascii


def test_a_histogram_shows_what_is_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert spark([0, 1, 500, 1000]) == "|▁▄█|".replace("|▁", "| ▁") and spark([]) == "||"
    assert [bar(n, 1000, 10) for n in (0, 1, 500, 1000)] == ["", "▏", "█████", "██████████"]
    monkeypatch.setenv("LC_ALL", "C")
    assert spark([0, 1, 500, 1000]) == "| .=@|" and bar(1, 1000, 10) == "#"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("+1.7 [-4.7, 4.0] not decisive", ("+1.7", "[-4.7, 4.0]", "not decisive")),
        ("85.4 [76.6, 100.0]*", ("85.4", "[76.6, 100.0]*", "")),
        ("85.4", ("85.4",)),
        ("", ("",)),
    ],
)
def test_a_cell_is_a_number_its_interval_and_words(text: str, parts: tuple[str, ...]) -> None:
    assert cell_of(text) == parts and " ".join(parts).strip() == text


@pytest.mark.slow
@pytest.mark.parametrize("more", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"LANG": "C", "LC_ALL": ""}])
def test_a_run_in_a_real_terminal(tmp_path: Path, more: dict[str, str], environment: dict[str, str]) -> None:
    """Its own pseudo-terminal, which says no size, as many do that programs open."""
    pty = pytest.importorskip("pty")
    import os

    parent, child = pty.openpty()
    words = ["dataset.images=2", "model=hull", "sheet=0", f"results={tmp_path}"]
    done = subprocess.Popen(
        [sys.executable, "-m", "amodal_bench", *words],
        stdout=child,
        stderr=child,
        stdin=child,
        env=environment | more,
    )
    os.close(child)
    said = b""
    while True:
        try:
            part = os.read(parent, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        said += part
    assert done.wait(60) == 0
    out = said.decode().replace("\r\n", "\n")
    assert "visible" in out and "next: " in out and max(map(len, out.partition("wrote")[0].splitlines()[-20:])) <= 80
    assert "\x1b[3" not in out and "\x1b[1m" not in out
    assert ("\r" in out) is ("TERM" not in more)
    if "LANG" in more:
        assert out.isascii()


@pytest.fixture
def environment() -> dict[str, str]:
    import os

    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LC_CTYPE", "NO_COLOR")}
    return kept | {"TERM": "xterm", "OMP_NUM_THREADS": "1"}
