"""Say of a frozen plan, cell by cell, what held.

    amodal-bench paper verdict plan.yaml
    amodal-bench paper verdict plan.yaml results=FOLDER

A published value holds where it lies in our interval, or no further from our value than the plan's tolerance. A plan
that was changed is refused; a run that was made before the plan, or is another one than planned, is said to be.
The exit status is 1 where a value did not hold or a cell has no verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from amodal_bench.cli.columns import print_columns
from amodal_bench.cli.paper.table import asked_for
from amodal_bench.cli.verbs import verb, word
from amodal_bench.cli.words import config_dir, files, overrides, place

HEAD = ("row", "column", "number", "ours", "published", "verdict")


@verb(__doc__)
@word("plan", "as `amodal-bench paper plan` printed it", metavar="FILE", type=place, shell_complete=files)
@overrides("results=FOLDER")
@config_dir
def main(plan: Path, overrides: Sequence[str], config_dir: Sequence[Path]) -> int:
    """Print a line for each published value, and how many held."""
    from amodal_bench.paper.frozen import read_plan
    from amodal_bench.paper.verdict import FAILED, HELD, verdicts

    found = verdicts(read_plan(plan), asked_for(overrides, config_dir).results, config_dir)
    print_columns([(v.row, v.column, v.number, v.ours, v.published, v.what) for v in found], HEAD)
    stated = [v for v in found if v.published]
    counts = Counter(v.what if v.what in (HELD, FAILED) else "without a verdict" for v in stated)
    print(", ".join(f"{count} {what}" for what, count in counts.items()) or "no value was published for these cells")
    return int(any(v.what != HELD for v in stated))
