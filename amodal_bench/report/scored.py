"""A run under its protocols: rows of a store joined with the records they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from amodal_bench.ids import label
from amodal_bench.metrics.protocols import Protocol, occlusion_rate
from amodal_bench.metrics.statistics import bootstrap_interval
from amodal_bench.runner.store import COUNTS
from amodal_bench.types import Floats, Integers

BINS: tuple[tuple[float, float], ...] = ((0.0, 0.0), (0.0, 0.2), (0.2, 0.4), (0.4, 0.7), (0.7, 1.0))
"""Occlusion rates as (low, high]: none, then SAMBA's levels, then the rest."""


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
    """

    name: str
    digest: str
    facts: Mapping[str, Any]
    folder: Path
    protocols: Sequence[Protocol]
    records: pd.DataFrame
    rows: pd.DataFrame

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

    @property
    def settings(self) -> str:
        """What a reader has to know of the model to compare it: leakage and area, where it has them."""
        model = self.facts["model"]
        parts = [f"leakage={model['leakage']['name']}"] if "leakage" in model else []
        parts += [f"area={model['area']['shape']}"] if "area" in model else []
        return " ".join(parts)

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
        """Mean seconds per instance of reading and predicting; kept apart, since no two runs agree on them."""
        return pd.DataFrame(
            [
                {"model": self.name, "instances": len(self.counted)}
                | {f"{column}_per_instance": self.counted[column].mean() for column in ("data_s", "predict_s")}
            ]
        )

    def _numbers(self, protocol: Protocol, chosen: np.typing.NDArray[np.bool_]) -> dict[str, Any]:
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
