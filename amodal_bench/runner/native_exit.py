"""A library that calls C's `exit` ends the process in silence, with whatever status: here it is noticed.

Python never hears of it. C's own list of what to do at the exit has an entry while a run is at work, and none
afterwards, for then the interpreter may be gone.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_armed: list[Callable[[], None]] = []
"""What takes the entry of each run at work off the list."""


@contextmanager
def noticed(then: Callable[[], None]) -> Iterator[None]:
    """Call `then`, which has to end the process, where this one is ended by C's `exit` meanwhile.

    Nothing is noticed in a thread other than the main one, which may outlive the interpreter, nor where the C library
    is not GNU's. A process that is forked meanwhile may exit as it likes.
    """
    if not _is_gnu() or threading.current_thread() is not threading.main_thread():
        yield
        return
    library, own, process = ctypes.CDLL(None), ctypes.create_string_buffer(8), os.getpid()
    at_work = [True]

    def leaving(_: int | None) -> None:
        if at_work and os.getpid() == process:
            then()

    entry = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(leaving)

    def disarm() -> None:
        at_work.clear()
        library.__cxa_finalize(own)  # calls the entries of this owner, and takes them off

    library.__cxa_atexit(entry, None, own)
    _armed.append(disarm)
    try:
        yield
    finally:
        if disarm in _armed:
            _armed.remove(disarm)
            disarm()


def _is_gnu() -> bool:
    try:
        return sys.platform == "linux" and str(os.confstr("CS_GNU_LIBC_VERSION")).startswith("glibc")
    except (ValueError, OSError):
        return False


def _forked() -> None:
    while _armed:
        _armed.pop()()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
