"""Charts and bars: what is drawn equals the numbers, in print sizes, and the same values give the same bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.text import Text

from amodal_bench.core.errors import ConfigError, UsageError
from amodal_bench.paper.against import against
from amodal_bench.paper.cells import Plan, adapted
from amodal_bench.paper.figures import drawing
from amodal_bench.paper.figures.bars import OURS as BAR
from amodal_bench.paper.figures.bars import PUBLISHED, bars_of, draw_bars, gaps, random_rows
from amodal_bench.paper.figures.chart import OTHERWISE, OURS, PRINTED, SAMPLED, draw_chart, write_chart
from amodal_bench.paper.figures.declared import figure_names, load_figure, read_figure
from amodal_bench.paper.figures.drawing import (
    COLUMN,
    INTERVAL,
    PAGE,
    SIZE,
    label_height,
    new_figure,
    styled,
    width_of,
    wrapped,
    write_at,
)
from amodal_bench.paper.figures.means import Mean, difference_of, mean_of
from amodal_bench.paper.figures.notes import few_note, missing_notes
from amodal_bench.paper.gather import Value
from amodal_bench.paper.table import Table, load_table
from amodal_bench.paper.written import write_table
from amodal_bench.published.ledger import find

RANDOM, NOT_RUN = "tuning-free, Kandinsky", "SAM2"
SAMPLE = "SAIL-VOS"


@pytest.fixture(scope="module")
def table() -> Table:
    """Table 1 as it is on real data."""
    return adapted(load_table("table1"), Plan())


@pytest.fixture(scope="module")
def values(table: Table) -> list[Value]:
    """Values of its cells: one row is not run, one has random weights, one column is of a sample."""
    rng, found = np.random.default_rng(0), []
    for row in table.rows:
        own = []
        for column in table.columns:
            if row.name == NOT_RUN:
                own.append(Value(row.name, column.name, "mIoU", missing="not run"))
                continue
            value, below, above = rng.uniform(0.4, 0.8), *rng.uniform(0.005, 0.03, 2)
            sampled, random = column.name == SAMPLE, row.name == RANDOM
            place = (row.name, column.name, "mIoU", value, value - below, value + above, 100)
            own.append(Value(*place, sampled=sampled, random=random, protocol="instance@2"))
        mean = math.nan if row.name == NOT_RUN else sum(value.value for value in own) / len(own)
        missing, random = "lacks all" if row.name == NOT_RUN else "", row.name == RANDOM
        found += [*own, Value(row.name, "average", "mIoU", mean, missing=missing, random=random, sampled=True)]
    return found


@pytest.fixture
def print_style() -> Iterator[None]:
    """The settings in which figures are drawn."""
    with styled():
        yield


def drawn_points(figure: Figure) -> dict[tuple[str, str], set[tuple[float, ...]]]:
    """What the panels show, by heading and label: value and ends of each of ours, the published values."""
    found: dict[tuple[str, str], set[tuple[float, ...]]] = {}
    for axes in figure.axes:
        heading = axes.get_title().replace("\n", " ")
        spans = {
            np.asarray(line.get_ydata())[0]: np.asarray(line.get_xdata())
            for line in axes.get_lines()
            if line.get_label() == INTERVAL
        }
        for line in axes.get_lines():
            (value, *_), place = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())[0]
            if line.get_label() in (OURS, SAMPLED):
                found.setdefault((heading, str(line.get_label())), set()).add(rounded(value, *spans.get(place, ())))
            elif line.get_label() in (PRINTED, OTHERWISE):
                found.setdefault((heading, str(line.get_label())), set()).add(rounded(value))
    return found


def rounded(*numbers: float) -> tuple[float, ...]:
    return tuple(round(float(number), 6) for number in numbers)


def texts(figure: Figure) -> list[Text]:
    """Every text of a figure that has letters."""
    return [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text().strip()]


@pytest.mark.slow
@pytest.mark.usefixtures("print_style")
def test_a_chart_shows_every_value_with_its_interval_and_every_published_one(
    table: Table, values: list[Value]
) -> None:
    beside = against(table, values)
    drawn = drawn_points(draw_chart(table, values, beside))
    for column in [*(column.name for column in table.columns), "average"]:
        own = [value for value in values if value.column == column and not value.missing and not value.random]
        expected = {
            rounded(100 * value.value)
            if math.isnan(value.low)
            else rounded(100 * value.value, 100 * value.low, 100 * value.high)
            for value in own
        }
        assert drawn[column, SAMPLED if column in (SAMPLE, "average") else OURS] == expected
        shown = [each.published for each in beside if each.ours.column == column and each.ours.row != RANDOM]
        for label, is_printed in ((PRINTED, True), (OTHERWISE, False)):
            known = {rounded(each.value) for each in shown if (each.certainty == "printed") is is_printed}
            assert drawn.get((column, label), set()) == known
    assert len(drawn["COCO-A", PRINTED]) > 5 and drawn["KINS", OTHERWISE]


@pytest.mark.slow
@pytest.mark.usefixtures("print_style")
def test_a_chart_fits_one_column_of_print_and_says_what_it_leaves_out(table: Table, values: list[Value]) -> None:
    figure = draw_chart(table, values, against(table, values))
    assert figure.get_size_inches()[0] == pytest.approx(COLUMN)
    assert min(float(text.get_fontsize()) for text in texts(figure)) >= SIZE == 7
    said = " ".join(text.get_text() for text in texts(figure))
    assert f"Left out, since their weights are random: {RANDOM}." in said
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert NOT_RUN in labels and RANDOM not in labels  # what was published for it is shown
    # No text leaves the page.
    figure.canvas.draw()
    page = figure.bbox
    hidden = [
        label
        for axes in figure.axes
        for label in axes.get_xticklabels()
        if not axes.get_xlim()[0] <= label.get_position()[0] <= axes.get_xlim()[1]
    ]
    for text in (text for text in texts(figure) if text not in hidden):
        box = text.get_window_extent()
        assert box.x0 >= page.x0 - 1 and box.x1 <= page.x1 + 1, text.get_text()
        assert box.y0 >= page.y0 - 1 and box.y1 <= page.y1 + 1, text.get_text()


@pytest.mark.slow
@pytest.mark.usefixtures("print_style")
def test_rows_are_as_high_as_what_stands_in_them_and_what_failed_is_named(table: Table, values: list[Value]) -> None:
    long = "the visible mask, wrapped onto two lines by a name as long as this one is"
    names = {table.rows[0].name: long, table.rows[1].name: f"{long} too"}
    lines = [replace(row, name=names.get(row.name, row.name)) for row in table.rows]
    shown = [replace(value, row=names.get(value.row, value.row)) for value in values]
    gone, partly = table.rows[2].name, table.rows[3].name
    shown = [
        replace(value, missing="failed: no weights", value=math.nan, low=math.nan)
        if value.row == gone or (value.row, value.column) == (partly, "KINS")
        else value
        for value in shown
    ]
    table = replace(table, rows=lines)
    beside = [each for each in against(table, shown) if each.ours.row != gone]
    figure = draw_chart(table, shown, beside)
    figure.canvas.draw()
    axes = figure.axes[0]
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert sum("\n" in label.get_text() for label in axes.get_yticklabels()) >= 2
    assert all(above.y0 >= below.y1 for above, below in pairwise(boxes))
    between = [line for line in axes.get_lines() if line.get_label() == "_between"]
    bounds = [0.0, *(float(np.asarray(line.get_ydata())[0]) for line in between), axes.get_ylim()[0]]
    for panel in figure.axes:
        for line in panel.get_lines():
            if line.get_label() in (PRINTED, OTHERWISE, OURS, SAMPLED):
                place = float(np.asarray(line.get_ydata())[0])
                assert min(abs(place - bound) for bound in bounds) > 0.03
    places = [float(np.asarray(line.get_ydata())[0]) for line in axes.get_lines() if line.get_label() == PRINTED]
    assert len(places) == len(set(places))  # none hides another
    said = " ".join(text.get_text() for text in texts(figure))
    assert f"Failed: {gone}; {partly} (KINS)." in said and f"Not run: {NOT_RUN}." in said


def test_notes_say_which_values_are_missing_and_which_intervals_too_narrow() -> None:
    found = [
        Value("a", "x", "mIoU", missing="failed: why"),
        Value("a", "y", "mIoU", missing="failed: why"),
        Value("b", "x", "mIoU", 0.5, clusters=19),
        Value("b", "y", "mIoU", missing="not here: gone"),
        Value("b", "mean", "mIoU", missing="lacks y"),
        Value("c", "y", "mIoU", 0.5, clusters=20),
    ]
    assert missing_notes(found) == ["Failed: a.", "Without a value: b (y)."]
    said = "Fewer than 20 images or videos, so that intervals are too narrow or there is none"
    assert few_note(found) == [f"{said}: x."]
    numbers = [Value("a", "x", "s", 0.5, cost=True), Value("a", "x", "GB", missing="not measured", cost=True)]
    assert missing_notes(numbers) == ["Without a value: a (GB)."]
    assert missing_notes(found[5:]) == few_note(found[5:]) == []


@pytest.mark.slow
def test_the_same_values_give_the_same_bytes(table: Table, values: list[Value], tmp_path: Path) -> None:
    beside = against(table, values)
    first = write_chart(tmp_path / "first", table, values, beside)
    again = write_chart(tmp_path / "again", table, values, beside)
    assert [file.name for file in first] == ["table1.svg", "table1.png"]
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in again]
    assert "<dc:date>" not in first[0].read_text()
    moved = [replace(values[0], value=values[0].value + 0.02), *values[1:]]
    other = write_chart(tmp_path / "other", table, moved, beside)
    assert all(a.read_bytes() != b.read_bytes() for a, b in zip(first, other, strict=True))


@pytest.mark.slow
def test_the_users_own_settings_of_matplotlib_do_not_count(table: Table, values: list[Value], tmp_path: Path) -> None:
    import matplotlib

    (before,) = write_chart(tmp_path / "before", table, values, [])[1:]
    with matplotlib.rc_context({"font.size": 20, "axes.grid": True, "savefig.dpi": 40}):
        (after,) = write_chart(tmp_path / "after", table, values, [])[1:]
        assert matplotlib.rcParams["font.size"] == 20
    assert before.read_bytes() == after.read_bytes()


def test_a_chart_without_a_value_of_ours_is_not_written(table: Table, values: list[Value], tmp_path: Path) -> None:
    useless = [value for value in values if value.row in (RANDOM, NOT_RUN)]
    assert {value.row for value in useless} == {RANDOM, NOT_RUN}
    # A cost of a row of random weights is as useless as its other numbers.
    useless.append(replace(useless[0], row=RANDOM, number="seconds", random=False))
    for ending in ("svg", "png"):
        (tmp_path / f"table1.{ending}").write_text("of an earlier table")
    (tmp_path / "table2.png").touch()
    assert write_chart(tmp_path, table, useless, against(table, useless)) == []
    assert [file.name for file in tmp_path.iterdir()] == ["table2.png"]


def test_no_published_values_of_an_earlier_table_stay_beside_a_new_one(
    table: Table, values: list[Value], tmp_path: Path
) -> None:
    assert tmp_path / "table1_published.csv" in write_table(tmp_path, table, values, against(table, values))
    assert tmp_path / "table1_published.csv" not in write_table(tmp_path, table, values, [])
    assert not (tmp_path / "table1_published.csv").exists() and (tmp_path / "table1.csv").is_file()


@pytest.mark.usefixtures("print_style")
def test_costs_start_at_zero_and_have_no_interval() -> None:
    table = load_table("table-efficiency")
    row = table.rows[1].name
    values = [
        Value(row, "COCO-A", "s per instance", 0.3, cost=True),
        Value(row, "COCO-A", "mIoU", 0.7, 0.69, 0.72, protocol="instance@2"),
    ]
    figure = draw_chart(table, values, [])
    assert drawn_points(figure) == {("s per instance", OURS): {(0.3,)}, ("mIoU", OURS): {(70.0, 69.0, 72.0)}}
    assert figure.axes[0].get_xlim()[0] <= 0 < figure.axes[1].get_xlim()[0]


def test_without_matplotlib_one_line_says_what_to_install(
    table: Table, values: list[Value], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"^a chart: needs matplotlib; .*pip install 'amodal-bench\[paper\]'$"):
        write_chart(tmp_path, table, values, [])


def drawn_bars(figure: Figure) -> dict[str, list[tuple[float, bool]]]:
    """Each label's bars from top to bottom: length, and whether it is hatched."""
    found: dict[str, list[tuple[float, bool]]] = {}
    for each in figure.axes[0].containers:
        if isinstance(each, BarContainer):
            (bar,) = each.patches
            found.setdefault(str(each.get_label()), []).append((bar.get_width(), bool(bar.get_hatch())))
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("print_style")
def test_figure_4_has_the_means_and_the_published_gaps(table: Table, values: list[Value]) -> None:
    figure = load_figure("figure4")
    bars = bars_of(figure, table, values)
    first, second = figure.groups
    own = {(value.row, value.column): 100 * value.value for value in values}
    drawn = draw_bars(figure, bars, random_rows(values))
    found = drawn_bars(drawn)
    for group, names in figure.groups.items():
        rows = [row.name for row in table.rows if row.name not in (RANDOM, NOT_RUN)]
        lengths, hatched = zip(*found[f"{BAR}: {group}"], strict=True)
        assert lengths == pytest.approx([np.mean([own[row, name] for name in names]) for row in rows])
        assert not any(hatched)
    apart = gaps(bars)
    (printed,) = find(method="pix2gestalt", metric="gap")
    (flux,) = find(method="tuning_free", variant="flux", metric="gap")
    assert apart["pix2gestalt"][1] == pytest.approx(printed.value, abs=0.051)
    assert apart["tuning-free, Flux"][1] == pytest.approx(flux.value, abs=0.051)
    assert apart[NOT_RUN][0] is None and not math.isnan(apart[NOT_RUN][1])
    published = [length for length, hatched in found[f"{PUBLISHED}: {first}"] if hatched]
    assert pytest.approx((82.9 + 80.8) / 2) == published[0]
    shown = {line.get_label(): line for line in drawn.axes[1].get_lines()}
    assert "published" in shown
    assert len(found[f"{PUBLISHED}: {second}"]) == 7  # Inpaint-SDXL has no values there, Kandinsky none at all


