"""Histograms of the object's and the background's colours, and Bayes' rule; no weights, CPU only, no randomness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from amodal_bench.core.errors import ConfigError
from amodal_bench.core.threads import in_threads
from amodal_bench.core.types import Floats, Image, Integers, Mask
from amodal_bench.core.versions import versions
from amodal_bench.segmenters.base import Prompt
from amodal_bench.segmenters.regions import candidates, check_not_negative, check_radii, tidy


class ColourModel:
    """Takes the pixels whose colour is rather the object's than the background's; the plainest of the segmenters.

    The object's colours are those of V; the background's are those where the object cannot be, and where it can be
    anywhere, as in an image that was not inpainted, those of all but V. Points are not used.

    Args:
        bins: of the joint histogram along each of the three channels.
        smoothing: sigma in bins of the Gaussian that spreads a pixel's count to similar colours.
        probability: of the object's pixels, at least, both being as likely beforehand.
        change: see `regions.candidates`.
        closing, opening: see `regions.tidy`.
    """

    def __init__(
        self,
        bins: int = 16,
        smoothing: float = 1.0,
        probability: float = 0.5,
        change: float = 20.0,
        closing: int = 3,
        opening: int = 1,
    ) -> None:
        if not 2 <= bins <= 64:
            raise ConfigError(f"segmenter.bins: {bins} must be between 2 and 64")
        if not 0 < probability < 1:
            raise ConfigError(f"segmenter.probability: {probability} must be between 0 and 1")
        check_not_negative(smoothing=smoothing, change=change)
        check_radii(closing=closing, opening=opening)
        self.bins, self.smoothing, self.probability = bins, smoothing, probability
        self.change, self.closing, self.opening = change, closing, opening

    def describe(self) -> dict[str, Any]:
        return {"segmenter": "colour_model", **vars(self), "versions": versions("opencv")}

    def segment(self, images: Sequence[Image], prompts: Sequence[Prompt]) -> list[Mask]:
        return in_threads(lambda pair: self._segment(*pair), zip(images, prompts, strict=True))

    def _segment(self, image: Image, prompt: Prompt) -> Mask:
        possible = candidates(image, prompt, self.change) | prompt.visible
        if prompt.visible.all():
            return prompt.visible
        codes = self._codes(image)
        # Where nothing is background for certain, most of what is not V is.
        background = ~(prompt.visible if possible.all() else possible)
        ours, theirs = self._histogram(codes[prompt.visible]), self._histogram(codes[background])
        # A colour that neither has is nobody's, and so the background's.
        likely = ours > self.probability * (ours + theirs)
        return tidy(likely[codes] & possible, prompt, self.closing, self.opening)

    def _codes(self, image: Image) -> Integers:
        """Each pixel's cell of the histogram, (H, W) int64."""
        cells = image.astype(np.int64) * self.bins // 256
        return np.asarray((cells[..., 0] * self.bins + cells[..., 1]) * self.bins + cells[..., 2])

    def _histogram(self, codes: Integers) -> Floats:
        """The share of the pixels in each cell, smoothed; (bins ** 3,) float."""
        counts = np.bincount(codes, minlength=self.bins**3) / len(codes)
        if not self.smoothing:
            return counts
        apart = np.subtract.outer(np.arange(self.bins), np.arange(self.bins))
        spread = np.exp(-0.5 * (apart / self.smoothing) ** 2)
        spread /= spread.sum(axis=0)
        cube = counts.reshape((self.bins,) * 3)
        return np.asarray(np.einsum("ai,bj,ck,ijk->abc", spread, spread, spread, cube, optimize=True).reshape(-1))
