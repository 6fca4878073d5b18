"""List published values: of papers, of users who tried to reproduce them, and of notes about them.

    amodal-bench published
    amodal-bench published --dataset cocoa --method pix2gestalt

Values that disagree stand below each other, all of them. The column "protocol" has how the protocol is known: `known`
where a script was published, `assumed`, `contradicted` by other values, or `unknown`. The column "from" says whether
the source prints the value (`printed`), copies it from another paper (`copied`), is a user who measured it
(`reproduction`), or was read in notes only (`secondhand`). mIoU is in percent. An empty place was stated nowhere.
The source ends with the page, or with the pages of the whole paper where that of the table is not recorded; without
one, none is. Where the window is too narrow for a row, each value has a paragraph.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from amodal_bench.cli.columns import columns, room
from amodal_bench.cli.published.words import choosing, chosen
from amodal_bench.cli.verbs import verb
from amodal_bench.published.ledger import METRICS, Published
from amodal_bench.report.folding import folded

HEAD = ("method", "variant", "dataset", "metric", "value", "k", "protocol", "from", "source", "note")
NUMBERS = ("value", "k")


@verb(__doc__)
@choosing("dataset", "method", "variant", "metric")
def main(dataset: str | None, method: str | None, variant: str | None, metric: str | None) -> int:
    """Print a row or a paragraph for each value."""
    values = together(chosen(dataset=dataset, method=method, variant=variant, metric=metric))
    table = columns([_row(each) for each in values], HEAD, NUMBERS, wide=True)
    if max(map(len, table.splitlines())) <= room():
        print(table)
    else:
        print("\n\n".join(map(_paragraph, values)))
    many = [cell for cell, count in Counter(each.cell for each in values).items() if count > 1]
    cells = len({each.cell for each in values})
    print(f"\n{len(values)} values in {cells} cells; {len(many)} cells have several")
    if without := sum(not each.page for each in values):
        print(f"of {without} no page is recorded")
    return 0


def together(values: Sequence[Published]) -> list[Published]:
    """The values with those of one cell below each other, cells in the order in which they first stand."""
    cells = list(dict.fromkeys(each.cell for each in values))
    return sorted(values, key=lambda each: cells.index(each.cell))


def source(value: Published) -> str:
    """The paper or thread, the place in it, and the page, as far as they are recorded."""
    return ", ".join(filter(None, (value.source, value.place, value.paged))) or "not recorded"


def protocol(value: Published) -> str:
    """The protocol's name where there is one, and how it is known."""
    return f"{value.protocol} ({value.protocol_status})" if value.protocol else value.protocol_status


def _place(value: Published) -> str:
    return f"{value.dataset} {value.split}".strip()


def _row(value: Published) -> list[str]:
    """The value by the names of `HEAD`."""
    samples = "" if value.samples is None else str(value.samples)
    number = f"{value.value:.10g} {METRICS[value.metric]}"
    said = [value.method, value.variant, _place(value), value.metric, number, samples]
    return [*said, protocol(value), value.certainty, source(value), value.note]


def _paragraph(value: Published) -> str:
    """A value in lines; what it is comes first."""
    samples = "" if value.samples is None else f", {value.samples} samples" if value.samples > 1 else ", 1 sample"
    what = " ".join(filter(None, (value.method, value.variant)))
    where = f" on {_place(value)}" if value.dataset else ""
    lines = [
        f"{what}{where}: {value.metric} {value.value:.10g} {METRICS[value.metric]}{samples}",
        f"  {value.certainty}: {source(value)}",
        f"  protocol {protocol(value)}",
    ]
    lines += [f"  {value.note}"] if value.note else []
    return "\n".join(part for line in lines for part in folded(line, room(), "    ", whole=True))
