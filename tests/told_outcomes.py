"""An outcome as loggers are told of it: a stored run of made things, scored by two protocols."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stored_runs import Things, store_run, things

from amodal_bench.api.runs import open_run
from amodal_bench.api.score import scored_run
from amodal_bench.metrics.protocols import shipped
from amodal_bench.report.outcome import Outcome, RunInfo
from amodal_bench.report.scored import Scored

HOSTILE = "\x1b[31mred\x07\u202e"
"""What a terminal would obey."""

SHOWN = "\\x1b[31mred\\x07\\u202e"


def told_outcome(folder: Path, count: int = 12, hostile: bool = False, listed: int | None = None) -> Outcome:
    """The outcome of a run that lies in a folder below this one; its last instance failed.

    With `hostile`, the first id and the error hold what a terminal would obey; with `listed`, so many are scored.
    """
    data = things(count)
    if hostile:
        first = next(iter(data.instances))
        data = Things(data.name, {f"{HOSTILE}{id}" if id == first else id: v for id, v in data.instances.items()})
    predicted: dict[str, list[object]] = {id: [data.sample(id).visible] for id in data.instances}
    predicted[list(predicted)[-1]] = [f"broken {HOSTILE if hostile else ''}"]
    place = folder / "runs" / "things-a"
    run = open_run(place if place.exists() else store_run(place, "a", data, predicted))  # type: ignore[arg-type]
    instance, pooled = shipped("instance"), shipped("pooled")
    assert instance and pooled
    scored, _ = scored_run(run, instance, None if listed is None else list(data.instances)[:listed], others=[pooled])
    return Outcome(data.name, [scored], {}, None)


def info(main: Scored, sweep: str = "", said: Mapping[str, Any] | None = None) -> RunInfo:
    """The run of a score, as loggers are told of it."""
    run, selection = (main.digest, main.facts, main.folder), {"limit": None, "ids": main.ids}
    return RunInfo(main.name, "things", *run, main.protocols, selection, sweep, said or {})
