"""A grid of pictures with outlines and labels, every one in the same square frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from amodal_bench.paper.figures.drawing import (
    DPI,
    LINE,
    PAGE,
    TITLE,
    add_legend,
    axes_at,
    legend_height,
    new_figure,
    width_of,
    wrapped,
    write_at,
)
from amodal_bench.report.colours import BACK, INK, MISSED, WRONG, Region
from amodal_bench.report.panels import Frame, Panel, render, whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN, GAP, BETWEEN, LARGEST = 0.06, 0.04, 0.1, 1.35

THICK = 6
"""Width of a contour's colour in pixels: as on a sheet, in print."""

HATCHES = {MISSED: "\\\\\\\\\\", WRONG: "/////"}
"""How the legend shows regions that are hatched in pictures."""


@dataclass(frozen=True)
class Tile:
    """One picture of a grid.

    Attributes:
        panel: the picture, its regions, and the text below it.
        frame: what of it is seen; None for all of it.
        box: a rectangle (x, y, width, height) in pixels of the picture.
    """

    panel: Panel
    frame: Frame | None = None
    box: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class Strip:
    """A row of a grid: what it is of, and its pictures from left to right."""

    label: str
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Key:
    """An entry of the legend: a region, as a contour or filled."""

    label: str
    region: Region
    filled: bool = False


def draw_grid(
    title: str, heads: Sequence[str], strips: Sequence[Strip], keys: Sequence[Key], notes: Sequence[str]
) -> Figure:
    """Draw a grid as wide as a page: the title and the columns' heads once, a label above each row.

    Args:
        title: of the figure.
        heads: one for each column.
        strips: its rows, each with a picture for each column.
        keys: what the legend explains.
        notes: lines below.
    """
    room = PAGE - 2 * MARGIN
    side = min((room - GAP * (len(heads) - 1)) / len(heads), LARGEST)
    lines = [[line for part in head.split("\n") for line in wrapped(part, side)] for head in heads]
    titles = wrapped(title, room, TITLE)
    under = [line for note in notes for line in wrapped(note, room)]
    across = _across(keys, room)
    head = LINE * max(map(len, lines)) + 0.04
    label = LINE + 0.03 if any(strip.label for strip in strips) else 0.0
    start = MARGIN + 1.2 * LINE * len(titles) + 0.05
    texts = [_lines_below(strip, side) for strip in strips]
    tall = [label + side + LINE * lines + BETWEEN for lines in texts]
    foot = (legend_height(len(keys), across) + 0.04 if keys else 0.0) + LINE * len(under) + MARGIN
    whole = start + head + sum(tall) + foot
    figure = new_figure(PAGE, whole)
    write_at(figure, MARGIN, MARGIN, titles, TITLE)
    for c, words in enumerate(lines):
        write_at(figure, MARGIN + c * (side + GAP), start + head - 0.04 - LINE * len(words), words)
    for r, strip in enumerate(strips):
        top = start + head + sum(tall[:r])
        if strip.label:
            write_at(figure, MARGIN, top, [strip.label])
        for c, tile in enumerate(strip.tiles):
            axes = axes_at(figure, MARGIN + c * (side + GAP), top + label, side, side)
            axes.set_label(f"{r} {c}")
            _draw(axes, tile, side)
    below = whole - foot + 0.02
    if keys:
        below += add_legend(figure, [_handle(key) for key in keys], MARGIN, below, across) + 0.02
    if under:
        write_at(figure, MARGIN, below, under)
    return figure


def _across(keys: Sequence[Key], room: float) -> int:
    """How many entries of a legend fit side by side."""
    widest = max((width_of(key.label) for key in keys), default=0.0) + 0.5
    return max(min(int(room / widest), len(keys)), 1)


def _lines_below(strip: Strip, side: float) -> int:
    """How many lines the longest text below a row's pictures has."""
    texts = [tile.panel.text for tile in strip.tiles if tile.panel.picture is not None and tile.panel.text]
    return max((len(wrapped(text, side)) for text in texts), default=0)


def _draw(axes: Axes, tile: Tile, side: float) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_facecolor(BACK)
    axes.spines[:].set_visible(False)
    panel = tile.panel
    if panel.picture is None:
        text = "\n".join(wrapped(panel.text, side - 0.08))
        axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color=INK)
        return
    left, top, width, height = tile.frame or whole((panel.picture.shape[0], panel.picture.shape[1]))
    pixels = round(DPI * side)
    shown = render(panel, Frame(left, top, width, height), (pixels, pixels), THICK)
    edges = left - 0.5, left + width - 0.5, top + height - 0.5, top - 0.5
    axes.imshow(shown, extent=edges, interpolation="nearest")
    if tile.box is not None:
        from matplotlib.patches import Rectangle

        x, y, box_width, box_height = tile.box
        for colour, line in (("white", 1.6), (INK, 0.8)):
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), box_width, box_height, fill=False, ec=colour, lw=line))
    axes.set_xlim(*edges[:2])
    axes.set_ylim(*edges[2:])
    if panel.text:
        text = "\n".join(wrapped(panel.text, side))
        axes.text(0, -0.02, text, transform=axes.transAxes, ha="left", va="top", color=INK)


def _handle(key: Key) -> Any:
    from matplotlib.patches import Patch

    region = key.region
    face = region.colour if key.filled else BACK
    hatch = HATCHES.get(region)
    edge = INK if key.filled else region.colour
    return Patch(facecolor=face, edgecolor=edge, lw=0.6 if key.filled else 1.4, hatch=hatch, label=key.label)
