"""Score a finished run under another protocol, from what it keeps: no model, no picture, no GPU.

    amodal-bench results score results/runs/toy-hull-0123456789ab protocol=pooled
    amodal-bench results score RUN protocol=instance protocol.filter.min_occlusion=0.2 ids=ids.txt

The tables go to a folder of their own in RUN/scores; no other score is changed. A protocol that needs masks again,
such as boundary, is computed once by the run's own command with protocol=NAME; from then on this works, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from amodal_bench.cli.verbs import verb, word
from amodal_bench.cli.words import config_dir, overrides, place, runs


@verb(__doc__)
@word("run", "such as results/runs/toy-hull-0123456789ab", metavar="RUN_FOLDER", type=place, shell_complete=runs)
@overrides("protocol=NAME and its settings, and ids=FILE")
@config_dir
def main(run: Path, overrides: Sequence[str], config_dir: Sequence[Path]) -> int:
    """Print the numbers and write their tables."""
    from amodal_bench.api.runs import open_run
    from amodal_bench.api.score import scored_run
    from amodal_bench.config.build import build
    from amodal_bench.config.compose import compose
    from amodal_bench.report.csv_logger import write_csv, write_score
    from amodal_bench.report.terminal import show_rows

    settings = compose(overrides, config_dir)
    opened = open_run(run)
    scored, missing = scored_run(opened, build(settings.protocol, "protocol"), settings.ids)
    summary = scored.summary()
    summary.insert(0, "dataset", opened.facts["dataset"]["name"])
    write_score(scored)
    write_csv(summary, scored.score_folder / "summary.csv")
    write_csv(scored.by_occlusion(), scored.score_folder / "by_occlusion.csv")
    show_rows(f"{opened.facts['dataset']['name']}, % with 95 % intervals", summary)
    if missing:
        print(f"not run: {missing} instances that the protocol selects; the run's command adds them")
    print(f"wrote {scored.score_folder}")
    return 0
