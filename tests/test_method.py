"""The paper's equations one by one: area, condition image, points, leakage; and the seeds they draw from."""

from __future__ import annotations

import hashlib
import inspect
import math
from typing import Any

import numpy as np
import pytest
import torch
from masks import box
from params import mostly_slow
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.spatial import ConvexHull

from amodal_bench.core.errors import ConfigError, PredictionError
from amodal_bench.core.seeds import sample_seed, stream, stream_seed
from amodal_bench.core.types import Floats, Image, Mask
from amodal_bench.method import leakage
from amodal_bench.method.area import Area, Shape, convex_hull, dilate
from amodal_bench.method.condition import BACKGROUNDS, Background, Condition
from amodal_bench.method.leakage import Blend, Conditioning, Leakage, NoLeakage, Soft, Strength
from amodal_bench.views.points import draw_points

SHAPES = ["hull", "dilated_hull", "bbox", "full"]


def scattered(shape: tuple[int, int], count: int, seed: int) -> Mask:
    """Single pixels in general position: a visible mask in many parts."""
    mask = np.zeros(shape, bool)
    mask.flat[np.random.default_rng(seed).choice(mask.size, count, replace=False)] = True
    return mask


def distance_to_hull(visible: Mask) -> Floats:
    """How far each pixel centre lies outside the convex hull of V's pixel centres; negative inside."""
    ys, xs = np.nonzero(visible)
    sides = ConvexHull(np.stack([xs, ys], axis=1)).equations
    y, x = np.indices(visible.shape)
    along = sides[:, 0, None, None] * x + sides[:, 1, None, None] * y + sides[:, 2, None, None]
    return np.asarray(along.max(axis=0))


# Area, Eq. 10.


@pytest.mark.parametrize("count", [3, 5, 12, 60])
@pytest.mark.parametrize("shape", [(40, 60), (200, 33), (9, 9)])
def test_hull_holds_every_pixel_of_the_hull_polygon_and_at_most_its_border(
    shape: tuple[int, int], count: int
) -> None:
    for seed in range(8):
        visible = scattered(shape, count, seed)
        ys, xs = np.nonzero(visible)
        if np.linalg.matrix_rank(np.stack([xs - xs[0], ys - ys[0]])) < 2:
            continue  # no polygon: the test of lines is below
        area, outside = convex_hull(visible), distance_to_hull(visible)
        assert area[outside <= 1e-9].all()
        # An edge between pixels is drawn half a pixel wide.
        assert outside[area].max() <= 0.51
        assert area[visible].all()


def test_bounding_box_of_one_part() -> None:
    visible = box((12, 15), 3, 4, 7, 2) | box((12, 15), 8, 4, 2, 10)
    assert np.array_equal(Area("bbox")(visible), box((12, 15), 3, 4, 7, 10))


def test_hull_of_a_concave_shape_of_two_parts_joins_them() -> None:
    visible = box((20, 40), 5, 4, 10, 3) | box((20, 40), 5, 30, 10, 3)
    assert np.array_equal(convex_hull(visible), box((20, 40), 5, 4, 10, 29))


@pytest.mark.parametrize(
    "visible",
    [
        box((9, 12), 4, 5, 1, 1),
        box((9, 12), 4, 0, 1, 12),
        box((9, 12), 0, 3, 9, 1),
        np.eye(9, 12, 2, dtype=bool),
        box((9, 12), 0, 0, 9, 12),
        box((1, 1), 0, 0, 1, 1),
    ],
    ids=["pixel", "row", "column", "diagonal", "whole image", "1x1"],
)
def test_hull_of_a_convex_mask_is_the_mask(visible: Mask) -> None:
    assert np.array_equal(convex_hull(visible), visible)


@pytest.mark.parametrize("shape", ["hull", "dilated_hull", "bbox"])
def test_area_of_an_empty_mask_is_empty(shape: Shape) -> None:
    area = Area(shape, 0.5)(np.zeros((6, 8), bool))
    assert area.shape == (6, 8)
    assert area.dtype == np.bool_
    assert not area.any()


