"""A run under every way of scoring that its store allows: what a published number may have been."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from amodal_bench.api.runs import Run
from amodal_bench.api.score import scored_run
from amodal_bench.config.compose import choices
from amodal_bench.core.errors import BenchError, UsageError
from amodal_bench.core.ids import among
from amodal_bench.core.plain import without_seed
from amodal_bench.core.progress import follow
from amodal_bench.metrics.numbers.overlap import recounted
from amodal_bench.metrics.protocols import ScoringProtocol, flag, shipped
from amodal_bench.metrics.variations import KINDS, SAID, Variation, effective, variations
from amodal_bench.report.scored import Scored
from amodal_bench.report.summary import summarise
from amodal_bench.runner.store import COUNTS

METRICS = ("miou", "occluded_miou")
"""The published metrics that ways of scoring are tried for."""


@dataclass(frozen=True)
class Candidates:
    """What a run scores, one way and another.

    Attributes:
        table: one row for each way of scoring that differs on this dataset: dataset, model, run, label, shipped
            (protocols that it is without a change), prediction, changes, number, value, low and high (%), instances,
            missing (selected instances that were not run), and keys, those of all ways that are this one here.
        left_out: for how many ways the store lacks something, by what it lacks.
    """

    table: pd.DataFrame
    left_out: dict[str, int]


def candidates(run: Run, metric: str = "miou") -> Candidates:
    """Score a stored run in every way that its store allows.

    Args:
        run: an opened run.
        metric: one of `METRICS`.

    Raises:
        UsageError: the run has no prediction, does not say what its instances are, or no way selects any of them.
    """
    index = run.records(every=True)
    if index.empty:
        raise UsageError(f"{run.folder}: does not say what its instances are; run its command again")
    tried = pd.Series(among(index["id"], set(run.draws()["id"].astype(str))), index.index)
    parts = effective(index)
    ways: dict[str, list[Variation]] = {}
    for each in variations([p for name in choices("protocol", []) if (p := shipped(name)) is not None], metric):
        ways.setdefault(each.key_on(parts), []).append(each)
    left_out: dict[str, int] = {}
    wanted: list[list[Variation]] = []
    for group in ways.values():
        if lacking := _untried(index, tried, group[0].protocol):
            left_out[f"{lacking} was not run"] = left_out.get(f"{lacking} was not run", 0) + 1
        else:
            wanted.append(group)
    scores = _scores(run, index[tried], [group[0] for group in wanted])
    rows = []
    for group in wanted:
        found = scores.get((group[0].protocol.digest, group[0].prediction))
        if found is None:
            reason = "draws, masks or instances are not in the store"
            left_out[reason] = left_out.get(reason, 0) + 1
            continue
        row = _row(run, group, found, index, tried)
        if np.isnan(row["value"]):
            left_out["no instance counts"] = left_out.get("no instance counts", 0) + 1
        else:
            rows.append(row)
    return Candidates(pd.DataFrame(rows), left_out)


def _untried(index: pd.DataFrame, tried: pd.Series[bool], protocol: ScoringProtocol) -> str:
    """A kind of instances that a protocol selects, the dataset has and nobody has run; empty where there is none."""
    kinds = [kind for kind in KINDS if getattr(protocol.filter, kind) and flag(index, kind).any()]
    return next((kind for kind in kinds if not (flag(index, kind) & tried).any()), "")


def _scores(run: Run, tried: pd.DataFrame, ways: Sequence[Variation]) -> dict[tuple[str, str], pd.Series[float]]:
    """The summary's row of each way, by its protocol's digest and its prediction; of those that can be scored."""
    selecting = [way for way in ways if len(way.protocol.filter.select(tried)[0])]
    found: dict[tuple[str, str], pd.Series[float]] = {}
    for base in _bases(run, [way.protocol for way in selecting]):
        known = {protocol.digest for protocol in base.protocols}
        for prediction in follow(SAID, "scoring in every way", "kind"):
            under = {way.protocol.digest: way.protocol for way in selecting if way.prediction == prediction}
            protocols = [protocol for digest, protocol in under.items() if digest in known]
            if protocols:
                rows = summarise([_changed(replace(base, protocols=protocols), prediction)])
                found |= {(str(row["protocol_digest"]), prediction): row for _, row in rows.iterrows()}
    return found


def _bases(run: Run, protocols: Sequence[ScoringProtocol]) -> list[Scored]:
    """The run under the protocols of one prediction, and under those of draws where it has several."""
    unique = list({protocol.digest: protocol for protocol in protocols}.values())
    of_one = [protocol for protocol in unique if not protocol.of_draws]
    plain = [protocol for protocol in of_one if not protocol.regions]
    if not plain:
        raise UsageError(f"{run.folder}: has no instance that a protocol selects; run its command again")
    bases = [scored_run(run, plain[0], others=of_one)[0]]
    draws, of_draws = shipped("draws"), [protocol for protocol in unique if protocol.of_draws]
    if draws is not None and of_draws and run.draws()["draw"].nunique() > 1:
        ids = [str(id) for id in run.instances()["id"]]
        with suppress(BenchError):  # the majority was not counted: these are left out, and that is said
            # As a list, so that all that was run is there; then each filter selects among it.
            scored, _ = scored_run(run, draws, ids)
            bases.append(replace(scored, protocols=[p for p in of_draws if not p.filter.hidden], listed=False))
    return bases


def _changed(scored: Scored, prediction: str) -> Scored:
    """A run whose predictions are changed before they are scored."""
    if prediction == "given":
        return scored
    drawn = None if scored.drawn is None else _recounted(scored.drawn, prediction)
    majorities = {id: recounted(counts, prediction) for id, counts in scored.majorities.items()}
    return replace(scored, rows=_recounted(scored.rows, prediction), drawn=drawn, majorities=majorities)


def _recounted(rows: pd.DataFrame, prediction: str) -> pd.DataFrame:
    counted = rows[COUNTS[0]].notna().to_numpy()
    counts = rows[COUNTS].to_numpy(float, copy=True)
    counts[counted] = recounted(counts[counted].astype(np.int64), prediction)
    return rows.assign(**{name: counts[:, place] for place, name in enumerate(COUNTS)})


def _row(
    run: Run, group: Sequence[Variation], scored: pd.Series[float], index: pd.DataFrame, tried: pd.Series[bool]
) -> dict[str, Any]:
    way = group[0]
    selected = way.protocol.filter.select(index)[0].index
    return {
        "dataset": str(run.facts["dataset"]["name"]),
        "model": f"{run.name} {without_seed(run.recorded.settings or '')}".strip(),
        "run": str(run.folder),
        "label": way.label,
        "shipped": tuple(dict.fromkeys(name for each in group for name in each.shipped)),
        "prediction": SAID[way.prediction],
        "changes": way.changes,
        "number": way.number,
        **{key: 100 * float(scored[f"{way.number}{end}"]) for key, end in _ENDS.items()},
        "instances": int(scored["instances"]),
        "missing": int((~tried[selected]).sum()),
        "keys": tuple(each.key for each in group),
    }


_ENDS = {"value": "", "low": "_low", "high": "_high"}
