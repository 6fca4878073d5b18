"""A limit of time for each sample: what can be interrupted is, and what cannot ends the process."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

HUNG = 124
"""The exit status of a process that was ended because a sample did not end, as that of `timeout`."""

GRACE = 60.0
"""Seconds that an interrupted sample has to come to its end."""

_exit = os._exit  # as it is before a run replaces it

LONGEST = 1e6
"""Seconds, eleven days: the system's clocks take no more."""


class Late(BaseException):
    """The time is over; no `except Exception` of a model's catches it."""


@dataclass
class _Open:
    """A piece of work under the limit: its deadline on the monotonic clock, and whether it was interrupted."""

    deadline: float
    interrupted: bool = False


class Limit:
    """Interrupts work that takes too long; where that does not help, it ends the process.

    Work of the main thread is interrupted by a timer of the system's, which ends waiting and sleeping, too; that of
    another thread when its next line of Python begins.

    Args:
        seconds: for each sample; None for no limit.
        end: is called in a thread of its own where the work does not end; it has to end the process.
        backstop: is told after how many seconds the process has to end, where not even that thread gets its turn.
    """

    def __init__(
        self,
        seconds: float | None,
        end: Callable[[], None],
        backstop: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self.seconds = seconds
        self._end, self._backstop = end, backstop
        self._open: _Open | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._pace = self._armed = 0.0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the work that is done in this context."""
        if self.seconds is None:
            yield
            return
        watcher = threading.Thread(target=self._watch, args=(threading.get_ident(),), daemon=True, name="time-limit")
        watcher.start()
        try:
            yield
        finally:
            self._closed.set()
            watcher.join()

    @contextmanager
    def of(self, samples: int, learn: bool = False) -> Iterator[None]:
        """Let this work take as long as so many samples may.

        Args:
            samples: how many.
            learn: whether later work may take 20 times as long as this one, and no longer, for as many samples; one
                sample may always take its time.

        Raises:
            Late: it took longer, and was interrupted.
        """
        if self.seconds is None:
            yield
            return
        seconds = min(samples * self.seconds, LONGEST)
        if learn and self._pace:
            seconds = min(seconds, max(self.seconds, 20 * samples * self._pace))
        began = time.monotonic()
        self._open = _Open(began + seconds)
        try:
            try:
                with self._timer(seconds):
                    yield
            finally:
                with self._lock:  # from here on the watching thread interrupts nothing
                    self._open = None
        finally:
            self._open = None  # even where the interruption came within the line above
        if learn:
            self._pace = max(self._pace, (time.monotonic() - began) / samples)

    def arm(self, samples: int) -> None:
        """Have the process end, whatever else it does, where so many samples take far longer than they may."""
        if self.seconds is None:
            return
        now, wanted = time.monotonic(), samples * (self.seconds + 2 * self._grace) + 1
        if self._armed - now < wanted:  # to set it anew takes milliseconds on a busy machine
            self._armed = now + 2 * wanted
            self._backstop(min(2 * wanted, LONGEST))

    @property
    def _grace(self) -> float:
        return min(GRACE, self.seconds or GRACE)

    @contextmanager
    def _timer(self, seconds: float) -> Iterator[None]:
        """Raise `Late` in the main thread when the time is over, unless somebody uses the system's timer already."""
        if not _free():
            yield
            return
        signal.signal(signal.SIGALRM, _late)
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def _watch(self, worker: int) -> None:
        assert self.seconds is not None
        while not self._closed.wait(min(1.0, self.seconds / 4)):
            work = self._open
            late = 0.0 if work is None else time.monotonic() - work.deadline
            if work is None or late <= 0:
                continue
            with self._lock:
                # The timer did not, or could not, or the model went on all the same.
                if self._open is work and not work.interrupted and late > self._grace / 4:
                    work.interrupted = True
                    _raise_in(worker)
            if late > self._grace and self._open is work:
                self._end()


def end_process(line: str) -> None:
    """Print a line on standard error, and end the process at once: other threads may never come back."""
    os.write(2, f"\nerror: {line}\n".encode())
    _exit(HUNG)


def _free() -> bool:
    """Whether this is the main thread, and nobody uses the system's timer."""
    if threading.current_thread() is not threading.main_thread():
        return False
    return (
        signal.getsignal(signal.SIGALRM) in (signal.SIG_DFL, _late) and signal.getitimer(signal.ITIMER_REAL)[0] == 0
    )


def _raise_in(thread: int) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Late))


def _late(number: int, _: FrameType | None) -> None:
    del number
    raise Late
