"""What a disk that refuses is called: the true cause in plain words, and what to do about it."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path

from amodal_bench.core.errors import BenchError, InputError
from amodal_bench.core.files import final_name

AGAIN = "then give the same command again: finished batches are kept"

READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
"""Error numbers of a place that is another user's, or that nobody can write to."""

_CAUSES = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room within your quota",
    errno.EFBIG: "raise the limit on the size of files (`ulimit -f` shows it)",
    errno.EROFS: "make the file system writable",
    errno.EACCES: "make it writable for you",
    errno.EPERM: "make it writable for you",
    errno.EIO: "check the disk and its connection",
    errno.EMFILE: "raise the limit on open files (`ulimit -n` shows it)",
    errno.ENFILE: "end programs that keep many files open",
    errno.ESTALE: "mount the file system again",
    errno.ENOTCONN: "mount the file system again",
    errno.ENODEV: "mount the file system again",
    errno.ENXIO: "mount the file system again",
    errno.EREMOTEIO: "check the disk and its connection",
    errno.ETIMEDOUT: "check the connection to the file server",
}
"""What to do by the cause."""

_ANYWHERE = _CAUSES.keys() - {errno.EACCES, errno.EPERM, errno.ETIMEDOUT, errno.ENXIO, errno.ENODEV}
"""Causes that are a disk's whatever was being done; the others may be a device's or a socket's."""

_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_REFUSED = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
_NO_LOCKS = (sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOLFS)


def refusal(place: Path, error: BaseException, again: str = AGAIN) -> InputError | None:
    """What to say of a disk that refuses; None of an error of any other kind.

    Args:
        place: the file or folder that was in use, where the error names none.
        error: an `OSError`, or a `sqlite3.Error` of a database in this place.
        again: what follows the remedy.
    """
    if isinstance(error, sqlite3.Error):
        return _of_database(place, error, again)
    if not isinstance(error, OSError) or error.errno is None:
        return None
    named = Path(error.filename) if isinstance(error.filename, str | os.PathLike) else place
    if error.errno in _ANYWHERE or (error.errno in _CAUSES and place in (named, *named.parents)):
        return _told(final_name(named), error.errno, again)
    return None


def cannot_write(place: Path, error: OSError, again: str = AGAIN) -> InputError:
    """What to say of a file or folder that could not be written, whatever the cause."""
    if error.errno in _CAUSES:
        return _told(place, error.errno, again)
    reason = error.strerror or str(error)
    return InputError(place, f"cannot be written ({reason})", "set results to a folder that you can write to")


def in_the_place_of(place: Path, error: OSError) -> InputError:
    """What to say where something else lies in the place of a file, such as a folder."""
    if error.errno in _CAUSES:
        return _told(place, error.errno, AGAIN)
    reason = (error.strerror or str(error)).lower()
    return InputError(place, f"cannot be written ({reason})", "remove or rename what lies in its place, " + AGAIN)


def name_another(place: Path, error: OSError, what: str) -> BenchError:
    """What to say where a command's output, "file" or "folder", could not be written in the place that was named."""
    return BenchError(f"{place}: cannot be written ({error.strerror or error}); name another {what}")


def why_unwritable(folder: Path) -> str:
    """Why nothing can be written in a folder that is there, as the system says it; "" where something can."""
    if not folder.is_dir():
        return os.strerror(errno.ENOTDIR)
    if os.access(folder, os.W_OK | os.X_OK):
        return ""
    with suppress(OSError, AttributeError):
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            return os.strerror(errno.EROFS)
    return os.strerror(errno.EACCES)


def _told(place: Path, code: int, again: str) -> InputError:
    if code == errno.ENOSPC and not _inodes_left(place):
        reason, remedy = "the disk has no room for another file: no inodes are left", "delete files"
    else:
        reason, remedy = os.strerror(code), _CAUSES[code]
    return InputError(place, f"cannot be written ({reason})", f"{remedy}, {again}" if again else remedy)


def _of_database(place: Path, error: sqlite3.Error, again: str) -> InputError | None:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary part of an extended code
    if code in _LOCKED:
        return InputError(place, f"another program has it open ({error})", f"close that program, {again}")
    if code in _NO_LOCKS:
        reason = f"its file system has no locks that work ({error})"
        return InputError(place, reason, f"set results to a folder on a disk of this machine, {again}")
    if code not in _REFUSED:
        return None
    if (cause := _probed(place)) is not None:
        return _told(place, cause, again)
    if code == sqlite3.SQLITE_IOERR:
        return InputError(place, f"cannot be read or written ({error})", f"{_CAUSES[errno.EIO]}, {again}")
    remedy = "make room" if code == sqlite3.SQLITE_FULL else "check that it is a file that you can write to"
    return InputError(place, f"cannot be written ({error})", f"{remedy}, {again}")


def _probed(place: Path) -> int | None:
    """Why nothing can be written beside a file or in a folder, as an error number: SQLite does not tell."""
    folder = place if place.is_dir() else place.parent
    if _at_limit(folder):
        return errno.EFBIG
    try:
        if place.is_file():
            place.open("r+b").close()
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(1 << 16))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno if error.errno in _CAUSES else None
    return None


def _at_limit(folder: Path) -> bool:
    """Whether one of the files in a folder is about as large as this process may make any."""
    try:
        import resource
    except ImportError:
        return False
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if limit == resource.RLIM_INFINITY:
        return False
    with suppress(OSError):
        return any(entry.stat().st_size + (1 << 17) > limit for entry in os.scandir(folder) if entry.is_file())
    return False


def _inodes_left(place: Path) -> bool:
    """Whether the file system has room for another file; where nobody knows, it has."""
    with suppress(OSError, AttributeError):
        there = os.statvfs(place if place.exists() else place.parent)
        return there.f_files == 0 or there.f_favail > 0 or there.f_bavail == 0
    return True
