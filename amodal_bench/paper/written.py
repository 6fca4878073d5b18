"""A gathered table as CSV, Markdown, LaTeX and HTML."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from amodal_bench.core import shown
from amodal_bench.core.files import write_whole
from amodal_bench.paper.against import Against, source_of, value_of
from amodal_bench.paper.gather import Value
from amodal_bench.paper.grid import Grid
from amodal_bench.paper.table import Table
from amodal_bench.paper.tex import latex
from amodal_bench.report.cells import as_csv
from amodal_bench.report.numbers import FEW, FEW_NOTE

MEANINGLESS = "Random weights: these rows show that the models run, and mean nothing"
AGAINST = "Published values"
FULL = "Every number is of all instances that its protocol selects; none is of a sample."
HEADS = ("row", "column", "ours", "published", "difference", "verdict", "source")


def grids(table: Table, values: Sequence[Value], beside: Sequence[Against]) -> list[Grid]:
    """The table, rows with random weights in a second one, and the published values one by one.

    Published values of rows with random weights come last, and no number of ours stands beside them.
    """
    random = {value.row for value in values if value.random}
    parts = [
        _grid(table.title, [value for value in values if value.row not in random]),
        _grid(MEANINGLESS, [value for value in values if value.row in random]),
        Grid(AGAINST, HEADS, [_compared(each) for each in sorted(beside, key=lambda each: each.ours.row in random)]),
    ]
    return [part for part in parts if part.rows]


def notes(table: Table, values: Sequence[Value]) -> list[str]:
    """What stands under the table: which protocols and instances, what is lacking and why, and what marks mean."""
    lines = [table.note] if table.note else []
    protocols = list(dict.fromkeys(value.protocol for value in values if value.protocol))
    lines += [f"Protocol: {', '.join(protocols)}."] if protocols else []
    about: dict[str, list[str]] = {}
    for value in values:
        if value.ids:
            about.setdefault(f"{value.column} {value.ids}", []).append(value.number)
    several = len({(value.column, value.ids) for value in values if value.ids}) > len(
        {v.column for v in values if v.ids}
    )
    said = [f"{ids} ({', '.join(dict.fromkeys(numbers))})" if several else ids for ids, numbers in about.items()]
    lines += [f"Instances: {'; '.join(said)}."] if said else []
    if any(value.few for value in values):
        lines.append(f"{FEW_NOTE}; with one there is no interval.")
    if any(value.column == table.average and not math.isnan(value.low) for value in values):
        lines.append(f"The interval of the {table.average} takes the datasets as independent of each other.")
    if any(value.ids for value in values):
        sampled = any(value.sampled for value in values)
        lines.append("~ of a sample of the instances; all others of all of them." if sampled else FULL)
    if any(value.best for value in values):
        lines.append("Bold: better than every other row in paired tests, corrected for their number (Holm, 5 %).")
    lines += _alike(values)
    reasons: dict[str, list[str]] = {}
    for value in values:
        if value.missing and not value.missing.startswith("lacks "):
            where = f"{value.row} / {value.column}" + (f", {value.number}" if value.cost else "")
            reasons.setdefault(value.missing, []).append(where)
    lines += [f"{why}: {', '.join(dict.fromkeys(where))}." for why, where in reasons.items()]
    errors = [f"{value.row} / {value.column} {value.errors}" for value in values if value.errors and value.ids]
    lines += [f"Failed predictions, which count as empty: {', '.join(dict.fromkeys(errors))}."] if errors else []
    return lines


def _alike(values: Sequence[Value]) -> list[str]:
    """Which rows score alike in every instance, so that what they differ in had no effect there."""
    rows: dict[tuple[str, str], list[str]] = {}
    for value in values:
        if value.counts:
            rows.setdefault((value.column, value.counts), []).append(value.row)
    groups = [(column, list(dict.fromkeys(names))) for (column, _), names in rows.items()]
    said = dict.fromkeys(f"{'; '.join(names)} ({column})" for column, names in groups if len(names) > 1)
    return [f"Alike in every instance: {each}." for each in said]


def text_of(value: Value) -> str:
    """A cell: `75.1 [73.9, 76.2]`, with ~ before it where it is of a sample; `-` or `failed` where there is none."""
    if value.missing:
        return "failed" if value.missing.startswith("failed") else "-"
    if value.cost:
        return f"{value.value:.3g}"
    interval = "" if math.isnan(value.low) else f" [{100 * value.low:.1f}, {100 * value.high:.1f}]"
    interval += FEW if value.few else ""
    return f"{'~' if value.sampled else ''}{100 * value.value:.1f}{interval}"


def _grid(title: str, values: Sequence[Value]) -> Grid:
    places = list(dict.fromkeys((value.column, value.number) for value in values))
    columns, numbers = {column for column, _ in places}, {number for _, number in places}
    heads = [
        number if len(columns) == 1 else column if len(numbers) == 1 else f"{column}, {number}"
        for column, number in places
    ]
    rows = list(dict.fromkeys(value.row for value in values))
    cells = {(value.row, value.column, value.number): value for value in values}
    found = [[cells[row, *place] for place in places] for row in rows]
    bold = {(r, c + 1) for r, line in enumerate(found) for c, value in enumerate(line) if value.best}
    runs = {(r, c + 1): value.run for r, line in enumerate(found) for c, value in enumerate(line) if value.run}
    return Grid(
        title,
        ["", *heads],
        [[row, *map(text_of, line)] for row, line in zip(rows, found, strict=True)],
        frozenset(bold),
        runs,
    )


def _compared(each: Against) -> list[str]:
    known = not math.isnan(each.difference)
    return [
        each.ours.row,
        each.ours.column,
        "" if each.ours.random else text_of(each.ours),
        value_of(each.published),
        f"{each.difference:+.1f}" if known else "",
        each.verdict,
        source_of(each.published),
    ]


def write_table(
    folder: Path,
    table: Table,
    values: Sequence[Value],
    beside: Sequence[Against],
    pages: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write the table in every format; returns the files. One of an earlier table that this one has not is removed.

    Args:
        folder: where they lie.
        table: what was asked for.
        values: of its cells.
        beside: published values.
        pages: links to the pages of runs by their digests, for the HTML.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts, under = grids(table, values, beside), notes(table, values)
    texts: dict[str, Callable[[], str]] = {
        f"{table.name}.csv": lambda: _csv(values),
        f"{table.name}_published.csv": lambda: _published_csv(beside),
        f"{table.name}.md": lambda: markdown(parts, under),
        f"{table.name}.tex": lambda: latex(parts, under),
        f"{table.name}.html": lambda: page(table, parts, under, pages),
    }
    if not beside:
        texts.pop(f"{table.name}_published.csv")
        (folder / f"{table.name}_published.csv").unlink(missing_ok=True)
    for name, text in texts.items():
        write_whole(folder / name, _writer(text()))
    return [folder / name for name in texts]


def _writer(text: str) -> Callable[[Path], object]:
    return lambda partial: partial.write_text(text, encoding="utf-8")


def _csv(values: Sequence[Value]) -> str:
    return as_csv(pd.DataFrame([asdict(value) for value in values]))


def _published_csv(beside: Sequence[Against]) -> str:
    rows = [
        {
            "row": each.ours.row,
            "column": each.ours.column,
            "number": each.ours.number,
            **dict(zip(("ours", "low", "high"), _numbers(each.ours), strict=True)),
            "difference": each.difference,
            "inside": each.inside,
            "verdict": each.verdict,
            **{f"published_{key}": value for key, value in asdict(each.published).items()},
        }
        for each in beside
    ]
    return as_csv(pd.DataFrame(rows))


def _numbers(value: Value) -> list[float]:
    """A value with its interval as they are printed, shares in points; none where random weights made it."""
    return [math.nan if value.random else value.scale * each for each in (value.value, value.low, value.high)]


def markdown(parts: Sequence[Grid], under: Sequence[str]) -> str:
    """Tables in Markdown with the notes under them."""
    lines: list[str] = []
    for part in parts:
        lines += [f"### {shown.markdown(part.title)}", "", _line(map(shown.markdown, part.heads))]
        lines.append("|---" * len(part.heads) + "|")
        for r, row in enumerate(part.rows):
            lines.append(
                _line(_bold(cell) if (r, c) in part.bold else shown.markdown(cell) for c, cell in enumerate(row))
            )
        lines.append("")
    return "\n".join([*lines, *(f"{shown.markdown_line(line)}\n" for line in under)]).rstrip() + "\n"


def _bold(cell: str) -> str:
    inside = shown.markdown(cell)
    return f"**{inside[:-1]}\\***" if inside.endswith("*") else f"**{inside}**"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


STYLE = (
    "body{font:16px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}"
    "div{overflow-x:auto}table{border-collapse:collapse;margin:1rem 0}th,td{padding:.3rem .8rem;text-align:right;"
    "border-bottom:1px solid #8884;white-space:nowrap}th:first-child,td:first-child{text-align:left}"
    "a{color:inherit}@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}}"
)


def _html(text: str) -> str:
    return html.escape(shown.one_line(text))


def page(table: Table, parts: Sequence[Grid], under: Sequence[str], pages: Mapping[str, str] | None = None) -> str:
    """A page of its own, which opens from a file; a value whose run has a page among `pages` is a link to it."""
    links = pages or {}
    body = [f"<h1>{_html(table.title)}</h1>"]
    for k, part in enumerate(parts):
        body += [f"<h2>{_html(part.title)}</h2>"] * (k > 0)
        body.append(
            "<div><table><thead><tr>" + "".join(f"<th>{_html(h)}</th>" for h in part.heads) + "</tr></thead><tbody>"
        )
        for r, row in enumerate(part.rows):
            cells = [f"<b>{_html(c)}</b>" if (r, k) in part.bold else _html(c) for k, c in enumerate(row)]
            linked = {k: links[run] for (at, k), run in part.runs.items() if at == r and run in links}
            cells = [f'<a href="{html.escape(linked[k])}">{c}</a>' if k in linked else c for k, c in enumerate(cells)]
            body.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        body.append("</tbody></table></div>")
    body += [f"<p>{_html(line)}</p>" for line in under]
    title = _html(table.title)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    return (
        f'<!doctype html><html lang="en"><head>{head}<style>{STYLE}</style></head><body>\n'
        + "\n".join(body)
        + "\n</body></html>\n"
    )
