"""Which instances of a dataset stand on which page of its preview, and the index of the pages."""

from __future__ import annotations

import csv
import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from amodal_bench.core.errors import UsageError
from amodal_bench.core.files import is_regular, write_whole
from amodal_bench.core.shown import one_line, spreadsheet

if TYPE_CHECKING:
    import pandas as pd

ALL = "all"


class Shown(NamedTuple):
    """An instance on a page: the page, its row there, its id, what stands beside it, and the sheet's file."""

    page: int
    row: int
    id: str
    said: str
    file: str


def wanted(page: str) -> tuple[int, int | None]:
    """The first and the last page that are asked for; the last one is None where all are.

    Args:
        page: `3`, `3-10` or `all`.

    Raises:
        UsageError: it is none of these.
    """
    if page == ALL:
        return 1, None
    found = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", page)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= first <= last:
        raise UsageError(f"--page {page}: must be a number >= 1, two of them as in 1-20, or {ALL}")
    return first, last


def pages(records: pd.DataFrame, rows: int) -> list[list[str]]:
    """The ids of every page, each once: an overview first, then pages that each span all occlusion rates.

    Args:
        records: rows of the index, with id and occlusion_rate.
        rows: instances on a page.
    """
    import pandas as pd

    if records.empty:
        return []
    first = spread(records, rows)
    rest = records[~records["id"].astype(str).isin(first)]
    rates = pd.to_numeric(rest["occlusion_rate"], errors="coerce")
    ids = rest.assign(occlusion_rate=rates).sort_values(["occlusion_rate", "id"])["id"].astype(str).tolist()
    count = -(-len(ids) // rows)
    return [first, *(ids[place::count] for place in range(count))]


def spread(records: pd.DataFrame, count: int) -> list[str]:
    """Ids of `count` instances, nearest to evenly spaced rates, each once; of unknown rate only where needed."""
    import numpy as np

    known = records[records["occlusion_rate"].notna()].sort_values(["occlusion_rate", "id"])
    rates, chosen = known["occlusion_rate"].to_numpy(float), set[int]()
    for wish in np.linspace(rates[0], rates[-1], min(count, len(rates))) if len(rates) else ():
        distance = np.abs(rates - wish)
        distance[list(chosen)] = np.inf
        chosen.add(int(distance.argmin()))
    ids = [str(known["id"].iloc[place]) for place in sorted(chosen)]
    unknown = records.loc[records["occlusion_rate"].isna(), "id"]
    places = np.unique(np.linspace(0, len(unknown) - 1, min(count - len(ids), len(unknown))).round().astype(int))
    return ids + [str(unknown.iloc[place]) for place in places]


def forget_earlier(folder: Path) -> None:
    """Remove the sheets that an earlier call has left in a folder, as its index.csv lists them, and the index.

    No other file is touched: an index names only sheets, and only sheets of its own folder. Raises `OSError`.
    """
    index = folder / "index.csv"
    if not is_regular(index):
        return
    with index.open(encoding="utf-8", errors="backslashreplace", newline="") as opened:
        rows = list(csv.reader(opened))
    if rows[:1] != [list(Shown._fields)]:
        raise UsageError(f"{index}: is not the index of a preview; name another folder with --out")
    for name in {row[-1] for row in rows[1:] if row and re.fullmatch(r"page-[0-9]{4,}\.png", row[-1])}:
        (folder / name).unlink(missing_ok=True)
    for own in (folder / "index.html", index):
        own.unlink(missing_ok=True)


def write_index(folder: Path, dataset: str, shown: Sequence[Shown], count: int) -> None:
    """Write index.html with the sheets below each other, and index.csv with the instances on them.

    Args:
        folder: where the sheets lie.
        dataset: its name.
        shown: what stands on the sheets, page by page.
        count: of all pages of the dataset.
    """
    title = html.escape(one_line(f"{dataset}: {len(shown)} instances"))
    parts = [_HEAD.format(title=title)]
    for page in dict.fromkeys(each.page for each in shown):
        own = [each for each in shown if each.page == page]
        file = html.escape(own[0].file)
        ids = "".join(f"<li>{html.escape(one_line(f'{each.id}: {each.said}'))}</li>" for each in own)
        parts.append(f'<h2 id="page-{page}">Page {page} of {count}</h2><ol>{ids}</ol>')
        parts.append(f'<a href="{file}"><img loading="lazy" src="{file}" alt="page {page}"></a>')
    text = "\n".join(parts) + "\n"

    def listed(partial: Path) -> None:
        with partial.open("w", encoding="utf-8", errors="backslashreplace", newline="") as opened:
            table = csv.writer(opened)
            table.writerow(Shown._fields)
            table.writerows([spreadsheet(str(value)) for value in each] for each in shown)

    write_whole(folder / "index.csv", listed)
    write_whole(folder / "index.html", lambda partial: partial.write_text(text, "utf-8", "backslashreplace"))


_HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 15px/1.4 sans-serif; margin: 1.5rem }}
img {{ max-width: 100% }}
li {{ overflow-wrap: anywhere }}
</style>
<h1>{title}</h1>"""
