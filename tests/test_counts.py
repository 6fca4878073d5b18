"""Joint counts against a dense reference and against pycocotools, which never sees a dense count."""

from __future__ import annotations

from typing import Any

import numpy as np
import pycocotools.mask
import pytest

from amodal_bench.core.types import Integers, Mask
from amodal_bench.metrics.counts import AMODAL, CELLS, OTHERS, PREDICTED, VISIBLE, cells, joint_counts, total

coco_mask: Any = pycocotools.mask

SHAPES = [(1, 1), (7, 13), (65, 1), (1, 127), (64, 64), (8, 8), (3, 85)]
DENSITIES = [0.02, 0.3, 0.5, 0.97]


def random_masks(shape: tuple[int, int], density: float, seed: int = 0) -> tuple[Mask, Mask, Mask, Mask]:
    """Predicted, amodal, visible, others; independent, so that impossible cells (V outside A) occur too."""
    predicted, amodal, visible, others = np.random.default_rng(seed).random((4, *shape)) < density
    return predicted, amodal, visible, others


def dense(predicted: Mask, amodal: Mask, visible: Mask, others: Mask) -> Integers:
    numbers = predicted.astype(int) + 2 * amodal + 4 * visible + 8 * others
    return np.bincount(numbers.ravel(), minlength=16)


def instance(shape: tuple[int, int] = (20, 30)) -> tuple[Mask, Mask, Mask]:
    """A, V and others of a square that another square covers in part."""
    amodal, others = np.zeros(shape, bool), np.zeros(shape, bool)
    amodal[5:15, 5:15] = True
    others[8:18, 10:25] = True
    return amodal, amodal & ~others, others


def rle(mask: Mask) -> Any:
    return coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))


def size(*masks: Mask, intersect: bool) -> int:
    return int(coco_mask.area(coco_mask.merge([rle(m) for m in masks], intersect=intersect)))


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_dense_count_on_random_masks(shape: tuple[int, int], density: float) -> None:
    for seed in range(5):
        masks = random_masks(shape, density, seed)
        counts = joint_counts(*masks)
        assert counts.dtype == np.int64
        assert counts.shape == (CELLS,)
        assert counts.tolist() == dense(*masks).tolist()


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("kind", [np.matrix, np.ma.masked_array])
def test_arrays_of_other_kinds_are_counted_as_plain_ones(kind: Any) -> None:
    masks = random_masks((9, 85), 0.4)
    assert joint_counts(*map(kind, masks)).tolist() == dense(*masks).tolist()


@pytest.mark.parametrize("number", range(16))
def test_each_cell_is_the_sum_of_its_bits(number: int) -> None:
    masks = [np.full((3, 7), bool(number & bit)) for bit in (PREDICTED, AMODAL, VISIBLE, OTHERS)]
    expected = np.zeros(16, int)
    expected[number] = 21
    assert joint_counts(*masks).tolist() == expected.tolist()


@pytest.mark.parametrize("layout", ["fortran", "strided", "transposed", "reversed"])
def test_memory_layout_does_not_matter(layout: str) -> None:
    masks = random_masks((22, 34), 0.4)
    views = {
        "fortran": [np.asfortranarray(m) for m in masks],
        "strided": [m[::2, ::3] for m in masks],
        "transposed": [m.T for m in masks],
        "reversed": [m[::-1] for m in masks],
    }[layout]
    assert joint_counts(*views).tolist() == dense(*views).tolist()


def test_masks_of_mixed_layout_are_counted_pixel_by_pixel() -> None:
    predicted, amodal, visible, others = random_masks((22, 34), 0.4)
    mixed = (np.asfortranarray(predicted), amodal, visible[::-1][::-1], others)
    assert joint_counts(*mixed).tolist() == dense(predicted, amodal, visible, others).tolist()


def test_inputs_stay_as_they_were() -> None:
    masks = random_masks((7, 13), 0.5)
    before = [m.copy() for m in masks]
    joint_counts(*masks)
    assert all(np.array_equal(a, b) for a, b in zip(masks, before, strict=True))


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_a_mask_without_pixels_counts_nothing(shape: tuple[int, int]) -> None:
    assert joint_counts(*[np.zeros(shape, bool)] * 4).tolist() == [0] * 16


