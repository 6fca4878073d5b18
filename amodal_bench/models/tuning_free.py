"""The tuning-free method: condition image and area, one leaky inpainting call, a segmenter (Lee et al., AAAI-26)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from amodal_bench.backbones.base import Backbone
from amodal_bench.core.errors import ConfigError
from amodal_bench.core.stages import StageCost, Stages
from amodal_bench.core.types import Floats, Image, Mask
from amodal_bench.core.versions import versions
from amodal_bench.datasets.base import Query
from amodal_bench.method.area import Area
from amodal_bench.method.condition import Condition
from amodal_bench.method.inpaint import Denoising, Inpainter
from amodal_bench.method.leakage import Leakage
from amodal_bench.models.base import Completion, Step
from amodal_bench.models.described import facts_of
from amodal_bench.models.preparing import Preparing
from amodal_bench.models.segmenting import SEGMENT, name_of, with_segmenter
from amodal_bench.models.trajectory import every_step
from amodal_bench.segmenters.base import Prompt, Segmenter
from amodal_bench.views.paste import paste
from amodal_bench.views.points import draw_points
from amodal_bench.views.window import View, Window


@dataclass(frozen=True)
class _Job:
    """One query on its way through the method, in the window that the backbone sees.

    Attributes:
        window: that window.
        condition: the condition image.
        area: M, where the backbone paints; it need not contain V.
        prompt: for the segmenter, whose area does.
        visible: V on the grid of the query's image, (H, W) bool.
    """

    window: Window
    condition: Floats
    area: Mask
    prompt: Prompt
    visible: Mask

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the query's image."""
        return self.visible.shape[0], self.visible.shape[1]


class TuningFree:
    """Amodal masks from a pretrained inpainting model, without any tuning.

    Args:
        backbone: the inpainting model.
        segmenter: finds the completed object in the inpainted view.
        condition: how the condition image is made (Eq. 8, 9).
        area: how the inpainting area follows from V (Eq. 10).
        leakage: how the condition image leaks into the denoising (Eq. 7).
        view: which window of the image the backbone sees.
        steps: denoising steps.
        guidance: `w` of the guidance on the mask (Eq. 11); 0 is off.
        points: how many points of V prompt the segmenter.
        union_visible: whether V, which is given, is part of every answer.
    """

    def __init__(
        self,
        backbone: Backbone,
        segmenter: Segmenter,
        condition: Condition,
        area: Area,
        leakage: Leakage,
        view: View,
        steps: int = 20,
        guidance: float = 0.0,
        points: int = 9,
        union_visible: bool = True,
    ) -> None:
        if steps < 1 or points < 1:
            raise ConfigError(f"model: steps ({steps}) and points ({points}) must be >= 1")
        if not 0 <= guidance < math.inf:
            raise ConfigError(f"model.guidance: {guidance} must be >= 0 and finite")
        self.backbone, self.segmenter = backbone, segmenter
        self.condition, self.area, self.view = condition, area, view
        self.denoising = Denoising(leakage, steps, guidance)
        self.stages = Stages()
        self.inpainter = Inpainter(backbone, self.denoising, self.stages)
        self.points, self.union_visible = points, union_visible
        self._preparing = Preparing(self, self._prepare, self.stages)

    def describe(self) -> dict[str, Any]:
        leakage = self.denoising.leakage
        return {
            "model": "tuning-free",
            "backbone": dict(self.backbone.describe()),
            "segmenter": dict(self.segmenter.describe()),
            "condition": dict(facts_of(self.condition)),
            "area": dict(facts_of(self.area)),
            "leakage": {"name": leakage.name, "erase": leakage.erase, **facts_of(leakage)},
            "view": self.view.describe(),
            "steps": self.denoising.steps,
            "guidance": self.denoising.guidance,
            "points": self.points,
            "union_visible": self.union_visible,
            "versions": versions("opencv"),
        }

    def settings(self) -> dict[str, str]:
        """See `Shows`: the view, the reading of Eq. 7, the area and the segmenter."""
        shape = facts_of(self.area).get("shape")
        area = {"area": type(self.area).__name__} if shape is None else {"area.shape": str(shape)}
        leakage, segmenter = self.denoising.leakage.name, name_of(self.segmenter)
        return {**self.view.settings("view"), "leakage": leakage, **area, "segmenter": segmenter}

    def prepared(self, query: Query, seed: int) -> Query:
        """See `Prepares`: condition image, area and points."""
        return self._preparing.ahead(query, seed)

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
        jobs = self._preparing.jobs(queries, seeds)
        return self._segment(jobs, self._inpaint(jobs))

    def complete(self, query: Query, seed: int) -> Completion:
        """See `Completes`: the picture is the inpainted view, mapped back as the mask is."""
        job = self._prepare(query, seed)
        (view,) = self._inpaint([job])
        (mask,) = self._segment([job], [view])
        return Completion(mask, paste(view, job.window, job.shape))

    def every_step(self, query: Query, seed: int) -> list[Step]:
        """See `Stepwise`; a leakage that starts late has fewer steps, and their numbers are the schedule's."""
        job = self._prepare(query, seed)
        return [Step(*step) for step in every_step(self.inpainter, job.condition, job.area, seed)]

    def costs(self) -> dict[str, StageCost]:
        return with_segmenter(self.stages.take(), self.segmenter)

    def explain(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[dict[str, Image]]:
        """The method's intermediate pictures: condition image, area and inpainted view."""
        jobs = self._preparing.jobs(queries, seeds)
        return [
            {
                "condition image": _pixels(job.condition),
                "area": np.repeat(job.area[..., None], 3, axis=2).astype(np.uint8) * 255,
                "inpainted": painted,
            }
            for job, painted in zip(jobs, self._inpaint(jobs), strict=True)
        ]

    def explained_window(self, query: Query) -> Window:
        """See `Framed`: the view that the backbone is given."""
        return self.view.window(query.visible, self.backbone.native)

    def _prepare(self, query: Query, seed: int) -> _Job:
        window = self.explained_window(query)
        image, visible = window.image(query.image), window.mask(query.visible)
        area = self.area(visible)
        condition = self.condition(image, visible, seed)
        points = draw_points(visible, self.points, seed)
        prompt = Prompt(visible, area | visible, points, seed, before=_pixels(condition))
        return _Job(window, condition, area, prompt, query.visible)

    def _inpaint(self, jobs: Sequence[_Job]) -> list[Image]:
        conditions, areas = [job.condition for job in jobs], [job.area for job in jobs]
        return self.inpainter.inpaint(conditions, areas, [job.prompt.seed for job in jobs])

    def _segment(self, jobs: Sequence[_Job], painted: Sequence[Image]) -> list[Mask]:
        with self.stages.clock(SEGMENT, len(jobs)):
            masks = self.segmenter.segment(painted, [job.prompt for job in jobs])
            found = [job.window.back(mask, job.shape) for job, mask in zip(jobs, masks, strict=True)]
        return [mask | job.visible for job, mask in zip(jobs, found, strict=True)] if self.union_visible else found


def _pixels(picture: Floats) -> Image:
    return np.round(picture * 255).astype(np.uint8)