@pytest.mark.slow
@pytest.mark.usefixtures("print_style")
def test_figure_5_has_the_averages_as_the_table_and_the_paper_have_them(table: Table, values: list[Value]) -> None:
    figure = load_figure("figure5")
    drawn = draw_bars(figure, bars_of(figure, table, values), [], values)
    said = " ".join(text.get_text() for text in texts(drawn))
    assert "so that intervals are too narrow or there is none: COCO-A, " in said
    assert f"Not run: {NOT_RUN}." in said and "Of a sample of the instances." in said
    found = drawn_bars(drawn)
    (ours,) = (bars for label, bars in found.items() if label.startswith(BAR))
    average = [value for value in values if value.column == "average" and not value.missing and not value.random]
    assert [length for length, _ in ours] == pytest.approx([100 * value.value for value in average])
    (published,) = (bars for label, bars in found.items() if label.startswith(PUBLISHED))
    assert [length for length, _ in published] == [65.7, 59.4, 60.5, 71.0, 70.2, 66.6, 70.4]


@pytest.mark.slow
def test_figure_4_on_the_toy_aquarium_has_no_gap_and_says_so() -> None:
    table = adapted(load_table("table1"), Plan(toy=True))
    ours = [Value(row.name, "toy", "mIoU", 0.7, 0.6, 0.75) for row in table.rows[:3]]
    ours += [Value(row.name, "toy", "mIoU", 0.2, 0.1, 0.3, random=True) for row in table.rows[3:]]
    figure = load_figure("figure4")
    bars = bars_of(figure, table, ours)
    assert [bar.row for bar in bars] == [row.name for row in table.rows[:3]] and gaps(bars) == {}
    with styled():
        drawn = draw_bars(figure, bars, random_rows(ours))
        assert len(drawn.axes) == 1
        assert "no groups and no gap" in " ".join(text.get_text() for text in texts(drawn)).replace("\n", " ")


