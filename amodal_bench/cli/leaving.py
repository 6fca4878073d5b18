"""The end of the process, which no thread may put off for ever."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Collection

from amodal_bench.core.aside import all_ended

PATIENCE = 10.0
"""Seconds that threads have to end after the command has."""


def leave_in_time(status: int, before: Collection[threading.Thread]) -> None:
    """End the process by force where threads that were started since keep it; to be called when all is done.

    What is begun by `core.aside` is the program's own, and not told of.

    Args:
        status: the exit status.
        before: the threads that were there when the command began.
    """
    if not all_ended(PATIENCE):
        os._exit(status)
    if not any(thread not in before and not thread.daemon for thread in threading.enumerate()):
        return
    ended = threading.Event()
    atexit.register(ended.set)  # Python calls it after it has waited for all threads, and before all that was there

    def watch() -> None:
        if not ended.wait(PATIENCE):
            os.write(2, b"warning: a thread of a component goes on after the command; it is ended with the process\n")
            os._exit(status)

    threading.Thread(target=watch, daemon=True).start()
