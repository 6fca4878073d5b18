"""What ends a command from outside: Ctrl-C, SIGTERM and SIGHUP end it alike, with a status of their own."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
"""The exit status of each signal that stops a command: 128 and its number, as shells have it."""

KEPT = "all finished batches are kept; give the same command again to continue"
"""What is kept of a run that is stopped."""

_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)

_heard: signal.Signals | None = None
"""The signal that has raised `Stopped`, for which native code may put a KeyboardInterrupt of its own."""


class Stopped(KeyboardInterrupt):
    """A signal asks the command to stop: what is committed stays, and what is half done is left.

    Attributes:
        signal: the signal.
    """

    def __init__(self, number: int) -> None:
        self.signal = signal.Signals(number)
        super().__init__(self.signal.name)

    def __reduce__(self) -> tuple[type[Stopped], tuple[int]]:
        return type(self), (int(self.signal),)  # it travels between processes


@contextmanager
def stoppable() -> Iterator[None]:
    """Let each signal of `STATUS` raise `Stopped` in this thread; one that the caller has set otherwise stays.

    A second Ctrl-C, a second later, ends the process at once. A second SIGTERM does nothing: schedulers send several.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say what a signal does
        return
    global _heard
    _heard = None
    found = {number: signal.getsignal(number) for number in STATUS}
    # Not of `nohup`, which ignores SIGHUP.
    before = {number: handler for number, handler in found.items() if _gives_way(handler)}
    try:
        for number in before:
            signal.signal(number, _stop)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def set_again() -> None:
    """Set what handles each signal once more: native code may have dropped it, which Python does not see."""
    with suppress(ValueError):  # of a thread that is not the main one
        for number in STATUS:
            if (handler := signal.getsignal(number)) is not None:  # of native code, from before Python began
                signal.signal(number, handler)


def _gives_way(handler: object) -> bool:
    """Whether a signal is handled as when Python, or this program, begins: nobody has asked for it."""
    return handler in _DEFAULTS or bool(getattr(handler, "gives_way", False))


def is_wish(error: BaseException) -> bool:
    """Whether an error is the user's wish to stop, and not a fault of the code that raised it.

    Where `stoppable` is at work a Ctrl-C is a `Stopped`, so a mere KeyboardInterrupt is one that code has raised.
    """
    if isinstance(error, Stopped):
        return True
    return isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is not _stop


def status_of(error: BaseException) -> int:
    """The exit status of what has stopped a command; anything but a signal counts as Ctrl-C."""
    return STATUS[_signal_of(error)]


def how(error: BaseException) -> str:
    """How a command was stopped, as the first word of its line."""
    number = _signal_of(error)
    return "interrupted" if number is signal.SIGINT else f"ended by {number.name}"


def _signal_of(error: BaseException) -> signal.Signals:
    return error.signal if isinstance(error, Stopped) else _heard or signal.SIGINT


@contextmanager
def keeping(kept: str) -> Iterator[None]:
    """Note on what stops a command, as it passes, what of the work is kept: the innermost note is the one shown."""
    try:
        yield
    except KeyboardInterrupt as error:
        if not hasattr(error, "kept"):
            error.kept = kept  # type: ignore[attr-defined]
        raise


def told(error: BaseException, kept: str = "") -> str:
    """The line for a user: how the command was stopped, and what of the work is kept."""
    kept = getattr(error, "kept", kept)
    return f"{how(error)}: {kept}" if kept else how(error)


def _nothing(number: int, _: FrameType | None) -> None:
    """Do nothing at a signal; Python complains where one that has come already is set to be ignored."""


def _stop(number: int, _: FrameType | None) -> None:
    global _heard
    _heard = signal.Signals(number)
    for each in STATUS:
        if signal.getsignal(each) is _stop and each != signal.SIGINT:
            signal.signal(each, _nothing)
    stopped = time.monotonic()

    def again(number: int, _: FrameType | None) -> None:
        # Who started this program may pass on a Ctrl-C that the terminal has sent to both: it is the first one.
        if time.monotonic() - stopped > 1:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    if signal.getsignal(signal.SIGINT) is _stop:
        signal.signal(signal.SIGINT, again)
    raise Stopped(number)
