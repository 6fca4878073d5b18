"""A trial in a process of its own, of what has ended a process twice without a sign of how."""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress

log = logging.getLogger(__name__)

PATIENCE = 600.0
"""Seconds after which a trial is given up: what a fork has copied may wait for a thread that is not there."""

_exit, _kill = os._exit, os.kill  # as they are before a run replaces them


def end_of(work: Callable[[], object], seconds: float | None = None) -> str:
    """How a forked process that does this work was ended by it; "" where it was not, or nothing can tell.

    That the work raises is no end. A kill from outside tells nothing.

    Args:
        work: is done in the other process; what it changes here is nothing but files.
        seconds: that it may take, 600 at most; None for these.
    """
    if not _can_fork():
        return ""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which the fork does not have
        process = os.fork()
    if process == 0:
        try:
            with suppress(BaseException):
                work()
            os.write(write, b".")
        finally:
            _exit(0)
    os.close(write)
    came, status = False, -int(signal.SIGKILL)
    try:
        if select.select([read], [], [], min(seconds or PATIENCE, PATIENCE))[0]:
            came = bool(os.read(read, 1))
        else:
            came = True  # it does not end, which is not this trial's to judge
            _kill(process, signal.SIGKILL)
    except BaseException:
        _kill(process, signal.SIGKILL)
        raise
    finally:
        os.close(read)
        with suppress(ChildProcessError):  # where somebody has said that children are not waited for
            status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return f"an exit with status {status} that Python has not seen" if not came and status >= 0 else ""


def _can_fork() -> bool:
    """Whether a copy of this process can work: one of CUDA's cannot."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    return hasattr(os, "fork") and not (cuda is not None and cuda.is_initialized())
