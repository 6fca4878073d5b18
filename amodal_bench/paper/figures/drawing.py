"""How charts and figures are drawn: sizes, fonts and colours for print; the same figure twice is the same bytes."""

from __future__ import annotations

import logging
import math
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amodal_bench.core.errors import UsageError
from amodal_bench.core.files import write_whole
from amodal_bench.report.colours import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, PAGE = 3.35, 7.0
"""Width in inches of one column of print, and of both."""

SIZE, TITLE = 7.0, 8.0
"""Font sizes in points; nothing is smaller than `SIZE`."""

DPI = 300
"""Pixels of an inch."""

LINE = 1.35 * SIZE / 72
"""Height in inches of a line of text."""

INTERVAL = "interval"

INSTALL = "needs matplotlib; install it with: pip install 'amodal-bench[paper]'"

STYLE: Any = {
    "font.family": "DejaVu Sans",  # it comes with matplotlib: the same on every machine
    "font.size": SIZE,
    "axes.titlesize": SIZE,
    "axes.labelsize": SIZE,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "xtick.labelsize": SIZE,
    "ytick.labelsize": SIZE,
    "xtick.major.width": 0.6,
    "ytick.major.size": 0,
    "legend.fontsize": SIZE,
    "hatch.linewidth": 0.6,
    "svg.hashsalt": "amodal-bench",
    "text.parse_math": False,  # a name with two dollars in it is a name
}


def require(what: str) -> None:
    """Raise `UsageError` where matplotlib, which draws `what`, is not installed."""
    if find_spec("matplotlib") is None:
        raise UsageError(f"{what}: {INSTALL}")
    logging.getLogger("matplotlib").setLevel(logging.WARNING)  # it tells of its list of fonts


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save inside of this: the user's own settings of matplotlib do not count."""
    import matplotlib
    import matplotlib.style

    with matplotlib.style.context("default", after_reset=True), matplotlib.rc_context(STYLE):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, outside of any window system."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def axes_at(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place in inches from the figure's upper left corner."""
    whole_width, whole_height = figure.get_size_inches()
    return figure.add_axes(
        (left / whole_width, 1 - (top + height) / whole_height, width / whole_width, height / whole_height)
    )


def write_at(figure: Figure, left: float, top: float, lines: Sequence[str], size: float = SIZE) -> None:
    """Write lines at a place in inches from the figure's upper left corner."""
    width, height = figure.get_size_inches()
    for k, line in enumerate(lines):  # by their baselines, which are the same whatever letters a line has
        below = top + (k + 0.78) * LINE * size / SIZE
        figure.text(left / width, 1 - below / height, line, fontsize=size, va="baseline", color=INK)


@lru_cache(maxsize=4096)
def width_of(text: str, size: float = SIZE) -> float:
    """Width in inches of a line of text; kept, since lines are measured again and again while they are folded."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not text.strip():
        return 0.0
    path = TextPath((0, 0), text, size=size, prop=FontProperties(family="DejaVu Sans"))
    return float(path.vertices[:, 0].max()) / 72  # no curve goes beyond the points that it is drawn by


def label_height(text: str) -> float:
    """Height in inches of a row with this label: a folded one stands apart from those of the rows around it."""
    folds = text.count("\n")
    return LINE * (folds + 1) + 0.034 + 0.06 * min(folds, 1)


def wrapped(text: str, width: float, size: float = SIZE) -> list[str]:
    """Text in lines of so many inches, at most; a word that is longer is broken."""
    room = max(len(text), 1)
    lines = [text]
    while room > 1 and any(width_of(line, size) > width for line in lines):
        room = min(room, max(map(len, lines))) - 1
        lines = textwrap.wrap(text, max(room, 1))
    return lines


def draw_interval(axes: Axes, low: float, high: float, place: float, colour: str) -> None:
    """Draw an interval as a line with ends, labelled `INTERVAL`; nothing where it is NaN.

    It need not contain the value: a percentile interval of few clusters may miss it.
    """
    if not math.isnan(low):
        axes.plot([low, high], [place, place], "-|", color=colour, lw=0.9, ms=5, mew=0.8, label=INTERVAL)


def add_legend(figure: Figure, handles: Sequence[Any], left: float, top: float, columns: int) -> float:
    """Put a legend at a place in inches from the upper left; returns the height that it takes."""
    width, height = figure.get_size_inches()
    figure.legend(
        handles=list(handles),
        loc="upper left",
        bbox_to_anchor=(left / width, 1 - top / height),
        ncols=columns,
        frameon=False,
        borderpad=0,
        borderaxespad=0,
        handletextpad=0.5,
        columnspacing=1.2,
    )
    return legend_height(len(handles), columns)


def legend_height(entries: int, columns: int) -> float:
    """Height in inches of a legend."""
    return -(-entries // columns) * 1.55 * SIZE / 72 + 0.04


def discard(folder: Path, name: str, endings: Sequence[str]) -> None:
    """Remove the files of a figure that was drawn from other numbers, where there are any."""
    for ending in endings:
        (folder / f"{name}.{ending}").unlink(missing_ok=True)


def save(figure: Figure, folder: Path, name: str, endings: Sequence[str]) -> list[Path]:
    """Write a figure in several formats, without dates or random ids; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for ending in endings:
        metadata: dict[str, Any] = {"Date": None} if ending == "svg" else {"Software": None}

        def write(partial: Path, ending: str = ending, metadata: dict[str, Any] = metadata) -> None:
            figure.savefig(partial, format=ending, metadata=metadata)

        write_whole(folder / f"{name}.{ending}", write)
        files.append(folder / f"{name}.{ending}")
    return files
