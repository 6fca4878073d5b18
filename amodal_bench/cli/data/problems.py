"""The problems of a dataset on a terminal: some of each kind there, and all of them in a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from amodal_bench.core.files import write_whole
from amodal_bench.core.shown import one_line

OF_A_KIND = 10
"""Problems that are printed of a kind."""

_VARIES = re.compile(r"'[^']*'|\"[^\"]*\"|\d+(?:\.\d+)?(?:e[+-]?\d+)?")


class Line(NamedTuple):
    """A problem as it is printed, and what is wrong, which tells its kind."""

    text: str
    what: str


def by_kind(lines: Sequence[Line]) -> dict[str, list[str]]:
    """Lines by kind, in the order of each kind's first: texts that differ by numbers and quoted names are one."""
    kinds: dict[str, list[str]] = {}
    for line in lines:
        kinds.setdefault(_VARIES.sub("#", line.what), []).append(line.text)
    return kinds


def printed(lines: Sequence[Line], limit: int | None) -> Iterator[str]:
    """What is printed of problems: the first `limit`, else at most ten of each kind, and how many more there are."""
    if limit is not None:
        shown = lines[: max(limit, 0)]
        yield from (line.text for line in shown)
        if len(shown) < len(lines):
            yield f"... and {len(lines) - len(shown)} more"
        return
    for texts in by_kind(lines).values():
        yield from texts[:OF_A_KIND]
        if len(texts) > OF_A_KIND:
            yield f"... and {len(texts) - OF_A_KIND} more like it, {len(texts)} in all"


def all_of_them(lines: Sequence[Line], file: Path) -> str:
    """Write all problems to a file, a line each; returns where they are, or why they are nowhere."""
    text = "".join(f"{one_line(line.text)}\n" for line in lines)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, lambda part: part.write_text(text, encoding="utf-8", errors="replace"))
    except OSError as error:
        return f"not written to {file} ({error.strerror}); --limit {len(lines)} prints them"
    return f"in {file}"
