"""Stored runs on the same instances, made ready to be compared with the first of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from amodal_bench.api.runs import Run
from amodal_bench.api.score import scored_run
from amodal_bench.core.errors import ConfigError, UsageError
from amodal_bench.core.ids import among
from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.report.compare import AT_LEAST, changes, differences, ordered, wins
from amodal_bench.report.scored import Scored
from amodal_bench.runner.store import COUNTS

COMMON = "--common compares the {} that all have"


@dataclass(frozen=True)
class Comparison:
    """Runs under one protocol on the same instances, each against the first.

    Attributes:
        runs: the reference, then the others.
        scored: their results, in that order.
        left_out: instances that not all runs have, or that they annotate otherwise; 0 unless `common` was asked for.
        missing: instances that the protocol selects and the reference has not tried.
        at_least: categories with fewer instances are pooled.
    """

    runs: Sequence[Run]
    scored: Sequence[Scored]
    left_out: int
    missing: int
    at_least: int = AT_LEAST

    @property
    def protocol(self) -> ScoringProtocol:
        """What all runs are scored by."""
        return self.scored[0].protocols[0]

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Every number in every group with its paired difference; see `report.compare.differences`."""
        return differences(self.scored, self.at_least)

    @cached_property
    def changes(self) -> pd.DataFrame:
        """What each instance gains or loses, the largest changes first; see `report.compare.changes`."""
        return changes(self.scored)

    @property
    def wins(self) -> pd.DataFrame:
        """On how many instances each run is better, equal and worse by IoU: run, better, equal, worse."""
        return wins(self.changes)


def compare_runs(
    runs: Sequence[Run],
    protocol: ScoringProtocol,
    ids: str | Path | Sequence[str] | None = None,
    samples: int | None = None,
    common: bool = False,
    at_least: int = AT_LEAST,
) -> Comparison:
    """Score runs under one protocol, to be compared with the first of them.

    Args:
        runs: the reference, then one other or more.
        protocol: what they are scored by.
        ids: the instances to compare: a file with one id on each line, or a list; where it is None, those of the runs
            that the protocol's filter takes.
        samples: how many draws of each instance count, where the protocol is about draws.
        common: compare what all runs have, where they are about other instances or other versions of a dataset.
        at_least: categories with fewer instances are pooled.

    Raises:
        UsageError: they cannot be compared: there are too few, one is named twice, or they are about other datasets,
            other instances or other numbers of draws.
        InputError: a file cannot be used.
    """
    _require_several(runs)
    if not common:
        _require_one_dataset(runs)
    asked = _samples(runs, protocol, samples)
    found = [scored_run(run, protocol, ids, asked) for run in runs]
    scored, left_out = _alike([one for one, _ in found], common)
    return Comparison(runs, scored, left_out, found[0][1], at_least)


def _require_several(runs: Sequence[Run]) -> None:
    if len(runs) < 2:
        raise UsageError("compare: takes the folders of two runs or more; `amodal-bench results list` shows the runs")
    digests = [run.digest for run in runs]
    for place, run in enumerate(runs):
        if run.digest in digests[:place]:
            raise UsageError(
                f"{run.folder}: is the same run as {runs[digests.index(run.digest)].folder}; name it once"
            )


def _require_one_dataset(runs: Sequence[Run]) -> None:
    """Raise `UsageError` unless all runs were made on one dataset."""
    first, known = runs[0], runs[0].facts["dataset"]
    for run in runs[1:]:
        own = run.facts["dataset"]
        if own["fingerprint"] != known["fingerprint"]:
            raise UsageError(
                f"{run.folder}: was run on {own['name']} {own['fingerprint'][:12]}, and {first.folder} on "
                f"{known['name']} {known['fingerprint'][:12]}; compare runs of one dataset, or give --common for the "
                "instances that both have and annotate alike"
            )


def _samples(runs: Sequence[Run], protocol: ScoringProtocol, samples: int | None) -> int | None:
    """How many draws are compared. Raises `UsageError` where that cannot be said."""
    if not protocol.of_draws:
        if samples is not None and samples > 1:
            raise ConfigError(f"samples: {protocol.label} is about draw 0 alone; give protocol=draws with samples=K")
        return None
    if samples is not None:
        return samples
    made = {run.folder: int(run.draws()["draw"].max()) + 1 for run in runs if not run.recorded.deterministic}
    if len(set(made.values())) > 1:
        few, many = min(made, key=lambda folder: made[folder]), max(made, key=lambda folder: made[folder])
        raise UsageError(
            f"{few}: has {made[few]} draws of each instance, and {many} has {made[many]}; give samples={made[few]}, "
            "or run its command again with more samples"
        )
    return next(iter(made.values()), 1)


def _alike(scored: Sequence[Scored], common: bool) -> tuple[list[Scored], int]:
    """The results about the same instances, and how many instances were left out for that."""
    takings = [ordered(one) for one in scored]
    sets = [set(taken["id"].astype(str)) for taken in takings]
    shared, every = set.intersection(*sets), set.union(*sets)
    if not common:
        _require_same(scored, sets, len(shared))
        return list(scored), 0
    kept = _annotated_alike(scored, takings, shared)
    if not kept:
        raise UsageError(
            f"{scored[1].folder}: has no instance in common with {scored[0].folder}, or none that both annotate "
            "alike; compare runs of one dataset"
        )
    chosen = [replace(one, records=one.records[among(one.records["id"], kept)]) for one in scored]
    return chosen, len(every) - len(kept)


def _require_same(scored: Sequence[Scored], sets: Sequence[set[str]], shared: int) -> None:
    """Raise `UsageError` for the first run that is about other instances than the reference."""
    for one, own in zip(scored[1:], sets[1:], strict=True):
        more, fewer = sorted(own - sets[0]), sorted(sets[0] - own)
        if more or fewer:
            differs = [f"{len(some)} that {who} has not, such as {some[0]}" for some, who in (
                (more, scored[0].folder), (fewer, one.folder)) if some]  # fmt: skip
            raise UsageError(
                f"{one.folder}: is about {len(own)} instances and {scored[0].folder} about {len(sets[0])}: "
                f"{' and '.join(differs)}; give the command of the run that lacks some again to complete it, or "
                + COMMON.format(shared)
            )


def _annotated_alike(scored: Sequence[Scored], takings: Sequence[pd.DataFrame], shared: set[str]) -> set[str]:
    """The shared instances whose image, A, V and others have the same pixels in all runs, as far as counts tell."""
    if len({one.facts["dataset"]["fingerprint"] for one in scored}) == 1:
        return shared
    annotated = []
    for taken in takings:
        rows = taken[among(taken["id"], shared)]
        # A cell and the next one differ in the bit of the prediction alone.
        sums = rows[COUNTS].to_numpy(np.int64).reshape(len(rows), len(COUNTS) // 2, 2).sum(axis=2)
        annotated.append(np.column_stack([rows[["height", "width"]].to_numpy(np.int64), sums]))
    same = np.all([one == annotated[0] for one in annotated], axis=(0, 2))
    ids = sorted(shared)
    return {ids[place] for place in np.flatnonzero(same)}
