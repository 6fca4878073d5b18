"""The colours of regions: told apart by the colour-blind, and every pixel is in one region."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from amodal_bench.report.colours import KEPT, MISSED, REGIONS, WRONG, annotated, compared, rgb

SIGHT = {
    "normal": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
"""Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB."""

TO_XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]

APART = {"normal": 60.0, "protanopia": 30.0, "deuteranopia": 30.0, "tritanopia": 15.0}
"""Least distance in CIELAB of two regions' colours; 2.3 is just noticeable. Tritanopia is rare."""


def lab(colour: str, sight: str) -> NDArray[np.float64]:
    """A colour in CIELAB (D65), as it is seen."""
    values = np.array(rgb(colour)) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(SIGHT[sight]) @ linear, 0, 1)
    xyz = np.array(TO_XYZ) @ linear / np.array([0.95047, 1, 1.08883])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHT)
def test_regions_are_told_apart_by_the_colour_blind(sight: str) -> None:
    for one, other in combinations(REGIONS, 2):
        distance = np.linalg.norm(lab(one.colour, sight) - lab(other.colour, sight))
        assert distance > APART[sight], (one.name, other.name)


def test_the_simulation_sees_what_the_colour_blind_do_not() -> None:
    """Red and green of one brightness, the textbook's pair, fall together; so the test above can fail."""
    for sight in ("protanopia", "deuteranopia"):
        assert np.linalg.norm(lab("#B35900", sight) - lab("#6B7F00", sight)) < 30
    assert np.linalg.norm(lab("#B35900", "normal") - lab("#6B7F00", "normal")) > 50


def test_every_pixel_is_in_one_region() -> None:
    drawn = np.random.default_rng(0)
    predicted, amodal, visible = (drawn.random((3, 30, 40)) > 0.5)[:]
    found = compared(predicted, amodal, visible)
    assert list(found) == list(REGIONS)
    assert np.array_equal(sum(mask.astype(int) for mask in found.values()), (predicted | amodal).astype(int))
    assert np.array_equal(found[MISSED], amodal & ~predicted) and found[MISSED].any()
    truth = annotated(amodal, visible)
    assert np.array_equal(sum(mask.astype(int) for mask in truth.values()), (amodal | visible).astype(int))
    assert np.array_equal(truth[KEPT] | truth[WRONG], visible)
