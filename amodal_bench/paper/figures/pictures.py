"""A grid of pictures with outlines and labels, every one in the same square frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from amodal_bench.core.masks import extent
from amodal_bench.core.types import Image, Mask
from amodal_bench.paper.figures.drawing import (
    BACK,
    INK,
    LINE,
    PAGE,
    SIZE,
    TITLE,
    VERMILION,
    add_legend,
    axes_at,
    legend_height,
    new_figure,
    width_of,
    wrapped,
    write_at,
)
from amodal_bench.report.sheet import overlay

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN, GAP, BETWEEN, LARGEST = 0.06, 0.04, 0.1, 1.35
SPACE = 0.25
"""Space around an object, in longer sides of it."""

Frame = tuple[float, float, float]
"""Left and upper edge and the side of a square, in pixels of the picture."""


@dataclass(frozen=True)
class Fill:
    """Half-transparent colour over the pixels of a mask."""

    mask: Mask
    colour: str


@dataclass(frozen=True)
class Outline:
    """The outline of a mask; `dashed` or not."""

    mask: Mask
    colour: str
    dashed: bool = False


@dataclass(frozen=True)
class Tile:
    """One picture of a grid.

    Attributes:
        picture: (H, W, 3) uint8; None where there is none, and the text says why.
        fills, outlines: over it.
        text: in its lower left corner.
        box: a rectangle (x, y, width, height) in pixels of the picture.
        frame: what of it is seen; None for all of it.
        faded: whether the picture is light and grey, and the colours over it are strong.
    """

    picture: Image | None
    fills: Sequence[Fill] = ()
    outlines: Sequence[Outline] = ()
    text: str = ""
    box: tuple[int, int, int, int] | None = None
    frame: Frame | None = None
    faded: bool = False


@dataclass(frozen=True)
class Strip:
    """A row of a grid: what it is of, and its pictures from left to right."""

    label: str
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Key:
    """An entry of the legend: a colour as an outline, dashed or not, or as an area."""

    label: str
    colour: str
    area: bool = False
    dashed: bool = False


def frame_of(mask: Mask) -> Frame:
    """The square around an object with some space, so that every picture of it is seen in the same frame."""
    found = extent(mask)
    if found is None:
        return 0.0, 0.0, float(max(mask.shape))
    top, bottom, left, right = found
    side = (1 + 2 * SPACE) * max(bottom - top, right - left) + 8
    return (left + right - side) / 2, (top + bottom - side) / 2, side


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
    foot = (legend_height(len(keys), across) + 0.04 if keys else 0.0) + LINE * len(under) + MARGIN
    whole = start + head + len(strips) * (label + side + BETWEEN) + foot
    figure = new_figure(PAGE, whole)
    write_at(figure, MARGIN, MARGIN, titles, TITLE)
    for c, words in enumerate(lines):
        write_at(figure, MARGIN + c * (side + GAP), start + head - 0.04 - LINE * len(words), words)
    for r, strip in enumerate(strips):
        top = start + head + r * (label + side + BETWEEN)
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


def _draw(axes: Axes, tile: Tile, side: float) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_facecolor(BACK)
    axes.spines[:].set_visible(False)
    if tile.picture is None:
        text = "\n".join(wrapped(tile.text, side - 0.08))
        axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color=INK)
        return
    height, width = tile.picture.shape[:2]
    left, top, edge = tile.frame or ((width - max(width, height)) / 2, (height - max(width, height)) / 2,
                                     max(width, height))  # fmt: skip
    y0, x0 = max(int(top), 0), max(int(left), 0)
    y1, x1 = min(int(np.ceil(top + edge)) + 1, height), min(int(np.ceil(left + edge)) + 1, width)
    part = slice(y0, y1), slice(x0, x1)
    layers = [(fill.mask[part], _rgb(fill.colour)) for fill in tile.fills]
    shown = overlay(_faded(tile.picture[part]), 2 * layers) if tile.faded else overlay(tile.picture[part], layers)
    axes.imshow(shown, extent=(x0 - 0.5, x1 - 0.5, y1 - 0.5, y0 - 0.5))
    for line in tile.outlines:
        _outline(axes, line, part, x0, y0)
    if tile.box is not None:
        from matplotlib.patches import Rectangle

        x, y, box_width, box_height = tile.box
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), box_width, box_height, fill=False, ec="white", lw=1.6))
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), box_width, box_height, fill=False, ec=INK, lw=0.8))
    axes.set_xlim(left - 0.5, left + edge - 0.5)
    axes.set_ylim(top + edge - 0.5, top - 0.5)
    if tile.text:
        axes.text(
            0.03, 0.03, tile.text, transform=axes.transAxes, ha="left", va="bottom", fontsize=SIZE, color=INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.2, "alpha": 0.85},
        )  # fmt: skip


def _faded(picture: Image) -> Image:
    """A light picture in grey."""
    grey = 0.5 * picture.mean(axis=2, keepdims=True) + 127
    return np.repeat(grey, 3, axis=2).astype(np.uint8)


def _outline(axes: Axes, line: Outline, part: tuple[slice, slice], x0: int, y0: int) -> None:
    from matplotlib.patheffects import Normal, Stroke

    mask = line.mask[part]
    if not mask.any() or mask.all():
        return
    rows, cols = mask.shape
    if min(rows, cols) < 2:
        return
    drawn = axes.contour(
        np.arange(cols) + x0, np.arange(rows) + y0, mask.astype(float), levels=[0.5], colors=[line.colour],
        linewidths=[0.8], linestyles=["--" if line.dashed else "-"],
    )  # fmt: skip
    # A rim of the other brightness, so that the line is seen on any picture and in grey.
    rim = "white" if line.colour == VERMILION else "black"
    drawn.set_path_effects([Stroke(linewidth=1.6, foreground=rim), Normal()])


def _handle(key: Key) -> Any:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    if key.area:
        return Patch(facecolor=key.colour, label=key.label)
    return Line2D([], [], color=key.colour, ls="--" if key.dashed else "-", lw=1.6, label=key.label)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
