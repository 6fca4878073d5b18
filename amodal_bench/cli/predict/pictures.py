"""Reading a picture and a mask of the user's own, in whatever way they were saved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image as pillow
from PIL import ImageOps

from amodal_bench.core.bombs import DAMAGED, require_plausible
from amodal_bench.core.errors import InputError, NoSuchFile
from amodal_bench.core.files import require_regular
from amodal_bench.core.rgb import OfUnknownRange, is_deep, rgb
from amodal_bench.core.types import Image, Integers, Mask

PAINT = "paint V white on black, or make everything else transparent"

LOSSY = ("JPEG", "MPO", "WEBP")
"""Formats of Pillow's in which black does not stay black beside a colour."""


def read_picture(path: Path) -> Image:
    """A picture as viewers show it: upright (EXIF), on white where it is transparent, 16 bits brought to 8.

    Returns:
        (H, W, 3) uint8.

    Raises:
        InputError: the file is missing, is no picture, is cut short, or has floating-point pixels.
    """
    with _opened(path) as picture:
        return rgb(picture)


def read_mask(path: Path, shape: tuple[int, int]) -> Mask:
    """The visible mask V of an upright picture of `shape` (H, W).

    V is what is opaque, in a file with transparent pixels; else what is above the middle grey (what is not 0, if
    there is nothing above 1), or, in a coloured file, what is not black; around the colours of a JPEG lies a haze of
    darker ones, so that in it V is what has at least half of the greatest brightness.

    Returns:
        (H, W) bool, neither empty nor full.

    Raises:
        InputError: the file cannot be read, has another size, or V is nothing or everything.
    """
    with _opened(path) as picture:
        visible = _painted(picture)
    if visible.shape != shape:
        sizes = "is {}x{}, but the image is {}x{}".format(*visible.shape, *shape)
        raise InputError(path, f"{sizes} (height x width, upright)", "draw the mask on the image as it is shown")
    if not visible.any():
        raise InputError(path, "is an empty mask: nothing in it is above the middle grey", PAINT)
    if visible.all():  # a photograph, most probably
        raise InputError(path, "covers the whole image, so no part of the object can be hidden", PAINT)
    return visible


@contextmanager
def _opened(path: Path) -> Iterator[pillow.Image]:
    """The file's first picture, upright."""
    try:
        require_regular(path)
        with pillow.open(path) as picture:
            require_plausible(picture, path)
            if picture.mode == "F":
                raise OfUnknownRange("has floating-point pixels of unknown range")
            upright = ImageOps.exif_transpose(picture)
            upright.format = picture.format
            yield upright
    except FileNotFoundError as error:
        raise NoSuchFile(path, "no such file", "check the path") from error
    except OfUnknownRange as error:
        raise InputError(path, str(error), "save it as PNG") from error
    except DAMAGED as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(path, f"cannot be read as a picture ({reason})", "check that it is one") from error


def _painted(picture: pillow.Image) -> Mask:
    if is_deep(picture):
        values = _values(picture)
        return _bright(values, 255 if values.max() <= 255 else 65535)
    if picture.has_transparency_data:
        opacity = np.asarray(picture.convert("RGBA"))[..., 3]
        if opacity.min() < 255:
            return np.asarray(opacity > 127)
    # By its colours: the numbers of a palette mean nothing.
    colours = np.asarray(picture.convert("RGB"))
    brightest = colours.max(axis=2).astype(np.int64)
    if np.ptp(colours, axis=2).max() == 0:
        return _bright(brightest, 255)
    return np.asarray(brightest > (brightest.max() // 2 if picture.format in LOSSY else 0))


def _bright(values: Integers, most: int) -> Mask:
    return np.asarray(values > (most // 2 if values.max() > 1 else 0))


def _values(picture: pillow.Image) -> Integers:
    return np.clip(np.asarray(picture).astype(np.int64), 0, 65535)
