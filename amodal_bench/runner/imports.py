"""What the modules of a user's own import: further modules of the user's, and libraries."""

from __future__ import annotations

import ast
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec, resolve_name
from pathlib import Path
from types import ModuleType

_PACKAGE = __name__.partition(".")[0]
_LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))


@dataclass(frozen=True)
class Reached:
    """What is reached from some modules.

    Attributes:
        texts: the source of each module of the user's, by name; "" where it has no file, as in a notebook.
        libraries: top-level names of installed packages, such as `scipy`; Python's own modules are not among them.
    """

    texts: dict[str, str] = field(default_factory=dict)
    libraries: set[str] = field(default_factory=set)


def reached(modules: Iterable[str]) -> Reached:
    """The user's modules and the libraries that modules import, and those that these import; nothing is run."""
    found = Reached()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found.texts:
            continue
        found.texts[name] = text = _text(name)
        for imported in _imports(name, text):
            top = imported.partition(".")[0]
            if top == _PACKAGE or top in sys.stdlib_module_names:
                continue
            file = _file(top) or _file(imported)  # a namespace has no file of its own
            if file is not None and is_library_file(file):
                found.libraries.add(top)
            elif (_file(imported) or "").endswith(".py"):
                waiting.append(imported)
    return found


def is_library_file(file: str) -> bool:
    """Whether a file is Python's or belongs to an installed package."""
    return file.startswith(_LIBRARIES)


def _text(name: str) -> str:
    """A module's source; "" where it has none that can be parsed."""
    file = _file(name)
    try:
        text = Path(file).read_text(encoding="utf-8") if file else ""
        ast.parse(text)
        return text
    except (OSError, SyntaxError, ValueError):
        return ""


def _file(name: str) -> str | None:
    """The file of a module, without importing it; None where it has none or is not found."""
    if name in sys.modules:
        file = getattr(sys.modules[name], "__file__", None)
        return str(file) if file else None
    if "." in name and name.rpartition(".")[0] not in sys.modules:
        return None  # looking for it would import the package that it is in
    try:
        spec = find_spec(name)
    except (ImportError, AttributeError, ValueError):
        return None
    return spec.origin if spec and spec.has_location else None


def _imports(name: str, text: str) -> Iterator[str]:
    """The dotted names that a module imports, wherever in its source; of `from a import b` both `a` and `a.b`."""
    module = sys.modules.get(name)
    if not text and module is not None:  # a notebook's
        yield from (value.__name__ for value in vars(module).values() if isinstance(value, ModuleType))
    package = getattr(module, "__package__", None) or name.rpartition(".")[0]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            try:
                base = resolve_name("." * node.level + (node.module or ""), package)
            except ImportError:
                continue
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
