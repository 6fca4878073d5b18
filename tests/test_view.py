"""The window onto an image and the way back: what is inside survives, whatever is resized."""

from __future__ import annotations

import math

import numpy as np
import pytest
from masks import box, iou

from amodal_bench.core.errors import ConfigError, PredictionError
from amodal_bench.core.types import Floats, Mask
from amodal_bench.views.window import View, Window


def thin_or_tiny(shape: tuple[int, int]) -> dict[str, Mask]:
    """Objects of one pixel, lines of one pixel's width, and small ones in every corner."""
    height, width = shape
    middle = np.zeros(shape, bool)
    middle[np.arange(min(shape)), np.arange(min(shape))] = True
    return {
        "pixel": box(shape, height // 3, width // 3, 1, 1),
        "row": box(shape, height // 2, 0, 1, width),
        "column": box(shape, 0, width // 2, height, 1),
        "diagonal": middle,
        "corner pixel": box(shape, height - 1, width - 1, 1, 1),
        "top left": box(shape, 0, 0, 3, 2),
        "top right": box(shape, 0, width - 2, 3, 2),
        "bottom left": box(shape, height - 3, 0, 3, 2),
        "bottom right": box(shape, height - 3, width - 2, 3, 2),
        "two far pixels": box(shape, 0, 0, 1, 1) | box(shape, height - 1, width - 1, 1, 1),
    }


def block_mean(array: Mask, rows: int, columns: int) -> Floats:
    height, width = array.shape
    return np.asarray(array.reshape(height // rows, rows, width // columns, columns).mean(axis=(1, 3)))


@pytest.mark.parametrize(("x", "y"), [(0, 0), (5, 3), (-7, 4), (20, -6), (30, 15), (-20, -20)])
def test_no_pixel_changes_where_the_window_has_the_models_size(x: int, y: int) -> None:
    rng = np.random.default_rng(0)
    mask, image = rng.random((30, 40)) < 0.5, rng.integers(0, 256, (30, 40, 3), np.uint8)
    window = Window(x, y, 24, 24, 24)
    inside = np.zeros_like(mask)
    inside[max(y, 0) : max(y + 24, 0), max(x, 0) : max(x + 24, 0)] = True
    seen = window.mask(mask)
    assert seen.shape == (24, 24)
    assert seen.dtype == np.bool_
    assert np.array_equal(window.back(seen, mask.shape), mask & inside)
    # Beyond the image its border is repeated, and no mask is there.
    rows, columns = np.arange(y, y + 24), np.arange(x, x + 24)
    repeated = image[rows.clip(0, 29)][:, columns.clip(0, 39)]
    assert np.array_equal(window.image(image), repeated)
    outside = (rows[:, None] < 0) | (rows[:, None] >= 30) | (columns < 0) | (columns >= 40)
    assert not seen[outside].any()


def test_a_frame_of_the_models_size_is_the_image_itself() -> None:
    rng = np.random.default_rng(1)
    mask, image = rng.random((32, 32)) < 0.3, rng.integers(0, 256, (32, 32, 3), np.uint8)
    window = View("frame").window(mask, 32)
    assert np.array_equal(window.image(image), image)
    assert np.array_equal(window.back(window.mask(mask), mask.shape), mask)


@pytest.mark.parametrize("view", [View("crop"), View("crop", 0.0), View("crop", 2.0)], ids=str)
def test_a_crop_never_loses_the_object(view: View) -> None:
    for shape in ((50, 31), (300, 17), (120, 160), (64, 64), (9, 200)):
        for kind, visible in thin_or_tiny(shape).items():
            for size in (8, 64, 100):
                seen = view.window(visible, size).mask(visible)
                assert seen.shape == (size, size), (kind, shape, size)
                assert seen.any(), (kind, shape, size)


def test_a_frame_never_loses_the_object() -> None:
    for shape in ((120, 160), (300, 65), (20, 30), (64, 64)):
        for kind, visible in thin_or_tiny(shape).items():
            assert View("frame").window(visible, 64).mask(visible).any(), (kind, shape)


def test_a_frame_that_shrinks_one_axis_and_stretches_the_other_never_loses_a_pixel() -> None:
    # KINS' frames, seen at 512.
    for x in range(0, 1242, 7):
        visible = box((375, 1242), 180, x, 1, 1)
        assert View("frame").window(visible, 512).mask(visible).any(), x


def test_each_axis_is_averaged_where_it_shrinks_though_the_other_grows() -> None:
    visible = np.random.default_rng(2).random((16, 128)) < 0.5
    image = np.repeat(visible[..., None], 3, axis=2).astype(np.uint8) * 200
    window = View("frame").window(visible, 32)
    # Rows double: the first and the last of the view are the first and the last of the frame.
    expected = block_mean(visible, 1, 4)[[0, -1]] * 200
    assert np.abs(window.image(image)[[0, -1], :, 0] - expected).max() <= 1


def test_a_shrunk_view_holds_the_mean_of_the_pixels_and_the_majority_of_the_mask() -> None:
    visible = np.random.default_rng(3).random((96, 160)) < 0.5
    image = np.repeat(visible[..., None], 3, axis=2).astype(np.uint8) * 200
    window = View("frame").window(visible, 32)
    cover = block_mean(visible, 3, 5)
    assert np.array_equal(window.mask(visible), cover > 0.5)
    assert np.abs(window.image(image)[..., 1] - cover * 200).max() <= 1


@pytest.mark.parametrize("view", [View("crop"), View("crop", 0.0), View("crop", 2.0), View("frame")], ids=str)
def test_round_trip_through_an_enlarged_view_is_exact(view: View) -> None:
    for shape in ((50, 31), (120, 160), (64, 64), (9, 200)):
        for kind, visible in thin_or_tiny(shape).items():
            window = view.window(visible, 512)
            assert np.array_equal(window.back(window.mask(visible), shape), visible), (kind, shape)


@pytest.mark.parametrize("margin", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("side", [70, 111, 150])
def test_round_trip_of_a_solid_object_through_a_shrunk_view(side: int, margin: float) -> None:
    shape = (320, 400)
    height, width = side, side // 2
    bottom, right = shape[0] - height, shape[1] - width
    # In the middle, at every edge, and in a corner.
    for top, left in ((90, 120), (90, 0), (0, 120), (90, right), (bottom, 120), (bottom, right)):
        visible = box(shape, top, left, height, width)
        window = View("crop", margin).window(visible, 64)
        # Each of four edges may move by half a view pixel, and by half an image pixel more on the way back.
        shift = (window.width / 64 + 1) / 2
        bound = (height - 2 * shift) * (width - 2 * shift) / (height * width)
        assert bound > 0.6
        assert iou(window.back(window.mask(visible), shape), visible) >= bound, (top, left)


@pytest.mark.parametrize("vertical", [True, False])
def test_round_trip_of_a_thin_line_through_a_shrunk_view_keeps_it_whole(vertical: bool) -> None:
    for side in (71, 200, 283):
        for at in range(0, side, 5):
            line = box((side, side), 0, at, side, 1)
            visible = line if vertical else line.T
            window = View("crop").window(visible, 64)
            result = window.back(window.mask(visible), visible.shape)
            # It may take the width of the two view pixels that it lies between.
            assert iou(result, visible) >= 1 / (2 * side / 64 + 1), (side, at)
            assert result[visible].all(), (side, at)


def test_a_single_pixel_comes_back_within_one_pixel_of_the_view() -> None:
    for shape in ((90, 100), (129, 52), (40, 200)):
        for y, x in np.random.default_rng(4).integers(0, shape, (60, 2)).tolist():
            visible = box(shape, y, x, 1, 1)
            window = View("frame").window(visible, 64)
            ys, xs = np.nonzero(window.back(window.mask(visible), shape))
            assert len(ys), (shape, y, x)
            assert np.abs(ys - y).max() <= math.ceil(shape[0] / 64), (shape, y, x)
            assert np.abs(xs - x).max() <= math.ceil(shape[1] / 64), (shape, y, x)


def test_the_way_back_to_a_larger_window_keeps_edges_where_they_are() -> None:
    window = Window(4, 2, 32, 16, 8)
    # Stripes: bilinear interpolation rounds off corners.
    across, down = box((8, 8), 2, 0, 5, 8), box((8, 8), 0, 3, 8, 2)
    assert np.array_equal(window.back(across, (20, 40)), box((20, 40), 2 + 4, 4, 10, 32))
    assert np.array_equal(window.back(down, (20, 40)), box((20, 40), 2, 4 + 12, 16, 8))


def test_the_way_back_to_a_smaller_window_takes_the_majority() -> None:
    predicted = np.random.default_rng(5).random((128, 128)) < 0.5
    window = Window(4, 2, 16, 16, 128)
    result = window.back(predicted, (20, 24))
    assert np.array_equal(result[2:18, 4:20], block_mean(predicted, 8, 8) > 0.5)


@pytest.mark.parametrize("size", [16, 50, 64])
@pytest.mark.parametrize("window", [(3, 2, 20, 20), (-10, 5, 50, 50), (0, 0, 40, 30), (-30, -30, 100, 100)])
def test_a_full_view_comes_back_as_the_windows_part_of_the_image(
    window: tuple[int, int, int, int], size: int
) -> None:
    x, y, width, height = window
    result = Window(x, y, width, height, size).back(np.ones((size, size), bool), (30, 40))
    expected = np.zeros((30, 40), bool)
    expected[max(y, 0) : y + height, max(x, 0) : x + width] = True
    assert result.dtype == np.bool_
    assert np.array_equal(result, expected)


@pytest.mark.parametrize("size", [16, 50])
def test_nothing_seen_stays_nothing(size: int) -> None:
    window = Window(-3, 2, 20, 20, size)
    nothing = np.zeros((30, 40), bool)
    assert not window.mask(nothing).any()
    assert not window.mask(box((30, 40), 25, 30, 5, 10)).any()  # an object outside the window
    assert not window.back(np.zeros((size, size), bool), (30, 40)).any()


@pytest.mark.parametrize("shape", [(30, 80), (80, 30), (200, 64)])
def test_a_frame_is_the_whole_image_squeezed_to_a_square(shape: tuple[int, int]) -> None:
    height, width = shape
    window = View("frame", margin=3.0).window(np.zeros(shape, bool), 64)
    assert window == Window(0, 0, width, height, 64)
    image = np.zeros((*shape, 3), np.uint8)
    image[: height // 2, :, 0] = 200
    image[:, : width // 2, 1] = 100
    seen = window.image(image)
    assert seen.shape == (64, 64, 3)
    assert seen.dtype == np.uint8
    assert (seen[:30, :, 0] == 200).all()
    assert (seen[34:, :, 0] == 0).all()
    assert (seen[:, :30, 1] == 100).all()
    assert (seen[:, 34:, 1] == 0).all()
    assert np.array_equal(window.mask(box(shape, 0, 0, height // 2, width)), box((64, 64), 0, 0, 32, 64))


@pytest.mark.parametrize(
    ("margin", "place", "expected"),
    [
        (0.0, (40, 50, 10, 10), (50, 40, 10)),
        (0.5, (40, 50, 10, 10), (45, 35, 20)),
        (1.0, (40, 50, 10, 10), (40, 30, 30)),
        (0.5, (40, 50, 20, 4), (32, 30, 40)),  # a margin is a share of the longer side
        (0.5, (40, 50, 4, 20), (40, 22, 40)),
        (0.0, (40, 50, 1, 1), (50, 40, 1)),
        (0.5, (0, 0, 10, 10), (0, 0, 20)),  # moved inside
        (0.5, (90, 110, 10, 10), (100, 80, 20)),
        (0.5, (0, 110, 10, 10), (100, 0, 20)),
        (0.04, (40, 50, 10, 10), (50, 40, 11)),  # rounded up
    ],
)
def test_a_crop_is_a_square_around_the_object_inside_the_image(
    margin: float, place: tuple[int, int, int, int], expected: tuple[int, int, int]
) -> None:
    window = View("crop", margin).window(box((100, 120), *place), 64)
    x, y, side = expected
    assert window == Window(x, y, side, side, 64)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((20, 60), Window(10, -10, 40, 40, 64)),  # wide: it fits one axis only
        ((60, 20), Window(-10, 10, 40, 40, 64)),
        ((20, 30), Window(0, -5, 30, 30, 64)),  # no larger than the longer side
        ((20, 20), Window(0, 0, 20, 20, 64)),
    ],
)
def test_a_crop_larger_than_the_image_is_centred_on_it(shape: tuple[int, int], expected: Window) -> None:
    visible = box(shape, 0, 0, *shape)
    visible[:, : (shape[1] - 20) // 2] = visible[:, (shape[1] + 20) // 2 :] = False
    visible[: (shape[0] - 20) // 2] = visible[(shape[0] + 20) // 2 :] = False
    window = View("crop", 0.5).window(visible, 64)
    assert window == expected
    assert np.array_equal(window.back(window.mask(visible), shape), visible)


def test_any_crop_holds_the_object_and_keeps_to_the_image_where_it_fits() -> None:
    rng = np.random.default_rng(6)
    for _ in range(300):
        shape = tuple(int(n) for n in rng.integers(1, 90, 2))
        height, width = (int(rng.integers(1, n + 1)) for n in shape)
        top, left = int(rng.integers(shape[0] - height + 1)), int(rng.integers(shape[1] - width + 1))
        margin = float(rng.choice([0.0, 0.1, 0.5, 3.0]))
        visible = box((shape[0], shape[1]), top, left, height, width)
        window = View("crop", margin).window(visible, 64)
        side = window.width
        assert window.height == side <= max(shape)
        assert side == min(math.ceil(max(height, width) * (1 + 2 * margin)), max(shape))
        assert window.x <= left
        assert left + width <= window.x + side
        assert window.y <= top
        assert top + height <= window.y + side
        for start, extent in ((window.x, shape[1]), (window.y, shape[0])):
            if side <= extent:
                assert start >= 0
                assert start + side <= extent
            else:
                assert start <= 0
                assert start + side >= extent


def test_there_is_no_crop_around_nothing() -> None:
    with pytest.raises(PredictionError, match="empty"):
        View("crop").window(np.zeros((10, 10), bool), 64)


@pytest.mark.parametrize("mode", ["", "whole", "Crop"])
def test_an_unknown_mode_is_refused(mode: str) -> None:
    with pytest.raises(ConfigError, match=r"view\.mode"):
        View(mode)  # type: ignore[arg-type]


def test_a_negative_margin_is_refused() -> None:
    with pytest.raises(ConfigError, match="margin"):
        View("crop", -0.1)
