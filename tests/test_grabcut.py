"""GrabCut on pictures whose answer is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from masks import iou

from amodal_bench.core.errors import ConfigError
from amodal_bench.core.types import Image, Mask
from amodal_bench.segmenters.base import Prompt
from amodal_bench.segmenters.grabcut import GrabCut
from amodal_bench.segmenters.regions import changed, closed, connected_to, opened


def scene() -> tuple[Image, Mask, Prompt]:
    """A red and white disc on blue, of which the left half is given as V."""
    ys, xs = np.mgrid[0:64, 0:64]
    disc = (xs - 32) ** 2 + (ys - 32) ** 2 < 15**2
    image = np.full((64, 64, 3), (30, 60, 160), np.uint8)
    image[disc] = (220, 40, 40)
    image[disc & (ys // 5 % 2 == 0)] = (240, 240, 240)
    visible = disc & (xs < 32)
    area = (xs - 32) ** 2 + (ys - 32) ** 2 < 26**2
    return image, disc, Prompt(visible, area, np.zeros((9, 2), np.int64), 7)


def test_the_whole_object_is_found_from_its_visible_half() -> None:
    image, disc, prompt = scene()
    (found,) = GrabCut().segment([image], [prompt])
    assert iou(found, disc) > 0.95
    assert found[prompt.visible].all()


def test_nothing_outside_the_area_is_taken() -> None:
    image, _, prompt = scene()
    narrow = Prompt(prompt.visible, prompt.visible, prompt.points, prompt.seed)
    (found,) = GrabCut().segment([image], [narrow])
    assert np.array_equal(found, prompt.visible)


def test_an_object_of_the_same_colours_that_does_not_touch_is_left_out() -> None:
    image, _, prompt = scene()
    image[7:10, 28:36] = (220, 40, 40)
    (found,) = GrabCut().segment([image], [prompt])
    assert not found[7:10, 28:36].any()


def test_a_seam_of_soft_pixels_is_not_gained() -> None:
    image, disc, prompt = scene()
    soft = cv2.GaussianBlur(image, (0, 0), 1.2)
    whole = Prompt(disc, prompt.area, prompt.points, prompt.seed)
    (raw,), (found,) = GrabCut(opening=0).segment([soft], [whole]), GrabCut(opening=1).segment([soft], [whole])
    assert iou(found, disc) > 0.97
    assert iou(found, disc) >= iou(raw, disc)


def test_the_result_does_not_depend_on_what_was_segmented_before() -> None:
    image, _, prompt = scene()
    noisy = np.random.default_rng(0).integers(0, 255, image.shape, dtype=np.uint8)
    mixed = (0.6 * image + 0.4 * noisy).astype(np.uint8)
    (alone,) = GrabCut().segment([mixed], [prompt])
    after = GrabCut().segment([noisy, mixed], [prompt, prompt])[1]
    assert np.array_equal(alone, after)


def test_an_area_that_is_all_visible_is_the_answer() -> None:
    image, _, prompt = scene()
    full = np.ones((64, 64), bool)
    (found,) = GrabCut().segment([image], [Prompt(full, full, prompt.points, prompt.seed)])
    assert found.all()


def test_what_inpainting_left_as_it_was_is_background() -> None:
    image, disc, prompt = scene()
    before = image.copy()
    image[disc & ~prompt.visible] = (40, 160, 40)  # painted in a colour that V does not have
    before[8:56, 34:] = (30, 60, 160)
    camouflage = (slice(26, 38), slice(48, 56))  # the object's colour beside it, in the picture from the start
    image[camouflage] = before[camouflage] = (220, 40, 40)
    told = replace(prompt, before=before)
    (found,) = GrabCut().segment([image], [told])
    (by_colour,) = GrabCut(change=0).segment([image], [told])
    assert not found[camouflage][:, 1:].any()
    assert iou(found, disc) > 0.9 > iou(by_colour, disc)


def test_without_a_picture_from_before_only_colours_count() -> None:
    image, _, prompt = scene()
    (found,), (by_colour,) = GrabCut().segment([image], [prompt]), GrabCut(change=0).segment([image], [prompt])
    assert np.array_equal(found, by_colour)


def test_in_a_view_that_changed_all_over_colours_decide() -> None:
    image, disc, prompt = scene()
    told = replace(prompt, area=np.ones((64, 64), bool), before=255 - image)
    (found,) = GrabCut().segment([image], [told])
    assert iou(found, disc) > 0.95


def test_fine_grain_is_no_change() -> None:
    image, _, _ = scene()
    grain = np.random.default_rng(0).normal(0, 8, image.shape)
    grainy = np.clip(image + grain, 0, 255).astype(np.uint8)
    assert changed(image, grainy, 15).mean() < 0.02
    grainy[10:20, 10:20] = 255 - grainy[10:20, 10:20]
    assert changed(image, grainy, 15)[11:19, 11:19].all()


def test_closing_bridges_what_is_narrow() -> None:
    mask = np.zeros((20, 20), bool)
    mask[4:16, 2:9] = mask[4:16, 10:18] = True
    assert closed(mask, 1)[5:15, 2:18].all()
    assert np.array_equal(closed(mask, 0), mask)


def test_opening_keeps_what_a_disc_fits_into() -> None:
    mask = np.zeros((20, 20), bool)
    mask[2:8, 2:8] = True
    mask[15, 2:18] = True
    kept = opened(mask, 1)
    assert kept[3:7, 3:7].all()
    assert not kept[15].any()
    assert np.array_equal(opened(mask, 0), mask)


def test_connected_parts_touch_the_seed() -> None:
    mask = np.zeros((6, 6), bool)
    mask[0:2, 0:2] = mask[4:6, 4:6] = True
    seed = np.zeros_like(mask)
    seed[0, 0] = True
    assert np.array_equal(connected_to(mask, seed), mask & (np.add.outer(np.arange(6), np.arange(6)) < 4))


@pytest.mark.parametrize(
    "wrong", [{"iterations": 0}, {"opening": -1}, {"closing": 0.5}, {"closing": np.inf}, {"change": -1}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"segmenter.{next(iter(wrong))}"):
        GrabCut(**wrong)
