"""Files and folders that appear whole or not at all, and files that are opened only where they are files.

What is written has a name of its own, and is renamed when done. What is read may be a pipe that nobody writes to, a
device that never ends, or a folder: only regular files are opened, and no more is read than what asks expects.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BufferedReader
from itertools import count
from pathlib import Path

_numbers = count(1)  # threads of one process may write the same file at the same time

_PARTIAL = re.compile(r"\.(?P<name>.+)\.(?P<process>\d+)-\d+\.partial", re.DOTALL)
"""Names of what is being written, or was when its process was killed."""

_AT_REST = 3600.0
"""Seconds without a change after which nobody writes any more: the process may be on another machine."""

_swept: set[Path] = set()
"""The folders that this process has looked through."""


def home_folder() -> Path | None:
    """The user's home; None where there is neither $HOME nor an entry among the users."""
    try:
        return Path.home()
    except RuntimeError:
        return None


MIB = 1 << 20

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)
"""A pipe is opened without waiting for who writes to it."""

_KINDS = (
    (stat.S_ISDIR, "it is a folder"),
    (stat.S_ISFIFO, "it is a pipe"),
    (stat.S_ISSOCK, "it is a socket"),
    (stat.S_ISCHR, "it is a device"),
    (stat.S_ISBLK, "it is a device"),
)


def open_regular(path: Path | str) -> BufferedReader:
    """Open a file to read its bytes.

    Raises:
        OSError: it cannot be opened, or is a folder, a pipe, a device or a socket; `strerror` says so.
    """
    opened = os.open(path, _FLAGS)
    try:
        _require(os.fstat(opened), path)
        return os.fdopen(opened, "rb")
    except BaseException:
        os.close(opened)
        raise


def require_regular(path: Path | str) -> None:
    """Raise `OSError` unless a path is a regular file: for libraries that open what they are told to."""
    _require((path if isinstance(path, Path) else Path(path)).stat(), path)


def is_regular(path: Path | str) -> bool:
    """Whether a path is a regular file that can be looked at; False for a name that no file can have."""
    return os.path.isfile(path)  # noqa: PTH113 - half a million rows ask, and this is half the time


def not_a_file(path: Path) -> str:
    """What lies in the place of a file that may be missing, such as "it is a pipe"; "" for a file, or for nothing."""
    try:
        require_regular(path)
    except FileNotFoundError:
        return "it is a link that leads nowhere" if path.is_symlink() else ""
    except OSError as error:
        return "it is a link that leads to itself" if error.errno == errno.ELOOP else error.strerror or str(error)
    return ""


def read_bytes(path: Path | str, most: int | None = None) -> bytes:
    """The bytes of a regular file.

    Args:
        path: the file.
        most: bytes that it may have; None for as many as it has.

    Raises:
        OSError: it cannot be read, is no regular file, or has more.
    """
    with open_regular(path) as file:
        found = file.read() if most is None else file.read(most + 1)
    if most is not None and len(found) > most:
        raise OSError(errno.EFBIG, f"it has more than {most // MIB} MiB", str(path))
    return found


def read_text(path: Path | str, most: int = 64 * MIB, encoding: str = "utf-8") -> str:
    """The text of a regular file, line ends as they are.

    Raises:
        OSError: it cannot be read, is no regular file, or has more than `most` bytes.
        UnicodeDecodeError: it is no text of this encoding.
    """
    return read_bytes(path, most).decode(encoding)


def _require(found: os.stat_result, path: Path | str) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(found.st_mode)), "it is not a regular file")
        number = errno.EISDIR if stat.S_ISDIR(found.st_mode) else errno.EINVAL
        raise OSError(number, kind, str(path))


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a file, which then replaces `path` as a whole.

    A process that is killed leaves `path` as it was, and at worst a hidden `.NAME.PID-N.partial` beside it, which a
    later one removes.

    Args:
        path: the file, in a folder that is there.
        write: takes the path to write to; whatever it raises passes through, and what it has written is removed.

    Raises:
        OSError: the file cannot be written.
    """
    partial = partial_of(path)
    try:
        write(partial)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def fill_folder(folder: Path, fill: Callable[[Path], object]) -> None:
    """Have `fill` make and fill a folder, which then appears as `folder`; one that is there already is kept.

    Another process that was quicker is no error: its folder counts.

    Args:
        folder: the folder.
        fill: takes the path to fill; whatever it raises passes through, and what it has written is removed.

    Raises:
        OSError: the folder cannot be written.
    """
    partial = partial_of(folder)
    try:
        fill(partial)
        if not folder.is_dir():
            partial.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what killed processes have left half written in a folder, once in a process.

    Whoever writes there is left alone: what has a living process, or has changed within the hour.
    """
    place = folder.absolute()
    if place in _swept:
        return
    _swept.add(place)
    with suppress(OSError):  # what cannot be listed is not cleaned up
        for entry in list(_abandoned(place)):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


def _abandoned(folder: Path) -> Iterator[Path]:
    for found in os.scandir(folder):
        named = _PARTIAL.fullmatch(found.name)
        if named and not _is_alive(int(named["process"])):
            entry = Path(found.path)
            inside = entry.rglob("*") if found.is_dir(follow_symlinks=False) else ()
            newest = max(each.lstat().st_mtime for each in (entry, *inside))
            if time.time() - newest > _AT_REST:
                yield entry


def _is_alive(process: int) -> bool:
    """Whether there is a process of this number; one of another user's is."""
    if os.name == "nt":  # where signal 0 would end it
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def final_name(path: Path) -> Path:
    """The name that what is written under a name of `partial_of` gets; of any other path the path itself."""
    named = _PARTIAL.fullmatch(path.name)
    return path.with_name(named["name"]) if named else path


def partial_of(path: Path) -> Path:
    """Where something is written before it gets its name; `sweep` finds it again after a kill."""
    sweep(path.parent)
    return path.with_name(f".{path.name}.{os.getpid()}-{next(_numbers)}.partial")
