"""Work in a process of its own, which may end in any way: forked, for to import the package takes seconds."""

from __future__ import annotations

import os
import resource
import sys
import traceback
from collections.abc import Callable
from pathlib import Path


def ended(work: Callable[[], object], told: Path | None = None) -> int:
    """How a process that does this work ends: its exit status, or the negative number of a signal.

    Args:
        work: what it does; an error that escapes is printed, and its status is 99.
        told: the file that takes what it writes to standard error.
    """
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    end, status = os._exit, 99
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if told is not None:
            os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
            sys.stderr = os.fdopen(2, "w", closefd=False)
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        end(status)
    raise AssertionError("not reached")
