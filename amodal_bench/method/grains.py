"""Grains: squares of a view whose pixels share one draw, of noise or of a colour."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from amodal_bench.core.types import Floats, Integers


@dataclass(frozen=True)
class Grains:
    """The grains of a view.

    Attributes:
        rows: of each row of pixels its row of grains, (H,) int64, ascending from 0.
        columns: of each column of pixels its column of grains, (W,) int64, ascending from 0.
        side: of a grain, in pixels; a fraction where the view is no whole number of grains wide.
    """

    rows: Integers
    columns: Integers
    side: float

    @classmethod
    def of(cls, view: tuple[int, ...], share: float) -> Grains:
        """The grains of a view of (H, W) pixels whose side is a share of its longer side, one pixel at least."""
        longer = max(view)
        count = longer if share * longer <= 1 else round(1 / share)
        # A pixel belongs to the grain that its centre lies in.
        rows, columns = ((2 * np.arange(side) + 1) * count // (2 * longer) for side in view)
        return cls(rows, columns, longer / count)

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns of grains there are."""
        return int(self.rows[-1]) + 1, int(self.columns[-1]) + 1

    def spread(
        self, drawn: Floats, top: int = 0, bottom: int | None = None, left: int = 0, right: int | None = None
    ) -> Floats:
        """What was drawn for grains, (rows, columns, 3), at the pixels of the view or of a box in it, float32."""
        if self.side == 1:
            return np.asarray(drawn[top:bottom, left:right], np.float32)
        # Row by row first: a row of grains is short.
        lines = np.take(drawn, self.columns[left:right], axis=1)
        return np.asarray(np.take(lines, self.rows[top:bottom], axis=0), np.float32)

    def blurred(self, drawn: Floats, sigma: float) -> Floats:
        """What was drawn for grains under a Gaussian of `sigma` pixels, at the pixels of the view, float32.

        A Gaussian wider than a grain blurs the grains, which are fewer than the pixels, and a linear interpolation
        follows. Spread pixels are grains under a square of variance 1/12, interpolated ones under a triangle of 1/6,
        so the Gaussian is narrower by the difference.
        """
        if self.side == 1 or sigma < self.side:
            return np.asarray(cv2.GaussianBlur(self.spread(drawn), (0, 0), sigma))
        narrower = math.sqrt((sigma / self.side) ** 2 - 1 / 12)
        blurred = cv2.GaussianBlur(np.asarray(drawn, np.float32), (0, 0), narrower)
        height, width = len(self.rows), len(self.columns)
        # Where grains are no whole number of pixels the last ones reach over the edge, by less than a pixel.
        size = math.ceil(blurred.shape[1] * self.side), math.ceil(blurred.shape[0] * self.side)
        return np.ascontiguousarray(cv2.resize(blurred, size, interpolation=cv2.INTER_LINEAR)[:height, :width])
