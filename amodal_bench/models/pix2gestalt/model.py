"""pix2gestalt as a baseline: its pictures of the whole object, thresholded and put to the vote."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from amodal_bench.core.errors import ConfigError
from amodal_bench.core.stages import StageCost, Stages
from amodal_bench.core.threads import in_threads
from amodal_bench.core.types import Floats, Image, Mask
from amodal_bench.core.versions import versions
from amodal_bench.datasets.base import Query
from amodal_bench.models.base import Completion
from amodal_bench.models.pix2gestalt.backbone import Pix2GestaltBackbone
from amodal_bench.models.pix2gestalt.picture import VOTES, Vote, object_in, vote
from amodal_bench.models.pix2gestalt.sampler import Sampler
from amodal_bench.models.preparing import Preparing
from amodal_bench.views.paste import paste
from amodal_bench.views.window import View, Window


@dataclass(frozen=True)
class _Job:
    """One query on its way through the model, in the window that it sees."""

    window: Window
    image: Image
    visible: Floats
    given: Mask

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the query's image."""
        return self.given.shape[0], self.given.shape[1]


class Pix2Gestalt:
    """The model of Ozguroglu et al. (CVPR 2024), which was trained to complete objects.

    Args:
        backbone: the diffusion model.
        view: which window of the image it sees; the authors squeeze the whole image into its square.
        steps: of DDIM.
        guidance: scale of the classifier-free guidance; 1 is off.
        samples: pictures that are drawn of each object.
        vote: how their masks become one: see `picture.vote`.
        threshold: the brightest grey of the object; what is brighter is the white background.
        union_visible: whether V, which is given, is part of every answer.
    """

    def __init__(
        self,
        backbone: Pix2GestaltBackbone,
        view: View,
        steps: int = 200,
        guidance: float = 2.0,
        samples: int = 3,
        vote: Vote = "majority",
        threshold: int = 250,
        union_visible: bool = True,
    ) -> None:
        if steps < 1 or samples < 1:
            raise ConfigError(f"model: steps ({steps}) and samples ({samples}) must be >= 1")
        if not 0 <= guidance < math.inf:
            raise ConfigError(f"model.guidance: {guidance} must be >= 0 and finite")
        if vote not in VOTES:
            raise ConfigError(f"model.vote: {vote!r} is not one of {', '.join(map(repr, VOTES))}")
        if not 0 <= threshold < 255:
            raise ConfigError(f"model.threshold: {threshold} must be a grey value between 0 and 254")
        self.backbone, self.view = backbone, view
        self.steps, self.guidance, self.samples = steps, float(guidance), samples
        self.vote, self.threshold, self.union_visible = vote, threshold, union_visible
        self.stages = Stages()
        self.sampler = Sampler(backbone, steps, self.guidance, samples, self.stages)
        self._preparing = Preparing(self, lambda query, _: self._prepare(query), self.stages)

    def describe(self) -> dict[str, Any]:
        return {
            "model": "pix2gestalt",
            "backbone": self.backbone.describe(),
            "view": self.view.describe(),
            "steps": self.steps,
            "guidance": self.guidance,
            "samples": self.samples,
            "vote": self.vote,
            "threshold": self.threshold,
            "union_visible": self.union_visible,
            "versions": versions("opencv"),
        }

    def settings(self) -> dict[str, str]:
        """See `Shows`: the view and the number of pictures that vote."""
        return {**self.view.settings("view"), "samples": str(self.samples)}

    def prepared(self, query: Query, seed: int) -> Query:
        """See `Prepares`: the window's picture and V."""
        return self._preparing.ahead(query, seed)

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
        jobs = self._preparing.jobs(queries, seeds)
        pictures = self._paint(jobs, seeds)
        with self.stages.clock("vote", len(queries)):
            return in_threads(lambda pair: self._mask(*pair), zip(jobs, pictures, strict=True))

    def complete(self, query: Query, seed: int) -> Completion:
        """See `Completes`: of the pictures that voted, the one whose mask is nearest to the outcome."""
        job = self._prepare(query)
        (pictures,) = self._paint([job], [seed])
        mask = self._mask(job, pictures)
        best = max(pictures, key=lambda picture: _iou(self._object_in(job, picture), mask))
        return Completion(mask, paste(best, job.window, job.shape))

    def costs(self) -> dict[str, StageCost]:
        """See `Timed`; each instance stands for all of its samples, `batch` counts these."""
        per_instance = {"denoise": self.samples, "decode": self.samples}
        return {
            stage: replace(cost, instances=cost.instances // per_instance.get(stage, 1))
            for stage, cost in self.stages.take().items()
        }

    def explain(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[dict[str, Image]]:
        """The completed objects."""
        completed = self._paint([self._prepare(query) for query in queries], seeds)
        return [{f"completed {n}": picture for n, picture in enumerate(pictures, start=1)} for pictures in completed]

    def explained_window(self, query: Query) -> Window:
        """See `Framed`: the view that the backbone is given."""
        return self.view.window(query.visible, self.backbone.native)

    def _prepare(self, query: Query) -> _Job:
        window = self.explained_window(query)
        # V is shown as a picture of 0 and 255 that was shrunk as the image is: its edge is grey.
        grey = window.image(np.repeat(query.visible[..., None].astype(np.uint8) * 255, 3, axis=2))[..., 0]
        # Beyond the image the window repeats the border, and there V is not.
        inside = window.mask(np.ones_like(query.visible))
        visible = np.where(inside, grey, 0).astype(np.float32) / 255
        return _Job(window, window.image(query.image), visible, query.visible)

    def _paint(self, jobs: Sequence[_Job], seeds: Sequence[int]) -> list[list[Image]]:
        return self.sampler.paint([job.image for job in jobs], [job.visible for job in jobs], seeds)

    def _mask(self, job: _Job, pictures: Sequence[Image]) -> Mask:
        mask = vote([self._object_in(job, picture) for picture in pictures], self.vote)
        return mask | job.given if self.union_visible else mask

    def _object_in(self, job: _Job, picture: Image) -> Mask:
        return object_in(picture, job.window, job.shape, self.threshold)


def _iou(a: Mask, b: Mask) -> float:
    """IoU of two masks, 1 where both are empty."""
    return float((a & b).sum() / either) if (either := (a | b).sum()) else 1.0
