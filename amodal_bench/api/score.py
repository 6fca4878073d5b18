"""Score a stored run under any protocol, from its counts alone: without the model, and without a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from amodal_bench.api.composing import Folders, existing
from amodal_bench.api.given import a_kind, checked, listed
from amodal_bench.api.load import load_dataset, load_protocol
from amodal_bench.api.reopen import dataset_of, protocol_of
from amodal_bench.api.runs import Run, open_run
from amodal_bench.core.errors import ConfigError, UsageError
from amodal_bench.datasets.base import Dataset
from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.metrics.selection import select_from
from amodal_bench.report.scored import Scored
from amodal_bench.runner.store import COUNTS


@dataclass(frozen=True)
class Tables:
    """A run's numbers under one protocol.

    Attributes:
        summary: one row: both numbers with 95 % intervals, instances, errors, and the digests of data, ids and run.
        by_occlusion: one row for each bin of the occlusion rate.
        instances: one row for each instance: its IoUs, occlusion rate and counts, or its error.
        errors: the instances without a prediction: id, kind (failed, unreadable or not run), error.
        missing: how many instances the protocol selects that the run has not tried; they are in no table. Always 0
            where `ids` were given: then such an instance is an error, "not run".
    """

    summary: pd.DataFrame
    by_occlusion: pd.DataFrame
    instances: pd.DataFrame
    errors: pd.DataFrame
    missing: int


def score(
    run: str | Path | Run,
    protocol: str | ScoringProtocol | None = None,
    ids: str | Path | Sequence[str] | None = None,
    dataset: str | Dataset | None = None,
    config_dirs: Folders = (),
) -> Tables:
    """Score a run under a protocol; no model is made, and the run is not changed.

    Args:
        run: its folder, or what `open_run` returned.
        protocol: a name, as in `protocol=NAME`, or a protocol; the run's own where it is None.
        ids: the instances to score: a file with one id on each line, or a list of ids. Where it is None, all those
            of the run that the protocol's filter takes.
        dataset: what the run was made on, as a name or an object; where it is None, it is opened again as the run's
            `run.json` says.
        config_dirs: folders with a configuration of your own, where protocol or dataset come from there.

    Raises:
        ConfigError: the protocol selects no instance.
        UsageError: the folder is not a run's, the dataset is another one, or the run has none of the instances.
        InputError: a file cannot be used.
    """
    opened = run if isinstance(run, Run) else open_run(run)
    folders = existing(config_dirs)
    if protocol is None:
        protocol = protocol_of(opened, folders)
    elif isinstance(protocol, str):
        protocol = load_protocol(protocol, config_dirs=folders)
    elif not isinstance(protocol, ScoringProtocol):
        raise ConfigError(f"protocol: must be a name or a ScoringProtocol, not {a_kind(protocol)}")
    if dataset is not None and not isinstance(dataset, str):
        checked("dataset", dataset)
    ids = ids if ids is None or isinstance(ids, str | Path) else listed(ids)
    rows = opened.instances()
    index = _dataset(opened, dataset, folders).records()
    records, missing = _selected(opened, index, protocol, ids, rows)
    scored = _scored(opened, protocol, records, rows, listed=ids is not None)
    summary = scored.summary().copy()
    summary.insert(0, "dataset", opened.facts["dataset"]["name"])
    return Tables(summary, scored.by_occlusion(), scored.instances(), scored.errors(), missing)


def scored_run(
    run: Run, protocol: ScoringProtocol, ids: str | Path | Sequence[str] | None = None
) -> tuple[Scored, int]:
    """A run under a protocol from its store alone, and how many of the wanted instances it lacks."""
    rows = run.instances()
    records, missing = _selected(run, run.records(), protocol, ids, rows)
    return _scored(run, protocol, records, rows, listed=ids is not None), missing


def _dataset(run: Run, dataset: str | Dataset | None, folders: list[Path]) -> Dataset:
    if dataset is None:
        found = dataset_of(run, folders)
    else:
        found = load_dataset(dataset, config_dirs=folders) if isinstance(dataset, str) else dataset
    _require_same(run, found)
    return found


def _selected(
    run: Run,
    index: pd.DataFrame,
    protocol: ScoringProtocol,
    ids: str | Path | Sequence[str] | None,
    rows: pd.DataFrame,
) -> tuple[pd.DataFrame, int]:
    """The records that are scored, and how many selected ones the run has not tried."""
    if index.empty:
        raise UsageError(f"{run.folder}: does not say what its instances are; run its command again")
    records, _ = select_from(str(run.facts["dataset"]["name"]), index, protocol, ids)
    tried = records["id"].astype(str).isin(rows["id"])
    if not tried.any():
        raise UsageError(f"{run.folder}: has none of the {len(records)} instances that {_who(protocol, ids)} selects")
    kept = records[tried] if ids is None else records
    return kept, len(records) - len(kept)


def _scored(run: Run, protocol: ScoringProtocol, records: pd.DataFrame, rows: pd.DataFrame, listed: bool) -> Scored:
    regions, pairs = run.regions(protocol.regions)
    counted = set(rows.loc[rows[COUNTS[0]].notna(), "id"])
    wanted = counted & set(records["id"].astype(str))
    lacking = [name for name, known in regions.items() if not wanted <= set(known)]
    if pairs is not None and not wanted <= set(pairs["predicted"]):
        lacking.append("pairs")
    if lacking:
        remedy = f"run its command again with protocol={protocol.name}: that adds them and predicts nothing again"
        raise UsageError(f"{run.folder}: {protocol.label} needs the masks again ({', '.join(lacking)}); {remedy}")
    return Scored(
        run.name,
        run.digest,
        run.facts,
        run.folder,
        [protocol],
        records,
        rows,
        run.stages(),
        run.recorded.settings or "",
        listed,
        regions,
        pairs,
    )


def _who(protocol: ScoringProtocol, ids: object) -> str:
    return f"protocol {protocol.label}" if ids is None else "ids"


def _require_same(run: Run, dataset: Dataset) -> None:
    """Raise `UsageError` unless a run was made on a dataset."""
    ran = run.facts["dataset"]
    if (found := dataset.fingerprint()) != ran["fingerprint"]:
        raise UsageError(
            f"{run.folder}: was run on {ran['name']} {ran['fingerprint'][:12]}, and not on {dataset.name} "
            f"{found[:12]}; give dataset= with the settings that the run had"
        )
