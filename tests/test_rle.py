"""Every COCO segmentation encoding against masks made with NumPy alone."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from amodal_bench.core import rle as module
from amodal_bench.core.rle import decode, encode
from amodal_bench.core.types import Mask

HEIGHT, WIDTH = 30, 40
BOX = (5, 8, 25, 20)  # left, top, right, bottom
BOX_POLYGON: list[float] = [5, 8, 25, 8, 25, 20, 5, 20]


def box(left: int, top: int, right: int, bottom: int) -> Mask:
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


def run_lengths(mask: Mask) -> list[int]:
    """Column-major run lengths, the first of them zeros, by counting."""
    edges = np.flatnonzero(np.diff(mask.ravel(order="F"), prepend=False))
    return [int(run) for run in np.diff([0, *edges, mask.size])]


def rle(counts: Any, height: int = HEIGHT, width: int = WIDTH) -> dict[str, Any]:
    return {"size": [height, width], "counts": counts}


def noise(seed: int = 0) -> Mask:
    return np.random.default_rng(seed).random((HEIGHT, WIDTH)) < 0.4


TEXT = encode(box(*BOX))["counts"]
LEFT, RIGHT = box(5, 8, 15, 20), box(10, 8, 25, 20)


@pytest.mark.parametrize(
    "segmentation",
    [
        pytest.param(BOX_POLYGON, id="flat polygon"),
        pytest.param([BOX_POLYGON], id="nested polygon"),
        pytest.param([[5, 8, 15, 8, 15, 20, 5, 20], [10, 8, 25, 8, 25, 20, 10, 20]], id="two polygons"),
        pytest.param([[5, 8, 15, 20], BOX_POLYGON, [1, 2, 3, 4, 5], []], id="polygons with useless parts"),
        pytest.param(rle(TEXT), id="compressed, str"),
        pytest.param(rle(TEXT.encode()), id="compressed, bytes"),
        pytest.param(rle(run_lengths(box(*BOX))), id="uncompressed"),
        pytest.param([rle(TEXT)], id="list of one RLE"),
        pytest.param([encode(LEFT), rle(run_lengths(RIGHT))], id="list of two RLEs"),
    ],
)
def test_every_encoding_gives_the_same_box(segmentation: Any) -> None:
    mask = decode(segmentation, HEIGHT, WIDTH)
    assert mask.dtype == np.bool_ and mask.flags.c_contiguous
    np.testing.assert_array_equal(mask, box(*BOX))


@pytest.mark.parametrize(
    ("polygon", "expected"),
    [
        pytest.param([0, 0, 40, 0, 40, 30, 0, 30], (0, 0, 40, 30), id="at W and H"),
        pytest.param([-9, -9, 60, -9, 60, 50, -9, 50], (0, 0, 40, 30), id="beyond every side"),
        pytest.param([30, 20, 90, 20, 90, 99, 30, 99], (30, 20, 40, 30), id="beyond two sides"),
        pytest.param([3, 4, 4, 4, 4, 5, 3, 5], (3, 4, 4, 5), id="one pixel"),
    ],
)
def test_rectangles_equal_numpy_slices(polygon: list[float], expected: tuple[int, int, int, int]) -> None:
    np.testing.assert_array_equal(decode(polygon, HEIGHT, WIDTH), box(*expected))


@pytest.mark.parametrize("mask", [noise(1), noise(2), box(0, 0, 0, 0), box(0, 0, WIDTH, HEIGHT), box(*BOX)])
def test_encode_and_decode_are_inverse(mask: Mask) -> None:
    stored = json.loads(json.dumps(encode(mask)))
    assert stored["size"] == [HEIGHT, WIDTH]
    np.testing.assert_array_equal(decode(stored, HEIGHT, WIDTH), mask)
    np.testing.assert_array_equal(decode(rle(run_lengths(mask)), HEIGHT, WIDTH), mask)


@pytest.mark.parametrize("counts", [TEXT, run_lengths(box(*BOX))], ids=["text", "runs"])
def test_an_rle_is_expanded_once(counts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """To check it, and to fill the mask with what the check has expanded."""
    expanded: list[bytes] = []
    expand = module._uncompressed

    def counted(text: bytes) -> Any:
        expanded.append(text)
        return expand(text)

    monkeypatch.setattr(module, "_uncompressed", counted)
    np.testing.assert_array_equal(decode(rle(counts), HEIGHT, WIDTH), box(*BOX))
    assert len(expanded) == (1 if isinstance(counts, str) else 0)


def test_encode_is_pycocotools_own_text() -> None:
    native = coco_mask.encode(np.asfortranarray(noise(), np.uint8))
    assert encode(noise())["counts"].encode() == native["counts"]


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        pytest.param(None, "no segmentation", id="none"),
        pytest.param([], "no segmentation", id="empty list"),
        pytest.param({}, "no segmentation", id="empty object"),
        pytest.param("polygon", "not a str", id="text"),
        pytest.param([1, 2, 3, 4], "no part with three points", id="two points"),
        pytest.param([1, 2, 3, 4, 5, 6, 7], "no part with three points", id="odd count"),
        pytest.param([[]], "no part with three points", id="empty part"),
        pytest.param([[1, 2, 3, 4], [1, 2, 3, 4, 5]], "no part with three points", id="only useless parts"),
        pytest.param([0, 0, float("nan"), 3, 4, 4], "not a number", id="NaN"),
        pytest.param([0, 0, None, 3, 4, 4], "not a number", id="null"),
        pytest.param([0, 0, "3", 3, 4, 4], "not a number", id="text coordinate"),
        pytest.param([0, 0, 1e12, 3, 4, 4], "far outside", id="wild coordinate"),
        pytest.param(rle(TEXT, 10, 20), "mask is 10x20 but the image is 30x40", id="other size"),
        pytest.param(rle(TEXT, 40, 30), "mask is 40x30 but the image is 30x40", id="sides swapped"),
        pytest.param([rle(TEXT), rle(TEXT, 10, 20)], "mask is 10x20", id="other size in a list"),
        pytest.param({"counts": TEXT}, "malformed RLE: it has no size", id="no size"),
        pytest.param({"size": [HEIGHT, WIDTH]}, "malformed RLE: counts are neither", id="no counts"),
        pytest.param(rle(""), "malformed RLE: its runs cover 0 of 1200", id="empty text"),
        pytest.param(rle("0\ud8001"), "a character that no RLE has", id="half a surrogate pair"),
        pytest.param(rle("0é1"), "a character that no RLE has", id="not ASCII"),
        pytest.param(rle([1000]), "malformed RLE: its runs cover 1000 of 1200", id="too short"),
        pytest.param(rle([1000, 201]), "malformed RLE: its runs cover 1201 of 1200", id="too long"),
        pytest.param(rle([1000, -100, 300]), "malformed RLE: it has a negative run", id="negative"),
        pytest.param(rle([1000.5, 199.5]), "malformed RLE: counts are neither", id="fractions"),
        pytest.param(rle(TEXT + "~"), "malformed RLE: counts hold a character", id="foreign character"),
        pytest.param(rle(TEXT + "é"), "malformed RLE: counts hold a character", id="not ASCII"),
        pytest.param(rle(TEXT + "o"), "malformed RLE: counts end in the middle", id="cut number"),
    ],
)
def test_what_cannot_be_decoded_says_why(segmentation: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode(segmentation, HEIGHT, WIDTH)


@pytest.mark.parametrize("kept", range(1, 40, 7))
def test_cut_text_never_gives_a_mask(kept: int) -> None:
    text = encode(noise())["counts"]
    assert kept < len(text)
    with pytest.raises(ValueError, match="malformed RLE"):
        decode(rle(text[:kept]), HEIGHT, WIDTH)
