"""Join the shards of a run into one run: each prediction once, whichever job has made it.

    amodal-bench dataset=kins model=sdxl engine.shard=0/4        (one job of four; the others are 1/4, 2/4 and 3/4)
    amodal-bench results merge results/runs/kins-sdxl-0123456789ab
    amodal-bench results merge RUN /elsewhere/kins-sdxl-0123456789ab

Shards lie in RUN/shards; other folders are those of the same run on another machine, or of shards. All of them stay
as they are, and a second merge takes what they have made since. Stores of another run are refused, with what differs.

What is lacking is named, and then it ends with status 1. The run's own command without engine.shard does the same
merge, predicts what is lacking, and makes the tables; `results score RUN` makes them of what there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from amodal_bench.cli.answers import DONE, FAILED
from amodal_bench.cli.verbs import verb, word
from amodal_bench.cli.words import place, runs
from amodal_bench.core.shown import one_line


@verb(__doc__)
@word("run", "such as results/runs/kins-sdxl-0123456789ab", metavar="RUN_FOLDER", type=place, shell_complete=runs)
@word("others", "other folders of the run, or of shards", metavar="[FOLDER ...]", type=place, nargs=-1)
def main(run: Path, others: Sequence[Path]) -> int:
    """Merge, and say what came of it."""
    from amodal_bench.api.merging import merge

    merged = merge(run, others)
    for folder, count in merged.taken.items():
        print(f"{folder}: {count} new predictions")
    print(f"{run}: {merged.predicted} predictions, {merged.errors} errors, instances {merged.ids}")
    for gap in merged.gaps:
        print(f"lacking: {one_line(gap)}")
    return FAILED if merged.gaps else DONE
