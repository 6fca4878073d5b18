"""The queue of a run: which predictions wait, which worker has which, and what comes back of a lost one."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from amodal_bench.runner.actors.pool import Task
from amodal_bench.runner.in_flight import Key, Suspect

DEPTH = 2
"""Tasks that a worker has at once: one that it is at, and the next one, so that it waits for nobody."""


class Queue:
    """Hands out each prediction until it is done. Suspects are tried alone, as `Guard.batches` has it.

    Args:
        wanted: the predictions to make, in their order.
        size: predictions of a task.
        suspects: those that were in flight when a process ended, or took too long.
    """

    def __init__(self, wanted: Sequence[Key], size: int, suspects: Sequence[Suspect] = ()) -> None:
        apart = {suspect.key for suspect in suspects}
        rest = [key for key in wanted if key not in apart]
        self._first, self._last = deque[Task](), deque[Task]()
        self._rest = deque(Task(rest[start : start + size]) for start in range(0, len(rest), size))
        self._wanted, self._condemned = wanted, dict[str, Suspect]()
        self._held: dict[int, deque[Task]] = {}
        self._next: dict[int, Task] = {}
        for suspect in suspects:
            if not suspect.guilty:
                self.try_alone(suspect)
        for suspect in suspects:
            if suspect.guilty:
                self.condemn(suspect)

    @property
    def empty(self) -> bool:
        """Whether nothing waits and no worker has anything."""
        return not (self._first or self._rest or self._last or self._next or any(self._held.values()))

    def join(self, worker: int) -> None:
        """A worker can take tasks from now on."""
        self._held[worker] = deque()

    def hand_out(self) -> tuple[int, Task, Sequence[Key]] | None:
        """The next task, and the worker with the fewest that gets it; None where nothing waits, or all are busy.

        What that worker shall have after it is kept for it as long as others find enough to do, so that it can read
        ahead: that is the third value.
        """
        worker = min(self._held, key=lambda each: len(self._held[each]), default=None)
        if worker is None or len(self._held[worker]) >= DEPTH:
            return None
        kept = self._next.pop(worker, None)
        if self._first and kept is not None:
            self._rest.appendleft(kept)
            kept = None
        task = kept or self._waiting()
        if task is None and self._next:  # others have more than they are at
            task = self._next.pop(max(self._next, key=lambda each: len(self._held[each])))
        if task is None:
            return None
        self._held[worker].append(task)
        if self._rest and not task.alone and task.guilty is None:
            self._next[worker] = self._rest.popleft()
            return worker, task, self._next[worker].keys
        return worker, task, []

    def _waiting(self) -> Task | None:
        for waiting in (self._first, self._rest, self._last):
            if waiting:
                return waiting.popleft()
        return None

    def at(self, worker: int) -> Task | None:
        """What a worker is at."""
        held = self._held[worker]
        return held[0] if held else None

    def done(self, worker: int) -> Task:
        """A worker has done what it was at, which is returned."""
        return self._held[worker].popleft()

    def leave(self, worker: int) -> Task | None:
        """A worker is lost: returns what it was at, which is the caller's; what it had beside that waits again."""
        if worker in self._next:
            self._rest.appendleft(self._next.pop(worker))
        held = self._held.pop(worker, deque[Task]())
        task = held.popleft() if held else None
        for other in reversed(held):
            self.put_back(other)
        return task

    def put_back(self, task: Task) -> None:
        """Let a task wait again, before all others."""
        kept = [key for key in task.keys if key[0] not in self._condemned]
        if task.guilty is not None or len(kept) == len(task.keys):
            self._first.appendleft(task)
        else:
            self._first.extendleft(self._guilty(key) for key in task.keys if key not in kept)
            if kept:
                self._first.appendleft(replace(task, keys=kept))

    def try_alone(self, suspect: Suspect) -> None:
        """Let a prediction wait that is made alone: at once where nobody has tried that yet, else at last."""
        if suspect.key[0] in self._condemned:
            self._first.append(self._guilty(suspect.key))
        else:
            task = Task([suspect.key], alone=True)
            (self._first if suspect.untried else self._last).append(task)

    def condemn(self, suspect: Suspect) -> None:
        """Try no draw of an instance any more that waits: their rows are wanted, as errors."""
        id = suspect.key[0]
        self._condemned[id] = suspect
        self._rest.extendleft(self._next.values())
        self._next.clear()
        waiting = {key for tasks in (self._first, self._rest, self._last) for task in tasks for key in task.keys}
        for name in ("_first", "_rest", "_last"):
            tasks: deque[Task] = getattr(self, name)
            kept = (replace(task, keys=[key for key in task.keys if key[0] != id]) for task in tasks)
            setattr(self, name, deque(task for task in kept if task.keys))
        keys = [key for key in self._wanted if key[0] == id and (key in waiting or key == suspect.key)]
        self._first.extend(self._guilty(key) for key in keys)

    def _guilty(self, key: Key) -> Task:
        of = self._condemned[key[0]]
        return Task([key], Suspect(key, of.ends, of.why, of.stage))
