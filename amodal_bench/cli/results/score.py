"""Score a finished run under another protocol, from what it keeps: no model, no picture, no GPU.

    amodal-bench results score results/runs/toy-hull-0123456789ab protocol=pooled
    amodal-bench results score RUN protocol=instance protocol.filter.min_occlusion=0.2
    amodal-bench results score RUN protocol=pcnet ids=ids.txt
    amodal-bench results score RUN protocol=draws samples=3
    amodal-bench results score RUN experiment=protocols
    amodal-bench results score RUN protocol=pooled logger=wandb

Without protocol=NAME it is instance, as for a run. The tables go to a folder of their own in RUN/scores, and no other
score is changed. Where the folder of runs has one of the visible mask on the same dataset, its row and the gain over
it are shown, too. A protocol that needs masks again, such as boundary, is computed once by the run's own command with
protocol=NAME; from then on this works, too.

experiment=protocols scores under every shipped protocol in one table, but for those that need masks again.
protocol=draws is about all draws that the run has, or with samples=K about the first K of each instance.

logger=wandb, tensorboard or mlflow adds the numbers to what that logger has of the run, in the results folder where
the run lies.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from amodal_bench.cli.verbs import verb, word
from amodal_bench.cli.words import config_dir, overrides, place, runs

if TYPE_CHECKING:
    from amodal_bench.config.settings import Settings
    from amodal_bench.metrics.protocols import ScoringProtocol


@verb(__doc__)
@word("run", "such as results/runs/toy-hull-0123456789ab", metavar="RUN_FOLDER", type=place, shell_complete=runs)
@overrides("protocol=NAME and its settings, ids=FILE and samples=K")
@config_dir
def main(run: Path, overrides: Sequence[str], config_dir: Sequence[Path]) -> int:
    """Print the numbers and write their tables."""
    from amodal_bench.api.runs import open_run
    from amodal_bench.api.score import scored_run, summary_beside
    from amodal_bench.cli.results.logged import log_score, loggers_of
    from amodal_bench.cli.results.tables import write_summary
    from amodal_bench.config.build import build
    from amodal_bench.config.compose import compose
    from amodal_bench.core.disk import READ_ONLY
    from amodal_bench.report.csv_logger import write_csv
    from amodal_bench.report.terminal import show_rows

    settings = compose([*_results_of(run, overrides), *overrides], config_dir)
    opened, listeners = open_run(run), loggers_of(settings)
    # Without a word of it all draws are scored: the settings' own default is that of a run.
    samples = settings.samples if "samples" in _keys(overrides) else None
    others = _beside(settings, overrides)
    scored, missing = scored_run(opened, build(settings.protocol, "protocol"), settings.ids, samples, others)
    shown = summary_beside(opened, scored)
    summary = shown[shown["run"] == scored.digest]
    beside = summary["protocol_digest"].isin([protocol.digest for protocol in others])
    beside &= summary["protocol_digest"] != scored.protocols[0].digest
    own = summary[~beside].dropna(axis="columns", how="all") if others else summary
    folder, known, unwritten = scored.score_folder, False, ""
    try:
        known = write_summary(scored, own)
        if others:
            write_csv(summary, folder / "all_protocols.csv")
    except OSError as error:  # results of somebody else's can be scored all the same
        if error.errno not in READ_ONLY:
            raise
        unwritten = error.strerror or str(error)
    where = "" if unwritten else str(folder / "summary.csv")
    show_rows(f"{opened.facts['dataset']['name']}, % with 95 % intervals", shown, where)
    if missing:
        words = f"with {given} and without limit=" if (given := " ".join(_of_run(overrides))) else "without limit="
        print(f"not run: {missing} instances that the protocol selects; the run's command {words} adds them")
    done = {protocol.digest for protocol in scored.protocols}
    if lacking := [protocol.name for protocol in others if protocol.digest not in done]:
        print(f"left out: {', '.join(lacking)}: they need masks or draws that are not counted in the store")
        print("give the run's own command with the same protocols: that adds them and predicts nothing again")
    told = log_score(listeners, opened, scored)
    if unwritten:
        print(f"not written: {folder} ({unwritten})")
        return 0
    print(f"{'unchanged:' if known else 'wrote'} {folder}")
    if others:
        print(f"wrote {folder / 'all_protocols.csv'}")
    for line in told:
        print(line)
    return 0


def _results_of(run: Path, overrides: Sequence[str]) -> list[str]:
    """`results=` as the run's own command had it, so that loggers go on where they were; unless it is given."""
    from amodal_bench.config.overrides import quoted

    if "results" in _keys(overrides):
        return []
    folder = run.absolute().parent
    return [quoted(f"results={folder.parent if folder.name == 'runs' else folder}")]


def _of_run(overrides: Sequence[str]) -> list[str]:
    """What the run's command needs of the words of a score, so that it is about the same instances."""
    kinds = ("protocol", "experiment", "other_protocols", "ids", "samples")
    meant = [key.startswith(kinds) for key in _keys(overrides)]
    return [shlex.quote(word) for word, is_meant in zip(overrides, meant, strict=True) if is_meant]


def _keys(overrides: Sequence[str]) -> list[str]:
    return [word.partition("=")[0].lstrip("+") for word in overrides]


def _beside(settings: Settings, overrides: Sequence[str]) -> list[ScoringProtocol]:
    """The other protocols, where the user has named any: those that every run prints are not meant."""
    from amodal_bench.config.build import build

    if not any(key == "experiment" or "other_protocols" in key for key in _keys(overrides)):
        return []
    return [build(spec, f"other_protocols.{name}") for name, spec in (settings.other_protocols or {}).items()]
