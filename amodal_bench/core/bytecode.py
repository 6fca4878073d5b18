"""What classes and functions do, read from what Python made of them: for code of a notebook, which has no file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

PLAIN = (bool, int, float, complex, str, bytes, type(None))


def told(parts: Iterable[type | FunctionType]) -> list[str]:
    """What classes and functions do, as sorted lines that change where any of it does.

    Taken in: the code of methods. Where they come from no file, whose text would say the rest, also defaults,
    closures, plain class attributes, and what a global name reaches: a helper or a constant of the same session.
    """
    lines: set[str] = set()
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [(part.__qualname__, part) for part in parts]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, PLAIN):
            lines.add(f"{name} = {value!r}")
        elif isinstance(value, tuple | list | frozenset | set | dict):
            lines.add(f"{name} = {_plain(value)}")
        elif id(value) not in seen and isinstance(value, type):
            seen.add(id(value))
            own = {key: part for key, part in vars(value).items() if not _is_of_python(key)}
            if _has_file(value):
                own = {key: part for key, part in own.items() if list(_functions(part))}
            waiting += [(f"{name}.{key}", part) for key, part in own.items()]
        elif id(value) not in seen and (functions := list(_functions(value))):
            seen.add(id(value))
            for function in functions:
                lines.add(f"{name} {_fixed(function.__code__)}")
                if not _has_file(function):
                    waiting += [(f"{name} {key}", part) for key, part in _reached(function)]
    return sorted(lines)


def _is_of_python(key: str) -> bool:
    return key.startswith("__") and key not in ("__init__", "__call__", "__post_init__", "__getitem__", "__len__")


def _has_file(part: type | FunctionType) -> bool:
    file = getattr(sys.modules.get(part.__module__), "__file__", None)
    return file is not None and Path(file).is_file()  # a program that is piped in is of the file "<stdin>"


def _functions(value: Any) -> Iterator[FunctionType]:
    """The function itself, or those that a property, a static or class method, or a decorated one holds."""
    for part in (value, *(getattr(value, key, None) for key in ("__func__", "fget", "func", "__wrapped__"))):
        if isinstance(part, FunctionType):
            yield part


def _reached(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Defaults, closures, and the globals that its code names and its module defines."""
    yield "defaults", tuple(function.__defaults__ or ())
    yield "keywords", dict(function.__kwdefaults__ or {})
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not yet filled
            continue
    for name in sorted(_names(function.__code__)):
        value = function.__globals__.get(name)
        home = getattr(value, "__module__", function.__module__)
        if value is not None and not isinstance(value, ModuleType) and home == function.__module__:
            yield name, value


def _names(code: CodeType) -> set[str]:
    """Global names in a code object and in those that lie in it."""
    inner = [_names(part) for part in code.co_consts if isinstance(part, CodeType)]
    return set(code.co_names).union(*inner)


def _plain(value: Any) -> str:
    """A container of plain values as text; what else lies in it is named by its type: an address would not last."""
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, dict):
        return f"{{{', '.join(sorted(f'{_plain(k)}: {_plain(v)}' for k, v in value.items()))}}}"
    if isinstance(value, tuple | list | set | frozenset):
        parts = [_plain(part) for part in value]
        return f"{type(value).__name__}({', '.join(parts if isinstance(value, tuple | list) else sorted(parts))})"
    return type(value).__qualname__


def _fixed(code: CodeType) -> str:
    """What a code object does, without its place in the file and without its docstring."""
    constants = [_fixed(c) if isinstance(c, CodeType) else _plain(c) for c in code.co_consts]
    if code.co_consts and isinstance(code.co_consts[0], str):
        constants = constants[1:]
    return f"{code.co_name} {code.co_code.hex()} {code.co_names} {code.co_varnames} {constants}"
