"""Contact sheets: a row of pictures for each of some instances, of a run or of what is annotated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from amodal_bench.core.masks import extent
from amodal_bench.core.types import Image, Mask
from amodal_bench.datasets.base import Sample

CELL, GAP, HEADER = 128, 6, 26
BLUE, GREEN, RED = (64, 120, 255), (60, 200, 90), (230, 60, 60)


def choose(instances: pd.DataFrame, count: int) -> list[str]:
    """Ids of `count` predicted instances, evenly spread over the range of the occlusion rate."""
    known = instances[instances["iou"].notna()].sort_values(["occlusion_rate", "id"])
    if known.empty or count < 1:
        return []
    places = np.unique(np.linspace(0, len(known) - 1, count).round().astype(int))
    return [str(id) for id in known["id"].iloc[places]]


def draw_row(sample: Sample, predicted: Mask, iou: float, between: Mapping[str, Image]) -> dict[str, Image]:
    """The titled pictures of one instance, in the sheet's order.

    In "prediction", blue is what was gained over V and belongs to A, red is wrong, green is V.
    """
    return _drawn(sample, between, {f"prediction {100 * iou:.0f}": predicted})


def draw_predictions(sample: Sample, predicted: Mapping[str, Mask]) -> dict[str, Image]:
    """The titled pictures of one instance with several predictions beside each other, coloured as in `draw_row`."""
    return _drawn(sample, {}, predicted)


def _drawn(sample: Sample, between: Mapping[str, Image], predicted: Mapping[str, Mask]) -> dict[str, Image]:
    """Image, V, the pictures `between`, predictions by their titles, and ground truth, all of one window."""
    shown = sample.amodal.copy()
    for mask in predicted.values():
        shown |= mask
    window = _window(shown)
    row = {"image": sample.image[window], "V": overlay(sample.image, [(sample.visible, GREEN)])[window]}
    row |= between
    for title, mask in predicted.items():
        wrong, gained = mask & ~sample.amodal, mask & sample.amodal & ~sample.visible
        layers = [(sample.visible, GREEN), (gained, BLUE), (wrong, RED)]
        row[title] = overlay(sample.image, layers)[window]
    row["ground truth"] = overlay(sample.image, _truth(sample))[window]
    return row


def draw_annotation(sample: Sample) -> dict[str, Image]:
    r"""The titled pictures of what is annotated of one instance: image, V, A and the hidden part A \ V.

    V is green, the hidden part blue; red is what of V lies outside of A.
    """
    window = _window(sample.amodal | sample.visible)
    hidden = sample.amodal & ~sample.visible
    rate = 100 * int(hidden.sum()) / max(int(sample.amodal.sum()), 1)
    stray = (sample.visible & ~sample.amodal, RED)
    layers = {
        "image": [],
        "V": [(sample.visible, GREEN)],
        "A": [*_truth(sample), stray],
        f"hidden {rate:.0f} %": [(hidden, BLUE), stray],
    }
    return {title: overlay(sample.image, masks)[window] for title, masks in layers.items()}


def _truth(sample: Sample) -> list[tuple[Mask, tuple[int, int, int]]]:
    return [(sample.visible, GREEN), (sample.amodal & ~sample.visible, BLUE)]


def save_sheet(rows: Sequence[Mapping[str, Image]], path: Path) -> None:
    """Write rows of titled pictures as one PNG."""
    columns = max(len(row) for row in rows)
    width = columns * (CELL + GAP) + GAP
    sheet = Pillow.new("RGB", (width, len(rows) * (CELL + HEADER + GAP) + GAP), (250, 250, 250))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=13)
    for r, row in enumerate(rows):
        top = GAP + r * (CELL + HEADER + GAP)
        for c, (title, picture) in enumerate(row.items()):
            left = GAP + c * (CELL + GAP)
            draw.text((left, top + 4), title, fill=(30, 30, 30), font=font)
            sheet.paste(_fit(picture), (left, top + HEADER))
    sheet.save(path)


def _fit(picture: Image) -> Pillow.Image:
    height, width = picture.shape[:2]
    scale = CELL / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    fitted = Pillow.new("RGB", (CELL, CELL), (250, 250, 250))
    fitted.paste(
        Pillow.fromarray(np.ascontiguousarray(cv2.resize(picture, size, interpolation=how))),
        ((CELL - size[0]) // 2, (CELL - size[1]) // 2),
    )
    return fitted


def _window(mask: Mask) -> tuple[slice, slice]:
    """The mask's box with a margin, so that small objects of large images can be seen."""
    if (found := extent(mask)) is None:
        return slice(None), slice(None)
    top, bottom, left, right = found
    margin = int(0.4 * (max(bottom - top, right - left) - 1)) + 8
    return slice(max(top - margin, 0), bottom + margin), slice(max(left - margin, 0), right + margin)


def overlay(image: Image, layers: Sequence[tuple[Mask, tuple[int, int, int]]]) -> Image:
    """Lay half-transparent colours over the pixels of masks; (H, W, 3) uint8 like the image."""
    shown = image.astype(np.float32)
    for mask, colour in layers:
        shown[mask] = 0.45 * shown[mask] + 0.55 * np.array(colour, np.float32)
    return shown.astype(np.uint8)
