"""The condition image (Eq. 8, 9): the noised object on a background drawn in its own colours.

Eq. 9 draws noise for each pixel, and the background draws a colour for each, but the paper does not say of how many
pixels: drawn for each pixel of 1024, noise has a deviation of 0.07 when it is looked at in 256 pixels, drawn for each
of 256 it has 0.27. So both are drawn for grains, squares of a share of the view's side, as the blur is a share of it:
their strength does not depend on the resolution. Figure 2 shows Eq. 9's full deviation in panels of 256 pixels, which
fits grains of 1/256, our reading and the default.

The mixture is clipped to [0, 1], as a printed one is: a deviation of 0.3 becomes 0.27 on a middle grey.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from amodal_bench.core.errors import ConfigError, PredictionError
from amodal_bench.core.masks import extent
from amodal_bench.core.seeds import stream
from amodal_bench.core.types import Floats, Image, Mask
from amodal_bench.method.grains import Grains

Background: TypeAlias = Literal["histogram", "mean", "grey", "white", "image"]
BACKGROUNDS = get_args(Background)


@dataclass(frozen=True)
class Condition:
    """How the condition image is made.

    Attributes:
        object_noise: `s` of Eq. 9, the share of noise in the object's pixels (the paper's value is 0.3).
        background: what lies outside V: `histogram` draws each pixel from the visible pixels' joint colour
            histogram and blurs (the paper's), `mean` is their mean colour, `grey` is mid-grey, `white` an erased
            background, and `image` keeps the image as it is (the row "without background design").
        blur: of `histogram`: the Gaussian's sigma as a share of the view's side (0.015 fits the paper's Figure 2).
        grain: side of the squares that share one draw, of noise and of `histogram`'s colours, as a share of the
            view's longer side (1/256 fits the paper's Figure 2); one pixel where that is less, as 0 is.
    """

    object_noise: float = 0.3
    background: Background = "histogram"
    blur: float = 0.015
    grain: float = 1 / 256

    def __post_init__(self) -> None:
        if self.background not in BACKGROUNDS:
            raise ConfigError(
                f"condition.background: {self.background!r} is not one of {', '.join(map(repr, BACKGROUNDS))}"
            )
        if not 0 <= self.object_noise <= 1:
            raise ConfigError(f"condition.object_noise: {self.object_noise} must be between 0 and 1")
        for name, share in (("blur", self.blur), ("grain", self.grain)):
            if not 0 <= share <= 1:
                raise ConfigError(f"condition.{name}: {share} must be between 0 and 1")

    def __call__(self, image: Image, visible: Mask, seed: int) -> Floats:
        """Eq. 8: `x = V x_obj + (1 - V) x_bck`.

        Args:
            image: the view, (H, W, 3) uint8.
            visible: V in the view, (H, W) bool, not empty.
            seed: the instance's seed.

        Returns:
            (H, W, 3) float32 in [0, 1].

        Raises:
            PredictionError: V is empty.
        """
        if (found := extent(visible)) is None:
            raise PredictionError("the visible mask is empty: a background cannot take its colours")
        top, bottom, left, right = found
        box = np.s_[top:bottom, left:right]
        filled = self._background(image, visible, seed)
        # Noise is made where the object is, from the draws of a whole view, which come row by row.
        grains = Grains.of(visible.shape, self.grain)
        rows = int(grains.rows[bottom - 1]) + 1
        draw = stream(seed, "object").standard_normal((rows, grains.shape[1], 3), dtype=np.float32)
        noise = grains.spread(draw, *found)
        # Eq. 9 fits the range [0, 1] of pixels (Figure 2), not [-1, 1].
        objects = self.object_noise * noise + (1 - self.object_noise) * as_shares(image[box])
        np.copyto(filled[box], objects, where=visible[box][..., None])
        return np.clip(filled, 0, 1, out=filled)

    def _background(self, image: Image, visible: Mask, seed: int) -> Floats:
        """What lies around the object, (H, W, 3) float32 of its own, to be written into."""
        if self.background == "image":
            return as_shares(image)
        if self.background in ("grey", "white"):
            return np.full(image.shape, 0.5 if self.background == "grey" else 1.0, np.float32)
        if self.background == "mean":
            return np.broadcast_to(as_shares(image[visible]).mean(axis=0), image.shape).copy()
        grains = Grains.of(visible.shape, self.grain)
        places = np.flatnonzero(visible)
        chosen = places[stream(seed, "background").integers(len(places), size=grains.shape)]
        drawn = as_shares(image.reshape(-1, 3)[chosen])
        sigma = self.blur * max(visible.shape)
        return grains.blurred(drawn, sigma) if sigma > 0 else grains.spread(drawn)


def as_shares(image: Image) -> Floats:
    """Pixels (..., 3) from 0..255 to 0..1, float32."""
    return image.astype(np.float32) / 255
