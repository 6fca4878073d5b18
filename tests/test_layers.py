"""The order of the rooms: a module never imports what is to its right in docs/architecture.md."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import amodal_bench

PACKAGE = Path(amodal_bench.__file__).parent
ORDER = [
    {"types", "errors", "cache", "digests", "stages", "threads", "seeds", "masks", "ids", ""},
    {"datasets", "toy"},
    {"method", "backbones", "segmenters"},
    {"models"},
    {"metrics"},
    {"runner"},
    {"report"},
    {"config", "compose", "verbs", "selection", "evaluate"}
    | {"data", "models_command", "predict_command", "results_command", "main", "__main__"},
]
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "conf" not in path.parts)


def imports(path: Path) -> set[str]:
    """Rooms of the package that a module imports anywhere, functions included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        found |= {f"{name}.".split(".")[1] for name in names if name.split(".")[0] == "amodal_bench"}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_module_imports_what_is_to_its_right(path: Path) -> None:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    room = "" if parts == ("__init__",) else parts[0]
    for imported in imports(path):
        assert RANK[imported] <= RANK[room], f"{room} imports {imported}"


def test_heavy_libraries_are_imported_inside_functions_only() -> None:
    """Only the training script, which is nothing without torch, may import it at once."""
    for path in MODULES:
        if path.name == "train.py":
            continue
        for node in ast.parse(path.read_text()).body:
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not {name.split(".")[0] for name in names} & {"torch", "diffusers", "wandb", "rich"}, path
