"""What a run has to do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from amodal_bench.datasets.base import Dataset
from amodal_bench.models.base import Model
from amodal_bench.runner.in_flight import Key
from amodal_bench.runner.store import Row

if TYPE_CHECKING:
    from amodal_bench.runner.riders import Rider

Report: TypeAlias = Callable[[Sequence[Row]], None]
"""Is told of rows once they are committed."""


@dataclass(frozen=True)
class Work:
    """One run's work.

    Attributes:
        dataset, model: what is run on what.
        ids: the samples to run, in this order.
        seed: the run's seed.
        batch_size: predictions made together; no result depends on it.
        hidden: whether instances of which nothing is visible are run, too.
        draws: how many predictions each sample gets, each under a seed of its own.
        done: (id, draw) of the predictions that are not made again.
        tolerant: go on even where nothing but failures comes.
        time_limit: seconds for each sample, to be read and to be predicted; None for no limit.
        retry_fatal: try what has taken the process with it again.
        overlap: read and prepare the next batch, and count and keep the last one, while one is predicted.
        note: is called before rows are committed, with the store at its disposal.
        riders: are shown each batch once its rows are committed.
    """

    dataset: Dataset
    model: Model
    ids: Sequence[str]
    seed: int
    batch_size: int
    hidden: bool = False
    draws: int = 1
    done: Collection[Key] = frozenset()
    tolerant: bool = False
    time_limit: float | None = None
    retry_fatal: bool = False
    overlap: bool = True
    note: Callable[[], object] = lambda: None
    riders: Sequence[Rider] = ()

    @property
    def wanted(self) -> list[Key]:
        """(id, draw) of the predictions to make; those of a sample stand together, so that it is read once."""
        wanted = ((id, draw) for id in self.ids for draw in range(self.draws))
        return [each for each in wanted if each not in self.done]
