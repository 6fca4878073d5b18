"""Work on many items spread over the cores in processes: an item that ends its process costs itself alone."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import sys
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from amodal_bench.core.cores import cores
from amodal_bench.core.errors import with_class

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 4
"""Items for each process that may be done before they are asked for."""


@dataclass(frozen=True)
class Ended:
    """An item that has ended the process that worked on it; `how` says by what, such as "signal 11"."""

    how: str


def can_fork() -> bool:
    """Whether processes can be split off that share what is in memory: on Linux, unless this is such a one."""
    return sys.platform == "linux" and not multiprocessing.current_process().daemon


def in_processes(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None
) -> Generator[Result | Ended, None, None]:
    """`work` of each item, in the items' order, made in processes that are split off this one.

    Nothing but items and results is sent, so that `work` may hold anything. Items are taken a few ahead.

    Args:
        work: what is done; what it changes in memory is lost.
        items: can be pickled, as can results.
        workers: how many processes; one for each core where it is None. With one, or where processes cannot be split
            off, all is done here, and an item may end this one.

    Raises:
        Exception: what `work` raises, or a RuntimeError that names it where it cannot be sent.
    """
    workers = cores() if workers is None else workers
    if workers < 2 or not can_fork():
        yield from map(work, items)
        return
    pool = _Pool(work, workers)
    try:
        yield from pool.results(iter(items))
    finally:
        pool.close()


class _Worker:
    """A process, its pipe, and the number of the item that it works on, None for none."""

    def __init__(self, process: Any, pipe: Connection) -> None:
        self.process, self.pipe = process, pipe
        self.item: int | None = None


class _Pool(Generic[Item, Result]):
    def __init__(self, work: Callable[[Item], Result], workers: int) -> None:
        self._work, self._count = work, workers
        self._workers: list[_Worker] = []

    def results(self, items: Iterator[Item]) -> Iterator[Result | Ended]:
        waiting: deque[tuple[int, Item]] = deque()
        done: dict[int, Result | Ended] = {}
        taken = given = 0
        while True:
            room = AHEAD * self._count - (taken - given)
            for item in islice(items, max(room, 0)):
                waiting.append((taken, item))
                taken += 1
            if given == taken:
                return
            self._hand_out(waiting)
            while given in done:
                yield done.pop(given)
                given += 1
                break  # more may be handed out meanwhile
            else:
                self._collect(done)

    def _hand_out(self, waiting: deque[tuple[int, Item]]) -> None:
        idle = [worker for worker in self._workers if worker.item is None]
        while waiting and (idle or len(self._workers) < self._count):
            worker = idle.pop() if idle else self._started()
            worker.item, item = waiting.popleft()
            with suppress(OSError):  # it has ended: `_collect` says so
                worker.pipe.send(item)

    def _collect(self, done: dict[int, Result | Ended]) -> None:
        """Take what has been sent, after waiting for something."""
        busy = {worker.pipe: worker for worker in self._workers if worker.item is not None}
        for pipe in wait(list(busy)):
            worker = busy[pipe]  # type: ignore[index]
            number = worker.item
            assert number is not None
            try:
                failed, found = worker.pipe.recv()
            except (EOFError, OSError):
                worker.process.join()
                self._workers.remove(worker)
                worker.pipe.close()
                done[number] = Ended(_how(worker.process.exitcode))
                continue
            if failed:
                raise found
            worker.item, done[number] = None, found

    def _started(self) -> _Worker:
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        others = [worker.pipe for worker in self._workers]
        process = context.Process(target=_serve, args=(self._work, theirs, [ours, *others]), daemon=True)
        with warnings.catch_warnings(), _without_threads():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which such a process has none of
            process.start()
        theirs.close()
        self._workers.append(_Worker(process, ours))
        return self._workers[-1]

    def close(self) -> None:
        """End all processes, whatever they do."""
        for worker in self._workers:
            worker.process.kill()
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join()


def _serve(work: Callable[[Any], Any], pipe: Connection, inherited: Sequence[Connection]) -> None:
    """Answer items until the other side is gone."""
    for each in inherited:  # else it would never be seen that the other side is gone
        each.close()
    for stop in (signal.SIGINT, signal.SIGHUP):
        signal.signal(stop, signal.SIG_IGN)  # the first process stops all
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with suppress(EOFError, OSError):
        while True:
            item = pipe.recv()
            try:
                answer = False, work(item)
            except Exception as error:
                answer = True, _sendable(error)
            pipe.send(answer)


@contextmanager
def _without_threads() -> Iterator[None]:
    """Let OpenCV have no threads but this one meanwhile, so that a process that is split off has none either.

    There those of its pool are gone, and it would wait for them for ever, even to be told of another number.
    """
    cv2 = sys.modules.get("cv2")
    if cv2 is None:
        yield
        return
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _sendable(error: Exception) -> Exception:
    try:
        twin = pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(with_class(error))
    return twin if type(twin) is type(error) else RuntimeError(with_class(error))


def _how(status: int | None) -> str:
    return f"signal {-status}" if status is not None and status < 0 else f"status {status}"