@pytest.mark.parametrize("grow", [0.0, 0.4])
@pytest.mark.parametrize("shape", SHAPES)
def test_area_contains_the_visible_mask_and_does_not_change_it(shape: Shape, grow: float) -> None:
    for seed in range(5):
        visible = scattered((30, 50), 9, seed)
        before = visible.copy()
        area = Area(shape, grow)(visible)
        assert area.shape == visible.shape
        assert area.dtype == np.bool_
        assert area[visible].all()
        assert np.array_equal(visible, before)


def test_bounding_box_reaches_from_the_first_to_the_last_pixel_of_each_axis() -> None:
    visible = np.zeros((12, 15), bool)
    visible[[3, 9, 5], [7, 4, 13]] = True
    # An object cut in two by an occluder has rows or columns without a visible pixel: the very ones to paint.
    assert np.array_equal(Area("bbox")(visible), box((12, 15), 3, 4, 7, 10))


def test_the_whole_image_is_an_area() -> None:
    assert Area("full")(box((6, 8), 2, 2, 1, 1)).all()


@pytest.mark.parametrize("visible", [box((6, 8), 2, 2, 1, 1), np.zeros((6, 8), bool), np.ones((6, 8), bool)])
def test_the_background_is_all_but_the_visible_mask(visible: Mask) -> None:
    assert np.array_equal(Area("background", 0.3)(visible), ~visible)


def test_area_without_growth_is_the_undilated_shape() -> None:
    visible = scattered((30, 50), 6, 1)
    assert np.array_equal(Area("dilated_hull", 0.0)(visible), convex_hull(visible))
    assert np.array_equal(Area("hull", 0.7)(visible), convex_hull(visible))
    assert np.array_equal(Area()(visible), convex_hull(visible))


@pytest.mark.parametrize("shape", ["dilated_hull", "bbox"])
@pytest.mark.parametrize(("height", "width"), [(20, 8), (8, 20)])
def test_area_grows_by_a_share_of_the_longer_side(shape: Shape, height: int, width: int) -> None:
    area = Area(shape, 0.25)(box((60, 60), 20, 20, height, width))
    rows, columns = np.flatnonzero(area.any(axis=1)), np.flatnonzero(area.any(axis=0))
    assert (rows[0], rows[-1]) == (15, 20 + height - 1 + 5)
    assert (columns[0], columns[-1]) == (15, 20 + width - 1 + 5)
    assert not area[15, 15]  # round corners


@pytest.mark.parametrize("radius", [0.5, 1.0, 1.5, 2.0, 5.0, 7.3, 20.0])
def test_dilation_reaches_as_far_as_the_radius(radius: float) -> None:
    for seed in range(4):
        mask = scattered((60, 70), 4, seed)
        distance = distance_transform_edt(~mask)
        grown = dilate(mask, radius)
        # OpenCV's distances are off by up to 2 %.
        assert grown[distance <= 0.97 * radius].all()
        assert not grown[distance > 1.03 * radius].any()


@pytest.mark.parametrize("radius", [0.0, -1.0])
def test_no_radius_dilates_nothing(radius: float) -> None:
    mask = scattered((20, 30), 4, 0)
    assert np.array_equal(dilate(mask, radius), mask)


def test_dilating_all_or_nothing_changes_nothing() -> None:
    assert dilate(np.ones((5, 6), bool), 3.0).all()
    assert not dilate(np.zeros((5, 6), bool), 3.0).any()


@pytest.mark.parametrize(("shape", "grow"), [("circle", 0.0), ("", 0.0), ("hull", -0.1), ("bbox", -1.0)])
def test_an_impossible_area_is_refused(shape: Shape, grow: float) -> None:
    with pytest.raises(ConfigError, match="area"):
        Area(shape, grow)


# Condition image, Eq. 8 and 9.


def picture(shape: tuple[int, int] = (24, 30), seed: int = 0, low: int = 0, high: int = 256) -> Image:
    return np.random.default_rng(seed).integers(low, high, (*shape, 3), np.uint8)


