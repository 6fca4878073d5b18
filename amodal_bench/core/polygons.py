"""Polygons to runs, exactly as pycocotools rasterises them, at a cost that the picture bounds and not the polygon.

`rleFrPoly` in maskApi.c walks along each edge in steps of a fifth of a pixel, wherever the edge leads, and keeps only
where the walk crosses the middle of a column of the picture. Here those crossings alone are computed, by the same
arithmetic: what lies outside the picture's columns costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from amodal_bench.core.types import Floats, Integers, Mask

STEPS = 5
"""Steps in a pixel."""

CHUNK = 1 << 18
"""Crossings that are held at a time."""


def walk(polygon: Sequence[float]) -> float:
    """How many steps pycocotools walks along a polygon `[x, y, ...]`."""
    points = np.asarray(polygon, np.float64).reshape(-1, 2)
    edges = np.abs(points - np.roll(points, -1, axis=0)).max(axis=1)
    return float(STEPS * edges.sum()) + 2 * len(points)


def crossings(polygon: Sequence[float], width: int) -> int:
    """How often a polygon `[x, y, ...]` crosses the middle of a column of a picture: the work of `polygon_runs`."""
    first, second, _ = _edges(polygon, width)
    return int(_columns(first[:, 0], second[:, 0], width)[1].sum())


def enclosed(polygon: Sequence[float]) -> tuple[float, float]:
    """The area that a polygon `[x, y, ...]` encloses, by the shoelace formula, and its length; in pixels."""
    points = np.asarray(polygon, np.float64).reshape(-1, 2)
    points = points - points[0]  # else far coordinates would cost digits
    following = np.roll(points, -1, axis=0)
    twice = (points[:, 0] * following[:, 1] - points[:, 1] * following[:, 0]).sum()
    return abs(float(twice)) / 2, float(np.hypot(*(following - points).T).sum())


def polygon_runs(polygon: Sequence[float], height: int, width: int) -> Integers:
    """The runs of one polygon `[x, y, ...]` down the columns of a picture, (N,) int64; the first is background."""
    first, second, flat = _edges(polygon, width)
    lowest, count = _columns(first[:, 0], second[:, 0], width)
    places = []
    for rows in _chunks(count):
        edges = np.repeat(rows, count[rows])
        before = np.cumsum(count[rows]) - count[rows]
        columns = lowest[edges] + np.arange(edges.size) - np.repeat(before, count[rows])
        at = _heights(first[edges], second[edges], flat[edges], columns)
        y = np.ceil(np.clip((at + 0.5) / STEPS - 0.5, 0, height)).astype(np.int64)
        places.append(odd_ones(columns * height + y))
    changes = odd_ones(np.concatenate(places)) if places else np.zeros(0, np.int64)
    return runs_between(changes, height * width)


def odd_ones(places: Integers) -> Integers:
    """What is in a list an odd number of times, sorted: two changes at one place undo each other."""
    found, times = np.unique(places, return_counts=True)
    return np.asarray(found[times % 2 == 1])


def runs_between(changes: Integers, size: int) -> Integers:
    """The runs of a mask of `size` pixels that changes at these places, sorted and each once; (N,) int64."""
    return np.diff(changes[changes < size], prepend=0, append=size)


def _steps(polygon: Sequence[float]) -> Integers:
    """Corners in steps, (N, 2) int64, cut towards zero as C does."""
    return np.asarray(np.trunc(STEPS * np.asarray(polygon, np.float64).reshape(-1, 2) + 0.5), np.int64)


def _edges(polygon: Sequence[float], width: int) -> tuple[Integers, Integers, Mask]:
    """The edges that may cross a column: their two ends, upwards along the longer side, and whether that is x."""
    starts = _steps(polygon)
    ends = np.roll(starts, -1, axis=0)
    left, right = np.minimum(starts[:, 0], ends[:, 0]), np.maximum(starts[:, 0], ends[:, 0])
    near = (left != right) & (right >= 0) & (left <= STEPS * width)
    starts, ends = starts[near], ends[near]
    across, down = np.abs(ends - starts).T
    flat = across >= down
    turned = np.where(flat, starts[:, 0] > ends[:, 0], starts[:, 1] > ends[:, 1])[:, None]
    return np.where(turned, ends, starts), np.where(turned, starts, ends), flat


def _columns(x: Integers, other: Integers, width: int) -> tuple[Integers, Integers]:
    """The first column c that each edge crosses, which is from step 5 c + 2 to the next one, and how many it does."""
    left, right = np.minimum(x, other), np.maximum(x, other)
    lowest = np.maximum(-((2 - left) // STEPS), 0)
    return lowest, np.maximum(np.minimum((right - 3) // STEPS, width - 1) - lowest + 1, 0)


def _chunks(count: Integers) -> list[Integers]:
    """Places of edges in groups of about `CHUNK` crossings."""
    groups = np.cumsum(count) // CHUNK
    return [part for part in np.split(np.arange(count.size), np.flatnonzero(np.diff(groups)) + 1) if part.size]


def _heights(first: Integers, second: Integers, flat: Mask, columns: Integers) -> Floats:
    """The smaller y, in steps, of the two steps between which each edge crosses the middle of its column."""
    (x, y), (across, down) = first.T, (second - first).T
    middle = STEPS * columns + 2
    # Along x, each step is a crossing's: y before it and after it.
    slope = down / np.maximum(across, 1)
    step = middle - x
    along = np.minimum(np.trunc(y + slope * step + 0.5), np.trunc(y + slope * (step + 1) + 0.5))
    # Along y, the step is the last one on this side of the middle.
    slope = across / np.maximum(down, 1)
    rises = across > 0
    guess = np.floor((middle + 0.5 - x) / np.where(slope == 0, 1, slope))
    step = np.clip(guess + 2, 0, np.maximum(down - 1, 0))
    for _ in range(4):
        reached = np.trunc(x + slope * step + 0.5)
        step -= np.where(rises, reached > middle, reached <= middle) & (step > 0)
    return np.asarray(np.where(flat, along, y + step))
