"""Average precision of amodal masks, by pycocotools' own matching and accumulation.

Every prediction is a detection of score 1 (a given V says which object is meant): images in the order of their ids,
and within an image in the order of the records. Stored IoUs of pairs take the place of the masks.
"""

from __future__ import annotations

import contextlib
import io
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from amodal_bench.core.errors import ConfigError
from amodal_bench.core.plain import number_in
from amodal_bench.core.types import Floats
from amodal_bench.metrics.counts import total
from amodal_bench.metrics.numbers.base import Rows, divided

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""COCO's IoU thresholds."""


@dataclass(frozen=True)
class AveragePrecision:
    """COCO's segm AP of amodal masks, averaged over categories, in [0, 1].

    Attributes:
        threshold: one IoU threshold, or null for the mean over 0.50, 0.55, ..., 0.95.
        max_visible: only objects whose visible share |V| / |A| is at most this count; others are ignored, and so are
            unmatched predictions whose own share is larger. Null takes all. AISFormer's script prints 0.85, 0.75
            and 0.6 as APs, APm and APl.
    """

    threshold: float | None = None
    max_visible: float | None = None
    regions: ClassVar[tuple[str, ...]] = ("pairs",)

    def __post_init__(self) -> None:
        if self.threshold is not None and not any(np.isclose(self.threshold, THRESHOLDS)):
            raise ConfigError(f"threshold: {self.threshold} must be one of 0.5, 0.55, ..., 0.95, or null")

    def value(self, rows: Rows) -> float:
        """The AP over rows; NaN where no object counts."""
        precision = self._precision(rows)
        if self.threshold is not None:
            precision = precision[np.isclose(THRESHOLDS, self.threshold)]
        counted = precision[precision > -1]
        return float(counted.mean()) if counted.size else float("nan")

    def _precision(self, rows: Rows) -> Floats:
        """Precision by (threshold, recall, category), -1 where a category has no object."""
        from pycocotools.cocoeval import COCOeval

        objects, detections, ious = self._as_coco(rows)
        with contextlib.redirect_stdout(io.StringIO()):  # it reports its progress on stdout
            judge = COCOeval(iouType="segm")
            upper = 1e10 if self.max_visible is None else self.max_visible
            judge.params.imgIds = sorted({image for image, _ in objects} | {image for image, _ in detections})
            judge.params.catIds = sorted({category for _, category in objects})
            judge.params.areaRng, judge.params.areaRngLbl = [[0.0, upper]], ["all"]
            judge._gts, judge._dts = defaultdict(list, objects), defaultdict(list, detections)
            judge._prepare = lambda: None
            judge.computeIoU = lambda image, category: ious.get((image, category), [])
            judge.evaluate()
            judge.accumulate()
        return np.asarray(judge.eval["precision"][..., 0, -1])

    def _as_coco(self, rows: Rows) -> tuple[dict[Any, list[Any]], dict[Any, list[Any]], dict[Any, Any]]:
        """Objects, detections and their IoUs by (place of the image, category), as pycocotools holds them."""
        amodal = total(rows.counts, lambda p, a, v, o: a)
        shares = self._shares(rows)
        keys = list(zip(_places(rows.records["image_id"]), rows.records["category"], strict=True))
        crowd = rows.records["crowd"].astype(int).tolist()
        places: dict[Any, list[int]] = defaultdict(list)
        for place, key in enumerate(keys):
            places[key].append(place)
        pairs = self._pairs(rows)
        objects: dict[Any, list[Any]] = {}
        detections: dict[Any, list[Any]] = {}
        ious: dict[Any, Any] = {}
        for key, group in places.items():
            objects[key] = [
                {
                    "id": i + 1,
                    "iscrowd": int(crowd[i]),
                    "ignore": int(crowd[i]),
                    "area": self._area(shares[0][i], amodal[i]),
                }
                for i in group
            ]
            detections[key] = [{"id": i + 1, "score": 1.0, "area": self._area(shares[1][i], 1)} for i in group]
            ious[key] = np.array([[pairs.get((i, j), 0.0) for j in group] for i in group])
        return objects, detections, ious

    def _area(self, share: float, pixels: float) -> float:
        return float(pixels if self.max_visible is None else share)

    def _shares(self, rows: Rows) -> tuple[Floats, Floats]:
        """|V| / |A| of objects and |P and V| / |P| of predictions, (N,) each; NaN where there is no mask."""
        amodal = total(rows.counts, lambda p, a, v, o: a)
        visible = total(rows.counts, lambda p, a, v, o: v)
        predicted = total(rows.counts, lambda p, a, v, o: p)
        seen = total(rows.counts, lambda p, a, v, o: p and v)
        return divided(visible, amodal, np.nan), divided(seen, predicted, np.nan)

    def _pairs(self, rows: Rows) -> dict[tuple[int, int], float]:
        if rows.pairs is None:
            raise ValueError("average precision needs the IoUs of pairs")
        columns = (rows.pairs[name].tolist() for name in ("predicted", "amodal", "iou"))
        return {(int(p), int(a)): float(iou) for p, a, iou in zip(*columns, strict=True)}


def _places(image_ids: pd.Series[str]) -> list[int]:
    """The place of each row's image, numbers first and by size: all scores are equal, so AP depends on this order.

    COCO's ids are numbers, which pycocotools sorts; sorted as text, 10 would come before 9.
    """
    names = sorted(set(image_ids), key=lambda name: (number_in(name) is None, number_in(name) or 0, name))
    places = {name: place for place, name in enumerate(names)}
    return [places[name] for name in image_ids]
