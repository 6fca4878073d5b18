"""A run under its protocols: rows of a store joined with the records they belong to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from amodal_bench.core.ids import label
from amodal_bench.core.types import Integers
from amodal_bench.datasets.base import TRACK_COLUMNS
from amodal_bench.metrics.numbers.base import Rows
from amodal_bench.metrics.protocols import ScoringProtocol, flag, iou, occluded_iou, occlusion_rate
from amodal_bench.report.timing import timing_table
from amodal_bench.runner.store import COUNTS

BINS: tuple[tuple[float, float], ...] = ((0.0, 0.0), (0.0, 0.2), (0.2, 0.4), (0.4, 0.7), (0.7, 1.0))
"""Occlusion rates as (low, high]: none, then SAMBA's levels, then the rest."""

RANDOM_WEIGHTS = "random weights"
"""Among a row's settings: its numbers mean nothing."""

FAILED, UNREADABLE, NOT_RUN = "failed", "unreadable", "not run"
"""Kinds of errors: the model has no answer; the sample cannot be read; nobody has tried."""


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
        listed: whether the instances were listed one by one, so that no protocol's filter applies.
        regions: of each region that a protocol needs beside the counts, the (4,) counts by id.
        pairs: IoUs of predictions and amodal masks of one image by their ids, where a protocol needs them.
        reused: how many of the predictions an earlier command made, and when; "" where none.
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
    listed: bool = False
    regions: Mapping[str, Mapping[str, Integers]] = field(default_factory=dict)
    pairs: pd.DataFrame | None = None
    reused: str = ""

    @cached_property
    def joined(self) -> pd.DataFrame:
        """One row per selected instance, in the index's order, with what the index and the store say of it.

        `kind` tells errors apart, "" where there is none; counts are NaN where the sample could not be read.
        """
        joined = _with_tracks(self.records).merge(self.rows, on="id", how="left")
        unrun = joined["error"].isna() & joined[COUNTS[0]].isna()
        joined.loc[unrun, "error"] = NOT_RUN
        joined["kind"] = np.select(
            [unrun, joined["error"].notna() & joined[COUNTS[0]].isna(), joined["error"].notna()],
            [NOT_RUN, UNREADABLE, FAILED],
            "",
        )
        return joined

    @cached_property
    def counted(self) -> pd.DataFrame:
        """The rows of `joined` that have a prediction."""
        return self.joined[self.joined["kind"] == ""]

    def chosen(self, protocol: ScoringProtocol) -> pd.DataFrame:
        """The rows of `joined` that a protocol's filter takes, whether they could be read or not."""
        return self.joined if self.listed else protocol.filter.select(self.joined)[0]

    def taken(self, protocol: ScoringProtocol) -> pd.DataFrame:
        """The rows of `joined` that a protocol's numbers are about: of its filter, and readable."""
        chosen = self.chosen(protocol)
        kinds = ["", FAILED] if protocol.errors == "zero" else [""]
        return chosen[chosen["kind"].isin(kinds)]

    def numbers_of(self, protocol: ScoringProtocol, taken: pd.DataFrame) -> Rows:
        """Rows of `taken` as a protocol's numbers take them."""
        counts = taken[COUNTS].to_numpy(np.int64)
        ids = taken["id"].astype(str)
        regions = {
            name: np.stack([self.regions[name][id] for id in ids]) if len(ids) else np.zeros((0, 4), np.int64)
            for name in protocol.regions
            if name != "pairs"
        }
        pairs = self._pairs_of(ids) if "pairs" in protocol.regions else None
        return Rows(counts, taken.reset_index(drop=True), regions, pairs)

    def _pairs_of(self, ids: pd.Series[str]) -> pd.DataFrame:
        assert self.pairs is not None
        places = pd.Series(range(len(ids)), index=ids.to_list(), dtype="int64")
        known = self.pairs[self.pairs["predicted"].isin(ids) & self.pairs["amodal"].isin(ids)]
        return known.assign(predicted=known["predicted"].map(places), amodal=known["amodal"].map(places))

    def ids_of(self, protocol: ScoringProtocol) -> str:
        """Number and digest of the instances that a protocol's numbers are about: equal ones can be compared."""
        return label(self.taken(protocol)["id"].astype(str))

    @property
    def ids(self) -> str:
        """Number and digest of the instances under the run's own protocol."""
        return self.ids_of(self.protocols[0])

    @property
    def score_folder(self) -> Path:
        """Where the tables of this protocol and these instances lie; others never overwrite them."""
        protocol = self.protocols[0]
        changed = "-changed" if protocol.changes() else ""
        selected = hashlib.sha256("\n".join(sorted(self.records["id"].astype(str))).encode("utf-8", "surrogatepass"))
        name = f"{protocol.name}@{protocol.version}{changed}-{protocol.digest}-{selected.hexdigest()[:12]}"
        return self.folder / "scores" / name

    def errors(self) -> pd.DataFrame:
        """The instances without a prediction and why, by ascending id: id, kind, error."""
        found = self.joined.loc[self.joined["kind"] != "", ["id", "kind", "error"]]
        return found.sort_values("id", ignore_index=True)

    def instances(self) -> pd.DataFrame:
        """Every selected instance by ascending id, with its IoUs, its occlusion rate and its counts.

        The IoUs are those of the prediction as it is; of a failed one they are 0, of an unreadable sample empty.
        """
        rows = self.joined.sort_values("id", ignore_index=True)
        counted = rows[COUNTS[0]].notna()
        counts = rows.loc[counted, COUNTS].to_numpy(np.int64)
        table = rows[["id", "image_id", "category", "error"]].copy()
        for name, values in (
            ("occlusion_rate", occlusion_rate(counts)),
            ("iou", iou(counts)),
            ("occluded_iou", occluded_iou(counts)),
        ):
            table[name] = np.nan
            table.loc[counted, name] = values
        table[["height", "width", *COUNTS]] = rows[["height", "width", *COUNTS]].astype("Int64")
        return table

    def summary(self) -> pd.DataFrame:
        """One row per protocol: its numbers with 95 % intervals, instances, errors, fingerprint and ids."""
        from amodal_bench.report.summary import summarise

        return summarise([self])

    def by_occlusion(self) -> pd.DataFrame:
        """One row per bin of the occlusion rate, under the run's protocol."""
        from amodal_bench.report.summary import by_occlusion

        return by_occlusion(self)

    def timing(self) -> pd.DataFrame:
        """Seconds per instance of reading, of predicting, and of each stage of predicting.

        They are kept apart from scores, since no two runs agree on them. `batch` and `peak_gb`
        (of GPU memory) are empty where nobody counted them.
        """
        return timing_table(self.name, self.counted, self.stages)


def _with_tracks(records: pd.DataFrame) -> pd.DataFrame:
    """Records with the columns of tracks; where there are none, each instance is an object of its own in frame 0."""
    known = records.reset_index(drop=True)
    for name in TRACK_COLUMNS:
        if name not in known:
            known = known.assign(**{name: "" if name == "object_id" else 0})
    alone = known["object_id"].fillna("").astype(str) == ""
    video = known["video_id"].fillna("").astype(str) if "video_id" in known else ""
    return known.assign(
        video_id=video,
        object_id=known["object_id"].astype(str).where(~alone, known["id"].astype(str)),
        crowd=flag(known, "crowd"),
    )


def has_random_weights(facts: Any) -> bool:
    """Whether a description says so of the model or of any part of it."""
    if not isinstance(facts, Mapping):
        return False
    return bool(facts.get("random_weights")) or any(map(has_random_weights, facts.values()))
