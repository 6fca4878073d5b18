"""One page with all tables of the paper that have been written, each number a link into the page of its run."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from amodal_bench.core.files import read_text, write_whole
from amodal_bench.core.shown import one_line

INDEX = "index.html"
PICTURES = "img{max-width:100%;background:#fff}"

_BODY = re.compile(r"<body>\n(.*)\n</body>", re.DOTALL)
_TITLE = re.compile(r"<h1>(.*?)</h1>", re.DOTALL)

LINKED = (
    "A number that is a link leads to the page of its run, which <code>amodal-bench results page RUN</code> writes."
)


def pages_of(results: Path) -> Mapping[str, str]:
    """The pages that lie in the runs' own folders, by the runs' digests, as links from the folder of the tables."""
    found = sorted((results / "runs").glob(f"*/page/{INDEX}"))
    return {
        file.parts[-3].rpartition("-")[2]: f"../runs/{quote(file.parts[-3], errors='surrogatepass')}/page/{INDEX}"
        for file in found
    }


def write_index(folder: Path, style: str) -> Path:
    """Write the page of all tables that have a page of their own in a folder; returns it.

    Args:
        folder: where the tables lie.
        style: the style sheet that each of them has.

    Raises:
        OSError: it cannot be written.
    """
    titles, bodies = [], []
    for file in sorted(folder.glob("*.html"), key=_order):
        body = _BODY.search(_text(file)) if file.name != INDEX else None
        title = _TITLE.search(body[1]) if body else None
        if body is None or title is None:
            continue
        name = html.escape(one_line(file.stem))
        titles.append(f'<li><a href="#{name}">{title[1]}</a></li>')
        chart = file.with_suffix(".svg")
        drawn = f'<p><img src="{quote(chart.name)}" alt="chart of {name}"></p>' if chart.is_file() else ""
        whole = body[1].replace("<h1>", f'<h2 id="{name}">', 1).replace("</h1>", "</h2>", 1)
        bodies.append(f"<section>{whole}{drawn}</section>")
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Tables</title>'
    text = (
        f'<!doctype html><html lang="en"><head>{head}<style>{style}{PICTURES}</style></head>'
        f"<body>\n<h1>Tables</h1><ul>{''.join(titles)}</ul><p>{LINKED}</p>\n"
        + "\n".join(bodies)
        + "\n</body></html>\n"
    )
    write_whole(folder / INDEX, lambda partial: partial.write_text(text, encoding="utf-8"))
    return folder / INDEX


def _order(file: Path) -> tuple[bool, list[str | int]]:
    """The paper's tables first, by their numbers."""
    parts = [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", file.stem)]
    return not re.fullmatch(r"table\d+", file.stem), parts if re.fullmatch(r"table\d+", file.stem) else [file.stem]


def _text(file: Path) -> str:
    try:
        return read_text(file)
    except (OSError, ValueError):
        return ""
