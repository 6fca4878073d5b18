"""A run under its protocols: rows of a store joined with the records they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from amodal_bench.core.ids import label
from amodal_bench.core.types import Floats, Integers
from amodal_bench.metrics.protocols import ScoringProtocol, occlusion_rate
from amodal_bench.metrics.statistics import bootstrap_interval
from amodal_bench.runner.store import COUNTS

BINS: tuple[tuple[float, float], ...] = ((0.0, 0.0), (0.0, 0.2), (0.2, 0.4), (0.4, 0.7), (0.7, 1.0))
"""Occlusion rates as (low, high]: none, then SAMBA's levels, then the rest."""

RANDOM_WEIGHTS = "random weights"
"""Among a row's settings: its numbers mean nothing."""


@dataclass(frozen=True)
class Scored:
    """One run's result.

    Attributes:
        name: the model's name in tables.
        digest: of the run's identity.
        facts: the identity.
        folder: where the run is kept.
        protocols: the run's protocol first, then others that score the same predictions.
        records: the selected rows of the dataset's index.
        rows: the store's table.
        stages: what the model's stages have cost, as the store has it.
        settings: what its rows say of the model, see `report.settings`.
    """

    name: str
    digest: str
    facts: Mapping[str, Any]
    folder: Path
    protocols: Sequence[ScoringProtocol]
    records: pd.DataFrame
    rows: pd.DataFrame
    stages: pd.DataFrame
    settings: str

    @cached_property
    def joined(self) -> pd.DataFrame:
        """One row per selected instance, by ascending id; counts are NaN where there was an error."""
        columns = ["id", "image_id", "category"]
        joined = self.records[columns].merge(self.rows, on="id", how="left").sort_values("id", ignore_index=True)
        unrun = joined["error"].isna() & joined[COUNTS[0]].isna()
        joined.loc[unrun, "error"] = "not run"
        return joined

    @cached_property
    def counted(self) -> pd.DataFrame:
        """The rows that have counts."""
        return self.joined[self.joined["error"].isna()]

    @cached_property
    def counts(self) -> Integers:
        """(N, 16) int64 of `counted`."""
        return self.counted[COUNTS].to_numpy(np.int64)

    @cached_property
    def ids(self) -> str:
        """Number and digest of the selected instances, errors included: results with the same one can be compared."""
        return label(self.records["id"].astype(str))

    def errors(self) -> pd.DataFrame:
        """The instances without a prediction and why: id, error."""
        return self.joined.loc[self.joined["error"].notna(), ["id", "error"]]

    def instances(self) -> pd.DataFrame:
        """Every selected instance with its IoUs under the run's protocol, its occlusion rate and its counts."""
        protocol = self.protocols[0]
        measured = pd.DataFrame(
            {
                "id": self.counted["id"],
                "occlusion_rate": occlusion_rate(self.counts),
                "iou": protocol.iou(self.counts),
                "occluded_iou": protocol.occluded_iou(self.counts),
            }
        )
        kept = self.joined[["id", "image_id", "category", "error", "height", "width", *COUNTS]]
        table = kept.merge(measured, on="id", how="left")
        table[["height", "width", *COUNTS]] = table[["height", "width", *COUNTS]].astype("Int64")
        return table[[*table.columns[:4], "occlusion_rate", "iou", "occluded_iou", *kept.columns[4:]]]

    @cached_property
    def _summary(self) -> pd.DataFrame:
        # Resampled once: terminal, loggers and sweeper all ask for it.
        everything = np.ones(len(self.counts), bool)
        return pd.DataFrame([self._numbers(p, everything) | self._tail() for p in self.protocols])

    def summary(self) -> pd.DataFrame:
        """One row per protocol: both numbers with 95 % intervals, instances, errors, fingerprint and ids."""
        return self._summary

    def by_occlusion(self) -> pd.DataFrame:
        """One row per bin of the occlusion rate, under the run's protocol."""
        rate = occlusion_rate(self.counts)
        rows = []
        for low, high in BINS:
            chosen = (rate == 0) if high == 0 else (rate > low) & (rate <= high)
            label = "0" if high == 0 else f"({low:g}, {high:g}]"
            rows.append({"occlusion_rate": label} | self._numbers(self.protocols[0], chosen))
        return pd.DataFrame(rows)

    def timing(self) -> pd.DataFrame:
        """Seconds per instance of reading, of predicting, and of each stage of predicting.

        They are kept apart from scores, since no two runs agree on them. `batch` and `peak_gb`
        (of GPU memory) are empty where nobody counted them.
        """
        return timing_table(self.name, self.counted, self.stages)

    def _numbers(self, protocol: ScoringProtocol, chosen: np.typing.NDArray[np.bool_]) -> dict[str, Any]:
        images = self.counted["image_id"].to_numpy()[chosen].tolist()
        row: dict[str, Any] = {"model": self.name, "settings": self.settings, "protocol": protocol.label}
        for name, score in protocol.scores(self.counts[chosen]).items():
            low, high = bootstrap_interval(score, images)
            row |= {name: score.value, f"{name}_low": low, f"{name}_high": high}
        hidden: Floats = occlusion_rate(self.counts[chosen])
        return row | {"instances": int(chosen.sum()), "occluded_instances": int((hidden > 0).sum())}

    def _tail(self) -> dict[str, Any]:
        fingerprint = str(self.facts["dataset"]["fingerprint"])[:12]
        return {"errors": len(self.errors()), "fingerprint": fingerprint, "ids": self.ids, "run": self.digest}


def timing_table(name: str, counted: pd.DataFrame, stages: pd.DataFrame) -> pd.DataFrame:
    """What a run has cost, one row for each stage; see `Scored.timing`.

    Args:
        name: of the model.
        counted: the store's rows that have a prediction.
        stages: the store's table of stages.
    """
    rows: list[dict[str, Any]] = [
        {"stage": stage, "instances": len(counted), "seconds": counted[column].sum()}
        for stage, column in (("read", "data_s"), ("predict", "predict_s"))
    ]
    rows += [{str(k): v for k, v in row.items()} for row in stages.to_dict("records")]
    table = pd.DataFrame(rows, columns=["stage", "instances", "seconds", "batch", "peak"])
    table.insert(0, "model", name)
    table["seconds_per_instance"] = table["seconds"] / table["instances"].where(table["instances"] > 0)
    table["batch"] = table["batch"].where(table["batch"] > 0).astype("Int64")
    table["peak_gb"] = table["peak"].where(table["peak"] > 0) / 1e9
    return table[["model", "stage", "seconds_per_instance", "instances", "batch", "peak_gb"]]


def has_random_weights(facts: Any) -> bool:
    """Whether a description says so of the model or of any part of it."""
    if not isinstance(facts, Mapping):
        return False
    return bool(facts.get("random_weights")) or any(map(has_random_weights, facts.values()))
