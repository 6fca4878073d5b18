"""Joint pixel counts: all that any scoring convention needs to know of an instance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from amodal_bench.core.types import Floats, Integers, Mask

PREDICTED, AMODAL, VISIBLE, OTHERS = 1, 2, 4, 8
"""A cell's number is the sum of the bits that are set in its pixels."""

CELLS = 16
WORD = 64
"""Pixels that are counted at once."""

EXACTLY = np.array(
    [[(-1) ** (all - one).bit_count() if all & one == one else 0 for all in range(CELLS)] for one in range(CELLS)],
    np.float64,  # exact up to 2**53, and multiplied several times as fast as integers
)
"""From "at least these bits" to "exactly these bits": Moebius inversion over subsets."""

Words: TypeAlias = npt.NDArray[np.uint64]


def joint_counts(predicted: Mask, amodal: Mask, visible: Mask, others: Mask) -> Integers:
    """Count the pixels of every combination of the four masks.

    Args:
        predicted: the model's amodal mask, (H, W) bool.
        amodal: the annotated amodal mask A, (H, W) bool.
        visible: the annotated visible mask V, (H, W) bool.
        others: pixels under another annotated instance, (H, W) bool.

    Returns:
        (16,) int64; entry `p + 2 a + 4 v + 8 o` counts the pixels with those bits, and all sum to H * W.

    Raises:
        ValueError: the masks differ in shape, or one is not bool.
    """
    masks = (predicted, amodal, visible, others)
    if any(m.shape != predicted.shape for m in masks):
        raise ValueError(f"masks of different shapes: {', '.join(str(m.shape) for m in masks)}")
    if any(m.dtype != np.bool_ for m in masks):
        raise ValueError(f"masks must be bool, not {', '.join(str(m.dtype) for m in masks)}")
    flat, whole = [np.asarray(mask).reshape(-1) for mask in masks], predicted.size // WORD * WORD
    at_least = _of_words([np.packbits(pixels[:whole]).view(np.uint64) for pixels in flat])
    at_least[0] = predicted.size
    if whole < predicted.size:
        at_least[1:] += _of_bits([pixels[whole:] for pixels in flat])
    return (EXACTLY @ at_least).astype(np.int64)


def _of_words(words: Sequence[Words]) -> Floats:
    """How many pixels of four masks in words have at least the bits of each cell; (16,), the first is not set."""
    # Around the object all pixels are alike but for others, and most of an image lies around it.
    union = words[0] | words[1]
    union |= words[2]
    near = (union != 0).nonzero()[0]
    both = np.empty((CELLS, len(near)), np.uint64)
    for bit, word in enumerate(words):
        first = 1 << bit
        word.take(near, out=both[first], mode="clip")  # none is outside; with "raise" it would be buffered
        if bit:
            np.bitwise_and(both[1:first], both[first], out=both[first + 1 : 2 * first])
    at_least = np.empty(CELLS)
    np.bitwise_count(both[1:]).sum(axis=1, dtype=np.uint32, out=at_least[1:])
    at_least[OTHERS] = np.bitwise_count(words[-1]).sum(dtype=np.uint32)
    return at_least


def _of_bits(masks: Sequence[Mask]) -> list[int]:
    """How many pixels of four masks, each (N,), have at least the bits of each cell but the first."""
    both = [-1]
    for mask in masks:
        bits = int.from_bytes(np.packbits(mask).tobytes(), "big")
        both += [bits & others for others in both]
    return [bits.bit_count() for bits in both[1:]]


def cells(holds: Callable[[bool, bool, bool, bool], bool]) -> Integers:
    """The numbers of the cells in which a condition holds.

    Args:
        holds: the condition on (predicted, amodal, visible, others).

    Returns:
        (N,) int64 cell numbers, ascending.
    """
    return np.array([c for c in range(CELLS) if holds(*(bool(c >> bit & 1) for bit in range(4)))], np.int64)


def total(counts: Integers, holds: Callable[[bool, bool, bool, bool], bool]) -> Integers:
    """Pixels in which a condition holds: `counts` (..., 16) to (...) int64."""
    return np.asarray(counts[..., cells(holds)].sum(axis=-1), np.int64)
