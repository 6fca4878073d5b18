"""Backgrounds of the aquarium: colour noise, blurred from fine to coarse."""

from __future__ import annotations

import cv2
import numpy as np

from amodal_bench.core.types import Floats


def draw_background(rng: np.random.Generator, height: int, width: int) -> Floats:
    """A blurred coloured background, (height, width, 3) float32 in [0, 1]."""
    colours = rng.random((int(rng.integers(2, 5)), 3)).astype(np.float32)
    sigma = max(height, width) * np.exp(rng.uniform(np.log(0.03), np.log(0.15)))
    image = blurred_noise(rng, colours, height, width, sigma)
    slope = rng.uniform(-0.2, 0.2, 3).astype(np.float32)
    image += np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None, None] * slope
    return np.asarray(np.clip(image, 0.0, 1.0), np.float32)


def blurred_noise(rng: np.random.Generator, colours: Floats, height: int, width: int, sigma: float) -> Floats:
    """Draw each pixel from `colours` (N, 3), then blur with a Gaussian of `sigma` pixels."""
    drawn = colours[rng.integers(len(colours), size=(height, width))].astype(np.float32)
    # A coarse blur leaves only the mean: stretch what varies, so that coarse backgrounds have structure.
    blurred = cv2.GaussianBlur(drawn, (0, 0), sigma)
    mean = blurred.mean(axis=(0, 1), keepdims=True)
    return np.asarray(np.clip(mean + (blurred - mean) * min(1.0 + sigma / 2.0, 8.0), 0.0, 1.0), np.float32)
