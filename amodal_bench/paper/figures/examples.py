"""Figures 6 to 8: rows of instances, with a column for each model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from amodal_bench.core.types import Mask
from amodal_bench.paper.figures.chosen import Example, Predicted
from amodal_bench.paper.figures.declared import Declared
from amodal_bench.paper.figures.drawing import BLUE, ORANGE, SKY, VERMILION, YELLOW
from amodal_bench.paper.figures.pictures import Fill, Frame, Key, Outline, Strip, Tile, draw_grid, frame_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE, VISIBLE, TRUTH = "picture", "V", "ground truth"
RANDOM = "random weights"


def draw_examples(figure: Declared, examples: Sequence[Example]) -> Figure:
    """Rows of picture, V, each row's prediction with its IoU, and ground truth.

    A row that has no prediction of any of the instances has no column, and a note says so.
    """
    rows, notes = _rows(figure, examples)
    keys = [Key("V, what is visible", SKY), Key("prediction, with its IoU", VERMILION)]
    keys.append(Key("ground truth", YELLOW, dashed=True))
    strips = []
    for each in examples:
        frame, sample = frame_of(each.sample.amodal | each.sample.visible), each.sample
        truth = Outline(sample.amodal, YELLOW, dashed=True)
        tiles = [Tile(sample.image, frame=frame)]
        tiles.append(Tile(sample.image, [Fill(sample.visible, SKY)], [Outline(sample.visible, SKY)], frame=frame))
        for found in _of(each, rows):
            outlines = [truth] if found.mask is None else [truth, Outline(found.mask, VERMILION)]
            tiles.append(_tile(each, found, frame, [], outlines))
        tiles.append(Tile(sample.image, [Fill(sample.amodal, YELLOW)], [truth], frame=frame))
        strips.append(Strip(each.label, tiles))
    return draw_grid(figure.title, _heads(examples, rows), strips, keys, notes)


def draw_gains(figure: Declared, examples: Sequence[Example]) -> Figure:
    """Rows as of `draw_examples`, with the pixels beyond V of each prediction: right ones blue, wrong ones orange."""
    rows, notes = _rows(figure, examples)
    keys = [
        Key("gained over V, of the object", BLUE, area=True),
        Key("gained over V, not of the object", ORANGE, area=True),
        Key("V, what is visible", SKY, area=True),
    ]
    strips = []
    for each in examples:
        frame, sample = frame_of(each.sample.amodal | each.sample.visible), each.sample
        v = Fill(sample.visible, SKY)
        tiles = [Tile(sample.image, frame=frame), Tile(sample.image, [v], frame=frame, faded=True)]
        for found in _of(each, rows):
            fills = [] if found.mask is None else gained(each, found.mask)
            tiles.append(_tile(each, found, frame, [v, *fills], [], faded=True))
        hidden = Fill(sample.amodal & ~sample.visible, BLUE)
        tiles.append(Tile(sample.image, [v, hidden], frame=frame, faded=True))
        strips.append(Strip(each.label, tiles))
    return draw_grid(figure.title, _heads(examples, rows), strips, keys, notes)


def gained(example: Example, predicted: Mask) -> list[Fill]:
    """The pixels that a prediction has beyond V: those of the object, then those that are not."""
    beyond = predicted & ~example.sample.visible
    return [Fill(beyond & example.sample.amodal, BLUE), Fill(beyond & ~example.sample.amodal, ORANGE)]


def iou_of(predicted: Mask, amodal: Mask) -> float:
    """Intersection over union of two masks, in [0, 1]; 1 where both are empty."""
    union = int((predicted | amodal).sum())
    return int((predicted & amodal).sum()) / union if union else 1.0


def _rows(figure: Declared, examples: Sequence[Example]) -> tuple[list[str], list[str]]:
    """The names of the rows that have a prediction, and notes."""
    every = list(dict.fromkeys(found.row for each in examples for found in each.predicted))
    shown = [
        row for row in every if any(f.row == row and f.mask is not None for each in examples for f in each.predicted)
    ]
    notes = [figure.note] if figure.note else []
    if lacking := [row for row in every if row not in shown]:
        notes.append(f"Without predictions: {', '.join(lacking)}.")
    if any(found.random for each in examples for found in each.predicted):
        notes.append("Columns with random weights show that the models run, and mean nothing.")
    return shown, notes


def _heads(examples: Sequence[Example], rows: Sequence[str]) -> list[str]:
    random = {found.row for each in examples for found in each.predicted if found.random}
    named = [f"{row}\n{RANDOM}" if row in random else row for row in rows]
    return [PICTURE, VISIBLE, *named, TRUTH]


def _of(example: Example, rows: Sequence[str]) -> list[Predicted]:
    found = {each.row: each for each in example.predicted}
    return [found[row] for row in rows]


def _tile(
    example: Example,
    found: Predicted,
    frame: Frame,
    fills: Sequence[Fill],
    outlines: Sequence[Outline],
    faded: bool = False,
) -> Tile:
    if found.mask is None:
        return Tile(None, text=found.why)
    text = f"{100 * iou_of(found.mask, example.sample.amodal):.0f} %"
    return Tile(example.sample.image, fills, outlines, text, frame=frame, faded=faded)
