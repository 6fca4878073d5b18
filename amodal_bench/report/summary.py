"""Numbers with intervals, from one set of resamples for all runs of a table, so that differences are paired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from amodal_bench.core.ids import label
from amodal_bench.core.types import Floats
from amodal_bench.metrics.numbers.base import Score
from amodal_bench.metrics.protocols import ScoringProtocol, occlusion_rate
from amodal_bench.metrics.statistics import Bootstrap, counted_clusters, interval, p_value
from amodal_bench.report.scored import BINS, FAILED, NOT_RUN, UNREADABLE
from amodal_bench.runner.store import COUNTS

if TYPE_CHECKING:
    from amodal_bench.report.scored import Scored

REFERENCE = "visible"
"""The row that gains are measured against: `A_hat = V`."""


@dataclass(frozen=True)
class _Cell:
    """One number of one run under one protocol, over some of its rows."""

    name: str
    score: Score | float
    clusters: Sequence[str]


def summarise(scored: Sequence[Scored]) -> pd.DataFrame:
    """One row per run and protocol, protocols together: numbers, intervals, and gains over `A_hat = V`.

    Each number NAME has columns NAME, NAME_low, NAME_high and, where a run called "visible" is among them, the paired
    difference to it: NAME_gain, NAME_gain_low, NAME_gain_high and NAME_gain_p, its bootstrap p-value.
    """
    protocols = list({p.digest: p for one in scored for p in one.protocols}.values())
    rows: list[dict[str, Any]] = []
    for protocol in protocols:
        under = [one for one in scored if any(each.digest == protocol.digest for each in one.protocols)]
        rows += _of_protocol(protocol, under)
    return pd.DataFrame(rows)


def by_occlusion(scored: Scored) -> pd.DataFrame:
    """One row per bin of the occlusion rate, under the run's protocol."""
    protocol = scored.protocols[0]
    taken = scored.taken(protocol)
    rate = occlusion_rate(taken[COUNTS].to_numpy(np.int64))
    bootstrap = Bootstrap(protocol.cluster_ids(taken).to_list())
    rows = []
    for low, high in BINS:
        chosen = taken[(rate == 0) if high == 0 else (rate > low) & (rate <= high)]
        cells = _cells(scored, protocol, chosen)
        numbers, _ = _with_intervals(cells, _values(bootstrap, cells))
        name = "0" if high == 0 else f"({low:g}, {high:g}]"
        rows.append({"occlusion_rate": name, **_head(scored, protocol), **numbers, **_sizes(chosen)})
    return pd.DataFrame(rows)


def _of_protocol(protocol: ScoringProtocol, scored: Sequence[Scored]) -> list[dict[str, Any]]:
    takings = [one.taken(protocol) for one in scored]
    cells = [_cells(one, protocol, taken) for one, taken in zip(scored, takings, strict=True)]
    bootstrap = Bootstrap([cluster for each in cells for cluster in each[0].clusters])
    # In one call: the resamples are drawn once for all runs.
    drawn = iter(_values(bootstrap, [cell for each in cells for cell in each]))
    values = [[next(drawn) for _ in each] for each in cells]
    base = next((k for k, one in enumerate(scored) if one.name == REFERENCE), None)
    rows = []
    for k, (one, taken) in enumerate(zip(scored, takings, strict=True)):
        numbers, counted = _with_intervals(cells[k], values[k])
        same = base is not None and base != k and takings[base]["id"].tolist() == taken["id"].tolist()
        gains = _gains(cells[k], values[k], cells[base], values[base]) if same and base is not None else {}
        rows.append(
            {
                **_head(one, protocol),
                **numbers,
                **gains,
                **_sizes(taken),
                "clusters": counted,
                **_tail(one, protocol, taken),
            }
        )
    return rows


def _cells(scored: Scored, protocol: ScoringProtocol, taken: pd.DataFrame) -> list[_Cell]:
    clusters = protocol.cluster_ids(taken).to_list()
    scores = protocol.scores(scored.numbers_of(protocol, taken))
    return [_Cell(name, score, clusters) for name, score in scores.items()]


def _values(bootstrap: Bootstrap, cells: Sequence[_Cell]) -> list[Floats | None]:
    """Each number in each resample; None for one that is no ratio of sums."""
    ratios = [(cell.score, cell.clusters) for cell in cells if isinstance(cell.score, Score)]
    drawn = iter(bootstrap.values(ratios))
    return [next(drawn) if isinstance(cell.score, Score) else None for cell in cells]


def _with_intervals(cells: Sequence[_Cell], values: Sequence[Floats | None]) -> tuple[dict[str, Any], int]:
    """The numbers with their intervals, and how many clusters the headline is about."""
    row: dict[str, Any] = {}
    counted: list[int] = []
    for cell, drawn in zip(cells, values, strict=True):
        if isinstance(cell.score, Score) and drawn is not None:
            counted.append(counted_clusters(cell.score, cell.clusters))
            found = interval(drawn, counted[-1])
            row |= {cell.name: cell.score.value, f"{cell.name}_low": found.low, f"{cell.name}_high": found.high}
        else:
            counted.append(len(set(cell.clusters)))
            row |= {cell.name: cell.score, f"{cell.name}_low": np.nan, f"{cell.name}_high": np.nan}
    return row, counted[0] if counted else 0


def _gains(
    cells: Sequence[_Cell], values: Sequence[Floats | None], base: Sequence[_Cell], drawn: Sequence[Floats | None]
) -> dict[str, Any]:
    """The differences to the reference on the same instances and resamples."""
    row: dict[str, Any] = {}
    for cell, own, other, theirs in zip(cells, values, base, drawn, strict=True):
        if isinstance(cell.score, float) or isinstance(other.score, float) or own is None or theirs is None:
            continue
        found = interval(own - theirs, counted_clusters(cell.score, cell.clusters))
        row[f"{cell.name}_gain"] = cell.score.value - other.score.value
        # Without an interval, since fewer than two clusters count, there is no p-value either.
        p = p_value(own - theirs) if not np.isnan(found.low) else float("nan")
        row |= {f"{cell.name}_gain_low": found.low, f"{cell.name}_gain_high": found.high, f"{cell.name}_gain_p": p}
    return row


def _head(scored: Scored, protocol: ScoringProtocol) -> dict[str, Any]:
    return {
        "model": scored.name,
        "settings": scored.settings,
        "seed": scored.facts.get("seed", 0),
        "protocol": protocol.label,
        "protocol_digest": protocol.digest,
        "draws": scored.draws if protocol.of_draws else 1,
    }


def _sizes(taken: pd.DataFrame) -> dict[str, Any]:
    hidden = occlusion_rate(taken[COUNTS].to_numpy(np.int64)) > 0
    return {"instances": len(taken), "occluded_instances": int(hidden.sum())}


def _tail(scored: Scored, protocol: ScoringProtocol, taken: pd.DataFrame) -> dict[str, Any]:
    """What went wrong under a protocol's filter, and what the numbers are about."""
    kinds = scored.chosen(protocol)["kind"]
    return {
        "errors": int((kinds == FAILED).sum()),
        "unreadable": int(kinds.isin([UNREADABLE, NOT_RUN]).sum()),
        "fingerprint": str(scored.facts["dataset"]["fingerprint"])[:12],
        "ids": label(taken["id"].astype(str)),
        "run": scored.digest,
    }
