"""The folder of a page: its fixed files, the index, and whose folder it may be."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from amodal_bench.core.errors import UsageError
from amodal_bench.core.shown import one_line
from amodal_bench.report.compare_text import Section
from amodal_bench.report.page.masks import CHUNK
from amodal_bench.report.page.rows import Rows, columns
from amodal_bench.report.page.scripts import literal, packed, write_text
from amodal_bench.report.page.tables import plain

STATIC = Path(__file__).parent / "static"

SCRIPTS = ("start", "rle", "masks", "rows", "list", "plot", "viewer", "tables", "keys", "main")
"""Parts of the page's one script, in their order; each defines functions and runs nothing before the last one."""

SCRIPT, INDEX = "page.js", "index.data.js"


def check_folder(folder: Path) -> None:
    """Raise `UsageError` unless a folder is new, empty, or that of an earlier page."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: cannot be a folder, since it is a file; name another one with -o")
    if folder.is_dir() and not (folder / SCRIPT).is_file() and any(folder.iterdir()):
        raise UsageError(f"{folder}: holds other files and no page; name a new folder with -o")


def write_fixed(folder: Path, title: str) -> None:
    """Write what does not depend on the instances: the script, the style, and the page that names both.

    The script comes first: it says of an interrupted page that the folder is one. Raises `OSError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / SCRIPT, script())
    write_text(folder / "page.css", (STATIC / "page.css").read_text(encoding="utf-8"))
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    write_text(folder / "index.html", page.replace("{{title}}", html.escape(one_line(title))))


@dataclass(frozen=True)
class Heading:
    """What stands above the instances.

    Attributes:
        title: of the page.
        dataset, protocol, selection: texts; the last one is the number of the instances and the digest of their ids.
        draws: how many draws the runs have; draw 0 is shown.
        why: why there are no pictures; "" where there are.
        lacking: what was selected and not run, and so is not on the page; "" where nothing was.
    """

    title: str
    dataset: str
    protocol: str
    selection: str
    draws: int = 1
    why: str = ""
    lacking: str = ""


def index_of(
    heading: Heading,
    rows: Rows,
    pictures: Mapping[tuple[str, int, int], str],
    tables: Sequence[Section] = (),
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """All that the page knows before a mask is loaded.

    Args:
        heading: above the instances.
        rows: the instances.
        pictures: file names by frame, "" where one cannot be read; empty where there is no dataset.
        tables: in their order.
        notes: under the tables.
    """
    places = {frame: place for place, frame in enumerate(pictures)}
    return {
        **{name: one_line(value) if isinstance(value, str) else value for name, value in asdict(heading).items()},
        "chunk": CHUNK,
        "annotated": bool(pictures),
        "pictures": list(pictures.values()),
        "picture": packed([places.get(frame, 0) for frame in rows.frames], "u32"),
        **columns(rows),
        "tables": [plain(each) for each in tables],
        "notes": [one_line(note) for note in notes],
    }


def write_index(folder: Path, index: Mapping[str, Any]) -> Path:
    """Write what the page shows, last of all; returns the file to open. Raises `OSError`."""
    write_text(folder / INDEX, f"amodalPage.open({literal(dict(index))});\n")
    return folder / "index.html"


def script() -> str:
    """The page's one script: its parts in a function of their own, of which nothing else can be reached."""
    parts = [(STATIC / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    return '(function () {\n"use strict";\n\n' + "\n".join(parts) + "})();\n"
