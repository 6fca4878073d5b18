"""Runs against one of them on the same instances: paired differences with intervals, as a whole and in groups."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from amodal_bench.core.ids import label
from amodal_bench.core.types import Floats, Integers
from amodal_bench.metrics.counts import total
from amodal_bench.metrics.numbers.base import Score
from amodal_bench.metrics.protocols import iou, occlusion_rate
from amodal_bench.metrics.statistics import Bootstrap, holm, interval, p_value
from amodal_bench.report.numbers import ALPHA
from amodal_bench.report.scored import BINS, Scored
from amodal_bench.runner.store import COUNTS

AT_LEAST = 20
"""Categories with fewer instances are pooled."""

ALL, OCCLUSION, CATEGORY, SIZE = "all", "occlusion", "category", "size"
"""Kinds of groups, as the table of differences names them."""

SIZES: tuple[tuple[str, float], ...] = (("small", 32**2), ("medium", 96**2), ("large", math.inf))
"""Names of sizes, each with the pixels of A from which on it is the next one: COCO's areas."""

BETTER, WORSE, NOT_DECISIVE = "better", "worse", "not decisive"
AMONG_MANY, NO_INTERVAL = "not decisive among many", "no interval"
"""Verdicts; the last one is of a number that is no ratio of sums, or with fewer than two images or videos."""

_MOST = 1 << 24
"""Sums that are held at a time: of many groups and many images not all fit."""


@dataclass(frozen=True)
class _Cell:
    """One number of one group: of the reference and of another run."""

    run: int
    kind: str
    group: str
    number: str
    clusters: list[str]
    reference: Score | float
    other: Score | float


