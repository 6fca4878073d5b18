"""Where the picture lies that a record names as another system does: backslashes, other case, other Unicode form.

Also a name that repeats the end of the folder's own path (`val2014/x.jpg` in `val2014/`) is found. Nothing is
guessed: of two files that a name may mean neither is taken, and one of the same name in another folder is another.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from amodal_bench.core.files import is_regular

FOLDERS_KEPT = 64


def posix(name: str) -> str:
    """A name with the slashes of this system, as it was written on whichever."""
    return name.replace("\\", "/")


def found_in(folder: Path, name: str) -> Path | None:
    """The file that a record names; as it is written, where there is one of that name, else as the module says."""
    if is_regular(place := folder / name):
        return place
    for parts in _readings(folder, PurePosixPath(posix(name)).parts):
        if (found := _below(folder, parts)) and is_regular(found):
            return found
    return None


def place_in(folder: Path, name: str) -> Path:
    """`found_in`, and where there is none the place at which it was expected."""
    return found_in(folder, name) or folder / posix(name)


def namesake(place: Path) -> Path | None:
    """The nearest folder above a file that is missing which has a file of its name; None for none."""
    above = (folder for folder in place.parents[1:4] if folder.is_dir())
    return next((folder for folder in above if is_regular(folder / place.name)), None)


def _readings(folder: Path, parts: Sequence[str]) -> Iterator[Sequence[str]]:
    yield parts
    own = [_folded(part) for part in folder.absolute().parts]
    for count in range(1, len(parts)):
        if [_folded(part) for part in parts[:count]] == own[-count:]:
            yield parts[count:]


def _below(folder: Path, parts: Sequence[str]) -> Path | None:
    """A path by its parts, each in the spelling that its folder has."""
    here = folder
    for part in parts:
        if _stamp(here / part) is None:
            spelt = _listed(str(here), _stamp(here)).get(_folded(part), [])
            same = [name for name in spelt if normalize("NFC", name) == normalize("NFC", part)] or spelt
            if len(same) != 1:
                return None
            part = same[0]
        here = here / part
    return here


@lru_cache(maxsize=FOLDERS_KEPT)
def _listed(folder: str, stamp: int | None) -> dict[str, list[str]]:  # noqa: ARG001
    """The names in a folder by what is left of them without case and form; `stamp` tells that they have changed."""
    found: dict[str, list[str]] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                found.setdefault(_folded(entry.name), []).append(entry.name)
    except OSError:
        return {}
    return found


def _stamp(place: Path) -> int | None:
    """When what lies there changed; None where nothing does, nor can under such a name."""
    try:
        return place.stat().st_mtime_ns
    except (OSError, ValueError):
        return None


def _folded(name: str) -> str:
    return normalize("NFC", normalize("NFC", name).casefold())
