"""What a driver needs of its workers, however these are run; and what it hears of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from amodal_bench.runner.actors.worker import Answer
from amodal_bench.runner.in_flight import Key, Stage, Suspect


@dataclass(frozen=True)
class Task:
    """What one worker does at once.

    Attributes:
        keys: the predictions to make.
        guilty: set where the only one is not tried any more, and its row is all that is wanted.
        alone: whether it is a suspect, during which nothing else is done.
    """

    keys: Sequence[Key]
    guilty: Suspect | None = None
    alone: bool = False


@dataclass(frozen=True)
class Ready:
    """A worker can take tasks."""

    worker: int


@dataclass(frozen=True)
class Done:
    """A worker has done the oldest of its tasks."""

    worker: int
    answer: Answer


@dataclass(frozen=True)
class Lost:
    """A worker has ended; another one may take its place, which says so by itself.

    Attributes:
        worker: which; its tasks come back, and it was at the oldest one.
        blamed: whether the task may have ended it; not where its whole machine is gone.
        why: what ended it; "" where nothing shows it.
        stage: what it did with its task.
    """

    worker: int
    blamed: bool = True
    why: str = ""
    stage: Stage = Stage.PREDICTING


Event = Ready | Done | Lost


class Pool(Protocol):
    """Workers of one run."""

    def give(self, worker: int, task: Task, then: Sequence[Key]) -> None:
        """Give a worker a task, behind those that it has; `then` may be read and prepared meanwhile."""
        ...

    def wait(self) -> Event:
        """What happens next; it may take as long as a batch does.

        Raises:
            BenchError: no worker can do the work.
        """
        ...
