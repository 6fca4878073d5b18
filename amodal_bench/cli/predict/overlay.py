"""The picture with what a model says of it, drawn for people: contours, a legend, and what made it."""

from __future__ import annotations

from pathlib import Path

from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Query
from amodal_bench.report.colours import GAINED, KEPT, MISSED, Region
from amodal_bench.report.panels import Frame, Panel
from amodal_bench.report.sheet import Row, Sheet, save_sheet

LEAST, MOST = 640, 1600
"""Longer side of what is shown, in pixels: smaller pictures are enlarged, larger ones shrink."""

SAID = {KEPT: "V, what is visible", GAINED: "gained over V", MISSED: "of V, not predicted"}


def save_overlay(query: Query, amodal: Mask, title: str, path: Path) -> None:
    """Write the whole picture with the contours of V and of what was gained over it.

    Args:
        query: what was asked; its id stands above the picture.
        amodal: the predicted mask, (H, W) bool.
        title: what made it.
        path: the file.
    """
    height, width = amodal.shape
    scale = min(max(LEAST / max(amodal.shape), 1.0), MOST / max(amodal.shape))
    regions: dict[Region, Mask] = {
        KEPT: query.visible & amodal,
        GAINED: amodal & ~query.visible,
        MISSED: query.visible & ~amodal,
    }
    area = int(amodal.sum())
    share = f"{100 * int(regions[GAINED].sum()) / area:.1f} % of the mask is gained over V" if area else "empty mask"
    row = Row(f"{query.id}, {share}", Frame(0, 0, width, height), {"overlay": Panel(query.image, regions)})
    legend = {region: said for region, said in SAID.items() if regions[region].any()}
    cell = max(round(width * scale), 1), max(round(height * scale), 1)
    save_sheet(Sheet(title, [row], legend, cell=cell, headed=False), path)
