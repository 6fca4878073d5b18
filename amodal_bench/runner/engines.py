"""Engines: where a run's predictions are made. None of them is in a run's identity, and none changes a result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from amodal_bench.config.effect import LOCAL
from amodal_bench.config.settings import Engine
from amodal_bench.core.progress import stage
from amodal_bench.runner.actors.cluster import Wanted, connected, require_ray
from amodal_bench.runner.actors.driver import run_in
from amodal_bench.runner.actors.worker import Recipe
from amodal_bench.runner.loop import run
from amodal_bench.runner.store import Store
from amodal_bench.runner.work import Report, Work

if TYPE_CHECKING:
    from amodal_bench.runner.actors.cluster import RayPool


class Runs(Protocol):
    """Makes all predictions of a run: see `loop.run` for what it does, and for what it raises."""

    def __call__(self, work: Work, store: Store, report: Report, recipe: Recipe) -> None:
        """Run.

        Args:
            work: what to do.
            store: of the run.
            report: is told what was committed.
            recipe: how other processes build what `work` has.
        """
        ...


@contextmanager
def engine_of(settings: Engine) -> Iterator[Runs]:
    """The engine of a command, for all of its runs; what it has started ends with it.

    Raises:
        ConfigError: it is not installed.
    """
    if settings.kind == LOCAL:
        yield _in_this_process
        return
    require_ray()
    with ExitStack() as stack:
        yield _InActors(settings, stack)


def _in_this_process(work: Work, store: Store, report: Report, recipe: Recipe) -> None:
    del recipe
    run(work, store, report)


@dataclass
class _InActors:
    """Ray actors; the cluster is started or joined by the first run that has something to do."""

    settings: Engine
    stack: ExitStack
    pool: RayPool | None = None

    def __call__(self, work: Work, store: Store, report: Report, recipe: Recipe) -> None:
        if self.pool is None:
            asked = self.settings
            wanted = Wanted(asked.actors, asked.cpus, asked.gpus, asked.address)
            with stage("starting Ray" if wanted.address is None else "joining Ray"):
                self.pool = self.stack.enter_context(connected(wanted))
        self.pool.take_up(recipe, -(-len(work.wanted) // work.batch_size))
        run_in(self.pool, work, store, report)
