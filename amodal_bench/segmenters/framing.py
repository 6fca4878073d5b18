"""How an image lies in the square that a promptable model sees, and the way there for pixels, masks and points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from amodal_bench.core.errors import PredictionError
from amodal_bench.core.masks import extent
from amodal_bench.core.types import Floats, Image, Integers, Mask

if TYPE_CHECKING:
    from torch import Tensor

Scaling: TypeAlias = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Mean and standard deviation of red, green and blue in [0, 1]: pixels are shown as (value - mean) / deviation."""

IMAGENET: Scaling = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SYMMETRIC: Scaling = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Framing:
    """An image in the upper left corner of a square.

    Attributes:
        shape: (H, W) of the image.
        inner: (h, w) that it is resized to.
        side: of the square; what `inner` leaves of it is padding on the right and below.
    """

    shape: tuple[int, int]
    inner: tuple[int, int]
    side: int

    def pixels(self, image: Image, device: str, scaling: Scaling = IMAGENET) -> Tensor:
        """What the model is shown of an (H, W, 3) uint8 image: (3, side, side) float32, scaled, padded with 0."""
        import torch

        # A copy, since torch takes neither mirrored arrays nor, silently, those that cannot be written.
        raw = torch.from_numpy(image.copy()).to(device).permute(2, 0, 1).float() / 255
        mean, std = (torch.tensor(values, device=device).view(3, 1, 1) for values in scaling)
        return self._padded((self._resized(raw) - mean) / std)

    def cover(self, mask: Mask, side: int, device: str) -> Tensor:
        """The share of each cell that an (H, W) mask covers, on a grid of the square: (side, side) float32."""
        import torch

        raw = torch.from_numpy(mask.astype(np.float32)).to(device)
        square = self._padded(self._resized(raw[None]))
        return torch.nn.functional.adaptive_avg_pool2d(square, side)[0]

    def reached(self, side: int, device: str) -> Tensor:
        """The cells of that grid that the image reaches into, (side, side) bool."""
        import torch

        starts = torch.arange(side, device=device) * self.side // side
        return (starts < self.inner[0])[:, None] & (starts < self.inner[1])

    def points(self, points: Integers) -> Floats:
        """Pixels (x, y) of the image in the square, (N, 2) float32.

        As in the models' own code an index is scaled, and the model adds half a pixel of the square afterwards.
        """
        return (points * self._scale).astype(np.float32)

    def box(self, mask: Mask) -> Floats:
        """Left, top, right and bottom edge of a mask in the square, (4,) float32.

        Raises:
            PredictionError: the mask is empty.
        """
        if (found := extent(mask)) is None:
            raise PredictionError("the visible mask is empty: it has no box")
        top, bottom, left, right = found
        return (np.array([left, top, right, bottom]) * np.tile(self._scale, 2)).astype(np.float32)

    @property
    def _scale(self) -> Floats:
        return np.array([self.inner[1] / self.shape[1], self.inner[0] / self.shape[0]])

    def _resized(self, values: Tensor) -> Tensor:
        import torch

        if self.shape == self.inner:
            return values
        return torch.nn.functional.interpolate(
            values[None], self.inner, mode="bilinear", align_corners=False, antialias=True
        )[0]

    def _padded(self, values: Tensor) -> Tensor:
        import torch

        right, below = self.side - self.inner[1], self.side - self.inner[0]
        return torch.nn.functional.pad(values, (0, right, 0, below))
