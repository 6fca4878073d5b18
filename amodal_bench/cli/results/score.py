"""Score a finished run under another protocol, from what it keeps: no model, no picture, no GPU.

    amodal-bench results score results/runs/toy-hull-0123456789ab protocol=pooled
    amodal-bench results score RUN protocol=instance protocol.filter.min_occlusion=0.2 ids=ids.txt
    amodal-bench results score RUN protocol=draws samples=3

The tables go to a folder of their own in RUN/scores; no other score is changed. A protocol that needs masks again,
such as boundary, is computed once by the run's own command with protocol=NAME; from then on this works, too.

protocol=draws is about all draws that the run has, or with samples=K about the first K of each instance.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from amodal_bench.cli.verbs import verb, word
from amodal_bench.cli.words import config_dir, overrides, place, runs

if TYPE_CHECKING:
    import pandas as pd


@verb(__doc__)
@word("run", "such as results/runs/toy-hull-0123456789ab", metavar="RUN_FOLDER", type=place, shell_complete=runs)
@overrides("protocol=NAME and its settings, ids=FILE and samples=K")
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
    # Without a word of it all draws are scored: the settings' own default is that of a run.
    samples = settings.samples if any(word.partition("=")[0].lstrip("+") == "samples" for word in overrides) else None
    scored, missing = scored_run(opened, build(settings.protocol, "protocol"), settings.ids, samples)
    summary = scored.summary()
    summary.insert(0, "dataset", opened.facts["dataset"]["name"])
    known = _stands(scored.score_folder / "summary.csv", summary)
    if not known:  # the run's own table has its baselines' rows and the gains, too
        write_score(scored)
        write_csv(summary, scored.score_folder / "summary.csv")
        write_csv(scored.by_occlusion(), scored.score_folder / "by_occlusion.csv")
    show_rows(f"{opened.facts['dataset']['name']}, % with 95 % intervals", summary)
    if missing:
        print(f"not run: {missing} instances that the protocol selects; the run's command adds them")
    print(f"{'unchanged:' if known else 'wrote'} {scored.score_folder}")
    return 0


def _stands(file: Path, summary: pd.DataFrame) -> bool:
    """Whether a table says all that a summary does."""
    import io

    import pandas as pd

    try:
        written = pd.read_csv(file, dtype=str)
    except (OSError, ValueError):
        return False
    wanted = pd.read_csv(io.StringIO(summary.to_csv(index=False)), dtype=str)
    if not set(wanted) <= set(written):
        return False
    lines = set(written[list(wanted)].fillna("").itertuples(index=False, name=None))
    return lines.issuperset(wanted.fillna("").itertuples(index=False, name=None))
