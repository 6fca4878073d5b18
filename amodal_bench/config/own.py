"""Folders with a user's own classes: the working folder, and the folders of configurations that were named."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from importlib.machinery import PathFinder
from pathlib import Path

_named: list[str] = []


def name_folders(folders: Iterable[Path | str]) -> None:
    """Look for classes in these folders, too, from now on."""
    for folder in folders:
        place = str(Path(folder).absolute())
        if place not in _named:
            _named.append(place)


def own_places() -> list[str]:
    """The folders that were named, and those that Python looks into: other processes of a run look there, too."""
    return list(dict.fromkeys([*_named, *(place for place in sys.path if place)]))


def look_in_own_folders() -> None:
    """Put the user's folders at the end of `sys.path`, so that no file in them is imported before a library."""
    for folder in (str(Path.cwd()), *_named):
        if folder not in sys.path:
            sys.path.append(folder)
    importlib.invalidate_caches()  # a file may have been written since the folder was last looked into


def hidden_file(module: str) -> str | None:
    """A user's file with the name of a module that was imported from elsewhere, or None."""
    top = module.partition(".")[0]
    found = PathFinder.find_spec(top, [str(Path.cwd()), *_named])
    loaded = getattr(sys.modules.get(top), "__file__", None)
    own = found.origin if found is not None else None
    return own if loaded is not None and own != loaded else None
