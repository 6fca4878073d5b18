"""Contact sheets: title and heads once, a labelled row of pictures for each instance, and a legend, as one file.

Everything is legible at its own size and in print: a sheet's letters are `FONT` pixels high, and `DPI` pixels make an
inch.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from amodal_bench.core.shown import one_line
from amodal_bench.report.colours import BACK, INK, PAPER, Region
from amodal_bench.report.panels import THICK, Frame, Panel, render, swatch

DRAWN_AS = "# contours"
"""What a sheet's list of instances begins with: one that was drawn in another way is drawn again."""

CELL, GAP, EDGE = 152, 6, 10
"""Side of a picture, space between two, and around all, in pixels."""

FONT, LINE = 16, 21
"""Size of letters and height of a line of text in pixels."""

DPI = 150
"""Pixels of an inch in print, of which seven pictures fill a page's width."""

SWATCH = 26, 18
"""Width and height of a legend's picture in pixels."""

LEAST_WIDTH = 420
"""A sheet with a title is not narrower than this, in pixels."""


@dataclass(frozen=True)
class Row:
    """A row of a sheet.

    Attributes:
        label: what stands above it.
        frame: what of the image every picture of it shows.
        panels: its pictures by the heads of their columns.
    """

    label: str
    frame: Frame
    panels: Mapping[str, Panel]


@dataclass(frozen=True)
class Sheet:
    """Everything on a sheet.

    Attributes:
        title: stands at the top, once; empty for none.
        rows: from top to bottom.
        legend: what each region is said to be, in the legend's order.
        notes: lines at the bottom.
        cell: (width, height) of a picture in pixels.
        filled: whether the regions of its pictures are filled.
        headed: whether the heads of columns are written.
    """

    title: str
    rows: Sequence[Row]
    legend: Mapping[Region, str]
    notes: Sequence[str] = ()
    cell: tuple[int, int] = (CELL, CELL)
    filled: bool = False
    headed: bool = True


def save_sheet(sheet: Sheet, path: Path) -> None:
    """Write a sheet as one picture, in the format of the file's ending. Raises `OSError` where it cannot be."""
    draw_sheet(sheet).save(path, dpi=(DPI, DPI))


def draw_sheet(sheet: Sheet) -> Pillow.Image:
    """Draw a sheet: RGB, as wide as its columns, and wide enough for a legend."""
    heads = heads_of(sheet.rows)
    across, down = sheet.cell
    entries = [(region, said, 8 + SWATCH[0] + width_of(said)) for region, said in sheet.legend.items()]
    widest = max([LEAST_WIDTH * bool(sheet.title), *(width for _, _, width in entries)])
    width = 2 * EDGE + max(len(heads) * (across + GAP) - GAP, widest)
    room = width - 2 * EDGE
    title = wrapped(sheet.title, room)
    columns = [wrapped(head, across) if sheet.headed else [] for head in heads]
    top = EDGE + LINE * (len(title) + max(map(len, columns))) + 8 * bool(title) + 4
    bands = [_band(row, room, across) for row in sheet.rows]
    legend = _lines_of(entries, room)
    notes = [line for note in sheet.notes for line in wrapped(note, room)]
    rows = sum(LINE * (len(band.label) + band.below) + down + EDGE for band in bands)
    height = top + rows + LINE * (len(legend) + len(notes)) + EDGE
    canvas = Pillow.new("RGB", (width, height), PAPER)
    page = _Page(ImageDraw.Draw(canvas), _font())
    page.write(EDGE, EDGE, title)
    for place, lines in enumerate(columns):  # heads stand on their pictures
        page.write(EDGE + place * (across + GAP), top - 4 - LINE * len(lines), lines)
    for row, band in zip(sheet.rows, bands, strict=True):
        page.write(EDGE, top, band.label)
        top += LINE * len(band.label)
        for place, name in enumerate(heads):
            at = EDGE + place * (across + GAP), top
            if name in row.panels:
                _put(canvas, page, row.panels[name], row.frame, at, sheet.cell)
            page.write(at[0], top + down, band.texts.get(name, []))
        top += down + LINE * band.below + EDGE
    _put_legend(canvas, page, legend, top, sheet.filled)
    page.write(EDGE, top + LINE * len(legend), notes)
    return canvas


