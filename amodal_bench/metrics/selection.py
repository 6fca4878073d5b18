"""Which instances of a dataset are run: those that the protocol's filter takes, or those that are listed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.core.ids import among, read_ids
from amodal_bench.datasets.base import Dataset, records_of
from amodal_bench.metrics.protocols import EMPTY, ScoringProtocol, flag, without_pixels

SHOWN = 3


def select(
    dataset: Dataset,
    protocol: ScoringProtocol,
    ids: str | Path | Sequence[str] | None = None,
    limit: int | None = None,
) -> tuple[pd.DataFrame, dict[str, int]]:
    """The index's rows that are run, in the index's order, and how many were left out for which reason.

    Args:
        dataset: whose records are selected.
        protocol: whose filter selects them, where `ids` does not.
        ids: a file of ids, or the ids themselves; they are the explicit list, so only instances without a pixel of A
            and hidden ones are left out.
        limit: only so many of the selected instances, the first ones.

    Raises:
        ConfigError: nothing is selected.
        InputError: the file of ids cannot be used, or ids are named that the dataset does not have.
    """
    chosen, excluded = select_from(dataset.name, records_of(dataset), protocol, ids)
    return (chosen if limit is None else chosen.head(limit)), excluded


def select_for_all(
    name: str,
    records: pd.DataFrame,
    protocols: Sequence[ScoringProtocol],
    ids: str | Path | Sequence[str] | None = None,
    limit: int | None = None,
) -> tuple[pd.DataFrame, dict[str, int]]:
    """What `select` takes of an index for the first protocol, and all that the others' filters take beside it.

    So each protocol's numbers are about the instances of its own filter. With `ids` or `limit`, which the user has
    chosen for a reason, the others score the instances of the first.

    Raises:
        ConfigError: the first protocol selects nothing, or a filter is changed although `ids` are listed.
        InputError: the file of ids cannot be used, or ids are named that the index does not have.
    """
    chosen, excluded = select_from(name, records, protocols[0], ids)
    if ids is not None:
        for protocol in protocols[1:]:
            refuse_filter(protocol)
    if ids is not None or limit is not None:
        return (chosen if limit is None else chosen.head(limit)), excluded
    places = chosen.index
    for protocol in protocols[1:]:
        places = places.union(protocol.filter.select(records)[0].index)
    return records.loc[places.sort_values()], excluded


def refuse_filter(protocol: ScoringProtocol) -> None:
    """Raise `ConfigError` where a protocol's filter is changed, which a list of ids would leave without effect."""
    if changed := [word for word in protocol.changes() if word.startswith("filter.")]:
        raise ConfigError(
            f"ids: lists the instances one by one, so that {changed[0]} of {protocol.name} would have no effect; "
            "leave one of them out (`amodal-bench data ids` with the filter prints a list)"
        )


def select_from(
    name: str, records: pd.DataFrame, protocol: ScoringProtocol, ids: str | Path | Sequence[str] | None = None
) -> tuple[pd.DataFrame, dict[str, int]]:
    """The records that `select` takes of an index, and how many were left out for which reason.

    Args:
        name: of the dataset, for messages.
        records: the index.
        protocol: as in `select`.
        ids: as in `select`.

    Raises:
        ConfigError: nothing is selected.
        InputError: the file of ids cannot be used, or ids are named that the index does not have.
    """
    if ids is not None:
        refuse_filter(protocol)
    if ids is None:
        chosen, excluded = protocol.filter.select(records)
        source = f"protocol {protocol.label}"
    else:
        source = str(ids) if isinstance(ids, str | Path) else "ids"
        listed = read_ids(ids) if isinstance(ids, str | Path) else list(dict.fromkeys(ids))
        chosen, excluded = _listed(name, records, listed, source, protocol.filter.hidden)
    if chosen.empty:
        left_out = ", ".join(f"{count} for {reason}" for reason, count in excluded.items()) or "it has none"
        raise ConfigError(f"{source} selects no instance of {name} ({left_out})")
    return chosen, excluded


def _listed(
    name: str, records: pd.DataFrame, listed: Sequence[str], source: str, keep_hidden: bool
) -> tuple[pd.DataFrame, dict[str, int]]:
    own = records["id"].astype(str)
    known = set(own)
    if unknown := [id for id in listed if id not in known]:
        some = ", ".join(unknown[:SHOWN]) + (", ..." if len(unknown) > SHOWN else "")
        problem = f"{len(unknown)} of its {len(listed)} ids are not in {name}: {some}"
        raise InputError(source, problem, "was it made for another dataset, split or variant?")
    chosen = records[among(own, listed)]
    empty = without_pixels(chosen)
    hidden = flag(chosen, "hidden") & (not keep_hidden) & ~empty
    excluded = {EMPTY: int(empty.sum()), "hidden": int(hidden.sum())}
    return chosen[~(empty | hidden)], {reason: count for reason, count in excluded.items() if count}
