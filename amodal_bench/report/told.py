"""What a run is to loggers that send it elsewhere: its settings, numbers and tables as plain values.

Texts come from files and models; all of them are shown without signs that a page or a terminal would obey, and keys,
passwords and the user's own folders are not in them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from amodal_bench.core.errors import BenchError
from amodal_bench.core.shown import shown
from amodal_bench.core.version import __version__
from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.report.outcome import Outcome, RunInfo
from amodal_bench.runner.private import private
from amodal_bench.runner.run_json import read_said

FROM_FILE = ("settings", "command", "overrides", "git", "split", "environment")
"""What a command says of itself; where it does not, as in a score, `run.json` says it of the one that predicted."""

SAID_ELSEWHERE = {"dataset", "model", "settings", "seed", "but_for_seed", "protocol", "run"}
"""Columns of a summary that are the run's own, and stand in `settings_of`."""


def key_of(protocol: ScoringProtocol) -> str:
    """A protocol's name among numbers: `instance@2`, or `instance@2-DIGEST` where shipped settings are changed."""
    changed = f"-{protocol.digest}" if protocol.changes() else ""
    return shown(f"{protocol.name}@{protocol.version}{changed}")


def settings_of(run: RunInfo) -> dict[str, Any]:
    """A run's identity, protocols, selection, overrides and commit as JSON values."""
    try:
        said = read_said(run.folder)
    except BenchError:  # the run goes on: it will write the file
        said = {}
    protocols = {key_of(each): described(each) for each in run.protocols}
    told = {
        "dataset": run.dataset,
        "model": run.name,
        "run": run.digest,
        "seed": run.facts.get("seed", 0),
        "version": __version__,
        "sweep": run.sweep or None,
        "identity": run.facts,
        **{name: run.said.get(name, said.get(name)) for name in FROM_FILE},
        "protocol": described(run.protocols[0]) if run.protocols else None,
        "protocols": protocols,
        "selection": run.selection,
    }
    return dict(_clean(private(told)))


def described(protocol: ScoringProtocol) -> dict[str, Any]:
    """A protocol by its label, digest and content."""
    return {"label": protocol.label, "digest": protocol.digest, "content": protocol.content}


def numbers_of(outcome: Outcome) -> dict[str, float | int | str]:
    """All that the summary says of the command's own model, under each protocol: `instance@2/miou`, `.../miou_low`.

    What is undefined (NaN) has no key. Texts are the digests that say what the numbers are about.
    """
    table = outcome.table()
    own = table[table["run"] == outcome.main.digest]
    found: dict[str, float | int | str] = {}
    for protocol in outcome.main.protocols:
        for row in own[own["protocol_digest"] == protocol.digest].to_dict("records"):
            values = {str(name): plain(value) for name, value in row.items() if name not in SAID_ELSEWHERE}
            found |= {f"{key_of(protocol)}/{name}": value for name, value in values.items() if value is not None}
    return found


def tables_of(outcome: Outcome) -> dict[str, pd.DataFrame]:
    """The tables of an outcome by the names of their CSV files, instances with all of their columns."""
    main = outcome.main
    draws = {"draws": main.each_draw()} if main.draws > 1 else {}
    return {
        "summary": outcome.table(),
        "by_occlusion": outcome.by_occlusion(),
        "timing": pd.concat([each.timing() for each in outcome.scored], ignore_index=True),
        "instances": main.instances(),
        **draws,
        "errors": main.errors(),
    }


def sample_of(table: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """At most so many rows of a table with ids, in the table's order.

    The seed and the id alone decide which: the same ones in every table, also when more instances follow.
    """
    if len(table) <= most:
        return table
    ranks = [hashlib.sha256(f"{seed}/{id}".encode("utf-8", "surrogatepass")).digest() for id in table["id"]]
    chosen = sorted(range(len(table)), key=lambda place: ranks[place])[:most]
    return table.iloc[sorted(chosen)].reset_index(drop=True)


def rows_of(table: pd.DataFrame) -> list[list[Any]]:
    """The rows of a table as plain values; None for what is missing."""
    columns = [[plain(value) for value in table.iloc[:, place]] for place in range(table.shape[1])]
    return [list(row) for row in zip(*columns, strict=True)]


def plain(value: Any) -> float | int | str | None:
    """A cell as a plain value: text as it can be shown, None for what is missing."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return None if math.isnan(value) else value
    return value if isinstance(value, int) else shown(value)


def _clean(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {shown(key): _clean(part) for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_clean(part) for part in value]
    return value if value is None or isinstance(value, bool | int | float) else shown(value)
