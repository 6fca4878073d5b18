"""Count what it takes to add a part of one's own: files and lines of each folder of `examples/`.

    python scripts/adding.py

Lines are those that say something: no blank lines, no comments, no docstring of a single line.
"""

from __future__ import annotations

import re
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def files_of(folder: Path) -> list[Path]:
    """The files that a user would write: Python and YAML."""
    return sorted(file for file in folder.rglob("*") if file.suffix in (".py", ".yaml"))


def lines_of(file: Path) -> int:
    """The lines of a file that say something."""
    lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    return sum(bool(line) and not line.startswith("#") and not re.fullmatch('""".*"""', line) for line in lines)


def kind_of(folder: Path) -> str:
    """What a folder adds, by its README: `A backbone of your own ...`."""
    return (folder / "README.md").read_text(encoding="utf-8").split()[1]


def table() -> list[tuple[str, str, int, int]]:
    """Kind, folder, files and lines of each example."""
    folders = sorted(folder for folder in EXAMPLES.iterdir() if folder.is_dir())
    return [
        (kind_of(folder), folder.name, len(files_of(folder)), sum(map(lines_of, files_of(folder))))
        for folder in folders
    ]


def main() -> None:
    """Print the table in Markdown."""
    print("| kind | example | files | lines |\n|---|---|---|---|")
    for kind, name, files, lines in table():
        print(f"| {kind} | examples/{name} | {files} | {lines} |")


if __name__ == "__main__":
    main()
