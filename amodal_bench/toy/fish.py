"""A fish: banded body, forked tail, fins and an eye; pose, size, proportions and palette vary.

Back up, nose left or right, and proportions of one family: a part of a fish tells of the rest, as parts of real
objects do, and a model that is small enough to ship can learn what it tells.
"""

from __future__ import annotations

import colorsys

import numpy as np

from amodal_bench.core.types import Floats
from amodal_bench.toy.sprite import Easel, Sprite


def palette(rng: np.random.Generator, count: int) -> Floats:
    """`count` contrasting colours, (count, 3) float32: hues far apart, light and dark in turn."""
    hue = rng.random()
    colours = []
    for index in range(count):
        shade = rng.uniform(0.75, 1.0) if index % 2 == 0 else rng.uniform(0.15, 0.5)
        saturation = rng.uniform(0.55, 1.0)
        colours.append(colorsys.hsv_to_rgb(hue % 1.0, saturation, shade))
        hue += rng.uniform(0.25, 0.5)
    return np.asarray(colours, np.float32)


def draw_fish(rng: np.random.Generator, centre: tuple[float, float], length: float) -> Sprite:
    """A fish of `length` pixels (nose to tail tip) around `centre` (x, y) in canvas pixels."""
    colours = palette(rng, int(rng.integers(2, 4)))
    left = rng.random() < 0.5
    angle = rng.uniform(-0.3, 0.3) + (np.pi if left else 0.0)
    mirror = -1.0 if left else 1.0
    half = length * rng.uniform(0.19, 0.24)
    cos, sin = np.cos(angle), np.sin(angle)

    def place(points: Floats) -> Floats:
        x, y = points[:, 0] * length, points[:, 1] * mirror
        return np.stack([centre[0] + cos * x - sin * y, centre[1] + sin * x + cos * y], axis=1)

    # Body: u runs from nose (0) to tail root (1); the thickest place varies.
    u = np.linspace(0.0, 1.0, 24)
    nose, root = rng.uniform(0.5, 0.65), rng.uniform(0.9, 1.1)
    profile = u**nose * (1 - u) ** root
    profile = half * (profile / profile.max() + 0.16 * u)
    xs = 0.5 - 0.74 * u
    body = place(np.concatenate([np.c_[xs, profile], np.c_[xs, -profile][::-1]]))
    spread, notch = half * rng.uniform(0.95, 1.2), rng.uniform(0.05, 0.1)
    thick = 0.16 * half
    tail = place(np.array([[-0.2, thick], [-0.5, spread], [-0.5 + notch, 0.0], [-0.5, -spread], [-0.2, -thick]]))
    rise, back = half * rng.uniform(1.4, 1.65), rng.uniform(-0.13, -0.05)
    dorsal = place(np.array([[0.24, -0.75 * half], [0.06, -rise], [back, -rise * 0.85], [-0.1, -0.4 * half]]))
    drop, sweep = half * rng.uniform(1.3, 1.55), rng.uniform(-0.08, -0.02)
    pelvic = place(np.array([[0.18, 0.7 * half], [sweep, drop], [-0.02, 0.6 * half]]))

    easel = Easel([body, tail, dorsal, pelvic])
    gx, gy = easel.grid()
    along = ((gx - centre[0]) * cos + (gy - centre[1]) * sin) / length
    across = (-(gx - centre[0]) * sin + (gy - centre[1]) * cos) * mirror / half
    # Broad bands: thin ones vanish at the tiny model's 64 pixels.
    width, offset = rng.uniform(0.16, 0.22), rng.random()
    wave = rng.uniform(-0.06, 0.06)
    band = np.floor((along + wave * across**2) / width + offset).astype(int) % len(colours)
    shade = np.clip(1.0 + 0.12 * across, 0.8, 1.2)[..., None].astype(np.float32)
    bands = np.clip(colours[band] * shade, 0.0, 1.0)
    fin = colours[-1] * 0.85 + 0.15 * colours[0]
    easel.fill(tail, fin)
    easel.fill(dorsal, colours[0] * 0.8)
    easel.fill(pelvic, fin)
    easel.fill(body, bands)
    turn = np.linspace(0, 2 * np.pi, 20)
    for radius, tone in ((0.2, 0.97), (0.1, 0.03)):
        ring = np.c_[0.37 + radius * half * np.cos(turn) / length, -0.12 * half + radius * half * np.sin(turn)]
        easel.fill(place(ring), np.full(3, tone, np.float32))
    return easel.sprite("fish")
