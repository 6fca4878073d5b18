"""A model's own work on the CPU, done ahead: a query carries it along to `predict`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from amodal_bench.core.stages import Stages
from amodal_bench.core.threads import in_threads
from amodal_bench.datasets.base import Query

PREPARE = "prepare"
"""The stage of a model in which it makes ready what its networks are given."""

Job = TypeVar("Job")


@dataclass(frozen=True)
class PreparedQuery(Query):
    """A query with what a model has made of it.

    Attributes:
        job: that.
        made_by, seed, pixels: the model, the seed, and the query's image and mask as they were then; where any is
            another one the work is done again.
    """

    job: Any
    made_by: object
    seed: int
    pixels: tuple[Any, Any]


class Preparing(Generic[Job]):
    """Prepares the queries of one model, before `predict` or within it.

    Args:
        model: whose queries these are.
        make: the work, of a query and its seed.
        stages: the model's clocks.
    """

    def __init__(self, model: object, make: Callable[[Query, int], Job], stages: Stages) -> None:
        self._model, self._make, self._stages = model, make, stages

    def ahead(self, query: Query, seed: int) -> Query:
        """The query with its job; see `models.base.Prepares`."""
        with self._stages.clock(PREPARE, 1):
            job = self._make(query, seed)
        pixels = query.image, query.visible
        return PreparedQuery(query.id, query.image, query.visible, job, self._model, seed, pixels)

    def jobs(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Job]:
        """The jobs of queries, in their order: those that they carry, and the others made now, in threads."""
        pairs = list(zip(queries, seeds, strict=True))
        missing = [place for place, pair in enumerate(pairs) if not self._carries(*pair)]
        made: dict[int, Job] = {}
        if missing:
            with self._stages.clock(PREPARE, len(missing)):
                found = in_threads(lambda place: self._make(*pairs[place]), missing)
            made = dict(zip(missing, found, strict=True))
        return [
            made[place] if place in made else cast("Job", cast("PreparedQuery", query).job)
            for place, query in enumerate(queries)
        ]

    def _carries(self, query: Query, seed: int) -> bool:
        return (
            isinstance(query, PreparedQuery)
            and query.made_by is self._model
            and query.seed == seed
            and query.pixels[0] is query.image
            and query.pixels[1] is query.visible
        )
