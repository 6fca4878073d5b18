"""Numbers with intervals, from one set of resamples for all runs of a table, so that differences are paired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from amodal_bench.core.ids import label
from amodal_bench.core.progress import follow, stage
from amodal_bench.core.types import Floats
from amodal_bench.metrics.numbers.base import Score
from amodal_bench.metrics.protocols import ScoringProtocol, occlusion_rate
from amodal_bench.metrics.statistics import Bootstrap, interval, p_value
from amodal_bench.report.scored import BINS, FAILED, NOT_RUN, UNREADABLE
from amodal_bench.runner.store import COUNTS

if TYPE_CHECKING:
    from amodal_bench.report.scored import Scored

REFERENCE = "amodal_bench.models.visible.VisibleMask"
"""The class whose row gains are measured against, `A_hat = V`; a name can be any model's."""


@dataclass(frozen=True)
class _Cell:
    """One number of one run under one protocol, over some of its rows."""

    name: str
    score: Score | float
    clusters: Sequence[str]


def summarise(scored: Sequence[Scored]) -> pd.DataFrame:
    """One row per run and protocol, protocols together: numbers, intervals, and gains over `A_hat = V`.

    Each number NAME has columns NAME, NAME_low, NAME_high and, where one of the runs is of the visible mask itself,
    the paired difference to it: NAME_gain, NAME_gain_low, NAME_gain_high and NAME_gain_p, its bootstrap p-value; and
    NAME_worse, the share of instances on which the run is worse than it.
    """
    protocols = list({p.digest: p for one in scored for p in one.protocols}.values())
    known: dict[object, Any] = {}
    parts = [_part(protocol, scored, known) for protocol in follow(protocols, "scoring", "protocol")]
    together: dict[int, list[_Part]] = {}
    for part in parts:
        together.setdefault(id(part.bootstrap), []).append(part)
    drawn: dict[str, list[Floats | None]] = {}
    for some in together.values():
        with stage("drawing resamples for intervals"):
            values = iter(_values(some[0].bootstrap, [cell for part in some for each in part.cells for cell in each]))
        drawn |= {part.protocol.digest: [next(values) for each in part.cells for _ in each] for part in some}
    return pd.DataFrame([row for part in parts for row in _rows(part, drawn[part.protocol.digest])])


def by_occlusion(scored: Scored) -> pd.DataFrame:
    """One row per bin of the occlusion rate, under the run's protocol."""
    protocol = scored.protocols[0]
    taken = scored.taken(protocol)
    rate = occlusion_rate(taken[COUNTS].to_numpy(np.int64))
    bootstrap = Bootstrap(protocol.cluster_ids(taken).to_list())
    rows = []
    for low, high in BINS:
        chosen = taken[(rate == 0) if high == 0 else (rate > low) & (rate <= high)]
        cells = _cells(scored, protocol, chosen, protocol.cluster_ids(chosen).to_list())
        numbers, _ = _with_intervals(cells, _values(bootstrap, cells), bootstrap)
        name = "0" if high == 0 else f"({low:g}, {high:g}]"
        rows.append({"occlusion_rate": name, **_head(scored, protocol), **numbers, **_sizes(chosen)})
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class _Part:
    """The runs of a table under one protocol: the rows that each is about, and its numbers."""

    protocol: ScoringProtocol
    scored: Sequence[Scored]
    takings: Sequence[_Taking]
    cells: Sequence[Sequence[_Cell]]
    bootstrap: Bootstrap


@dataclass(frozen=True)
class _Taking:
    """What a protocol's numbers are about in one run.

    Attributes:
        rows: of `Scored.joined`.
        clusters: that of each row.
        told: what a table says of the rows: how many there are, and the digest of their ids.
    """

    rows: pd.DataFrame
    clusters: list[str]
    told: Mapping[str, Any]


def _part(protocol: ScoringProtocol, scored: Sequence[Scored], known: dict[object, Any]) -> _Part:
    """The numbers of one protocol; `known` keeps what protocols share, which takes longer to find than a number."""
    under = [one for one in scored if any(each.digest == protocol.digest for each in one.protocols)]
    takings: list[_Taking] = []
    for one in under:
        key = (id(one), repr(protocol.filter), protocol.errors, protocol.clusters, protocol.of_draws)
        if key not in known:
            rows = one.taken(protocol)
            told = {**_sizes(rows), "ids": label(rows["id"].astype(str).to_list())}
            known[key] = _Taking(rows, protocol.cluster_ids(rows).to_list(), told)
        takings.append(known[key])
    # Protocols about the same clusters share their resamples, too.
    lists = {id(taking.clusters): taking.clusters for taking in takings}
    if (same := frozenset(lists)) not in known:
        names = frozenset().union(*lists.values())
        known[same] = known.setdefault(names, Bootstrap(sorted(names)))
    cells = [_cells(one, protocol, each.rows, each.clusters) for one, each in zip(under, takings, strict=True)]
    return _Part(protocol, under, takings, cells, known[same])


