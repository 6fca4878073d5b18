"""What many RLEs cover, against each one's own reading; whatever is no whole RLE in text form is left to that."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from amodal_bench.core import rle
from amodal_bench.core.extents import extents


def alone(segmentation: dict[str, Any]) -> tuple[int, int, int, bool] | None:
    height, width = segmentation["size"]
    try:
        whole = rle.united(segmentation, height, width)
    except ValueError:
        return None
    return height, width, rle.pixels(whole), rle.reaches_border(whole)


def some(rng: np.random.Generator, damage: float) -> dict[str, Any]:
    """A mask of a few pixels as an RLE, whose text is damaged with this probability."""
    height, width = (int(side) for side in rng.integers(1, 13, 2))
    found = rle.encode(rng.random((height, width)) < rng.random())
    text = list(found["counts"])
    if rng.random() < damage:
        at, sign = int(rng.integers(len(text))), chr(rng.integers(40, 120))
        text[at : at + int(rng.integers(2))] = [sign] if rng.random() < 0.8 else []
    return {"size": [height, width], "counts": "".join(text)}


@pytest.mark.parametrize("damage", [0.0, 0.3])
def test_together_they_are_what_each_is(damage: float) -> None:
    rng = np.random.default_rng(0)
    seen = 0
    for count in (1, 2, 3, 200):
        segmentations = [some(rng, damage) for _ in range(count)]
        expected = [alone(each) for each in segmentations]
        assert [each and tuple(each) for each in extents(segmentations)] == expected
        seen += expected.count(None)
    assert bool(seen) == bool(damage)


def test_empty_runs_are_of_no_account() -> None:
    # 1 pixel, 0 not, 3 pixels, and so on: such texts are written by some tools.
    texts = ["0300000", "05", "50", "0104", "5"]
    found = extents([{"size": [5, 1], "counts": text} for text in texts])
    assert [each and each.pixels for each in found] == [
        each and each[2] for each in (alone({"size": [5, 1], "counts": text}) for text in texts)
    ]


def test_other_segmentations_are_left_out() -> None:
    whole = rle.encode(np.eye(4, dtype=bool))
    others: list[Any] = [
        None,
        [],
        {},
        [1.0, 2, 3, 4, 5, 6],
        [whole],
        {**whole, "size": ["4", "4"]},
        {**whole, "size": [4.0, 4]},
        {**whole, "size": [4]},
        {**whole, "size": [4, 0]},
        {**whole, "size": [1 << 20, 1 << 20]},
        {**whole, "counts": [16]},
        {**whole, "counts": ""},
        {**whole, "counts": "\u00e9"},
    ]
    assert extents(others) == [None] * len(others)
    assert [each is not None for each in extents([others[3], whole, None, whole])] == [False, True, False, True]


def test_numbers_too_long_for_a_picture_disturb_no_other() -> None:
    whole = rle.encode(np.eye(4, dtype=bool))
    found = extents([whole, {"size": [4, 4], "counts": "o" * 40}, {"size": [4, 4], "counts": "oooooooo0" * 9}, whole])
    assert found[0] is not None
    assert found == [found[0], None, None, found[0]]
