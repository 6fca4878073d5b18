"""A plant: a few swaying leaves that grow from the ground; an occluder and "stuff"."""

from __future__ import annotations

import colorsys

import numpy as np

from amodal_bench.toy.sprite import Easel, Sprite


def draw_plant(rng: np.random.Generator, root: tuple[float, float], height: float) -> Sprite:
    """A plant `height` pixels tall whose leaves leave the ground at `root` (x, y) in canvas pixels."""
    leaves, tones = [], []
    for _ in range(int(rng.integers(2, 5))):
        tall = height * rng.uniform(0.7, 1.0)
        wide = height * rng.uniform(0.06, 0.13)
        sway, lean = rng.uniform(-0.15, 0.15) * height, rng.uniform(-0.3, 0.3) * height
        u = np.linspace(0.0, 1.0, 16)
        spine_x = root[0] + lean * u + sway * np.sin(np.pi * u)
        spine_y = root[1] - tall * u
        breadth = wide * (0.35 + np.sin(np.pi * np.minimum(u * 0.8 + 0.2, 1.0)))
        left, right = np.c_[spine_x - breadth, spine_y], np.c_[spine_x + breadth, spine_y]
        leaves.append(np.concatenate([left, right[::-1]]))
        hue, value = rng.uniform(0.22, 0.45), rng.uniform(0.3, 0.75)
        tones.append(np.asarray(colorsys.hsv_to_rgb(hue, rng.uniform(0.5, 0.9), value), np.float32))
    # One root patch joins the leaves: a plant is one region with one outline.
    turn = np.linspace(0, 2 * np.pi, 20)
    size = 0.2 * height
    patch = np.c_[root[0] + size * np.cos(turn), root[1] - 0.02 * height + 0.4 * size * np.sin(turn)]
    easel = Easel([*leaves, patch])
    easel.fill(patch, tones[0] * 0.7)
    for leaf, tone in zip(leaves, tones, strict=True):
        easel.fill(leaf, tone)
    return easel.sprite("plant")