@pytest.mark.parametrize("kind", ["empty", "full", "equal", "visible", "complement"])
@pytest.mark.parametrize("occluded", [True, False])
def test_special_predictions(kind: str, occluded: bool) -> None:
    amodal, visible, others = instance()
    if not occluded:
        visible, others = amodal, np.zeros_like(amodal)
    predicted = {
        "empty": np.zeros_like(amodal),
        "full": np.ones_like(amodal),
        "equal": amodal,
        "visible": visible,
        "complement": ~amodal,
    }[kind]
    counts = joint_counts(predicted, amodal, visible, others)
    assert counts.tolist() == dense(predicted, amodal, visible, others).tolist()
    assert counts.sum() == amodal.size
    assert total(counts, lambda p, a, v, o: a and not v) == (35 if occluded else 0)
    wrong = {"equal": 0, "empty": 100, "full": 500, "visible": 35 if occluded else 0, "complement": 600}
    assert total(counts, lambda p, a, v, o: p != a) == wrong[kind]


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_agrees_with_pycocotools(shape: tuple[int, int], density: float) -> None:
    p, a, v, o = random_masks(shape, density)
    counts = joint_counts(p, a, v, o)
    for bit, mask in enumerate((p, a, v, o)):
        assert total(counts, lambda *bits, bit=bit: bits[bit]) == coco_mask.area(rle(mask))
    assert total(counts, lambda p, a, v, o: p and a) == size(p, a, intersect=True)
    assert total(counts, lambda p, a, v, o: p or a) == size(p, a, intersect=False)
    assert total(counts, lambda p, a, v, o: p and a and v) == size(p, a, v, intersect=True)
    assert total(counts, lambda p, a, v, o: p or a or v) == size(p, a, v, intersect=False)
    assert total(counts, lambda p, a, v, o: p and a and v and o) == size(p, a, v, o, intersect=True)
    assert total(counts, lambda p, a, v, o: p or a or v or o) == size(p, a, v, o, intersect=False)


def iou_cases() -> list[Any]:
    cases = [
        pytest.param(*random_masks(shape, density)[:3], id=f"{shape[0]}x{shape[1]}-{density}")
        for shape in SHAPES
        for density in DENSITIES
    ]
    amodal, visible, _ = instance()
    empty, full = np.zeros_like(amodal), np.ones_like(amodal)
    cases += [
        pytest.param(amodal, amodal, visible, id="prediction is A"),
        pytest.param(visible, amodal, visible, id="prediction is V"),
        pytest.param(empty, amodal, visible, id="prediction empty"),
        pytest.param(full, amodal, visible, id="prediction full"),
        pytest.param(full, amodal, amodal, id="unoccluded"),
        pytest.param(full, full, empty, id="all full"),
    ]
    return cases


@pytest.mark.parametrize(("p", "a", "v"), iou_cases())
def test_iou_from_counts_equals_pycocotools(p: Mask, a: Mask, v: Mask) -> None:
    counts = joint_counts(p, a, v, np.zeros_like(a))
    either = total(counts, lambda p, a, v, o: p or a)
    if either:
        expected = float(coco_mask.iou([rle(p)], [rle(a)], [0])[0, 0])
        assert total(counts, lambda p, a, v, o: p and a) / either == pytest.approx(expected, abs=1e-12)
    beyond = total(counts, lambda p, a, v, o: (p or a) and not v)
    if beyond:
        expected = float(coco_mask.iou([rle(p & ~v)], [rle(a & ~v)], [0])[0, 0])
        both = total(counts, lambda p, a, v, o: p and a and not v)
        assert both / beyond == pytest.approx(expected, abs=1e-12)


def test_total_keeps_the_leading_axes() -> None:
    counts = np.arange(2 * 3 * 16, dtype=np.int64).reshape(2, 3, 16)
    odd = total(counts, lambda p, a, v, o: p)
    assert odd.tolist() == counts[..., 1::2].sum(-1).tolist()
    assert odd.dtype == np.int64


def test_cells_lists_the_numbers_in_which_a_condition_holds() -> None:
    assert cells(lambda p, a, v, o: p).tolist() == [1, 3, 5, 7, 9, 11, 13, 15]
    assert cells(lambda p, a, v, o: a and not v).tolist() == [2, 3, 10, 11]
    assert cells(lambda p, a, v, o: o and not (p or a or v)).tolist() == [8]
    assert cells(lambda p, a, v, o: False).tolist() == []
    assert cells(lambda p, a, v, o: True).tolist() == list(range(16))


@pytest.mark.parametrize("odd", range(4))
def test_masks_of_different_shapes_are_refused(odd: int) -> None:
    # The odd one has as many pixels as the others: a count over flat pixels would not notice.
    masks = [np.zeros((6, 4), bool) for _ in range(4)]
    masks[odd] = np.zeros((4, 6), bool)
    with pytest.raises(ValueError, match="shapes"):
        joint_counts(*masks)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64])
@pytest.mark.parametrize("odd", range(4))
def test_masks_that_are_not_bool_are_refused(odd: int, dtype: type) -> None:
    masks: list[Any] = [np.zeros((6, 4), bool) for _ in range(4)]
    masks[odd] = np.full((6, 4), 255, np.uint8).astype(dtype)
    with pytest.raises(ValueError, match="bool"):
        joint_counts(*masks)
