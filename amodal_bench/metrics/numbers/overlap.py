"""Intersections and unions in a part of the image, of the prediction as given or as a script changes it first."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from amodal_bench.core.errors import ConfigError
from amodal_bench.core.types import Integers
from amodal_bench.metrics.counts import AMODAL, CELLS, OTHERS, PREDICTED, VISIBLE, total

Bits = Callable[[bool, bool, bool, bool], bool]
"""A condition on (predicted, amodal, visible, others)."""

REGIONS: Mapping[str, Bits] = {
    "whole": lambda p, a, v, o: True,
    "beyond_visible": lambda p, a, v, o: not v,
    "covered": lambda p, a, v, o: o,
}
"""Where pixels are counted: everywhere, outside V, or under the visible mask of another instance."""

PREDICTIONS: Mapping[str, Bits] = {
    "given": lambda p, a, v, o: p,
    "united": lambda p, a, v, o: p or v,
    "visible_unless_covered": lambda p, a, v, o: p if o else v,
}
"""What is scored: P, P or V, or V wherever no other instance is visible (the loss mask of SaVos and C2F-Seg)."""


def overlap(counts: Integers, region: str = "whole", prediction: str = "given") -> tuple[Integers, Integers]:
    """Pixels of P and A in both and in either, (N, 16) counts to two (N,) int64."""
    inside, predicted = REGIONS[region], PREDICTIONS[prediction]
    both = total(counts, lambda p, a, v, o: inside(p, a, v, o) and predicted(p, a, v, o) and a)
    either = total(counts, lambda p, a, v, o: inside(p, a, v, o) and (predicted(p, a, v, o) or a))
    return both, either


def one_of(name: str, value: str, valid: Mapping[str, object]) -> None:
    """Raise `ConfigError` unless a setting has a valid value."""
    if value not in valid:
        raise ConfigError(f"{name}: {value!r} is not one of {', '.join(map(repr, valid))}")


def recounted(counts: Integers, prediction: str) -> Integers:
    """The joint counts of a changed prediction, from those of the one that was given.

    Args:
        counts: (..., 16) int64.
        prediction: one of `PREDICTIONS`.

    Returns:
        (..., 16) int64 with the same sum; A, V and the others are as they were.
    """
    holds = PREDICTIONS[prediction]
    found = np.zeros_like(counts)
    for cell in range(CELLS):
        bits = [bool(cell & bit) for bit in (PREDICTED, AMODAL, VISIBLE, OTHERS)]
        found[..., cell & ~PREDICTED | (PREDICTED if holds(*bits) else 0)] += counts[..., cell]
    return found
