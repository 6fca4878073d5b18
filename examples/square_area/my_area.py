"""An area of your own: a square around V, a little larger than its longer side."""

from dataclasses import dataclass

import numpy as np

from amodal_bench.core.errors import PredictionError


@dataclass(frozen=True)
class Square:
    grow: float = 1.2

    def __call__(self, visible):
        rows, columns = np.nonzero(visible)
        if not len(rows):
            raise PredictionError("nothing is visible")
        middle = [(values.min() + values.max()) / 2 for values in (rows, columns)]
        half = self.grow * max(np.ptp(rows) + 1, np.ptp(columns) + 1) / 2
        near = [np.abs(np.arange(side) - m) <= half for side, m in zip(visible.shape, middle, strict=True)]
        return near[0][:, None] & near[1][None, :]
