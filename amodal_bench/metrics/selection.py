"""Which instances of a dataset are run: those that the protocol's filter takes, or those that a file lists."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.core.ids import read_ids
from amodal_bench.datasets.base import Dataset
from amodal_bench.metrics.protocols import ScoringProtocol, flag

SHOWN = 3


def select(
    dataset: Dataset, protocol: ScoringProtocol, ids: str | None = None, limit: int | None = None
) -> tuple[pd.DataFrame, dict[str, int]]:
    """The index's rows that are run, in the index's order, and how many were left out for which reason.

    Args:
        dataset: whose records are selected.
        protocol: whose filter selects them, where no file does.
        ids: a file of ids; it is the explicit list, so only hidden instances in it are left out.
        limit: only so many of the selected instances, the first ones.

    Raises:
        ConfigError: nothing is selected.
        InputError: the file of ids cannot be used, or names instances that the dataset does not have.
    """
    records = dataset.records()
    if ids is None:
        chosen, excluded = protocol.filter.select(records)
        source = f"protocol {protocol.label}"
    else:
        chosen, excluded = _listed(dataset.name, records, Path(ids))
        source = str(ids)
    if chosen.empty:
        left_out = ", ".join(f"{count} for {reason}" for reason, count in excluded.items()) or "it has none"
        raise ConfigError(f"{source} selects no instance of {dataset.name} ({left_out})")
    return (chosen if limit is None else chosen.head(limit)), excluded


def _listed(name: str, records: pd.DataFrame, file: Path) -> tuple[pd.DataFrame, dict[str, int]]:
    listed = read_ids(file)
    own = records["id"].astype(str)
    known = set(own)
    if unknown := [id for id in listed if id not in known]:
        some = ", ".join(unknown[:SHOWN]) + (", ..." if len(unknown) > SHOWN else "")
        problem = f"{len(unknown)} of its {len(listed)} ids are not in {name}: {some}"
        raise InputError(file, problem, "was it made for another dataset, split or variant?")
    chosen = records[own.isin(listed)]
    hidden = flag(chosen, "hidden")
    return chosen[~hidden], {"hidden": int(hidden.sum())} if hidden.any() else {}
