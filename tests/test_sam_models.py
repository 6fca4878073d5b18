"""Promptable segmenters in the method, and alone as the baselines of the paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from segmenting import samples, weights

from amodal_bench.core.errors import ConfigError
from amodal_bench.core.stages import StageCost
from amodal_bench.core.types import Image, Mask
from amodal_bench.datasets.base import Query
from amodal_bench.models.segment_only import SegmentOnly
from amodal_bench.models.segmenting import with_segmenter
from amodal_bench.report.outcome import Outcome
from amodal_bench.segmenters.base import Prompt
from amodal_bench.views.window import View

STAGES = ["prepare", "segment.encode", "segment.decode", "segment.rest"]


def small(folder: Path) -> list[str]:
    return [f"segmenter.weights={folder}", "segmenter.device=cpu", "segmenter.batch=2"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "overrides"),
    [
        ("sam", ["model=sam"]),
        ("sam2", ["model=sam2"]),
        ("sam_hq", ["model=sam", "segmenter=sam_hq", "model.name=sam_hq"]),
        ("sam3", ["model=sam2", "segmenter=sam3", "model.name=sam3"]),
    ],
)
def test_a_segmenter_alone_is_a_model(bench: Callable[..., Outcome], family: str, overrides: list[str]) -> None:
    main = bench(*overrides, *small(weights(family)), "dataset.images=1", "limit=2").main
    assert main.name == family and len(main.counted) == 2 and main.errors().empty
    facts = main.facts["model"]
    assert facts["segmenter"]["segmenter"] == family and facts["segmenter"]["random_weights"] and facts["points"] == 9
    assert (facts["segmenter"]["prompt"], facts["segmenter"]["choose"]) == ("points", "score")
    timing = main.timing().set_index("stage")
    assert (timing.loc[STAGES, "seconds_per_instance"] > 0).all() and (timing.loc[STAGES, "instances"] == 2).all()
    assert "segment" not in timing.index


@pytest.mark.slow
def test_the_method_prompts_it_on_the_inpainted_view(bench: Callable[..., Outcome]) -> None:
    outcome = bench("segmenter=sam2", *small(weights("sam2")), "model.steps=2", "dataset.images=1", "limit=2")
    assert len(outcome.main.counted) == 2 and outcome.main.errors().empty
    assert outcome.main.facts["model"]["segmenter"]["segmenter"] == "sam2"


@pytest.mark.slow
def test_another_segmenter_and_a_view_can_take_their_place(bench: Callable[..., Outcome]) -> None:
    plain = ["model=sam", "segmenter=grabcut", "dataset.images=1", "limit=2"]
    whole = bench(*plain).main
    viewed = bench(*plain, "model.view=${view}", "model.size=96").main
    for main in (whole, viewed):
        assert len(main.counted) == 2 and main.errors().empty
    assert "view" not in whole.facts["model"]
    assert viewed.facts["model"]["view"]["mode"] == "crop" and viewed.facts["model"]["size"] == 96


class LeftHalf:
    """A segmenter that finds the left half, and keeps what it is told."""

    def describe(self) -> dict[str, str]:
        return {"segmenter": "left half"}

    def segment(self, images: Sequence[Image], prompts: Sequence[Prompt]) -> list[Mask]:
        self.images, self.prompts = images, prompts
        return [np.arange(image.shape[1])[None].repeat(len(image), 0) < image.shape[1] // 2 for image in images]


def test_the_model_shows_the_image_and_returns_the_mask_as_they_are() -> None:
    images, prompts = samples()
    queries = [
        Query(str(n), image, told.visible) for n, (image, told) in enumerate(zip(images, prompts, strict=True))
    ]
    segmenter = LeftHalf()
    masks = SegmentOnly(segmenter).predict(queries, range(len(queries)))
    for query, image, told, mask in zip(queries, segmenter.images, segmenter.prompts, masks, strict=True):
        assert np.array_equal(image, query.image) and told.area.all()
        assert query.visible[told.points[:, 1], told.points[:, 0]].all() and len(told.points) == 9
        assert mask.shape == query.visible.shape and mask.mean() == pytest.approx(0.5, abs=0.02)
    squeezed = SegmentOnly(segmenter, View("frame", 0.0), size=48).predict(queries, range(len(queries)))
    assert {image.shape for image in segmenter.images} == {(48, 48, 3)}
    for mask, other in zip(masks, squeezed, strict=True):
        assert other.shape == mask.shape and (mask != other).mean() <= 0.03
    with pytest.raises(ConfigError, match="must be >= 1"):
        SegmentOnly(segmenter, points=0)


class Clocked(LeftHalf):
    """A model that answers alike, with a clock of its own."""

    def costs(self) -> dict[str, StageCost]:
        return {"think": StageCost(0.25, 2)}


def test_the_clocks_of_a_segmenter_take_the_place_of_the_models() -> None:
    costs = {"prepare": StageCost(1.0, 2), "segment": StageCost(0.75, 2)}
    assert with_segmenter(costs, LeftHalf()) == costs
    split = with_segmenter(costs, Clocked())
    assert list(split) == ["prepare", "segment.think", "segment.rest"]
    assert split["segment.think"] == StageCost(0.25, 2) and split["segment.rest"] == StageCost(0.5, 2)
    assert sum(cost.seconds for cost in split.values()) == 1.75
