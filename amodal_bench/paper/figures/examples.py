"""Figures 6 to 8: rows of instances, with a column for each model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from amodal_bench.core.types import Mask
from amodal_bench.paper.figures.chosen import Example, Predicted
from amodal_bench.paper.figures.declared import Declared
from amodal_bench.paper.figures.pictures import Key, Strip, Tile, draw_grid
from amodal_bench.report.colours import KEPT, REGIONS, annotated, compared
from amodal_bench.report.panels import Panel, frame_around

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE, VISIBLE, TRUTH = "picture", "V", "ground truth"
RANDOM = "random weights"


def draw_examples(figure: Declared, examples: Sequence[Example], filled: bool = False) -> Figure:
    """Rows of picture, V, each row's prediction with its IoU, and ground truth.

    A row that has no prediction of any of the instances has no column, and a note says so.

    Args:
        figure: what is declared of it.
        examples: its instances.
        filled: whether regions are filled over a picture that is light and grey.
    """
    rows, notes = _rows(figure, examples)
    strips = []
    for each in examples:
        shown, sample = _of(each, rows), each.sample
        meant = [one.mask for one in shown if one.mask is not None and not one.random]
        frame = frame_around([sample.amodal, sample.visible, *meant])
        panels = [Panel(sample.image), Panel(sample.image, {KEPT: sample.visible}, filled=filled)]
        panels += [_prediction(each, one, filled) for one in shown]
        panels.append(Panel(sample.image, annotated(sample.amodal, sample.visible), filled=filled))
        strips.append(Strip(each.label, [Tile(panel, frame) for panel in panels]))
    keys = [Key(region.meaning, region, filled) for region in REGIONS]
    return draw_grid(figure.title, _heads(examples, rows), strips, keys, notes)


def draw_gains(figure: Declared, examples: Sequence[Example]) -> Figure:
    """Rows as of `draw_examples`, with filled regions: those gained over V, missed and wrong are seen at a glance."""
    return draw_examples(figure, examples, filled=True)


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


def _prediction(example: Example, found: Predicted, filled: bool) -> Panel:
    if found.mask is None:
        return Panel(None, text=found.why)
    sample = example.sample
    text = f"IoU {100 * iou_of(found.mask, sample.amodal):.1f} %"
    return Panel(sample.image, compared(found.mask, sample.amodal, sample.visible), text, filled=filled)