def test_intervals_of_means_and_gaps_are_those_of_independent_datasets() -> None:
    """With n equal ones the half width is that of one by the root of n; that of a gap is as in a simulation."""
    four = [Value("r", str(k), "mIoU", 0.5, 0.46, 0.54) for k in range(4)]
    mean = mean_of(four)
    assert mean is not None and (mean.value, mean.low, mean.high) == pytest.approx((50, 48, 52))
    assert mean_of([*four, Value("r", "5", "mIoU", missing="not run")]) is None
    assert mean_of([*four, Value("r", "5", "mIoU", 0.5, random=True)]) is None
    rng = np.random.default_rng(0)
    first, second = rng.normal(70, 2, 200_000), rng.normal(50, 3, 200_000)
    low, high = np.quantile(first - second, [0.025, 0.975])
    ends = [Mean(m, m - 1.96 * s, m + 1.96 * s) for m, s in ((70, 2), (50, 3))]
    gap = difference_of(*ends)
    assert (gap.value, gap.low, gap.high) == pytest.approx((20, low, high), abs=0.1)


@pytest.mark.parametrize("name", figure_names())
def test_every_figure_names_rows_and_columns_of_its_table(name: str) -> None:
    figure = load_figure(name)
    table = load_table(figure.table)
    assert set(figure.rows) <= {row.name for row in table.rows}
    columns = {column.name for column in table.columns}
    assert set(figure.columns) <= columns and {c for group in figure.groups.values() for c in group} <= columns


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title: t\nkind: pie\n", "kind: 'pie' is not known"),
        ("title: t\nkind: scene\nrow: [a]\n", "row: is not known"),
        ("[]", "is not a figure"),
        ("title: [", "is not a figure"),
    ],
)
def test_a_figure_that_cannot_be_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_figure(tmp_path / "mine.yaml")


@pytest.mark.slow
@pytest.mark.usefixtures("print_style")
def test_lines_are_as_long_as_they_may_be_and_are_measured_as_drawn() -> None:
    figure = new_figure(PAGE, 1)
    text: Any = "Left out, since their weights are random: tuning-free, SD1.5; a name with $two$ dollars"
    for width in (0.8, 2.0, 6.0):
        lines = wrapped(text, width)
        assert " ".join(lines).split() == text.split()
        assert max(map(width_of, lines)) <= width
    write_at(figure, 0, 0, [text])
    assert figure.texts[0].get_window_extent().width / 300 == pytest.approx(width_of(text), rel=0.02)


def test_a_folded_label_stands_apart_from_the_next_row() -> None:
    with styled():
        figure = new_figure(2, 2)
        text = figure.text(0, 0.5, "tuning-free,\nSD1.5 gpqy")
        drawn = text.get_window_extent().height / figure.dpi
    assert label_height("a\nb") - drawn > 0.08 > label_height("a") - drawn / 2
