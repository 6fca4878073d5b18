"""The loggers of `results score`: their record of the run goes on, with the numbers of the score added."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amodal_bench.api.runs import Run
    from amodal_bench.config.settings import Settings
    from amodal_bench.report.listeners import Listeners
    from amodal_bench.report.scored import Scored


def loggers_of(settings: Settings) -> Listeners:
    """The loggers that the settings name, but for the one that writes CSV tables, which `score` writes itself.

    Raises:
        ConfigError: one lacks its package, a login or a setting.
    """
    from amodal_bench.config.build import build
    from amodal_bench.report.listeners import Listeners
    from amodal_bench.report.outcome import Essential

    built = {name: build(spec, f"logger.{name}") for name, spec in (settings.logger or {}).items()}
    return Listeners({name: each for name, each in built.items() if not isinstance(each, Essential)})


def log_score(listeners: Listeners, run: Run, scored: Scored) -> list[str]:
    """Tell loggers of a score; returns the lines that a user is told of it."""
    from amodal_bench.api.score import with_reference
    from amodal_bench.core.files import is_regular
    from amodal_bench.core.ids import label
    from amodal_bench.report.outcome import Outcome, RunInfo

    if not listeners:
        return []
    dataset, sheet = str(run.facts["dataset"]["name"]), scored.score_folder / "sheet.png"
    selection = {
        "ids": label(str(id) for id in scored.records["id"]),
        "filter": None if scored.listed else asdict(scored.protocols[0].filter),
        "limit": None,
        "samples": scored.samples,
    }
    with listeners:
        listeners.begin(RunInfo(run.name, dataset, run.digest, run.facts, run.folder, scored.protocols, selection))
        outcome = Outcome(dataset, with_reference(run, scored), {}, sheet if is_regular(sheet) else None)
        written = listeners.finish(outcome)
    return [*(f"wrote {path}" for path in written), *listeners.hints]
