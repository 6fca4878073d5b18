"""A sprite: one drawn object, placed on a canvas, with its exact amodal mask."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from amodal_bench.core.rle import decode
from amodal_bench.core.types import Floats, Mask

SUPERSAMPLE = 3


@dataclass(frozen=True)
class Sprite:
    """One object drawn in its own box and placed on the canvas.

    Attributes:
        kind: category name ("fish" or "plant").
        x, y: left and top of the box on the canvas, in pixels; may be negative.
        colour: (h, w, 3) float32 in [0, 1].
        alpha: (h, w) float32 coverage in [0, 1].
        polygon: (N, 2) float64 outline in canvas pixels, the one source of the amodal mask.
    """

    kind: str
    x: int
    y: int
    colour: Floats
    alpha: Floats
    polygon: Floats

    def amodal(self, height: int, width: int) -> Mask:
        """The amodal mask: the polygon as pycocotools rasterises it, (height, width) bool.

        Going through pycocotools makes an export to COCO-A's polygons exact by construction.
        """
        return decode([self.polygon.ravel().tolist()], height, width)

    def paint(self, image: Floats) -> None:
        """Blend the sprite over `image`, (H, W, 3) float32 in [0, 1], in place."""
        height, width = image.shape[:2]
        h, w = self.alpha.shape
        top, left = max(self.y, 0), max(self.x, 0)
        bottom, right = min(self.y + h, height), min(self.x + w, width)
        if top >= bottom or left >= right:
            return
        rows, cols = slice(top - self.y, bottom - self.y), slice(left - self.x, right - self.x)
        alpha = self.alpha[rows, cols, None]
        region = image[top:bottom, left:right]
        region += alpha * (self.colour[rows, cols] - region)


class Easel:
    """A supersampled canvas just large enough for some outlines given in canvas pixels."""

    def __init__(self, outlines: list[Floats], pad: int = 2) -> None:
        points = np.concatenate(outlines)
        self.x, self.y = (np.floor(points.min(axis=0)).astype(int) - pad).tolist()
        right, bottom = (np.ceil(points.max(axis=0)).astype(int) + pad).tolist()
        self.shape = ((bottom - self.y) * SUPERSAMPLE, (right - self.x) * SUPERSAMPLE)
        self.colour = np.zeros((*self.shape, 3), np.float32)
        self.cover = np.zeros(self.shape, np.uint8)

    def stencil(self, outline: Floats) -> Mask:
        """Which supersampled pixels lie inside `outline`, (N, 2) in canvas pixels."""
        points = (outline - (self.x, self.y)) * SUPERSAMPLE - 0.5
        stencil = np.zeros(self.shape, np.uint8)
        cv2.fillPoly(stencil, [np.round(points).astype(np.int32)], 1)
        return stencil.astype(bool)

    def grid(self) -> tuple[Floats, Floats]:
        """Canvas coordinates (x, y) of every supersampled pixel, float32."""
        ys, xs = np.mgrid[0 : self.shape[0], 0 : self.shape[1]].astype(np.float32)
        return (xs + 0.5) / SUPERSAMPLE + self.x, (ys + 0.5) / SUPERSAMPLE + self.y

    def fill(self, outline: Floats, colour: Floats) -> None:
        """Paint `outline` with one colour (3,) or a colour map (h, w, 3)."""
        stencil = self.stencil(outline)
        self.colour[stencil] = colour[stencil] if colour.ndim == 3 else colour
        self.cover[stencil] = 1

    def sprite(self, kind: str) -> Sprite:
        """The finished object; its polygon is the outer contour of everything that was painted."""
        contours, _ = cv2.findContours(self.cover, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        contour = max(contours, key=cv2.contourArea)
        solid = np.zeros_like(self.cover)
        cv2.drawContours(solid, [contour], -1, 1, cv2.FILLED)
        smooth = cv2.approxPolyDP(contour, 0.4, True)[:, 0].astype(np.float64)
        size = (self.shape[1] // SUPERSAMPLE, self.shape[0] // SUPERSAMPLE)
        alpha = cv2.resize(solid.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        # Holes between fin and body belong to the object: paint them in its mean colour.
        holes = (solid > 0) & (self.cover == 0)
        if holes.any():
            self.colour[holes] = self.colour[self.cover > 0].mean(axis=0)
        premultiplied = cv2.resize(self.colour * solid[..., None], size, interpolation=cv2.INTER_AREA)
        return Sprite(
            kind=kind,
            x=self.x,
            y=self.y,
            colour=premultiplied / np.maximum(alpha, 1e-6)[..., None],
            alpha=alpha,
            polygon=np.round((smooth + 0.5) / SUPERSAMPLE + (self.x, self.y), 3),
        )
