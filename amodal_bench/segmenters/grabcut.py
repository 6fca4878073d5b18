"""GrabCut (OpenCV): colour models of object and background and a graph cut; no weights, CPU only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from amodal_bench.errors import ConfigError
from amodal_bench.segmenters.base import Prompt
from amodal_bench.types import Image, Mask


class GrabCut:
    """Segments the object that V belongs to; points are not used, V itself is the better prompt here.

    Args:
        iterations: of GrabCut.
        opening: radius in pixels of the disc that has to fit into what is gained over V; 0 keeps everything.
            Decoded images are soft at outlines, and colours between object and background would become a
            seam around V.
    """

    def __init__(self, iterations: int = 5, opening: int = 1) -> None:
        if iterations < 1:
            raise ConfigError(f"segmenter.iterations: {iterations} is not a positive number")
        if opening < 0:
            raise ConfigError(f"segmenter.opening: {opening} is negative")
        self.iterations, self.opening = iterations, opening

    def describe(self) -> dict[str, Any]:
        return {"segmenter": "grabcut", "iterations": self.iterations, "opening": self.opening}

    def segment(self, images: Sequence[Image], prompts: Sequence[Prompt]) -> list[Mask]:
        return [self._segment(image, prompt) for image, prompt in zip(images, prompts, strict=True)]

    def _segment(self, image: Image, prompt: Prompt) -> Mask:
        labels = np.full(prompt.visible.shape, cv2.GC_PR_BGD, np.uint8)
        labels[~prompt.area] = cv2.GC_BGD
        labels[prompt.visible] = cv2.GC_FGD
        if (labels == cv2.GC_FGD).all():
            return prompt.visible
        # OpenCV's colour clustering starts from its global generator: seed it, or the order of samples shows.
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
        found = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
        gained = opened(found & ~prompt.visible, self.opening)
        return connected_to(prompt.visible | gained, prompt.visible)


def opened(mask: Mask, radius: int) -> Mask:
    """The parts of `mask` into which a disc of `radius` pixels fits (morphological opening), (H, W) bool."""
    if radius == 0:
        return mask
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, disc), bool)


def connected_to(mask: Mask, seed: Mask) -> Mask:
    """The connected parts of `mask` that touch `seed`, (H, W) bool."""
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    touched = np.unique(parts[seed & mask])
    return np.asarray(np.isin(parts, touched) & mask)
