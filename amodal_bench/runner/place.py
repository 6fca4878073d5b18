"""A run's folder on the disk: whether it can be written, its store under a lock, and a disk that becomes full."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from amodal_bench.core.errors import BenchError, InputError
from amodal_bench.runner.schema import NewerStore
from amodal_bench.runner.store import Store

log = logging.getLogger(__name__)


def check_writable(results: Path) -> None:
    """Raise `InputError` where no run could be kept in a folder, which need not be there yet; makes nothing."""
    there = results.expanduser().absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    reason = "Not a directory" if not there.is_dir() else "Permission denied" if not os.access(there, os.W_OK) else ""
    if reason:
        raise _unwritable(results, reason)


def _unwritable(folder: Path, reason: str) -> InputError:
    return InputError(folder, f"cannot be written ({reason})", "set results to a folder that you can write to")


@contextmanager
def opened(folder: Path, wait: bool = False) -> Iterator[Store]:
    """A run's store, locked against other processes; the lock ends with the process, however it ends.

    Args:
        folder: the run's.
        wait: whether to wait for another process that works on the run, such as another cell of a sweep that has the
            same baseline, instead of raising.

    Raises:
        BenchError: another process works on the run.
        InputError: the store cannot be written or read.
    """
    with ExitStack() as stack, room(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / ".lock", timeout=0)
            try:
                stack.enter_context(lock)
            except Timeout:
                if not wait:
                    raise
                log.warning("%s: another process is working on this run; waiting for it", folder)
                stack.enter_context(FileLock(folder / ".lock", timeout=-1))
            store = stack.enter_context(Store(folder / "store.sqlite"))
        except Timeout:
            raise BenchError(f"{folder}: another process is working on this run; wait until it ends") from None
        except OSError as error:
            raise _unwritable(folder, error.strerror or str(error)) from error
        except NewerStore as error:
            remedy = "install the version that made it, or set results to another folder"
            raise InputError(folder / "store.sqlite", f"cannot be used ({error})", remedy) from error
        except sqlite3.Error as error:
            remedy = "rename its folder and run again"
            raise InputError(
                folder / "store.sqlite", f"is damaged, or is not the store of a run ({error})", remedy
            ) from error
        yield store


@contextmanager
def room(folder: Path) -> Iterator[None]:
    """Say in one line that a disk has become full; what was committed before is kept."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        full = sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary part of an extended code
        if getattr(error, "errno", None) not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS) and code not in full:
            raise
        problem = f"cannot be written ({getattr(error, 'strerror', None) or error})"
        raise InputError(
            folder, problem, "make room, then give the same command again: finished batches are kept"
        ) from error
