"""Count the rooms of a package: what imports what, on how many floors, and whether there is a circle.

    python scripts/rooms.py [FOLDER]    (default: amodal_bench)

A room is a module or folder directly below the package. An import inside a function counts like any other; imports
for type checkers alone count too. A room's floor is one above the highest room that it imports.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "amodal_bench"
FACE = "(face)"
"""The package's own `__init__.py`."""


def room_of(path: Path, package: Path) -> str:
    """The room that a module lies in."""
    parts = path.relative_to(package).with_suffix("").parts
    return FACE if parts == ("__init__",) else parts[0]


def imported_rooms(path: Path, package: Path) -> set[str]:
    """The rooms of the package that a module imports anywhere, its own included."""
    tops = {child.stem for child in package.iterdir()}
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # "from package import room" names its rooms behind the import.
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            head, _, rest = name.partition(".")
            if head == package.name:
                room = rest.partition(".")[0]
                found.add(room if room in tops else FACE)
    return found


def arrows(package: Path) -> dict[str, set[str]]:
    """Map each room to the other rooms that it imports."""
    found: dict[str, set[str]] = {}
    for path in sorted(package.rglob("*.py")):
        if "conf" not in path.relative_to(package).parts:
            room = room_of(path, package)
            found.setdefault(room, set()).update(imported_rooms(path, package) - {room})
    return found


def reachable(graph: dict[str, set[str]], room: str) -> set[str]:
    """All rooms that a room imports, directly or through others."""
    seen: set[str] = set()
    open_ = [room]
    while open_:
        for other in graph.get(open_.pop(), set()) - seen:
            seen.add(other)
            open_.append(other)
    return seen


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of rooms that import each other in a circle."""
    reach = {room: reachable(graph, room) for room in graph}
    groups = {tuple(sorted(r for r in graph if r in reach[room] and room in reach[r])) for room in graph}
    return [list(group) for group in sorted(groups) if group]


def floors(graph: dict[str, set[str]]) -> dict[str, int]:
    """Map each room to its floor, 1 for one that imports none; the rooms of a circle share their highest."""
    reach = {room: reachable(graph, room) | {room} for room in graph}
    found: dict[str, int] = {}

    def floor(room: str) -> int:
        if room not in found:
            circle = {r for r in reach[room] if room in reach[r]}
            below = set().union(*(graph[r] for r in circle)) - circle
            found.update(dict.fromkeys(circle, 1 + max(map(floor, below), default=0)))
        return found[room]

    for room in graph:
        floor(room)
    return found


def main() -> None:
    """Print the counts, and the rooms from the highest floor to the lowest."""
    package = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else PACKAGE
    graph = arrows(package)
    of = floors(graph)
    found = circles(graph)
    count = sum(map(len, graph.values()))
    print(f"rooms {len(graph)}, floors {max(of.values())}, arrows {count}, circles {len(found)}")
    for circle in found:
        print("circle:", ", ".join(circle))
    for floor in sorted(set(of.values()), reverse=True):
        print(f"{floor:3}  " + "  ".join(sorted(room for room in of if of[room] == floor)))


if __name__ == "__main__":
    main()
