"""Time the condition image and the area M against their equations written out pixel by pixel, in turns.

python benchmarks/prepare.py [--rounds 9]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import cv2
import history
import numpy as np

from amodal_bench.core.seeds import stream
from amodal_bench.core.types import Floats, Image, Mask
from amodal_bench.method.area import convex_hull
from amodal_bench.method.condition import Condition

SIDES = (256, 512, 1024)
SEED = 3


def plain_condition(image: Image, visible: Mask, seed: int) -> Floats:
    """Eq. 8 and 9 with the default settings, every array as large as the view, the blur over all pixels."""
    settings = Condition()
    longer = max(visible.shape)
    count = min(longer, round(1 / settings.grain))
    rows, columns = ((2 * np.arange(side) + 1) * count // (2 * longer) for side in visible.shape)
    shape = int(rows[-1]) + 1, int(columns[-1]) + 1
    pixels = image.astype(np.float32) / 255
    noise = stream(seed, "object").standard_normal((*shape, 3), dtype=np.float32)[rows[:, None], columns]
    objects = settings.object_noise * noise + (1 - settings.object_noise) * pixels
    colours = pixels[visible]
    drawn = colours[stream(seed, "background").integers(len(colours), size=shape)][rows[:, None], columns]
    background = cv2.GaussianBlur(drawn, (0, 0), settings.blur * longer)
    return np.asarray(np.clip(np.where(visible[..., None], objects, background), 0, 1), np.float32)


def plain_hull(visible: Mask) -> Mask:
    """Eq. 10 from all pixels of V."""
    ys, xs = np.nonzero(visible)
    filled = np.zeros(visible.shape, np.uint8)
    cv2.fillConvexPoly(filled, cv2.convexHull(np.stack([xs, ys], axis=1).astype(np.int32)), 1)
    return filled.astype(bool) | visible


def view(side: int) -> tuple[Image, Mask]:
    """A square view of smooth colours, and three quarters of a disc that takes a fifth of it."""
    small = np.random.default_rng(side).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    y, x = np.indices((side, side)) / side - 0.5
    visible = (y**2 + x**2 < 0.0625) & (x < 0.12)
    return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8), visible


def measure(side: int, rounds: int) -> tuple[dict[str, list[float]], float]:
    """Milliseconds of every round by each way, and how far the two condition images lie apart at most."""
    image, visible = view(side)
    ways: dict[str, Callable[[], Floats | Mask]] = {
        "condition": lambda: Condition()(image, visible, SEED),
        "condition, plain": lambda: plain_condition(image, visible, SEED),
        "area": lambda: convex_hull(visible),
        "area, plain": lambda: plain_hull(visible),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, Floats | Mask] = {}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            found[name] = way()
            if turn:  # the first one warms up
                took[name].append((time.perf_counter() - start) * 1e3)
    if not np.array_equal(found["area"], found["area, plain"]):
        raise SystemExit(f"at {side} pixels the areas differ")
    return took, float(np.abs(found["condition"] - found["condition, plain"]).max())


def main() -> None:
    """Parse the command line, do the work and print it."""
    parser = argparse.ArgumentParser(description="Time the condition image and the area against the plain equations.")
    parser.add_argument("--rounds", type=int, default=9, help="timings of each way per size (default: 9)")
    history.add_option(parser)
    args = parser.parse_args()
    rounds, ratios = max(args.rounds, 1), dict[str, float]()
    cv2.setNumThreads(1)
    print(f"{history.machine()}, NumPy {np.__version__}, median of {rounds} rounds")
    print(f"{'view':<10}{'part':<12}{'ms':>9}{'plain ms':>10}{'x faster':>10}")
    for side in SIDES:
        took, apart = measure(side, rounds)
        for part in ("condition", "area"):
            own, plain = took[part], took[f"{part}, plain"]
            ratio = median(theirs / ours for theirs, ours in zip(plain, own, strict=True))
            ratios[f"{part} at {side}"] = ratio
            print(f"{side:<10}{part:<12}{median(own):>9.2f}{median(plain):>10.2f}{ratio:>10.1f}")
        print(f"{'':<10}the condition images lie {apart:.3f} of the range of grey apart at most")
    history.keep(args.history, "prepare", ratios)


if __name__ == "__main__":
    main()
