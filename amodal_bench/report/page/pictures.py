"""Pictures of a page: each once, made small enough for a browser, with a smaller one for the list."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow

from amodal_bench.core.files import write_whole
from amodal_bench.core.types import Image

SIDE, SMALL = 1024, 96
"""Pixels of a picture's longer side, and of the one in the list."""

QUALITY = 88


def name_of(fingerprint: str, image: str, height: int, width: int) -> str:
    """The file name of a picture, made of what tells it apart, so that no id becomes a path."""
    told = repr((fingerprint, image, height, width, SIDE, SMALL, QUALITY))
    return f"{hashlib.sha256(told.encode('utf-8', 'surrogatepass')).hexdigest()[:20]}.jpg"


def places(folder: Path, name: str) -> tuple[Path, Path]:
    """Where a picture and its small one lie in the page's folder."""
    return folder / "pictures" / name, folder / "pictures" / "small" / name


def write_picture(folder: Path, name: str, image: Image) -> None:
    """Write a picture and its small one. Raises `OSError` where they cannot be written."""
    for file, side in zip(places(folder, name), (SIDE, SMALL), strict=True):
        write_whole(file, partial(_save, Pillow.fromarray(shrunk(image, side))))


def _save(made: Pillow.Image, file: Path) -> None:
    made.save(file, "JPEG", quality=QUALITY, subsampling=0)


def shrunk(image: Image, side: int) -> Image:
    """A picture whose longer side has at most so many pixels; a small one stays as it is."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(image)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
