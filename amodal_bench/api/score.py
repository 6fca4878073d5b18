"""Score a stored run under any protocol, from its counts alone: without the model, and without a GPU."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from amodal_bench.api.load import load_dataset, load_protocol
from amodal_bench.api.reopen import dataset_of, protocol_of
from amodal_bench.api.runs import Run, open_run
from amodal_bench.core.errors import UsageError
from amodal_bench.datasets.base import Dataset
from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.metrics.selection import select
from amodal_bench.report.scored import Scored


@dataclass(frozen=True)
class Tables:
    """A run's numbers under one protocol.

    Attributes:
        summary: one row: both numbers with 95 % intervals, instances, errors, and the digests of data, ids and run.
        by_occlusion: one row for each bin of the occlusion rate.
        instances: one row for each instance: its IoUs, occlusion rate and counts, or its error.
        missing: how many instances the protocol selects that the run has not tried; they are in no table. Always 0
            where `ids` were given: then such an instance is an error, "not run".
    """

    summary: pd.DataFrame
    by_occlusion: pd.DataFrame
    instances: pd.DataFrame
    missing: int


def score(
    run: str | Path | Run,
    protocol: str | ScoringProtocol | None = None,
    ids: str | Path | Sequence[str] | None = None,
    dataset: str | Dataset | None = None,
    config_dirs: Iterable[str | Path] = (),
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
    folders = list(config_dirs)
    if protocol is None:
        protocol = protocol_of(opened, folders)
    elif isinstance(protocol, str):
        protocol = load_protocol(protocol, config_dirs=folders)
    if dataset is None:
        dataset = dataset_of(opened, folders)
    elif isinstance(dataset, str):
        dataset = load_dataset(dataset, config_dirs=folders)
    _require_same(opened, dataset)
    rows = opened.instances()
    records, _ = select(dataset, protocol, ids)
    tried = records["id"].astype(str).isin(rows["id"])
    if not tried.any():
        raise UsageError(
            f"{opened.folder}: has none of the {len(records)} instances that {_who(protocol, ids)} selects"
        )
    kept = records[tried] if ids is None else records
    said = opened.recorded.settings or ""
    stages = opened.stages()
    scored = Scored(opened.name, opened.digest, opened.facts, opened.folder, [protocol], kept, rows, stages, said)
    summary = scored.summary().copy()
    summary.insert(0, "dataset", dataset.name)
    return Tables(summary, scored.by_occlusion(), scored.instances(), len(records) - len(kept))


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
