"""Small instances with what the authors' own scripts printed of them, as rows that numbers take."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pycocotools import mask as coco_mask

from amodal_bench.core.rle import decode, encode
from amodal_bench.core.types import Mask
from amodal_bench.metrics.counts import joint_counts
from amodal_bench.metrics.numbers.base import Rows
from amodal_bench.metrics.regions import REGIONS, boundary, pair_counts

EXPECTED = Path(__file__).parent / "expected"


@dataclass(frozen=True)
class Case:
    """Instances as masks and as rows, and the printed numbers."""

    masks: list[tuple[Mask, Mask, Mask, Mask]]
    rows: Rows
    expected: dict[str, Any]


def images() -> Case:
    """Instances of eight images, stuff and crowds among them."""
    return _case("images", "instances", ("image_id",))


def videos() -> Case:
    """Objects of videos in some frames each."""
    return _case("videos", "records", ("video_id", "frame"))


def _case(name: str, key: str, together: tuple[str, ...]) -> Case:
    content = json.loads((EXPECTED / f"protocols_{name}.json").read_text(encoding="utf-8"))
    records: list[dict[str, Any]] = content[key]
    pictures = [tuple(record[part] for part in together) for record in records]
    triples = [tuple(_mask(record, part) for part in ("predicted", "amodal", "visible")) for record in records]
    masks: list[tuple[Mask, Mask, Mask, Mask]] = []
    for i, (predicted, amodal, visible) in enumerate(triples):
        seen = [triples[j][2] for j in range(len(triples)) if j != i and pictures[j] == pictures[i]]
        masks.append((predicted, amodal, visible, np.logical_or.reduce([np.zeros_like(visible), *seen])))
    return Case(masks, rows_of(masks, _records(records)), content["expected"])


def _mask(record: dict[str, Any], part: str) -> Mask:
    stored = record[part]
    height, width = record["height"], record["width"]
    return decode(stored if isinstance(stored, dict) else {"size": [height, width], "counts": stored}, height, width)


def _records(records: Sequence[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image_id": [str(r["image_id"]) for r in records],
            "video_id": ["" if r.get("video_id") is None else str(r["video_id"]) for r in records],
            "object_id": [str(r.get("object_id", "")) for r in records],
            "frame": [int(r.get("frame") or 0) for r in records],
            "category": [str(r.get("category_id", "")) for r in records],
            "crowd": [bool(r.get("crowd")) for r in records],
        }
    )


def rows_of(
    masks: Sequence[tuple[Mask, Mask, Mask, Mask]],
    records: pd.DataFrame,
    draws: Sequence[Sequence[Mask]] | None = None,
) -> Rows:
    """Rows of (predicted, amodal, visible, others), with every region and the IoUs of all pairs of an image.

    `draws` are all predictions of each instance, as many of each, the first being that of `masks`.
    """
    counts = np.stack([joint_counts(*group) for group in masks])
    every = {**REGIONS, "boundary_0.05": boundary(0.05)}
    regions = {
        name: np.stack([pair_counts(*region(p, a, v)) for p, a, v, _ in masks]) for name, region in every.items()
    }
    if draws is None or len(draws[0]) == 1:
        return Rows(counts, records, regions, _pairs(masks, records))
    drawn = [[joint_counts(p, a, v, o) for p in each] for (_, a, v, o), each in zip(masks, draws, strict=True)]
    voted = [2 * np.sum(each, axis=0) > len(each) for each in draws]
    majority = [joint_counts(p, a, v, o) for p, (_, a, v, o) in zip(voted, masks, strict=True)]
    return Rows(counts, records, regions, _pairs(masks, records), np.array(drawn), np.stack(majority))


def _pairs(masks: Sequence[tuple[Mask, Mask, Mask, Mask]], records: pd.DataFrame) -> pd.DataFrame:
    found: list[tuple[int, int, float]] = []
    for places in records.groupby("image_id").indices.values():
        predicted = [encode(masks[i][0]) for i in places]
        amodal = [encode(masks[i][1]) for i in places]
        ious = coco_mask.iou(predicted, amodal, records["crowd"].iloc[places].astype(int).tolist())
        found += [(int(i), int(j), float(ious[a, b])) for a, i in enumerate(places) for b, j in enumerate(places)]
    return pd.DataFrame(found, columns=["predicted", "amodal", "iou"])