@dataclass(frozen=True)
class _Band:
    """The lines of text above a row, those below its pictures by their heads, and how many these are at most."""

    label: Sequence[str]
    texts: Mapping[str, Sequence[str]]
    below: int


def _band(row: Row, room: int, across: int) -> _Band:
    texts = {head: wrapped(panel.text, across) for head, panel in row.panels.items() if panel.picture is not None}
    return _Band(wrapped(row.label, room), texts, max(map(len, texts.values()), default=0))


def heads_of(rows: Sequence[Row]) -> list[str]:
    """The heads of all columns: those of the longest row, then what others have beside."""
    longest = sorted(rows, key=lambda row: -len(row.panels))
    return list(dict.fromkeys(head for row in longest for head in row.panels))


@dataclass(frozen=True)
class _Page:
    """Where text is written."""

    draw: ImageDraw.ImageDraw
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont

    def write(self, left: int, top: int, lines: Sequence[str]) -> None:
        for place, line in enumerate(lines):
            self.draw.text((left, top + place * LINE), drawable(line), fill=INK, font=self.font)


def _put(
    canvas: Pillow.Image, page: _Page, panel: Panel, frame: Frame, at: tuple[int, int], cell: tuple[int, int]
) -> None:
    """Draw a panel at a place of the canvas; where it has no picture, its text."""
    left, top = at
    width, height = cell
    if panel.picture is None:
        page.draw.rectangle((left, top, left + width - 1, top + height - 1), fill=BACK)
        lines = wrapped(panel.text, width - 12)
        page.write(left + 6, top + (height - LINE * len(lines)) // 2, lines)
        return
    thick = max(THICK, round(max(cell) / 250))
    canvas.paste(Pillow.fromarray(render(panel, frame, cell, thick)), at)


def _put_legend(
    canvas: Pillow.Image, page: _Page, legend: Sequence[Sequence[tuple[Region, str, int]]], top: int, filled: bool
) -> None:
    """Draw the lines of a legend from a height on."""
    for line in legend:
        left = EDGE
        for region, said, wide in line:
            drawn = Pillow.fromarray(swatch(region, SWATCH, filled=filled))
            canvas.paste(drawn, (left, top + (LINE - SWATCH[1]) // 2))
            page.write(left + SWATCH[0] + 8, top, [said])
            left += wide + 3 * EDGE
        top += LINE


def _lines_of(entries: Sequence[tuple[Region, str, int]], room: int) -> list[list[tuple[Region, str, int]]]:
    """A legend's entries in lines of so many pixels."""
    lines: list[list[tuple[Region, str, int]]] = []
    used = room
    for entry in entries:
        wide = entry[2] + 3 * EDGE
        if used + entry[2] > room:
            lines.append([])
            used = 0
        lines[-1].append(entry)
        used += wide
    return lines


def width_of(text: str) -> int:
    """Width in pixels of a line of text."""
    return int(_font().getlength(drawable(text))) + 1


def wrapped(text: str, room: int) -> list[str]:
    """Text in lines of so many pixels, at most; a word that is longer is broken; none for an empty text."""
    found: list[str] = []
    for part in text.split("\n"):
        line = ""
        for word in one_line(part).split():
            wider = f"{line} {word}" if line else word
            if line and width_of(wider) > room:
                found.append(line)
                wider = word
            while len(wider) > 1 and width_of(wider) > room:
                fits = _fitting(wider, room)
                found.append(wider[:fits])
                wider = wider[fits:]
            line = wider
        found += [line] if line else []
    return found


def _fitting(word: str, room: int) -> int:
    """How many of a word's first letters fit into so many pixels; at least one."""
    return max(bisect_right(range(len(word)), room, key=lambda count: width_of(word[:count])) - 1, 1)


def drawable(text: str) -> str:
    r"""Text with the letters that the font lacks written as their codes, such as `\u9b5a`: ids stay ids."""
    return text.encode("latin-1", "backslashreplace").decode("latin-1")


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=FONT)
