"""The baseline without any inpainting: a segmenter on the original image, prompted as in the tuning-free method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from amodal_bench.core.errors import ConfigError
from amodal_bench.core.stages import StageCost, Stages
from amodal_bench.core.types import Image, Mask
from amodal_bench.core.versions import versions
from amodal_bench.datasets.base import Query
from amodal_bench.models.preparing import Preparing
from amodal_bench.models.segmenting import SEGMENT, name_of, with_segmenter
from amodal_bench.segmenters.base import Prompt, Segmenter
from amodal_bench.views.points import draw_points
from amodal_bench.views.window import View, Window


class SegmentOnly:
    """Takes what a segmenter finds in the original image for the amodal mask; the object may extend anywhere.

    Args:
        segmenter: finds the object.
        view: which window of the image the segmenter sees; None shows it the image as it is, on its own grid, and
            the segmenter brings it to its native size.
        size: side in pixels of the window, where there is one.
        points: how many points of V prompt the segmenter.
        union_visible: whether V, which is given, is part of every answer.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        view: View | None = None,
        size: int = 1024,
        points: int = 9,
        union_visible: bool = True,
    ) -> None:
        if size < 1 or points < 1:
            raise ConfigError(f"model: size ({size}) and points ({points}) must be >= 1")
        self.segmenter, self.view, self.size, self.points = segmenter, view, size, points
        self.union_visible = union_visible
        self.stages = Stages()
        self._preparing = Preparing(self, self._prepare, self.stages)

    @staticmethod
    def idle_settings(settings: Mapping[str, Any]) -> dict[str, str]:
        """See `config.effect.Idles`."""
        reason = "it is the side of a window, and model.view=null has none; give model.view='${view}' for one"
        return {"size": reason} if settings.get("view") is None else {}

    def describe(self) -> dict[str, Any]:
        return {
            "model": "segment-only",
            "segmenter": dict(self.segmenter.describe()),
            **({"view": self.view.describe(), "size": self.size} if self.view else {}),
            "points": self.points,
            "union_visible": self.union_visible,
            "versions": versions("opencv"),
        }

    def settings(self) -> dict[str, str]:
        """See `Shows`: the view, where there is one, and the segmenter."""
        view = self.view.settings("view") if self.view else {}
        return {**view, "segmenter": name_of(self.segmenter)}

    def prepared(self, query: Query, seed: int) -> Query:
        """See `Prepares`: the window and the points."""
        return self._preparing.ahead(query, seed)

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
        jobs = self._preparing.jobs(queries, seeds)
        with self.stages.clock(SEGMENT, len(queries)):
            masks = self.segmenter.segment([image for _, image, _ in jobs], [prompt for *_, prompt in jobs])
        found = [
            window.back(mask, (query.visible.shape[0], query.visible.shape[1])) if window else mask
            for (window, *_), mask, query in zip(jobs, masks, queries, strict=True)
        ]
        return (
            [mask | query.visible for mask, query in zip(found, queries, strict=True)]
            if self.union_visible
            else found
        )

    def costs(self) -> dict[str, StageCost]:
        return with_segmenter(self.stages.take(), self.segmenter)

    def _prepare(self, query: Query, seed: int) -> tuple[Window | None, Image, Prompt]:
        image, visible, window = query.image, query.visible, None
        if self.view is not None:
            window = self.view.window(visible, self.size)
            image, visible = window.image(image), window.mask(visible)
        anywhere = np.ones(visible.shape, bool)
        return window, image, Prompt(visible, anywhere, draw_points(visible, self.points, seed), seed)
