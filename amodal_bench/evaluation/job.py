"""What all runs of one command share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from amodal_bench.config.settings import Settings
from amodal_bench.core.ids import label
from amodal_bench.datasets.base import Dataset
from amodal_bench.evaluation.entries import Given
from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.report.outcome import RunInfo
from amodal_bench.runner.identity import Identity
from amodal_bench.runner.origin import Origin
from amodal_bench.runner.shards import Shard


@dataclass(frozen=True)
class Job:
    """What all runs of one command share.

    Attributes:
        settings: of the command.
        dataset: what is run on.
        specification: how the dataset is opened; None where it was given as an object.
        index: all rows of its index.
        records: the selected ones.
        protocols: the command's own first.
        bar: whether a progress bar is shown.
        listed: whether the instances were listed one by one, so that no protocol's filter applies.
        origin: what the command was, for `run.json`.
        shard: the part of the instances that is run; None for all of them.
    """

    settings: Settings
    dataset: Dataset
    specification: Mapping[str, Any] | None
    index: pd.DataFrame
    records: pd.DataFrame
    protocols: Sequence[ScoringProtocol]
    bar: bool
    listed: bool
    origin: Origin
    shard: Shard | None = None

    def told(self, name: str, identity: Identity, folder: Path) -> RunInfo:
        """What loggers are told of a model's run as it begins."""
        command = self.origin.command
        selection = {
            "ids": label(map(str, self.records["id"].to_list())),
            "filter": None if self.listed else asdict(self.protocols[0].filter),
            "limit": self.settings.limit,
            "samples": self.settings.samples,
        }
        sweep = command.sweep if command else ""
        # Words of this command: a run that another one began keeps that one's in its file.
        said = {key: self.origin.told[key] for key in ("command", "overrides", "git")} if command else {}
        run = identity.digest, identity.facts, folder
        return RunInfo(name, self.dataset.name, *run, self.protocols, selection, sweep, said)


def configuration(settings: Settings, given: Given) -> dict[str, Any]:
    """All settings as plain values; an object that was given is named by its class."""
    objects = {"dataset": given.dataset, "model": given.model}
    named = {key: f"an object of {type(each).__qualname__}" for key, each in objects.items() if each is not None}
    return {**asdict(settings), **named, **({} if given.ids is None else {"ids": list(given.ids)})}


def split_of(dataset: Dataset, specification: Mapping[str, Any] | None) -> str | None:
    """The split that a dataset is of, by its settings or by its own word; None where nothing says it."""
    split = (specification or {}).get("split") or getattr(dataset, "split", None)
    return str(split) if isinstance(split, str | int) else None
