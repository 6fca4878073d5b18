"""Freeze a table's cells before they are run, so that the verdict afterwards is about what was meant.

    amodal-bench paper plan table1 data=/data sample=2000 > plan.yaml
    amodal-bench paper table1 data=/data sample=2000
    amodal-bench paper verdict plan.yaml

The plan has every cell with the identity of its run (digests of weights, dataset, code), the protocols' digests, the
published values and the tolerance: tolerance=1.0 points by default. It is sealed, and noted in the folder of results.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from amodal_bench.cli.paper.table import asked_for
from amodal_bench.cli.verbs import verb, word
from amodal_bench.cli.words import config_dir, overrides
from amodal_bench.core.errors import UsageError
from amodal_bench.core.window import ascii_only


@verb(__doc__)
@word("table", "a table, as in `amodal-bench paper TABLE`", metavar="TABLE")
@overrides("tolerance=POINTS, and the words that the table takes")
@config_dir
def main(table: str, overrides: Sequence[str], config_dir: Sequence[Path]) -> int:
    """Print the plan, and note it."""
    import yaml  # type: ignore[import-untyped]

    from amodal_bench.paper.frozen import TOLERANCE, frozen, register
    from amodal_bench.paper.prepared import prepare

    own = [word for word in overrides if word.startswith("tolerance=")]
    asked = asked_for([word for word in overrides if word not in own], config_dir)
    tolerance = _points(own[-1]) if own else TOLERANCE
    made, cells = prepare(table, asked.plan, asked.budget, asked.results)
    plan = frozen(made, cells, tolerance, config_dir)
    file = register(asked.results, plan)
    print(yaml.safe_dump(plan, sort_keys=False, allow_unicode=not ascii_only(), width=118), end="")
    missing = sum("missing" in cell for cell in plan["cells"])
    said = f", of which {missing} cannot be planned: their weights or data are missing" if missing else ""
    print(f"{len(plan['cells'])} cells{said}; noted in {file}", file=sys.stderr)
    return 0


def _points(text: str) -> float:
    try:
        found = float(text.partition("=")[2])
    except ValueError:
        found = -1.0
    if not 0 <= found < 100:
        raise UsageError(f"{text}: must be a number of points from 0 to 100")
    return found
