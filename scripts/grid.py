"""What the latent grid makes of M: `python scripts/grid.py` measures both ways on generated masks, in pixels and %.

Objects are blobs of an occluded outline in a 512 px view with cells of 8 px, M is their hull (Eq. 10); and squares of
8 px anywhere in frames of 375x1242 px that are squeezed to that view, as KITTI's are.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from amodal_bench.backbones.grid import GRIDS, Grid, on_grid
from amodal_bench.core.types import Mask
from amodal_bench.method.area import convex_hull
from amodal_bench.views.window import View

SIDE, CELL = 512, 8
FRAME, SMALL = (375, 1242), 8


@dataclass(frozen=True)
class Measured:
    """What a grid does to M.

    Attributes:
        shift: of M's centre to the right and down, in pixels, averaged over objects.
        outside: of V's pixels, the share that lies in no painted cell: the mean over objects, and the largest.
        lost: of small objects, the share of which no cell is left to paint.
    """

    shift: tuple[float, float]
    outside: tuple[float, float]
    lost: float


def measure(grid: Grid, objects: int = 300, seed: int = 0) -> Measured:
    """Measure a grid on generated objects."""
    rng = np.random.default_rng(seed)
    shifts, outside = [], []
    for _ in range(objects):
        visible = blob(rng)
        area = convex_hull(visible)
        painted = cells(area, grid)
        shifts.append(np.subtract(centre(painted), centre(area)))
        outside.append((visible & ~painted).sum() / visible.sum())
    lost = [not cells(convex_hull(squeezed(rng)), grid).any() for _ in range(objects)]
    right, down = np.mean(shifts, axis=0)
    return Measured(
        (float(right), float(down)), (float(np.mean(outside)), float(np.max(outside))), float(np.mean(lost))
    )


def cells(area: Mask, grid: Grid) -> Mask:
    """The painted cells of an area as pixels, (S, S) bool."""
    painted = on_grid(torch.from_numpy(area)[None, None].float(), CELL, grid)[0, 0].numpy() > 0
    return np.asarray(painted.repeat(CELL, 0).repeat(CELL, 1))


def centre(mask: Mask) -> tuple[float, float]:
    """The mean x and y of a mask's pixels."""
    ys, xs = np.nonzero(mask)
    return float(xs.mean()), float(ys.mean())


def blob(rng: np.random.Generator) -> Mask:
    """An ellipse of 30 to 200 pixels with a bite taken out of it, (SIDE, SIDE) bool."""
    while True:
        middle = rng.uniform(110, SIDE - 110, 2)
        radii = rng.uniform(15, 100, 2)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        cv2.ellipse(mask, (tuple(middle), tuple(2 * radii), rng.uniform(0, 180)), 1, -1)
        bite = middle + rng.uniform(-1, 1, 2) * radii
        cv2.circle(mask, (int(bite[0]), int(bite[1])), int(radii.min() * rng.uniform(0.2, 0.8)), 0, -1)
        if mask.any():
            return mask.astype(bool)


def squeezed(rng: np.random.Generator) -> Mask:
    """A square of `SMALL` pixels in a frame, as the model sees it, (SIDE, SIDE) bool."""
    frame = np.zeros(FRAME, bool)
    y, x = (int(rng.integers(side - SMALL + 1)) for side in FRAME)
    frame[y : y + SMALL, x : x + SMALL] = True
    return View("frame").window(frame, SIDE).mask(frame)


def main() -> None:
    """Measure and print both grids."""
    for grid in GRIDS:
        found = measure(grid)
        right, down = found.shift
        mean, most = (100 * share for share in found.outside)
        print(
            f"{grid:7}: M moves by {right:+.1f}, {down:+.1f} px; of V {mean:.1f} % outside on average, {most:.1f} % "
            f"at most; {100 * found.lost:.0f} % of {SMALL}-px objects in {FRAME[0]}x{FRAME[1]} px are not painted"
        )


if __name__ == "__main__":
    main()
