"""The house: rooms in a strict order, each of which imports only rooms below itself."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

import amodal_bench

PACKAGE = Path(amodal_bench.__file__).parent
REPOSITORY = PACKAGE.parent
sys.path.insert(0, str(REPOSITORY / "scripts"))
from rooms import FACE, arrows, circles, imported_rooms, room_of  # noqa: E402

ORDER = [
    "core",
    "config",
    "views",
    "toy",
    "weights",
    "backbones",
    "segmenters",
    "datasets",
    "metrics",
    "published",
    "method",
    "models",
    "runner",
    "report",
    "testing",
    "tiny",
    "evaluation",
    "api",
    "paper",
    "cli",
    FACE,
    "__main__",
]
"""One room a rank, lowest first: a set of rooms on one rank would let a circle through."""

RANK = {room: rank for rank, room in enumerate(ORDER)}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "conf" not in path.parts)
HEAVY = {"torch", "diffusers", "transformers", "wandb", "rich", "matplotlib", "ray"}


def test_every_room_has_a_rank() -> None:
    assert set(ORDER) == {room_of(path, PACKAGE) for path in MODULES}
    assert len(set(ORDER)) == len(ORDER)


@pytest.mark.parametrize("room", ORDER)
def test_a_room_imports_only_rooms_below_itself(room: str) -> None:
    for path in (path for path in MODULES if room_of(path, PACKAGE) == room):
        for imported in imported_rooms(path, PACKAGE) - {room}:
            assert RANK[imported] < RANK[room], f"{path.relative_to(PACKAGE)} imports {imported}"


def test_there_is_no_circle() -> None:
    assert circles(arrows(PACKAGE)) == []


def test_the_architecture_page_draws_this_order() -> None:
    page = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = re.findall(r"^\| (\d+) \| `([^`]+)`", page, re.MULTILINE)
    order = [room for room in ORDER if room != FACE]
    assert drawn[::-1] == [(str(rank), room) for rank, room in enumerate(order, start=1)]


def test_no_module_of_the_command_line_is_in_a_circle() -> None:
    """The help and the door both read the table of verbs; it knows neither."""
    for name in ("help", "tree", "guess"):
        assert "amodal_bench.cli.main" not in (PACKAGE / "cli" / f"{name}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("__init__.py")), ids=lambda p: p.parent.name)
def test_every_room_says_what_may_be_in_it(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert said and said.splitlines()[0].endswith(".")


def test_no_two_files_of_a_folder_share_a_name() -> None:
    """A module and a folder of one name beside each other cannot be told apart in an import."""
    for folder in {path.parent for path in MODULES}:
        folders = {child.name for child in folder.iterdir() if child.is_dir()}
        assert not folders & {child.stem for child in folder.glob("*.py")}, folder


def test_heavy_libraries_are_imported_inside_functions_only() -> None:
    """Only the training script, which is nothing without torch, may import it at once."""
    for path in MODULES:
        if path.name == "train.py":
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not {name.split(".")[0] for name in names} & HEAVY, path
