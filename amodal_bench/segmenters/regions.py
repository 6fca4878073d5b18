"""What segmenters by colour do to regions: find what inpainting changed, and tidy what they found."""

from __future__ import annotations

import math

import cv2
import numpy as np

from amodal_bench.core.errors import ConfigError
from amodal_bench.core.types import Image, Mask
from amodal_bench.segmenters.base import Prompt

GRAIN = 0.8
"""Sigma in pixels of the blur that takes the grain of encoding and decoding out of a comparison."""


def check_not_negative(**settings: float) -> None:
    """Raise `ConfigError` where a setting of the segmenter is negative or no number."""
    for name, value in settings.items():
        if not 0 <= value < math.inf:
            raise ConfigError(f"segmenter.{name}: {value} must be >= 0")


def check_radii(**settings: float) -> None:
    """Raise `ConfigError` where a setting of the segmenter is no whole number: a disc has a pixel in its middle."""
    for name, value in settings.items():
        if value < 0 or not float(value).is_integer():
            raise ConfigError(f"segmenter.{name}: {value} must be a whole number >= 0")


def candidates(image: Image, prompt: Prompt, change: float) -> Mask:
    """Where the object may be, (H, W) bool: in its area, and where the image was inpainted, what that has changed.

    Eq. 8 paints the background in the object's own colours, so colours alone tell the two apart badly. What a model
    left as it was is background for certain.

    Args:
        image: in which the object is looked for, (H, W, 3) uint8.
        prompt: the object's.
        change: grey levels that a pixel changed by, at least; 0 does not look at what has changed.
    """
    if change and prompt.before is not None:
        return changed(image, prompt.before, change) & prompt.area
    return prompt.area


def tidy(found: Mask, prompt: Prompt, closing: int, opening: int) -> Mask:
    """V, and what was found that hangs together with it, (H, W) bool.

    Args:
        found: the object's pixels, (H, W) bool.
        prompt: the object's.
        closing: radius in pixels of the disc that closes gaps, such as the line along V's outline where object and
            background have changed little.
        opening: radius in pixels of the disc that has to fit into what is gained over V. Decoded images are soft at
            outlines, and colours between object and background would become a seam around V.
    """
    whole = closed(found | prompt.visible, closing) & prompt.area
    gained = opened(whole & ~prompt.visible, opening)
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


def connected_to(mask: Mask, seed: Mask) -> Mask:
    """The connected parts of `mask` that touch `seed`, (H, W) bool."""
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    touched = np.unique(parts[seed & mask])
    return np.asarray(np.isin(parts, touched) & mask)


def _morphed(mask: Mask, radius: int, operation: int) -> Mask:
    if radius == 0:
        return mask
    size = 2 * int(radius) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), operation, disc), bool)
