"""Files and folders that appear whole or not at all: written under a name of their own, and renamed when done."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

_numbers = count(1)  # threads of one process may write the same file at the same time


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a file, which then replaces `path` as a whole.

    A process that is killed leaves `path` as it was, and at worst a hidden `.NAME.PID-N.partial` beside it.

    Args:
        path: the file, in a folder that is there.
        write: takes the path to write to; whatever it raises passes through, and what it has written is removed.

    Raises:
        OSError: the file cannot be written.
    """
    partial = _partial(path)
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
    partial = _partial(folder)
    try:
        fill(partial)
        if not folder.is_dir():
            partial.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{next(_numbers)}.partial")
