"""What models say of their segmenter: its name in rows, and its costs by its own stages where it keeps clocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from amodal_bench.core.stages import StageCost
from amodal_bench.models.base import Timed
from amodal_bench.segmenters.base import Segmenter

SEGMENT = "segment"
"""The stage of a model in which it calls its segmenter."""


def name_of(segmenter: Segmenter) -> str:
    """What a row calls a segmenter: the name in its description, else its class."""
    return str(segmenter.describe().get("segmenter", type(segmenter).__name__))


def with_segmenter(costs: Mapping[str, StageCost], segmenter: Segmenter) -> dict[str, StageCost]:
    """A model's costs, with `segment` split into `segment.STAGE` of a `Timed` segmenter and `segment.rest`.

    All stages still add up to the model's time. Takes the segmenter's costs, so that its clocks start anew.
    """
    split = dict(costs)
    parts = segmenter.costs() if isinstance(segmenter, Timed) else {}
    if not parts or SEGMENT not in split:
        return split
    whole = split.pop(SEGMENT)
    rest = whole.seconds - sum(part.seconds for part in parts.values())
    split |= {f"{SEGMENT}.{stage}": part for stage, part in parts.items()}
    return split | {f"{SEGMENT}.rest": replace(whole, seconds=max(rest, 0.0))}
