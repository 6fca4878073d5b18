"""The colour model on pictures whose answer is known."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from masks import iou

from amodal_bench.core.errors import ConfigError
from amodal_bench.core.types import Image, Mask
from amodal_bench.segmenters.base import Prompt
from amodal_bench.segmenters.colour_model import ColourModel


def scene(seed: int = 0) -> tuple[Image, Mask, Prompt]:
    """A grainy red and white disc on grainy blue, of which the left half is given as V."""
    ys, xs = np.mgrid[0:64, 0:64]
    disc = (xs - 32) ** 2 + (ys - 32) ** 2 < 15**2
    image = np.full((64, 64, 3), (30, 60, 160), np.uint8)
    image[disc] = (220, 40, 40)
    image[disc & (ys // 5 % 2 == 0)] = (240, 240, 240)
    grain = np.random.default_rng(seed).integers(-12, 13, image.shape)
    grainy = np.clip(image.astype(int) + grain, 0, 255).astype(np.uint8)
    area = (xs - 32) ** 2 + (ys - 32) ** 2 < 26**2
    return grainy, disc, Prompt(disc & (xs < 32), area, np.zeros((9, 2), np.int64), 7)


def test_the_whole_object_is_found_from_its_visible_half() -> None:
    image, disc, prompt = scene()
    (found,) = ColourModel().segment([image], [prompt])
    assert found.dtype == np.bool_ and found.shape == disc.shape
    assert iou(found, disc) > 0.95
    assert found[prompt.visible].all()


def test_nothing_outside_the_area_is_taken() -> None:
    image, _, prompt = scene()
    (found,) = ColourModel().segment([image], [replace(prompt, area=prompt.visible)])
    assert np.array_equal(found, prompt.visible)


def test_an_object_of_the_same_colours_that_does_not_touch_is_left_out() -> None:
    image, _, prompt = scene()
    image[7:10, 28:36] = (220, 40, 40)
    (found,) = ColourModel().segment([image], [prompt])
    assert not found[7:10, 28:36].any()


def test_what_inpainting_did_not_change_is_background_even_in_the_objects_colours() -> None:
    image, disc, prompt = scene()
    before = image.copy()
    before[disc & ~prompt.visible] = (30, 60, 160)  # this is what the model painted
    image[20:44, 47:56] = before[20:44, 47:56] = (220, 40, 40)  # and this was there already, and touches it
    told = replace(prompt, before=before)
    (found,), (by_colour,) = ColourModel().segment([image], [told]), ColourModel(change=0).segment([image], [told])
    assert iou(found, disc) > 0.9 and found[20:44, 49:56].sum() == 0
    assert by_colour[25:40, 49:56].mean() > 0.5


def test_the_probability_is_a_threshold() -> None:
    """One colour that the object has in half of its pixels, and the background in a tenth."""
    rng, visible = np.random.default_rng(1), np.zeros((40, 40), bool)
    visible[:, :10] = True
    area = np.zeros_like(visible)
    area[:, :20] = True
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, :10] = np.where(rng.random((40, 10, 1)) < 0.5, (200, 0, 0), (0, 200, 0))
    image[:, 10:20] = (200, 0, 0)
    image[:, 20:] = np.where(rng.random((40, 20, 1)) < 0.1, (200, 0, 0), (0, 0, 200))
    prompt = Prompt(visible, area, np.zeros((9, 2), np.int64), 0)
    # Bayes: 0.5 / (0.5 + 0.1) = 0.83 of these pixels are the object's.
    plain = partial(ColourModel, smoothing=0.0, closing=0, opening=0)
    (taken,) = plain(probability=0.75).segment([image], [prompt])
    (left,) = plain(probability=0.92).segment([image], [prompt])
    assert np.array_equal(taken, area) and np.array_equal(left, visible)


def test_where_the_object_can_be_anywhere_most_of_what_is_not_v_is_background() -> None:
    image, disc, prompt = scene()
    everywhere = np.ones_like(prompt.area)
    (found,) = ColourModel().segment([image], [replace(prompt, area=everywhere)])
    assert iou(found, disc) > 0.95
    (whole,) = ColourModel().segment([image], [replace(prompt, area=everywhere, visible=everywhere)])
    assert whole.all()


def test_a_result_depends_on_its_own_image_only() -> None:
    scenes = [scene(seed) for seed in range(6)]
    images, prompts = [image for image, *_ in scenes], [prompt for *_, prompt in scenes]
    together = ColourModel().segment(images, prompts)
    reverse = ColourModel().segment(images[::-1], prompts[::-1])[::-1]
    for image, prompt, first, second in zip(images, prompts, together, reverse, strict=True):
        (alone,) = ColourModel().segment([image], [prompt])
        assert np.array_equal(alone, first) and np.array_equal(alone, second)


@pytest.mark.parametrize(
    "setting",
    [
        {"bins": 1},
        {"bins": 65},
        {"smoothing": -1.0},
        {"probability": 1.0},
        {"change": -1.0},
        {"closing": -1},
        {"opening": 1.5},
    ],
    ids=str,
)
def test_an_impossible_setting_is_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"segmenter.{next(iter(setting))}"):
        ColourModel(**setting)  # type: ignore[arg-type]
