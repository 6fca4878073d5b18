"""The lock on a run's folder: it excludes every other process, or there is none; it ends with its process."""

from __future__ import annotations

import errno
import logging
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import gethostname
from threading import Lock

from amodal_bench.core.disk import AGAIN
from amodal_bench.core.errors import BenchError, InputError
from amodal_bench.core.files import open_regular

log = logging.getLogger(__name__)

FILE = ".lock"
_HELD = (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK)
_MISSING = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)
_PAUSE = 0.1
_LONGEST = 500
"""Bytes that are read of what a holder says of itself."""

_claims = Lock()
_here: set[tuple[int, str]] = set()
"""The process and the folder of each lock: the second kind does not keep two threads apart."""

_open: set[int] = set()
"""The descriptors of this process's locks: a process that is forked has copies, which would keep a lock."""


@contextmanager
def locked(folder: Path, wait: bool) -> Iterator[None]:
    """Hold the lock on a folder, which has to be there.

    It is the lock of the operating system on the file `.lock`, which says whose it is; where the file system does not
    have that one, it is the one of POSIX. A file that only stands for a lock is none: it stays after a kill, and two
    processes that make it at the same time may both believe that they have it.

    Args:
        folder: of the run.
        wait: whether to wait for another process that holds it, after a line that says which, instead of raising.

    Raises:
        BenchError: another process holds it.
        InputError: the file system has no locks.
        OSError: the file cannot be opened.
    """
    file, mine = folder / FILE, (os.getpid(), str(folder.resolve()))
    told = False

    def held(who: str) -> None:
        nonlocal told
        if not wait:
            raise BenchError(f"{folder}: another process is working on this run{who}; wait until it ends")
        if not told:
            log.warning("%s: another process is working on this run%s; waiting for it", folder, who)
            told = True
        time.sleep(_PAUSE)

    while not _claimed(mine):
        held(" (another thread of this one)")
    try:
        descriptor = _opened(file)
        try:
            while not _taken(descriptor, file):
                held(_holder(file))
            _sign(descriptor)
            yield
        finally:
            if descriptor in _open:  # not in a process that was forked
                _open.discard(descriptor)
                _release(descriptor)
                os.close(descriptor)  # which ends either lock, where nobody has a copy
    finally:
        _here.discard(mine)


def is_held(folder: Path) -> bool:
    """Whether a process works on a folder now; false where that cannot be known."""
    try:
        descriptor = os.open(folder / FILE, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return False
    try:
        return not _taken(descriptor, folder / FILE)
    except (BenchError, OSError):
        return False
    finally:
        os.close(descriptor)


def _opened(file: Path) -> int:
    """The descriptor of a lock's file, which is made where there is none.

    Raises:
        InputError: something else lies in its place.
        OSError: it cannot be opened.
    """
    try:  # what a link leads to is not a lock's to write to; a pipe would wait
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(file, flags, 0o666)
    except OSError as error:
        if file.is_symlink():
            raise InputError(file, "it is a link, and a lock is a file of its own", f"remove it, {AGAIN}") from error
        if file.exists() and not file.is_file():
            raise InputError(file, "it is not a file, and a lock is one", f"remove it, {AGAIN}") from error
        raise
    _open.add(descriptor)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        _open.discard(descriptor)
        os.close(descriptor)
        raise InputError(file, "it is not a file, and a lock is one", f"remove it, {AGAIN}")
    return descriptor


def _release(descriptor: int) -> None:
    """End a lock that native code may have copied into another process."""
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _let_go() -> None:
    """Give up the copies that a forked process has: the lock is its parent's."""
    while _open:
        with suppress(OSError):
            os.close(_open.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


def _claimed(mine: tuple[int, str]) -> bool:
    with _claims:
        if mine in _here:
            return False
        _here.add(mine)
        return True


def _taken(descriptor: int, file: Path) -> bool:
    """Take the lock, or say that another one has it."""
    if sys.platform == "win32":
        import msvcrt

        try:
            os.lseek(descriptor, _LONGEST, os.SEEK_SET)  # behind the text, which others read
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError as error:
        if error.errno in _HELD:
            return False
        if error.errno not in _MISSING:
            raise
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        if error.errno not in _MISSING:
            raise
        problem = f"its file system has no locks ({error.strerror}), so that two commands could do the same work"
        raise InputError(file, problem, "set results to a folder on a disk of this machine") from error
    return True


def _sign(descriptor: int) -> None:
    """Write into the file who holds it; a full disk only leaves that unsaid."""
    since = time.strftime("%Y-%m-%d %H:%M")
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        text = f"process {os.getpid()} on {gethostname()}, since {since}"
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, text.encode("utf-8", errors="replace")[:_LONGEST])


def _holder(file: Path) -> str:
    """Who holds the lock, as a part of a line; "" where it does not say."""
    with suppress(OSError):
        with open_regular(file) as opened:
            text = opened.read(_LONGEST).decode("utf-8", errors="replace").strip()
        return f" ({text})" if text.isprintable() and text else ""
    return ""
