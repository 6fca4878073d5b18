"""The code that predicts, as a digest, and the libraries that a user's own code calls: other ones are another run.

Code is compared as it is parsed: comments, layout and docstrings change nothing.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from types import FunctionType
from typing import Any

from amodal_bench.core.bytecode import told
from amodal_bench.core.cache import cache_folder, keep_sealed, kept_sealed
from amodal_bench.core.parsed import PARSING, parsed
from amodal_bench.core.versions import versions
from amodal_bench.runner.imports import is_library_file, reached

ROOMS = ("core", "views", "toy", "weights", "backbones", "segmenters", "method", "models")
"""Rooms of the package whose code can change a prediction."""

READING = ("datasets/base.py", "datasets/reading")
"""What all loaders share."""

_PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Own:
    """What of an object and its parts is neither the package's nor a library's.

    Attributes:
        kinds: classes, with their bases.
        functions: that are kept as parts, such as a callback.
    """

    kinds: set[type] = field(default_factory=set)
    functions: list[FunctionType] = field(default_factory=list)

    def modules(self) -> list[str]:
        """The names of the modules that they come from."""
        return sorted({part.__module__ for part in (*self.kinds, *self.functions)})


def code_digest(model: object) -> str:
    """Sixteen hex digits over the package's code that predicts, and the user's own code in a model.

    Args:
        model: whose class, and those of its parts, are looked at, with the modules of the user's that they import.
    """
    return _digest(model, _package_digest(ROOMS))


def reading_digest(dataset: object) -> str:
    """Sixteen hex digits over the code that reads a dataset: the package's for it, or the user's own class."""
    kinds = [kind for kind in type(dataset).__mro__ if _is_package(kind)]
    files = {Path(str(getattr(sys.modules.get(kind.__module__), "__file__", ""))) for kind in kinds}
    root = _PACKAGE / "datasets"
    folders = {file.parent if file.parent != root else file for file in files if root in file.parents}
    names = (*READING, *sorted(folder.relative_to(_PACKAGE).as_posix() for folder in folders))
    return _digest(dataset, _package_digest(names))


def own_libraries(*objects: object) -> dict[str, str]:
    """Versions of the libraries that the modules of the user's own classes import, by the names of PyPI."""
    modules = {name for each in objects for name in own_parts(each).modules()}
    imported = reached(sorted(modules)).libraries if modules else set()
    if not imported:
        return {}
    known = _distributions()
    return versions(*sorted({name for module in imported for name in known.get(module, ())}))


def own_parts(value: object) -> Own:
    """The classes and functions of an object and its parts that are the user's own."""
    own, seen = Own(), set[int]()
    waiting: list[Any] = [value]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, list | tuple | set):
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, partial):
            waiting.extend([value.func, value.args, value.keywords])
        elif isinstance(value, FunctionType):
            if not (_is_package(value) or _is_library(value)):
                own.functions.append(value)
        elif not _is_library(type(value)):
            own.kinds.update(k for k in type(value).__mro__ if not _is_library(k) and not _is_package(k))
            waiting.extend(getattr(value, "__dict__", {}).values())
    return own


def _digest(value: object, package: str) -> str:
    digest = hashlib.sha256(package.encode())
    own = own_parts(value)
    for name, text in sorted(reached(own.modules()).texts.items()):
        digest.update(f"{name}\n{parsed(text)}\n".encode())
    for kind in sorted(own.kinds, key=lambda kind: (kind.__module__, kind.__qualname__)):
        digest.update(f"{kind.__qualname__}\n".encode())
    # A class may be defined twice in one file or session, and one of a notebook has no file at all.
    for line in told((*own.kinds, *own.functions)):
        digest.update(line.encode())
    return digest.hexdigest()[:16]


def _is_package(part: type | FunctionType) -> bool:
    return part.__module__.partition(".")[0] == _PACKAGE.name


def _is_library(part: type | FunctionType) -> bool:
    """Whether a class or function is Python's or an installed package's; such are named by their versions."""
    if _is_package(part) or part.__module__ == "__main__":
        return False
    file = getattr(sys.modules.get(part.__module__), "__file__", None)
    return file is None or is_library_file(str(file))


@cache
def _package_digest(names: tuple[str, ...]) -> str:
    """Over the files of the package in folders, and those that are named themselves."""
    places = [_PACKAGE / name for name in names]
    files = sorted(file for place in places for file in ([place] if place.is_file() else place.rglob("*.py")))
    read = {file.relative_to(_PACKAGE).as_posix(): file.read_bytes() for file in files}
    # To parse the package takes a second; another Python, or another way to parse, may make something else of it.
    facts = repr((sys.version, PARSING, {name: hashlib.sha256(text).digest() for name, text in read.items()}))
    memo = cache_folder() / "code" / hashlib.sha256(facts.encode()).hexdigest()
    if (kept := kept_sealed(memo)) is not None:
        return kept.decode("ascii")
    digest = hashlib.sha256()
    for name, text in read.items():
        digest.update(name.encode())
        digest.update(parsed(text.decode("utf-8")).encode())
    keep_sealed(memo, digest.hexdigest().encode("ascii"))
    return digest.hexdigest()


@cache
def _distributions() -> dict[str, list[str]]:
    from importlib.metadata import packages_distributions

    return {module: list(names) for module, names in packages_distributions().items()}
