"""GrabCut (OpenCV): colour models of object and background and a graph cut; no weights, CPU only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from amodal_bench.errors import ConfigError
from amodal_bench.segmenters.base import Prompt
from amodal_bench.threads import in_threads
from amodal_bench.types import Image, Mask

GRAIN = 0.8
"""Sigma in pixels of the blur that takes the grain of encoding and decoding out of a comparison."""


class GrabCut:
    """Segments the object that V belongs to; points are not used, V itself is the better prompt here.

    Eq. 8 paints the background in the object's own colours, so colours alone tell the two apart badly. Where the
    image was inpainted, what the model left as it was is background for certain, and what it changed may be object.

    Args:
        iterations: of GrabCut.
        change: grey levels that a pixel changed by, at least, if it may be object; 0 looks at colours only.
        closing: radius in pixels of the disc that closes gaps in what is found, such as the line along V's outline
            where object and background have changed little.
        opening: radius in pixels of the disc that has to fit into what is gained over V; 0 keeps everything.
            Decoded images are soft at outlines, and colours between object and background would become a
            seam around V.
    """

    def __init__(self, iterations: int = 5, change: float = 20.0, closing: int = 3, opening: int = 1) -> None:
        if iterations < 1:
            raise ConfigError(f"segmenter.iterations: {iterations} is not a positive number")
        for name, value in (("change", change), ("closing", closing), ("opening", opening)):
            if not 0 <= value < math.inf:
                raise ConfigError(f"segmenter.{name}: {value} is no number from 0 on")
        self.iterations, self.change, self.closing, self.opening = iterations, change, closing, opening

    def describe(self) -> dict[str, Any]:
        return {"segmenter": "grabcut", **vars(self)}

    def segment(self, images: Sequence[Image], prompts: Sequence[Prompt]) -> list[Mask]:
        return in_threads(lambda pair: self._segment(*pair), zip(images, prompts, strict=True))

    def _segment(self, image: Image, prompt: Prompt) -> Mask:
        labels = np.full(prompt.visible.shape, cv2.GC_PR_BGD, np.uint8)
        if self.change and prompt.before is not None:
            labels = np.where(changed(image, prompt.before, self.change), cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
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
        found = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
        found = closed(found, self.closing) & prompt.area
        gained = opened(found & ~prompt.visible, self.opening)
        return connected_to(prompt.visible | gained, prompt.visible)


def changed(image: Image, before: Image, levels: float) -> Mask:
    """Where a channel of two (H, W, 3) uint8 pictures differs by more than `levels`, grain apart; (H, W) bool."""
    soft, soft_before = (cv2.GaussianBlur(picture.astype(np.float32), (0, 0), GRAIN) for picture in (image, before))
    return np.asarray(np.abs(soft - soft_before).max(axis=-1) > levels)


def closed(mask: Mask, radius: int) -> Mask:
    """`mask` and the gaps in it into which no disc of `radius` pixels fits (morphological closing), (H, W) bool."""
    return _morphed(mask, radius, cv2.MORPH_CLOSE)


def opened(mask: Mask, radius: int) -> Mask:
    """The parts of `mask` into which a disc of `radius` pixels fits (morphological opening), (H, W) bool."""
    return _morphed(mask, radius, cv2.MORPH_OPEN)


def _morphed(mask: Mask, radius: int, operation: int) -> Mask:
    if radius == 0:
        return mask
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), operation, disc), bool)


def connected_to(mask: Mask, seed: Mask) -> Mask:
    """The connected parts of `mask` that touch `seed`, (H, W) bool."""
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    touched = np.unique(parts[seed & mask])
    return np.asarray(np.isin(parts, touched) & mask)
