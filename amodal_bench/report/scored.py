"""A run under its protocols: rows of a store joined with the records they belong to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from amodal_bench.core.ids import among, label
from amodal_bench.core.types import Integers
from amodal_bench.datasets.base import TRACK_COLUMNS
from amodal_bench.metrics.numbers.base import DRAWS, MAJORITY, PAIRS, Rows
from amodal_bench.metrics.protocols import ScoringProtocol, flag, iou, occluded_iou, occlusion_rate
from amodal_bench.report.timing import timing_table
from amodal_bench.runner.store import COUNTS

BINS: tuple[tuple[float, float], ...] = ((0.0, 0.0), (0.0, 0.2), (0.2, 0.4), (0.4, 0.7), (0.7, 1.0))
"""Occlusion rates as (low, high]: none, then SAMBA's levels, then the rest."""

RANDOM_WEIGHTS = "random weights"
"""Among a row's settings: its numbers mean nothing."""

FAILED, UNREADABLE, NOT_RUN = "failed", "unreadable", "not run"
"""Kinds of errors: the model has no answer; the sample cannot be read; nobody has tried."""

KINDS = ("", FAILED, UNREADABLE, NOT_RUN)
"""From the best to the worst."""


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
        rows: the store's table: draw 0 of each instance.
        stages: what the model's stages have cost, as the store has it.
        settings: what its rows say of the model, see `report.settings`.
        listed: whether the instances were listed one by one, so that no protocol's filter applies.
        regions: of each region that a protocol needs beside the counts, the (4,) counts by id.
        pairs: IoUs of predictions and amodal masks of one image by their ids, where a protocol needs them.
        reused: how many of the predictions an earlier command made, and when; "" where none.
        samples: how many draws of each instance were asked for.
        draws: how many the model makes: so many, or one where its predictions do not depend on the seed.
        drawn: the store's rows of these draws, with `draw`; None where there is one.
        majorities: the (16,) counts of the majority of these draws by id.
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
    samples: int = 1
    draws: int = 1
    drawn: pd.DataFrame | None = None
    majorities: Mapping[str, Integers] = field(default_factory=dict)

    @cached_property
    def joined(self) -> pd.DataFrame:
        """One row per selected instance, in the index's order, with what the index and the store say of draw 0.

        `kind` tells errors apart, "" where there is none; counts are NaN where the sample could not be read.
        """
        return _with_kinds(self._told(self.rows).merge(self.rows, on="id", how="left"))

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row per draw of each selected instance, in the index's order: `draw` beside the columns of `joined`."""
        if self.drawn is None:
            return self.joined.assign(draw=0)
        # Every draw of every instance has a row, also one that nobody has tried.
        wanted = self._told(self.drawn).merge(pd.DataFrame({"draw": range(self.draws)}), how="cross")
        return _with_kinds(wanted.merge(self.drawn, on=["id", "draw"], how="left"))

    def _told(self, rows: pd.DataFrame) -> pd.DataFrame:
        """What the index says, but for columns that the store's own have the names of: anybody may have packed it."""
        return _with_tracks(self.records.drop(columns=[name for name in rows if name != "id"], errors="ignore"))

    @cached_property
    def joined_draws(self) -> pd.DataFrame:
        """The rows of `joined`, whose `kind` is the worst of all draws: a failed draw is a failed instance."""
        if self.drawn is None:
            return self.joined
        ranks = self.predictions["kind"].map({kind: rank for rank, kind in enumerate(KINDS)}).to_numpy()
        worst = ranks.reshape(-1, self.draws).max(axis=1, initial=0)
        return self.joined.assign(kind=np.array(KINDS, object)[worst])

    @cached_property
    def counted(self) -> pd.DataFrame:
        """The rows of `predictions` that have one."""
        return self.predictions[self.predictions["kind"] == ""]

    def chosen(self, protocol: ScoringProtocol) -> pd.DataFrame:
        """The rows of `joined` that a protocol's filter takes, whether they could be read or not."""
        joined = self.joined_draws if protocol.of_draws else self.joined
        return joined if self.listed else protocol.filter.select(joined)[0]

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
            if name not in (PAIRS, DRAWS, MAJORITY)
        }
        pairs = self._pairs_of(ids) if PAIRS in protocol.regions else None
        draws = self._draws_of(ids, counts) if DRAWS in protocol.regions else None
        majority = self._majorities_of(ids) if MAJORITY in protocol.regions else None
        return Rows(counts, taken.reset_index(drop=True), regions, pairs, draws, majority)

    def _draws_of(self, ids: pd.Series[str], counts: Integers) -> Integers:
        """The counts of all draws, (N, K, 16); a model that makes one would make the same again."""
        if self.drawn is None:
            return np.repeat(counts[:, None], self.samples, axis=1)
        places = pd.Index(ids).get_indexer(pd.Index(self.drawn["id"].astype(str)))
        own = self.drawn[places >= 0]
        found = np.zeros((len(ids), self.draws, len(COUNTS)), np.int64)
        found[places[places >= 0], own["draw"].to_numpy(np.int64)] = own[COUNTS].to_numpy(np.int64)
        return found

    def _majorities_of(self, ids: pd.Series[str]) -> Integers | None:
        """The counts of the majority of the draws, (N, 16)."""
        if self.draws == 1:
            return None
        found = [self.majorities[id] for id in ids]
        return np.stack(found) if found else np.zeros((0, len(COUNTS)), np.int64)

    def _pairs_of(self, ids: pd.Series[str]) -> pd.DataFrame:
        assert self.pairs is not None
        places = {id: place for place, id in enumerate(ids)}
        known = self.pairs[among(self.pairs["predicted"], places) & among(self.pairs["amodal"], places)]
        return known.assign(predicted=known["predicted"].map(places), amodal=known["amodal"].map(places))

    def ids_of(self, protocol: ScoringProtocol) -> str:
        """Number and digest of the instances that a protocol's numbers are about: equal ones can be compared."""
        return label(self.taken(protocol)["id"].astype(str).to_list())

    @property
    def ids(self) -> str:
        """Number and digest of the instances under the run's own protocol."""
        return self.ids_of(self.protocols[0])

    @property
    def target(self) -> str:
        """The dotted path of the model's class."""
        return str(self.facts["model"].get("target", ""))

    @property
    def but_for_seed(self) -> str:
        """Eight hex digits over the identity without its seed: runs that agree in them differ by chance alone."""
        facts = {key: value for key, value in self.facts.items() if key != "seed"}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def score_folder(self) -> Path:
        """Where the tables of this protocol, these instances and so many draws lie; others never overwrite them."""
        protocol = self.protocols[0]
        changed = "-changed" if protocol.changes() else ""
        selected = hashlib.sha256(
            "\n".join(sorted(self.records["id"].astype(str).to_list())).encode("utf-8", "surrogatepass")
        )
        name = f"{protocol.name}@{protocol.version}{changed}-{protocol.digest}-{selected.hexdigest()[:12]}"
        name += f"-samples{self.samples}" if self.samples > 1 else ""
        return self.folder / "scores" / name

    def errors(self) -> pd.DataFrame:
        """The predictions that are lacking and why, by ascending id and draw: id, draw, kind, error."""
        found = self.predictions.loc[self.predictions["kind"] != "", ["id", "draw", "kind", "error"]]
        return found.sort_values(["id", "draw"], ignore_index=True)

    def instances(self) -> pd.DataFrame:
        """Draw 0 of every selected instance by ascending id, with its IoUs, its occlusion rate and its counts.

        The IoUs are those of the prediction as it is; of a failed one they are 0, of an unreadable sample empty.
        """
        return self._with_ious(self.joined.sort_values("id", ignore_index=True), [])

    def each_draw(self) -> pd.DataFrame:
        """Every draw of every selected instance by ascending id and draw: `draw` beside what `instances` has."""
        return self._with_ious(self.predictions.sort_values(["id", "draw"], ignore_index=True), ["draw"])

    def _with_ious(self, rows: pd.DataFrame, more: Sequence[str]) -> pd.DataFrame:
        counted = rows[COUNTS[0]].notna()
        counts = rows.loc[counted, COUNTS].to_numpy(np.int64)
        table = rows[["id", *more, "image_id", "category", "error"]].copy()
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
        """Seconds per prediction of reading, of predicting, and of each stage of predicting.

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


def _with_kinds(joined: pd.DataFrame) -> pd.DataFrame:
    """Rows with what went wrong, as `kind` and, where nobody has tried, as `error`."""
    lacking = joined[COUNTS[0]].isna()
    unrun = joined["error"].isna() & lacking
    error = joined["error"].astype(object).mask(unrun, NOT_RUN)
    kind = np.select([unrun, error.notna() & lacking, error.notna()], [NOT_RUN, UNREADABLE, FAILED], "")
    return joined.assign(error=error, kind=kind)


def has_random_weights(facts: Any) -> bool:
    """Whether a description says so of the model or of any part of it."""
    if not isinstance(facts, Mapping):
        return False
    return bool(facts.get("random_weights")) or any(map(has_random_weights, facts.values()))
