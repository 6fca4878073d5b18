"""The colours of every picture and page: what is kept, gained, missed and wrong of an object, and what is around it.

They are Okabe and Ito's, chosen so that the four regions are told apart with normal sight, deuteranopia and
protanopia; patterns tell them apart where there is no colour (`report/panels.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from amodal_bench.core.types import Mask

ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
"""Okabe and Ito's colours, which the colour-blind can tell apart."""

INK, FAINT, BACK, PAPER = "#222222", "#CCCCCC", "#EEEEEE", "#FFFFFF"
"""Text, lines behind a chart, where there is no picture, and the page."""


@dataclass(frozen=True)
class Region:
    """A part of an object's masks, as every picture shows it.

    Attributes:
        name: in a word.
        colour: such as `#009E73`.
        meaning: what a legend says of it in a picture of a prediction.
        annotated: the same in a picture of what is annotated.
    """

    name: str
    colour: str
    meaning: str
    annotated: str


KEPT = Region("kept", GREEN, "kept: visible, predicted", "V, what is visible")
GAINED = Region("gained", BLUE, "gained: hidden, predicted", "hidden: of A, not of V")
MISSED = Region("missed", YELLOW, "missed: not predicted", "not predicted")
WRONG = Region("wrong", VERMILION, "wrong: not of the object", "of V, not of A")

REGIONS = (KEPT, GAINED, MISSED, WRONG)
"""All of them, in the order of legends."""


def rgb(colour: str) -> tuple[int, int, int]:
    """A colour such as `#009E73` as three numbers from 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def compared(predicted: Mask, amodal: Mask, visible: Mask) -> dict[Region, Mask]:
    """The regions of a prediction, (H, W) bool each: every pixel of it or of A is in exactly one.

    Args:
        predicted: the predicted mask, (H, W) bool.
        amodal: A.
        visible: V; what of it lies outside of A and is predicted is wrong.
    """
    return {
        KEPT: predicted & amodal & visible,
        GAINED: predicted & amodal & ~visible,
        MISSED: amodal & ~predicted,
        WRONG: predicted & ~amodal,
    }


def annotated(amodal: Mask, visible: Mask) -> dict[Region, Mask]:
    """The regions of what is annotated, (H, W) bool each: V in A, the hidden part, and V outside of A."""
    return {KEPT: amodal & visible, GAINED: amodal & ~visible, WRONG: visible & ~amodal}
