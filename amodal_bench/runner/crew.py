"""Threads that work beside the one that drives the device."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from queue import SimpleQueue
from types import TracebackType
from typing import Any, TypeVar

Result = TypeVar("Result")

PATIENCE = 5.0
"""Seconds that a thread has to end what it does when nothing more is wanted of it."""


class Hand:
    """A thread that does one thing after the other; use it as a context manager.

    It never keeps a process from ending: what it is stuck in, such as a disk that does not answer, ends with it.

    Args:
        name: of the thread.
        context: is entered in the thread while it lasts.
        patient: whether leaving waits for what has been taken up, however long it takes.
    """

    def __init__(self, name: str, context: AbstractContextManager[Any] | None = None, patient: bool = False) -> None:
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._context, self._patient = context or nullcontext(), patient
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def __enter__(self) -> Hand:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tasks.put(None)
        self._thread.join(None if self._patient else PATIENCE)

    def do(self, work: Callable[[], Result]) -> Future[Result]:
        """Have something done; the future raises what it raises."""
        future: Future[Result] = Future()

        def task() -> None:
            nonlocal work
            try:
                result = work()
            except BaseException as error:
                future.set_exception(error)
            else:
                del work  # and all that it holds, such as a batch, before anybody goes on
                future.set_result(result)

        self._tasks.put(task)
        return future

    def _work(self) -> None:
        with self._context:
            while (task := self._tasks.get()) is not None:
                task()