def differences(scored: Sequence[Scored], at_least: int = AT_LEAST) -> pd.DataFrame:
    """Every number of the first run's protocol: what each other run differs by from the first one.

    Args:
        scored: the reference, then the others; all under one protocol and about the same instances.
        at_least: categories with fewer instances are pooled as `other (N categories)`.

    Returns:
        A row for each other run, group and number: `run` and `to` (digests), `model`, `group_kind` (all, occlusion,
        category or size), `group`, `number`, `n` (instances that the number is about) and `clusters` (images or
        videos), the number of both runs as `reference` and `value` in [0, 1], their `difference` with its paired
        95 % interval `low` to `high`, its bootstrap p-value `p`, `p_holm` (corrected for all differences of that
        number in groups of one kind), and a `verdict`. A group without an instance that counts has no row.
    """
    protocol = scored[0].protocols[0]
    takings = [ordered(one) for one in scored]
    bootstrap = Bootstrap(protocol.cluster_ids(takings[0]).to_list())
    cells = list(_cells(scored, takings, at_least))
    shared = {
        "to": scored[0].digest,
        "protocol": protocol.label,
        "protocol_digest": protocol.digest,
        "ids": label(takings[0]["id"].astype(str)),
    }
    step = max(1, _MOST // max(len(bootstrap.names), 1) // 4)
    rows = [
        {"run": scored[cell.run].digest, "model": scored[cell.run].name, **row, **shared}
        for start in range(0, len(cells), step)
        for cell, row in _compared(cells[start : start + step], bootstrap)
    ]
    return _with_verdicts(pd.DataFrame(rows))


def changes(scored: Sequence[Scored]) -> pd.DataFrame:
    """What each instance gains or loses against the first run, the largest changes of each run first.

    Args:
        scored: as `differences` takes it.

    Returns:
        A row for each other run and instance: `run` (digest), id, image_id, category, occlusion_rate, amodal_pixels,
        the IoU of draw 0 as predicted in both runs (`reference_iou` and `iou`, 0 where it failed), their
        `difference`, and why a prediction is lacking (`reference_error` and `error`, empty where none is).
    """
    takings = [ordered(one) for one in scored]
    parts = []
    for one, own in zip(scored[1:], takings[1:], strict=True):
        counts = own[COUNTS].to_numpy(np.int64)
        table = own[["id", "image_id", "category"]].assign(
            occlusion_rate=occlusion_rate(counts),
            amodal_pixels=amodal_pixels(counts),
            reference_iou=iou(takings[0][COUNTS].to_numpy(np.int64)),
            iou=iou(counts),
            reference_error=takings[0]["error"].to_numpy(),
            error=own["error"].to_numpy(),
        )
        table.insert(0, "run", one.digest)
        table.insert(8, "difference", table["iou"] - table["reference_iou"])
        order = table.assign(size=table["difference"].abs()).sort_values(["size", "id"], ascending=[False, True])
        parts.append(table.loc[order.index])
    return pd.concat(parts, ignore_index=True)


def wins(changed: pd.DataFrame) -> pd.DataFrame:
    """On how many instances each run of `changes` is better, equal and worse by IoU: run, better, equal, worse."""
    rows = []
    for run, part in changed.groupby("run", sort=False):
        difference = part["difference"]
        counts = {"better": difference > 0, "equal": difference == 0, "worse": difference < 0}
        rows.append({"run": run, **{name: int(holds.sum()) for name, holds in counts.items()}})
    return pd.DataFrame(rows, columns=["run", "better", "equal", "worse"])


def ordered(scored: Scored) -> pd.DataFrame:
    """The rows that a run's first protocol is about, by ascending id: runs may hold them in other orders."""
    return scored.taken(scored.protocols[0]).sort_values("id", ignore_index=True)


def amodal_pixels(counts: Integers) -> Integers:
    """Pixels of A of each row, (N, 16) counts to (N,) int64."""
    return total(counts, lambda p, a, v, o: a)


def verdict(low: float, high: float, p: float, p_holm: float) -> str:
    """What a difference with this interval and these p-values says in words; higher is better."""
    if math.isnan(low):
        return NO_INTERVAL
    if low <= 0 <= high or p >= ALPHA:
        return NOT_DECISIVE
    if p_holm >= ALPHA:
        return AMONG_MANY
    return BETTER if low > 0 else WORSE


def _groups(taken: pd.DataFrame, at_least: int) -> Iterator[tuple[str, str, Any]]:
    """Kind, name and rows, (N,) bool, of every group that has an instance."""
    counts = taken[COUNTS].to_numpy(np.int64)
    yield ALL, ALL, np.ones(len(taken), bool)
    rate = occlusion_rate(counts)
    for low, high in BINS:
        name = "0" if high == 0 else f"({low:g}, {high:g}]"
        yield OCCLUSION, name, (rate == 0) if high == 0 else (rate > low) & (rate <= high)
    category = taken["category"].astype(str)
    sizes = category.value_counts()
    small = sorted(sizes.index[sizes < at_least])
    for name in sorted(sizes.index[sizes >= at_least]):
        yield CATEGORY, name, (category == name).to_numpy()
    if small:
        what = "category" if len(small) == 1 else "categories"
        yield CATEGORY, f"other ({len(small)} {what})", category.isin(small).to_numpy()
    pixels, below = amodal_pixels(counts), 0.0
    for name, end in SIZES:
        yield SIZE, name, (pixels >= below) & (pixels < end)
        below = end


def _cells(scored: Sequence[Scored], takings: Sequence[pd.DataFrame], at_least: int) -> Iterator[_Cell]:
    protocol = scored[0].protocols[0]
    for kind, group, chosen in _groups(takings[0], at_least):
        if not chosen.any():
            continue
        clusters = protocol.cluster_ids(takings[0][chosen]).to_list()
        reference, *others = (
            protocol.scores(one.numbers_of(protocol, taken[chosen]))
            for one, taken in zip(scored, takings, strict=True)
        )
        for place, numbers in enumerate(others, start=1):
            for name, other in numbers.items():
                yield _Cell(place, kind, group, name, clusters, reference[name], other)


def _compared(cells: Sequence[_Cell], bootstrap: Bootstrap) -> Iterator[tuple[_Cell, dict[str, Any]]]:
    """Each cell with its row; those whose number is undefined in both runs are left out."""
    ratios = [
        (score, cell.clusters) for cell in cells for score in (cell.reference, cell.other) if isinstance(score, Score)
    ]
    drawn = iter(bootstrap.values(ratios))
    for cell in cells:
        reference, other = cell.reference, cell.other
        if isinstance(reference, Score) and isinstance(other, Score):
            values: Floats = -next(drawn) + next(drawn)
            clusters = min(bootstrap.counted(score, cell.clusters) for score in (reference, other))
            found = interval(values, clusters)
            p = float("nan") if math.isnan(found.low) else p_value(values)
            row = _row(cell, other.instances, clusters, reference.value, other.value)
            row |= {"low": found.low, "high": found.high, "p": p}
        else:
            assert isinstance(reference, float) and isinstance(other, float)
            row = _row(cell, len(cell.clusters), len(set(cell.clusters)), reference, other)
            row |= dict.fromkeys(("low", "high", "p"), float("nan"))
        if not (math.isnan(row["reference"]) and math.isnan(row["value"])):
            yield cell, row


def _row(cell: _Cell, n: int, clusters: int, reference: float, value: float) -> dict[str, Any]:
    return {
        "group_kind": cell.kind,
        "group": cell.group,
        "number": cell.number,
        "n": n,
        "clusters": clusters,
        "reference": reference,
        "value": value,
        "difference": value - reference,
    }


def _with_verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """The table with `p_holm` and `verdict` behind `p`."""
    if table.empty:
        return table
    corrected: dict[str, float] = {}
    for _, part in table.groupby(["group_kind", "number"], sort=False):
        corrected |= holm({str(place): float(p) for place, p in part["p"].items()})
    adjusted = [corrected[str(place)] for place in table.index]
    ends = table[["low", "high", "p"]].to_numpy(float)
    words = [verdict(*map(float, row)) for row in np.column_stack([ends, adjusted])]
    behind = table.columns.get_loc("p")
    assert isinstance(behind, int)
    table.insert(behind + 1, "p_holm", adjusted)
    table.insert(behind + 2, "verdict", words)
    return table
