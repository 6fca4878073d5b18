"""The code that predicts, as a digest: a run of other code is another run.

Code is compared as it is parsed: comments, layout and docstrings change nothing.
"""

from __future__ import annotations

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

ROOMS = ("core", "views", "toy", "weights", "backbones", "segmenters", "method", "models")
"""Rooms of the package whose code can change a prediction."""

_PACKAGE = Path(__file__).parents[1]
_LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))


def code_digest(model: object) -> str:
    """Sixteen hex digits over the package's code that predicts, and the user's own classes in a model.

    Args:
        model: whose class, and those of its parts, are looked at.
    """
    digest = hashlib.sha256(_package_digest().encode())
    for kind in sorted(own_classes(model), key=lambda kind: (kind.__module__, kind.__qualname__)):
        digest.update(f"{kind.__qualname__}\n".encode())
        digest.update(_module_text(sys.modules.get(kind.__module__)).encode())
        for code in _codes(kind):
            digest.update(_fixed(code).encode())
    return digest.hexdigest()[:16]


def own_classes(model: object) -> set[type]:
    """The classes of a model and its parts that are neither the package's nor a library's, with their bases."""
    found: set[type] = set()
    seen: set[int] = set()
    waiting: list[Any] = [model]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, list | tuple | set):
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif _is_library(type(value)):
            continue
        else:
            found |= {kind for kind in type(value).__mro__ if not _is_library(kind) and not _is_package(kind)}
            waiting.extend(getattr(value, "__dict__", {}).values())
    return found


def _is_package(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == _PACKAGE.name


def _is_library(kind: type) -> bool:
    """Whether a class is Python's or an installed package's; such are named by their versions."""
    if _is_package(kind):
        return False
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    if kind.__module__ == "__main__":
        return False
    return file is None or str(file).startswith(_LIBRARIES)


@cache
def _package_digest() -> str:
    files = sorted(file for room in ROOMS for file in (_PACKAGE / room).rglob("*.py"))
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(_PACKAGE).as_posix().encode())
        digest.update(parsed(file.read_text(encoding="utf-8")).encode())
    return digest.hexdigest()


def _module_text(module: ModuleType | None) -> str:
    """A module's file as it is parsed; "" where there is none, as in a notebook."""
    file = getattr(module, "__file__", None)
    try:
        return parsed(Path(str(file)).read_text(encoding="utf-8")) if file else ""
    except (OSError, SyntaxError, ValueError):
        return ""


def parsed(source: str) -> str:
    """The syntax tree of a source text without its docstrings. Raises `SyntaxError`."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            body = [part for part in node.body if not _is_text(part)]
            node.body = body or [ast.Pass()]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _codes(kind: type) -> Iterator[CodeType]:
    """The code of a class's own methods, by name: a class may be defined twice in one file or session."""
    for name in sorted(vars(kind)):
        value = vars(kind)[name]
        for function in (
            value,
            *(getattr(value, part, None) for part in ("__func__", "fget", "func", "__wrapped__")),
        ):
            if isinstance(function, FunctionType):
                yield function.__code__


def _fixed(code: CodeType) -> str:
    """What a code object does, without its place in the file and without its docstring."""
    constants = [_fixed(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    if code.co_consts and isinstance(code.co_consts[0], str):
        constants = constants[1:]
    return f"{code.co_name} {code.co_code.hex()} {code.co_names} {code.co_varnames} {constants}"