def _rows(part: _Part, drawn: Sequence[Floats | None]) -> list[dict[str, Any]]:
    """The rows of one protocol, from all its numbers in all resamples."""
    protocol, scored, takings, cells = part.protocol, part.scored, part.takings, part.cells
    remaining = iter(drawn)
    values = [[next(remaining) for _ in each] for each in cells]
    base = next((k for k, one in enumerate(scored) if one.target == REFERENCE), None)
    rows = []
    for k, (one, taken) in enumerate(zip(scored, takings, strict=True)):
        numbers, counted = _with_intervals(cells[k], values[k], part.bootstrap)
        gains = {}
        if base is not None and base != k and takings[base].rows["id"].tolist() == taken.rows["id"].tolist():
            gains = _gains(cells[k], values[k], cells[base], values[base], part.bootstrap)
        rows.append(
            {
                **_head(one, protocol),
                **numbers,
                **gains,
                **{key: taken.told[key] for key in ("instances", "occluded_instances")},
                "clusters": counted,
                **_tail(one, protocol, taken),
            }
        )
    return rows


def _cells(scored: Scored, protocol: ScoringProtocol, taken: pd.DataFrame, clusters: Sequence[str]) -> list[_Cell]:
    scores = protocol.scores(scored.numbers_of(protocol, taken))
    return [_Cell(name, score, clusters) for name, score in scores.items()]


def _values(bootstrap: Bootstrap, cells: Sequence[_Cell]) -> list[Floats | None]:
    """Each number in each resample; None for one that is no ratio of sums."""
    ratios = [(cell.score, cell.clusters) for cell in cells if isinstance(cell.score, Score)]
    drawn = iter(bootstrap.values(ratios))
    return [next(drawn) if isinstance(cell.score, Score) else None for cell in cells]


def _with_intervals(
    cells: Sequence[_Cell], values: Sequence[Floats | None], bootstrap: Bootstrap
) -> tuple[dict[str, Any], int]:
    """The numbers with their intervals, and how many clusters the headline is about."""
    row: dict[str, Any] = {}
    counted: list[int] = []
    for cell, drawn in zip(cells, values, strict=True):
        if isinstance(cell.score, Score) and drawn is not None:
            counted.append(bootstrap.counted(cell.score, cell.clusters))
            found = interval(drawn, counted[-1])
            row |= {cell.name: cell.score.value, f"{cell.name}_low": found.low, f"{cell.name}_high": found.high}
        else:
            counted.append(len(set(cell.clusters)))
            row |= {cell.name: cell.score, f"{cell.name}_low": np.nan, f"{cell.name}_high": np.nan}
    return row, counted[0] if counted else 0


def _gains(
    cells: Sequence[_Cell],
    values: Sequence[Floats | None],
    base: Sequence[_Cell],
    drawn: Sequence[Floats | None],
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    """The differences to the reference on the same instances and resamples."""
    row: dict[str, Any] = {}
    for cell, own, other, theirs in zip(cells, values, base, drawn, strict=True):
        if isinstance(cell.score, float) or isinstance(other.score, float) or own is None or theirs is None:
            continue
        found = interval(own - theirs, bootstrap.counted(cell.score, cell.clusters))
        row[f"{cell.name}_gain"] = cell.score.value - other.score.value
        # Without an interval, since fewer than two clusters count, there is no p-value either.
        p = p_value(own - theirs) if not np.isnan(found.low) else float("nan")
        row |= {f"{cell.name}_gain_low": found.low, f"{cell.name}_gain_high": found.high, f"{cell.name}_gain_p": p}
        row[f"{cell.name}_worse"] = _worse(cell.score, other.score)
    return row


def _worse(score: Score, reference: Score) -> float:
    """The share of instances whose own value is below the reference's, of those that count in both; or NaN."""
    both = (score.denominator > 0) & (reference.denominator > 0)
    if not both.any():
        return float("nan")
    own, theirs = (each.numerator[both] / each.denominator[both] for each in (score, reference))
    return float((own < theirs).mean())


def _head(scored: Scored, protocol: ScoringProtocol) -> dict[str, Any]:
    return {
        "model": scored.name,
        "settings": scored.settings,
        "seed": scored.facts.get("seed", 0),
        "but_for_seed": scored.but_for_seed,
        "protocol": protocol.label,
        "protocol_digest": protocol.digest,
        "draws": scored.draws if protocol.of_draws else 1,
    }


def _sizes(taken: pd.DataFrame) -> dict[str, Any]:
    hidden = occlusion_rate(taken[COUNTS].to_numpy(np.int64)) > 0
    return {"instances": len(taken), "occluded_instances": int(hidden.sum())}


def _tail(scored: Scored, protocol: ScoringProtocol, taken: _Taking) -> dict[str, Any]:
    """What went wrong under a protocol's filter, and what the numbers are about."""
    kinds = scored.chosen(protocol)["kind"]
    return {
        "errors": int((kinds == FAILED).sum()),
        "unreadable": int(kinds.isin([UNREADABLE, NOT_RUN]).sum()),
        "fingerprint": str(scored.facts["dataset"]["fingerprint"])[:12],
        "ids": taken.told["ids"],
        "run": scored.digest,
    }