VISIBLE = box((24, 30), 6, 8, 11, 9)


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_condition_is_float32_within_0_and_1_and_leaves_its_input_alone(background: Background) -> None:
    image = picture()
    before = image.copy()
    condition = Condition(1.0, background)(image, VISIBLE, 3)
    assert condition.shape == image.shape
    assert condition.dtype == np.float32
    assert condition.min() >= 0
    assert condition.max() <= 1
    assert np.array_equal(image, before)


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("s", [0.0, 0.3, 1.0])
def test_object_pixels_are_the_clipped_mixture_of_noise_and_image(s: float, background: Background) -> None:
    image = picture()
    eps = stream(11, "object").standard_normal(image.shape, dtype=np.float32)
    expected = np.clip(s * eps + (1 - s) * (image / 255), 0, 1)
    condition = Condition(s, background)(image, VISIBLE, 11)
    assert condition[VISIBLE] == pytest.approx(expected[VISIBLE], abs=1e-6)


@pytest.mark.slow
def test_object_noise_is_standard_normal_per_channel_and_the_same_for_every_image() -> None:
    # Noise of 4 % around mid-grey is never clipped, so that eps can be solved for.
    s, visible = 0.04, np.ones((120, 130), bool)
    images = [picture(visible.shape, seed, 120, 136) for seed in (1, 2)]
    first, second = ((Condition(s)(i, visible, 5) - (1 - s) * (i / 255)) / s for i in images)
    assert first == pytest.approx(second, abs=1e-4)
    eps = first.reshape(-1, 3)
    # 15600 draws per channel: one standard error is 0.008 of the mean, 0.0057 of the deviation.
    assert np.abs(eps.mean(axis=0)).max() < 0.04
    assert np.abs(eps.std(axis=0) - 1).max() < 0.03
    assert np.abs(np.corrcoef(eps.T) - np.eye(3)).max() < 0.04


@pytest.mark.parametrize("background", ["histogram", "mean", "grey", "white"])
@pytest.mark.parametrize("blur", [0.0, 0.05])
def test_nothing_of_the_image_outside_the_visible_mask_is_used(background: Background, blur: float) -> None:
    image = picture()
    changed = np.where(VISIBLE[..., None], image, 255 - image).astype(np.uint8)
    make = Condition(background=background, blur=blur)
    assert np.array_equal(make(image, VISIBLE, 1), make(changed, VISIBLE, 1))


def test_without_background_design_the_image_stays_outside_the_object() -> None:
    image = picture()
    condition = Condition(background="image")(image, VISIBLE, 1)
    assert condition[~VISIBLE] == pytest.approx(image[~VISIBLE] / 255, abs=1e-6)


@pytest.mark.parametrize("background", ["mean", "grey", "white"])
def test_plain_backgrounds_have_one_colour(background: Background) -> None:
    image = picture()
    colour = {"mean": image[VISIBLE].mean(axis=0) / 255, "grey": np.full(3, 0.5), "white": np.ones(3)}[background]
    outside = Condition(background=background)(image, VISIBLE, 1)[~VISIBLE]
    assert outside == pytest.approx(np.broadcast_to(colour, outside.shape), abs=1e-5)


def two_colours() -> tuple[Image, Mask]:
    """V is orange for a quarter and cyan for the rest: no channel's value tells the other channels'."""
    visible = box((64, 64), 20, 20, 16, 16)
    image = picture((64, 64))
    image[20:36, 20:24], image[20:36, 24:36] = (250, 120, 10), (30, 200, 220)
    return image, visible


def test_unblurred_background_draws_whole_colours_by_their_share_of_the_object() -> None:
    image, visible = two_colours()
    outside = np.rint(Condition(blur=0.0)(image, visible, 2)[~visible] * 255).astype(int)
    colours, counts = np.unique(outside, axis=0, return_counts=True)
    assert colours.tolist() == [[30, 200, 220], [250, 120, 10]]
    # 3840 draws: one standard error of the share is 0.007.
    assert counts[1] / counts.sum() == pytest.approx(0.25, abs=0.035)


