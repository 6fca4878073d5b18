"""One picture of a sheet or figure: a part of an image with the contours of regions.

A contour lies inside its region: a dark edge at its border, its colour, and a light edge within, so that it is seen
on every background. Missed and wrong regions are also hatched, so that they are told apart without colours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from amodal_bench.core.masks import extent
from amodal_bench.core.types import Image, Mask
from amodal_bench.report.colours import BACK, MISSED, WRONG, Region, rgb

DARK, LIGHT = (0, 0, 0), (255, 255, 255)
"""Edges of a contour."""

SPACE = 0.15
"""Space around an object, in longer sides of it."""

THICK = 3
"""Width in pixels of a contour's colour on a sheet."""

HATCHES: Mapping[Region, tuple[int, int]] = {MISSED: (1, -1), WRONG: (1, 1)}
"""How the lines of a hatched region run: factors of x and y of which the sum is the same along a line."""


class Frame(NamedTuple):
    """What of an image is seen: a rectangle in its pixels, which may reach beyond it."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Panel:
    """One picture.

    Attributes:
        picture: (H, W, 3) uint8; None where there is none, and the text says why.
        regions: masks on the picture's grid, (H, W) bool, no two of which share a pixel.
        text: below it.
        place: where on the image's grid the picture lies; None where it is the image.
        filled: whether regions are filled, over a picture that is light and grey.
    """

    picture: Image | None
    regions: Mapping[Region, Mask] = field(default_factory=dict)
    text: str = ""
    place: Frame | None = None
    filled: bool = False


def frame_around(masks: Sequence[Mask], space: float = SPACE) -> Frame:
    """The square around masks of one image with some space, moved to lie inside the image where it fits.

    Args:
        masks: (H, W) bool each; the whole image is seen where all are empty.
        space: on each side, in longer sides of what they cover.
    """
    height, width = masks[0].shape
    if (found := extent(np.logical_or.reduce(masks))) is None:
        return whole((height, width))
    top, bottom, left, right = found
    side = min((1 + 2 * space) * max(bottom - top, right - left) + 8, max(height, width))
    return Frame(_start(left, right, side, width), _start(top, bottom, side, height), side, side)


def whole(shape: tuple[int, int]) -> Frame:
    """The square that holds an image of (H, W), which is in its middle."""
    height, width = shape
    side = max(shape)
    return Frame((width - side) / 2, (height - side) / 2, side, side)


def _start(first: int, last: int, side: float, room: int) -> float:
    start = (first + last - side) / 2
    return (room - side) / 2 if side >= room else min(max(start, 0.0), room - side)


def render(panel: Panel, frame: Frame, size: tuple[int, int], thick: int = THICK) -> Image:
    """Draw a panel that has a picture.

    Args:
        panel: its picture and regions.
        frame: what of the image is seen.
        size: (width, height) in pixels of what is drawn.
        thick: width of a contour's colour in pixels; its edges are a third of it, at least a pixel.

    Returns:
        (height, width, 3) uint8; what is beyond the image is grey.
    """
    assert panel.picture is not None
    width, height = size
    canvas = np.full((height, width, 3), rgb(BACK), np.uint8)
    shape = panel.picture.shape[0], panel.picture.shape[1]
    place = panel.place or Frame(0, 0, shape[1], shape[0])
    if (span := _span(place, frame, size, shape)) is None:
        return canvas
    picture = _faded(panel.picture) if panel.filled else panel.picture
    canvas[span.to] = _part(Pillow.fromarray(np.ascontiguousarray(picture)), span)
    if any(mask.any() for mask in panel.regions.values()):
        _contours(canvas, _labels(panel.regions, span, (height, width)), list(panel.regions), thick, panel.filled)
    return canvas


class _Span(NamedTuple):
    """A box of a picture, and the rows and columns of a canvas that show it."""

    box: tuple[float, float, float, float]
    to: tuple[slice, slice]


def _span(place: Frame, frame: Frame, size: tuple[int, int], shape: tuple[int, int]) -> _Span | None:
    """Which part of a picture of (H, W) that lies at `place` is seen, and where; None where nothing of it is."""
    ends, boxes = [], []
    for axis, (pixels, across) in enumerate(zip(size, shape[::-1], strict=True)):
        low, wide = frame[axis], frame[axis + 2]
        first, last = max(place[axis], low), min(place[axis] + place[axis + 2], low + wide)
        if last <= first:
            return None
        to_picture, to_canvas = across / place[axis + 2], pixels / wide
        boxes.append(((first - place[axis]) * to_picture, (last - place[axis]) * to_picture))
        start = min(round((first - low) * to_canvas), pixels - 1)
        ends.append(slice(start, max(min(round((last - low) * to_canvas), pixels), start + 1)))
    (left, right), (top, bottom) = boxes
    return _Span((left, top, min(right, shape[1]), min(bottom, shape[0])), (ends[1], ends[0]))


def _part(picture: Pillow.Image, span: _Span) -> NDArray[np.uint8]:
    """A box of a picture in the canvas's pixels: averaged where it shrinks, pixel by pixel where it grows."""
    rows, columns = span.to
    size = columns.stop - columns.start, rows.stop - rows.start
    left, top, right, bottom = span.box
    shrinks = right - left > size[0] or bottom - top > size[1]
    how = Pillow.Resampling.BOX if shrinks else Pillow.Resampling.NEAREST
    return np.asarray(picture.resize(size, how, box=span.box))


