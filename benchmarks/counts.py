"""Time joint_counts against two plain ways to count, interleaved: a busy machine slows all of them alike.

python benchmarks/counts.py [--rounds 30]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import history
import numpy as np

from amodal_bench.core.types import Integers, Mask
from amodal_bench.metrics.counts import joint_counts

SHAPES = {"KINS": (375, 1242), "COCO": (480, 640), "square": (1024, 1024)}

Count = Callable[[Mask, Mask, Mask, Mask], Integers]


def by_bincount(predicted: Mask, amodal: Mask, visible: Mask, others: Mask) -> Integers:
    """A number per pixel, then a histogram of the numbers."""
    numbers = predicted.view(np.uint8) | amodal.view(np.uint8) << 1
    numbers |= visible.view(np.uint8) << 2 | others.view(np.uint8) << 3
    return np.bincount(numbers.ravel(), minlength=16)


def by_count_nonzero(predicted: Mask, amodal: Mask, visible: Mask, others: Mask) -> Integers:
    """One dense mask per cell."""
    sides = [(~mask, mask) for mask in (predicted, amodal, visible, others)]
    cells = ([sides[bit][number >> bit & 1] for bit in range(4)] for number in range(16))
    return np.array([np.count_nonzero(p & a & v & o) for p, a, v, o in cells], np.int64)


WAYS: dict[str, Count] = {
    "joint_counts": joint_counts,
    "np.bincount": by_bincount,
    "count_nonzero": by_count_nonzero,
}


def instance(shape: tuple[int, int], seed: int) -> tuple[Mask, Mask, Mask, Mask]:
    """An ellipse behind another, and a prediction that is off by some pixels."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape) / np.reshape(shape, (2, 1, 1))

    def ellipse() -> Mask:
        (cy, cx), (ry, rx) = rng.uniform(0.35, 0.65, 2), rng.uniform(0.1, 0.3, 2)
        return np.asarray(((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1)

    amodal, others = ellipse(), ellipse()
    return np.roll(amodal, (3, 5), (0, 1)), amodal, amodal & ~others, others


def measure(shape: tuple[int, int], rounds: int) -> dict[str, list[float]]:
    """Microseconds of every round by each way; the ways take turns, each round in another order."""
    took: dict[str, list[float]] = {name: [] for name in WAYS}
    names = list(WAYS)
    for turn in range(rounds + 1):
        masks = instance(shape, turn)
        expected = by_bincount(*masks)
        for name in names[turn % 3 :] + names[: turn % 3]:
            start = time.perf_counter()
            counts = WAYS[name](*masks)
            elapsed = time.perf_counter() - start
            if not np.array_equal(counts, expected):
                raise SystemExit(f"{name} counts {counts.tolist()} where {expected.tolist()} is right")
            if turn:  # the first one warms up
                took[name].append(elapsed * 1e6)
    return took


def main() -> None:
    """Parse the command line, do the work and print it."""
    parser = argparse.ArgumentParser(description="Time joint_counts against two plain ways to count.")
    parser.add_argument("--rounds", type=int, default=30, help="timings of each way per shape (default: 30)")
    history.add_option(parser)
    args = parser.parse_args()
    rounds, ratios = max(args.rounds, 1), dict[str, float]()
    for shape in SHAPES.values():
        measure(shape, 5)  # else the allocator still learns what sizes to keep, at the first shape's cost
    print(f"{history.machine()}, NumPy {np.__version__}, median of {rounds} rounds")
    print(f"{'shape':<18}{'way':<15}{'us':>9}{'x joint_counts':>16}")
    for label, shape in SHAPES.items():
        took = measure(shape, rounds)
        for name, times in took.items():
            # The ratio is taken round by round: both sides of it met the same masks and the same load.
            ratio = median(t / base for t, base in zip(times, took["joint_counts"], strict=True))
            if name != "joint_counts":
                ratios[f"{label}, against {name}"] = ratio
            print(f"{f'{label} {shape[0]}x{shape[1]}':<18}{name:<15}{median(times):>9.0f}{ratio:>16.1f}")
    history.keep(args.history, "counts", ratios)


if __name__ == "__main__":
    main()