@pytest.mark.parametrize("blur", [0.015, 0.03])
def test_blur_is_a_gaussian_of_that_share_of_the_side(blur: float) -> None:
    side = 256
    image, visible = picture((side, side)), box((side, side), 0, 0, 2, side)
    sharp, blurred = (Condition(blur=b)(image, visible, 4)[40:-40, 40:-40] for b in (0.0, blur))
    assert blurred.mean() == pytest.approx(sharp.mean(), abs=0.01)
    # White noise keeps 1 / (2 sigma sqrt(pi)) of its deviation.
    kept = float(np.mean(blurred.std(axis=(0, 1)) / sharp.std(axis=(0, 1))))
    assert kept == pytest.approx(1 / (2 * blur * side * math.sqrt(math.pi)), rel=0.1)


def test_the_object_is_not_blurred_into_the_background_nor_the_reverse() -> None:
    image, visible = two_colours()
    image[visible] = (0, 0, 0)
    condition = Condition(0.0, blur=0.05)(image, visible, 1)
    assert (condition == 0).all()
    image[20, 20] = 255
    condition = Condition(0.0, blur=0.05)(image, visible, 1)
    assert (condition[20, 20] == 1).all()
    assert (condition[21:36, 21:36] == 0).all()


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_condition_depends_on_the_seed_and_on_nothing_else(background: Background) -> None:
    make = Condition(background=background)
    first = make(picture(), VISIBLE, 1)
    np.random.seed(0)
    make(picture(seed=9), VISIBLE, 2)
    assert np.array_equal(make(picture(), VISIBLE, 1), first)
    other = make(picture(), VISIBLE, 2)
    assert not np.array_equal(other[VISIBLE], first[VISIBLE])
    assert np.array_equal(other[~VISIBLE], first[~VISIBLE]) == (background != "histogram")


def test_the_objects_noise_does_not_move_the_background() -> None:
    outside = [Condition(s)(picture(), VISIBLE, 1)[~VISIBLE] for s in (0.0, 0.3, 1.0)]
    assert np.array_equal(outside[0], outside[1])
    assert np.array_equal(outside[0], outside[2])


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 2)])
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_condition_of_a_tiny_image(background: Background, shape: tuple[int, int]) -> None:
    condition = Condition(background=background, blur=0.5)(picture(shape), box(shape, 0, 0, 1, 1), 0)
    assert condition.shape == (*shape, 3)
    assert np.isfinite(condition).all()


def seen_at_256(picture: Floats) -> Floats:
    """A square picture as its pixels look in 256 of them."""
    times = len(picture) // 256
    return np.asarray(picture.reshape(256, times, 256, times, 3).mean((1, 3)))


