"""What a segmenter is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from amodal_bench.core.types import Image, Integers, Mask


@dataclass(frozen=True)
class Prompt:
    """What a segmenter is told about the object.

    Attributes:
        visible: V, (H, W) bool.
        area: where the object may extend, (H, W) bool; it contains V.
        points: pixels (x, y) of V, (N, 2) int64.
        seed: the instance's seed.
        before: where the image was inpainted, the picture that it was painted over, (H, W, 3) uint8.
    """

    visible: Mask
    area: Mask
    points: Integers
    seed: int
    before: Image | None = None


class Segmenter(Protocol):
    """Finds the prompted object in images."""

    def describe(self) -> Mapping[str, Any]:
        """What identifies the segmenter in a run."""
        ...

    def segment(self, images: Sequence[Image], prompts: Sequence[Prompt]) -> list[Mask]:
        """One (H, W) bool mask for each image (H, W, 3) uint8 and its prompt."""
        ...
