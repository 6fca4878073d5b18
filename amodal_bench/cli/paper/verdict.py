"""Say of a frozen plan, cell by cell, what held.

    amodal-bench paper verdict plan.yaml
    amodal-bench paper verdict plan.yaml results=FOLDER

A published value holds where it lies in our interval, or no further from our value than the plan's tolerance. Values
of one cell may contradict each other, so a cell holds where one of its printed values does; where none is printed,
any of the others counts. A plan that was changed is refused; a run that was made before the plan, or is another one
than planned, is said to be. The exit status is 0 where every cell was run as planned, and each one with published
values holds; it is 1 where a cell did not hold or has no verdict. results= is the folder that the plan was made
with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from amodal_bench.cli.columns import print_columns
from amodal_bench.cli.paper.table import asked_for
from amodal_bench.cli.verbs import verb, word
from amodal_bench.cli.words import config_dir, files, overrides, place

HEAD = ("row", "column", "number", "ours", "published", "protocol", "source", "verdict")


@verb(__doc__)
@word("plan", "as `amodal-bench paper plan` printed it", metavar="FILE", type=place, shell_complete=files)
@overrides("results=FOLDER")
@config_dir
def main(plan: Path, overrides: Sequence[str], config_dir: Sequence[Path]) -> int:
    """Print a line for each published value, and how many cells held."""
    from amodal_bench.paper.frozen import read_plan
    from amodal_bench.paper.verdict import FAILED, OPEN, UNPUBLISHED, of_cells, verdicts

    results = asked_for(overrides, config_dir).results
    found = verdicts(read_plan(plan), results, config_dir)
    rows = [(v.row, v.column, v.number, v.ours, v.published, v.protocol, v.source, v.what) for v in found]
    print_columns(rows, HEAD)
    counts = Counter(of_cells(found))
    said = ", ".join(f"{count} {'of which ' * (what == UNPUBLISHED)}{what}" for what, count in counts.items())
    print(f"cells in {results}: {said}")
    return int(counts[FAILED] + counts[OPEN] > 0)