@pytest.mark.parametrize("native", mostly_slow([256, 512, 768, 1024]))
def test_the_strength_of_noise_and_background_does_not_depend_on_the_resolution(native: int) -> None:
    """Looked at in 256 pixels, where the noise of single pixels fades with the resolution."""
    visible = box((native, native), 0, 0, native, native // 2)
    grey = np.full((native, native, 3), 128, np.uint8)
    noise = seen_at_256(Condition()(grey, visible, 3))[:, :120]
    # Clipped at 0, 1.17 deviations below the mean: 0.27 instead of 0.3.
    assert noise.std() == pytest.approx(0.269, abs=0.01)
    halves = np.where(np.arange(native)[:, None, None] % 2 < 1, np.uint8(60), np.uint8(200))
    colours = np.broadcast_to(halves, grey.shape).astype(np.uint8)
    background = seen_at_256(Condition()(colours, visible, 3))[20:-20, 150:-20]
    # A blur of 3.84 of these pixels leaves 1 / (2 sigma sqrt(pi)) of the deviation of the drawn colours, 70 / 255.
    assert background.std() == pytest.approx(70 / 255 / (2 * 3.84 * math.sqrt(math.pi)), rel=0.15)


@pytest.mark.slow
def test_noise_of_single_pixels_fades_with_the_resolution() -> None:
    grey, visible = np.full((1024, 1024, 3), 128, np.uint8), np.ones((1024, 1024), bool)
    assert seen_at_256(Condition(grain=0.0)(grey, visible, 3)).std() == pytest.approx(0.269 / 4, abs=0.005)


def test_a_grain_is_a_square_of_one_draw() -> None:
    grey, visible = np.full((100, 200, 3), 128, np.uint8), np.ones((100, 200), bool)
    condition = Condition(grain=1 / 50)(grey, visible, 3)
    blocks = condition.reshape(25, 4, 50, 4, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
    assert len(np.unique(condition[..., 0])) > 900  # of 1250 grains, of which an eighth is clipped


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(512, 384), (320, 481), (1024, 1024), (1000, 400)], ids=str)
def test_grains_blurred_before_they_are_spread_are_those_blurred_after(shape: tuple[int, int]) -> None:
    visible = box(shape, 0, 0, shape[0] // 3, shape[1])
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    condition = Condition()
    found = condition(image, visible, 3)
    longer = max(shape)
    rows, columns = (((np.arange(side) + 0.5) * 256 / longer).astype(int) for side in shape)
    count = int(rows[-1]) + 1, int(columns[-1]) + 1
    colours = (image.astype(np.float32) / 255)[visible]
    drawn = colours[stream(3, "background").integers(len(colours), size=count)][rows[:, None], columns]
    # The edges mirror pixels here and grains there: compared is what lies further in.
    reach = min(round(4 * condition.blur * longer), shape[1] // 3)
    inner = np.s_[shape[0] // 3 + reach : -reach, reach:-reach]
    expected = gaussian_filter(drawn, (condition.blur * longer, condition.blur * longer, 0), truncate=6)[inner]
    assert np.abs(found[inner] - expected).mean() < (0.05 if longer % 256 == 0 else 0.2) * expected.std()
    assert found[inner].std() == pytest.approx(expected.std(), rel=0.05)


@pytest.mark.parametrize("grain", [0.0, 1 / 256, 1 / 64])
def test_a_grain_is_at_least_a_pixel(grain: float) -> None:
    image, visible = two_colours()
    assert np.array_equal(Condition(grain=grain)(image, visible, 2), Condition(grain=0.0)(image, visible, 2))


@pytest.mark.parametrize(
    "setting",
    [
        {"background": "blue"},
        {"background": ""},
        {"object_noise": -0.1},
        {"object_noise": 1.1},
        {"object_noise": math.nan},
        {"grain": -0.1},
        {"grain": 1.5},
        {"grain": math.nan},
    ],
    ids=str,
)
def test_an_impossible_condition_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="condition"):
        Condition(**setting)


# Points.


@pytest.mark.parametrize("count", [1, 9, 20])
def test_points_lie_in_the_visible_mask_and_are_distinct(count: int) -> None:
    for seed in range(10):
        visible = scattered((30, 70), 20, seed)
        points = draw_points(visible, count, seed)
        assert points.shape == (count, 2)
        assert points.dtype == np.int64
        assert visible[points[:, 1], points[:, 0]].all()
        assert len({tuple(p) for p in points.tolist()}) == count


def test_points_repeat_only_where_the_mask_has_too_few_pixels() -> None:
    visible = scattered((10, 12), 4, 0)
    points = draw_points(visible, 9, 1)
    assert points.shape == (9, 2)
    assert visible[points[:, 1], points[:, 0]].all()
    assert len({tuple(p) for p in draw_points(visible, 4, 1).tolist()}) == 4


def test_a_points_first_number_is_x() -> None:
    points = draw_points(box((10, 40), 3, 20, 1, 15), 9, 0)
    assert set(points[:, 1].tolist()) == {3}
    assert points[:, 0].min() >= 20


def test_points_depend_on_the_seed_only() -> None:
    visible = scattered((30, 70), 200, 0)
    first = draw_points(visible, 9, 1)
    draw_points(visible, 9, 2)
    assert np.array_equal(draw_points(visible, 9, 1), first)
    assert not np.array_equal(draw_points(visible, 9, 2), first)


def test_points_are_drawn_uniformly() -> None:
    visible = box((6, 7), 2, 1, 2, 4)
    drawn = np.concatenate([draw_points(visible, 1, seed) for seed in range(1600)])
    _, counts = np.unique(drawn, axis=0, return_counts=True)
    # 200 expected of each of the 8 pixels, with a standard error of 13.
    assert len(counts) == 8
    assert np.abs(counts - 200).max() < 60


def test_no_point_can_be_drawn_from_nothing() -> None:
    with pytest.raises(PredictionError, match="empty"):
        draw_points(np.zeros((4, 5), bool), 9, 0)


# Leakage, Eq. 5 and 7.


def latents() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """x, known and a soft-edged M that one sample of the batch has to itself."""
    generator = torch.Generator().manual_seed(0)
    x, known = torch.randn((2, 2, 4, 5, 6), generator=generator)
    area = torch.zeros(2, 1, 5, 6)
    area[0, :, 1:4, 2:5], area[1, :, :, 3:], area[1, :, 0, 0] = 1, 1, 0.25
    return x, known, area


def mixed(strategy: Leakage, progress: float = 0.5) -> torch.Tensor:
    x, known, area = latents()
    result = strategy.mix(x.clone(), known.clone(), area.clone(), progress)
    assert result.shape == x.shape
    assert result.dtype == x.dtype
    return result


def eq_5() -> torch.Tensor:
    x, known, area = latents()
    return area * x + (1 - area) * known


def eq_7(s: float) -> torch.Tensor:
    x, known, area = latents()
    return s * (area * x + (1 - area) * known) + (1 - s) * known


ALL: list[Leakage] = [Blend(), Strength(), Soft(), Conditioning(), NoLeakage()]


@pytest.mark.parametrize("s", [0.0, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("progress", [0.05, 0.5, 1.0])
def test_blend_is_equation_7_at_every_step(s: float, progress: float) -> None:
    torch.testing.assert_close(mixed(Blend(s), progress), eq_7(s))


@pytest.mark.parametrize("until", [0.0, 0.25, 0.5])
def test_blend_follows_equation_5_past_its_share_of_the_schedule(until: float) -> None:
    strategy = Blend(0.3, until)
    for step in range(1, 21):
        expected = eq_7(0.3) if step / 20 <= until else eq_5()
        torch.testing.assert_close(mixed(strategy, step / 20), expected)


def test_literal_blend_keeps_what_is_known_outside_the_area_and_70_percent_of_it_inside() -> None:
    x, known, area = latents()
    result = mixed(Blend(0.3, 1.0), 1.0)
    outside, inside = (area == 0).expand_as(x), (area == 1).expand_as(x)
    torch.testing.assert_close(result[outside], known[outside])
    torch.testing.assert_close(result[inside], 0.3 * x[inside] + 0.7 * known[inside])


@pytest.mark.parametrize("s", [0.0, 0.3, 1.0])
def test_soft_pulls_the_known_region_in_with_weight_s(s: float) -> None:
    x, known, area = latents()
    torch.testing.assert_close(mixed(Soft(s)), s * (area * x + (1 - area) * known) + (1 - s) * x)
    # The same, by region: inside M nothing is pulled.
    outside, inside = (area == 0).expand_as(x), (area == 1).expand_as(x)
    torch.testing.assert_close(mixed(Soft(s))[inside], x[inside])
    torch.testing.assert_close(mixed(Soft(s))[outside], s * known[outside] + (1 - s) * x[outside])


@pytest.mark.parametrize("progress", [0.05, 1.0])
@pytest.mark.parametrize("s", [0.05, 0.3, 1.0])
def test_strength_pastes_nothing_back(s: float, progress: float) -> None:
    assert torch.equal(mixed(Strength(s), progress), latents()[0])


@pytest.mark.parametrize("strategy", [Conditioning(), NoLeakage()], ids=lambda s: s.name)
@pytest.mark.parametrize("progress", [0.05, 1.0])
def test_conditioning_and_none_follow_equation_5(strategy: Leakage, progress: float) -> None:
    torch.testing.assert_close(mixed(strategy, progress), eq_5())


def test_limits_of_the_share_s() -> None:
    x, known, _ = latents()
    torch.testing.assert_close(mixed(Blend(1.0)), mixed(NoLeakage()))
    torch.testing.assert_close(mixed(Soft(1.0)), mixed(NoLeakage()))
    torch.testing.assert_close(mixed(Blend(0.0)), known)
    torch.testing.assert_close(mixed(Soft(0.0)), x)
    assert not torch.allclose(mixed(Blend(0.3)), mixed(NoLeakage()))
    assert not torch.allclose(mixed(Soft(0.3)), mixed(Blend(0.3)))


@pytest.mark.parametrize("strategy", ALL, ids=lambda s: s.name)
def test_mixing_leaves_its_inputs_alone(strategy: Leakage) -> None:
    inputs = latents()
    strategy.mix(*inputs, 0.5)
    assert all(torch.equal(a, b) for a, b in zip(inputs, latents(), strict=True))


def test_the_strategies_start_and_erase_as_they_say() -> None:
    assert [s.name for s in ALL] == ["blend", "strength", "soft", "conditioning", "none"]
    assert [s.start for s in ALL] == [1.0, 0.3, 1.0, 1.0, 1.0]
    assert Strength(0.6).start == 0.6
    assert [s.erase for s in ALL] == [True, True, True, False, True]
    assert not any(s.erase for s in (Blend(erase=False), Strength(erase=False), Soft(erase=False)))


def test_every_strategy_of_the_module_is_tested_here() -> None:
    strategies = {c for _, c in inspect.getmembers(leakage, inspect.isclass) if hasattr(c, "mix")} - {Leakage}
    assert strategies == {type(s) for s in ALL}


@pytest.mark.parametrize(
    ("strategy", "setting"),
    [
        (strategy, {name: value})
        for strategy, names in ((Blend, ("s", "until")), (Strength, ("s",)), (Soft, ("s",)))
        for name in names
        for value in (-0.1, 1.1, math.nan)
    ]
    + [(Strength, {"s": 0.0})],
)
def test_an_impossible_share_is_refused(strategy: Any, setting: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=rf"leakage\.{next(iter(setting))}"):
        strategy(**setting)


# Seeds.


def test_seeds_are_what_they_were_when_results_were_made() -> None:
    # SHA-256 of "run seed/id", its first eight bytes, one bit dropped; a change makes old runs unrepeatable.
    digest = hashlib.sha256(b"0/a").digest()
    assert sample_seed(0, "a") == int.from_bytes(digest[:8], "big") >> 1 == 7606779636460171844
    assert stream_seed(1, "points") == 6373470405482313960
    assert stream(1, "points").bit_generator.random_raw() == 14784161611771749118


def test_seeds_fit_in_63_bits_and_differ() -> None:
    seeds = {sample_seed(run, str(id)) for run in range(20) for id in range(100)}
    assert len(seeds) == 2000
    assert min(seeds) >= 0
    assert 2**62 < max(seeds) < 2**63


@pytest.mark.parametrize("names", [("points", "object"), ("object", "background")])
def test_streams_of_one_instance_are_independent(names: tuple[str, str]) -> None:
    first, second = (stream(7, name).standard_normal(20_000) for name in names)
    # The standard error of a correlation of 20 000 pairs is 0.007.
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.035


def test_drawing_from_one_stream_does_not_move_another() -> None:
    expected = stream(7, "points").random(5)
    stream(7, "object").random(100)
    stream(7, "points").random(3)
    assert np.array_equal(stream(7, "points").random(5), expected)


def test_streams_of_two_instances_differ() -> None:
    first, second = (stream(sample_seed(0, id), "points").random(5) for id in ("a", "b"))
    assert not np.array_equal(first, second)
