"""Small scenes of the toy aquarium that components are tried on: occluded fish, in pictures of several shapes."""

from __future__ import annotations

from functools import cache

import numpy as np

from amodal_bench.core.seeds import sample_seed
from amodal_bench.datasets.base import Query
from amodal_bench.segmenters.base import Prompt
from amodal_bench.toy.scene import draw_scene
from amodal_bench.views.points import draw_points

SPLIT = "contract"
"""The scenes are drawn for contracts alone: no dataset shows them."""

MANY = 17
"""Queries in one batch: more than a run's 16 (`engine.batch_size`), and no multiple of a usual micro-batch."""


@cache
def drawn(count: int) -> tuple[Query, ...]:
    """The front-most fish of each scene that is partly hidden, until there are `count`; read-only for all callers."""
    found: list[Query] = []
    index = 0
    while len(found) < count:
        scene = draw_scene(0, SPLIT, index)
        hidden = [
            i for i in scene.instances if i.kind == "fish" and (i.amodal & ~i.visible).any() and i.visible.any()
        ]
        if hidden:
            found.append(Query(f"{SPLIT}-{index}", scene.image, hidden[0].visible))
        index += 1
    return tuple(found)


def queries(count: int = 3) -> list[Query]:
    """Queries whose arrays are the caller's own, so that who changes them harms nobody else."""
    return [Query(query.id, query.image.copy(), query.visible.copy()) for query in drawn(count)]


def seeds(asked: list[Query]) -> list[int]:
    """The seeds that a run with seed 0 gives to these queries."""
    return [sample_seed(0, query.id) for query in asked]


def prompts(asked: list[Query], points: int = 9) -> list[Prompt]:
    """What a segmenter is told of these queries on their own images: the object may be anywhere."""
    return [
        Prompt(query.visible, np.ones_like(query.visible), draw_points(query.visible, points, seed), seed)
        for query, seed in zip(asked, seeds(asked), strict=True)
    ]


def unanswerable(query: Query) -> Query:
    """Hide the whole object of a query, so that there is nothing to complete."""
    return Query(f"{query.id}-empty", query.image.copy(), np.zeros_like(query.visible))
