"""Work in threads that the process waits for as it ends, though not for ever: native code may be at work in them."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


class _Aside(threading.Thread):
    """A thread that does not keep the process: its work may never end."""


def begin(work: Callable[[], Result], name: str) -> Future[Result]:
    """Begin work in a thread; returns what its result, or its error, will be in.

    Args:
        work: may go on after nobody waits for it any more.
        name: the thread's.
    """
    future: Future[Result] = Future()

    def done() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    _Aside(target=done, name=name, daemon=True).start()
    return future


@atexit.register
def all_ended(seconds: float = 10.0) -> bool:
    """Whether all such work has ended, after waiting for what nobody waits for any more; asked as the process ends.

    Python that leaves while native code is at work in another thread, such as torch's, may be aborted.

    Args:
        seconds: to wait, at most.
    """
    until = time.monotonic() + seconds
    threads = [thread for thread in threading.enumerate() if isinstance(thread, _Aside)]
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)
