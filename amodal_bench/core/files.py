"""Files and folders that appear whole or not at all: written under a name of their own, and renamed when done."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
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