def _labels(regions: Mapping[Region, Mask], span: _Span, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Which region each pixel of the canvas shows, by its place among them from 1 on; 0 for none of them."""
    labels = np.zeros(shape, np.uint8)
    shares = [
        _part(Pillow.fromarray(mask.astype(np.uint8) * 255), span).astype(np.int64) for mask in regions.values()
    ]
    every = np.stack([255 - sum(shares, np.zeros_like(shares[0])), *shares])
    labels[span.to] = every.argmax(axis=0)
    return labels


def _contours(canvas: Image, labels: NDArray[np.uint8], regions: Sequence[Region], thick: int, filled: bool) -> None:
    """Draw the contours of labelled regions into a canvas."""
    edge = max(round(thick / 3), 1)
    inside = labels > 0
    ring = cv2.dilate(inside.astype(np.uint8), _disc(edge)).astype(bool) & ~inside
    canvas[ring] = DARK
    ys, xs = np.indices(labels.shape)
    for place, region in enumerate(regions, start=1):
        own = labels == place
        depth = cv2.distanceTransform(np.pad(own, 1, mode="edge").astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
        colour = rgb(region.colour)
        inner = own & (depth > thick + edge + 0.5)
        if filled:
            canvas[inner] = (0.2 * canvas[inner] + 0.8 * np.array(colour)).astype(np.uint8)
        if region in HATCHES:
            x, y = HATCHES[region]
            line = (x * xs + y * ys) % (4 * thick)
            canvas[inner & (line < thick)] = colour
            canvas[inner & ((line == thick) | (line == 4 * thick - 1))] = DARK
        canvas[own & (depth > thick + 0.5) & ~inner] = LIGHT
        canvas[own & (depth <= thick + 0.5)] = colour
    # Between two regions lies one dark line.
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        differ = (labels[one] != labels[other]) & inside[one] & inside[other]
        canvas[one][differ] = DARK


def _disc(radius: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


def _faded(picture: Image) -> Image:
    """A light picture in grey."""
    grey = 0.5 * picture.mean(axis=2, keepdims=True) + 127
    return np.repeat(grey, 3, axis=2).astype(np.uint8)


def swatch(region: Region, size: tuple[int, int], thick: int = THICK, filled: bool = False) -> Image:
    """A region as a legend shows it: (height, width, 3) uint8, drawn as it is in pictures."""
    width, height = size
    mask = np.ones((height, width), bool)
    mask[[0, -1]] = mask[:, [0, -1]] = False
    grey = np.full((height, width, 3), rgb(BACK), np.uint8)
    return render(Panel(grey, {region: mask}, filled=filled), Frame(0, 0, width, height), size, thick)
