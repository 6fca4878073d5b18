"""GrabCut (OpenCV): colour models of object and background and a graph cut; no weights, CPU only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from amodal_bench.core.errors import ConfigError
from amodal_bench.core.threads import in_threads
from amodal_bench.core.types import Image, Mask
from amodal_bench.core.versions import versions
from amodal_bench.segmenters.base import Prompt
from amodal_bench.segmenters.regions import candidates, check_not_negative, check_radii, tidy


class GrabCut:
    """Segments the object that V belongs to; points are not used, V itself is the better prompt here.

    Args:
        iterations: of GrabCut.
        change: see `regions.candidates`.
        closing, opening: see `regions.tidy`.
    """

    def __init__(self, iterations: int = 5, change: float = 20.0, closing: int = 3, opening: int = 1) -> None:
        if iterations < 1:
            raise ConfigError(f"segmenter.iterations: {iterations} must be >= 1")
        check_not_negative(change=change)
        check_radii(closing=closing, opening=opening)
        self.iterations, self.change, self.closing, self.opening = iterations, change, closing, opening

    def describe(self) -> dict[str, Any]:
        return {"segmenter": "grabcut", **vars(self), "versions": versions("opencv")}

    def segment(self, images: Sequence[Image], prompts: Sequence[Prompt]) -> list[Mask]:
        return in_threads(lambda pair: self._segment(*pair), zip(images, prompts, strict=True))

    def _segment(self, image: Image, prompt: Prompt) -> Mask:
        possible = candidates(image, prompt, self.change) | prompt.visible
        # What has changed all over, as plain inpainting of an erased background does, tells nothing.
        if self.change and prompt.before is not None and not possible.all():
            labels = np.where(possible, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
        else:
            labels = np.full(prompt.visible.shape, cv2.GC_PR_BGD, np.uint8)
        labels[~prompt.area] = cv2.GC_BGD
        labels[prompt.visible] = cv2.GC_FGD
        if not np.isin(labels, (cv2.GC_BGD, cv2.GC_PR_BGD)).any():
            return prompt.area  # OpenCV needs some background to learn its colours from
        # OpenCV's colour clustering starts from its thread's generator: seed it, or the order of samples shows.
        cv2.setRNGSeed(prompt.seed & 0x7FFFFFFF)
        cv2.grabCut(
            np.ascontiguousarray(image[..., ::-1]),
            labels,
            None,
            np.zeros((1, 65)),
            np.zeros((1, 65)),
            self.iterations,
            cv2.GC_INIT_WITH_MASK,
        )
        return tidy(np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)), prompt, self.closing, self.opening)
