"""The store: one SQLite database per run, the product that every table is computed from."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd
from pycocotools import mask as coco_mask

from amodal_bench.core.rle import Rle
from amodal_bench.core.stages import StageCost
from amodal_bench.core.types import Integers, Mask
from amodal_bench.metrics.counts import CELLS, joint_counts

COUNTS = [f"c{cell:02d}" for cell in range(CELLS)]
"""Count columns: `cNN` holds the pixels of cell NN = predicted + 2 amodal + 4 visible + 8 others."""

SCHEMA = 2
"""The version of the tables; a store of an earlier one gets the tables that it lacks."""

_COLUMNS = ["id", "error", "height", "width", "rle", *COUNTS, "data_s", "predict_s"]


@dataclass(frozen=True)
class Row:
    """What is kept of one instance.

    Attributes:
        id: the sample's id.
        error: why there is no prediction, or None.
        shape: (H, W) of the image; None where the sample could not be read.
        rle: the prediction as compressed COCO RLE bytes; None with an error.
        counts: (16,) joint counts, those of an empty prediction where the model failed; None where the sample could
            not be read.
        data_s, predict_s: seconds spent on reading and on predicting this instance.
    """

    id: str
    error: str | None = None
    shape: tuple[int, int] | None = None
    rle: bytes | None = None
    counts: Integers | None = None
    data_s: float = 0.0
    predict_s: float = 0.0


def prediction_row(
    id: str, predicted: Mask, amodal: Mask, visible: Mask, others: Mask, data_s: float, predict_s: float
) -> Row:
    """Count and compress one prediction. Raises ValueError where it is no bool mask of the image's shape."""
    counts = joint_counts(predicted, amodal, visible, others)
    rle = coco_mask.encode(np.asfortranarray(predicted, np.uint8))
    return Row(id, None, (amodal.shape[0], amodal.shape[1]), bytes(rle["counts"]), counts, data_s, predict_s)


class Store:
    """Rows by sample id. Use it as a context manager; it has one writer, which commits batch by batch.

    Args:
        path: the database file; it is created where it is missing.
        read_only: leave the file as it is, even where it is another program's.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self.path = path
        if read_only:
            self._db = sqlite3.connect(f"{path.absolute().as_uri()}?{_read_only_mode(path)}", uri=True)
            self._check_schema()
            return
        self._db = sqlite3.connect(path)
        self._check_schema()
        # Write-ahead logging: a killed process loses at most the transaction it was in.
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        counts = ", ".join(f"{name} INTEGER" for name in COUNTS)
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS instances (id TEXT PRIMARY KEY, error TEXT, height INTEGER, "
            f"width INTEGER, rle BLOB, {counts}, data_s REAL, predict_s REAL)"
        )
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS stages (stage TEXT PRIMARY KEY, seconds REAL, instances INTEGER, "
            "batch INTEGER, peak INTEGER)"
        )
        self._db.execute("CREATE TABLE IF NOT EXISTS records (id TEXT PRIMARY KEY, record TEXT)")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS regions (name TEXT, id TEXT, neither INTEGER, predicted INTEGER, "
            "amodal INTEGER, both INTEGER, PRIMARY KEY (name, id))"
        )
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS pairs "
            "(predicted TEXT, amodal TEXT, iou REAL, PRIMARY KEY (predicted, amodal))"
        )
        if self._version() != SCHEMA:
            self._db.execute(f"PRAGMA user_version = {SCHEMA}")
        self._db.commit()

    def _version(self) -> int:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        return int(version)

    def _check_schema(self) -> None:
        """Raise `sqlite3.DatabaseError` where a newer version of the harness made the store."""
        version = self._version()
        if version > SCHEMA:
            raise sqlite3.DatabaseError(f"it has schema {version}, and this version reads up to {SCHEMA}")

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    @property
    def db(self) -> sqlite3.Connection:
        """The database, for what other modules keep beside the predictions."""
        return self._db

    def done(self) -> set[str]:
        """Ids that have a prediction; those with an error are not done and will be tried again."""
        return {id for (id,) in self._db.execute("SELECT id FROM instances WHERE error IS NULL")}

    def counted(self) -> set[str]:
        """Ids that have counts: predictions, and failed ones, which count as empty."""
        return {id for (id,) in self._db.execute(f"SELECT id FROM instances WHERE {COUNTS[0]} IS NOT NULL")}

    def write(self, rows: Iterable[Row], costs: Mapping[str, StageCost] | None = None) -> None:
        """Commit rows in one transaction; a row replaces an earlier one of the same id, costs of stages add up."""
        rows = list(rows)
        marks = ", ".join("?" for _ in _COLUMNS)
        with self._db:
            self._db.executemany(
                f"INSERT OR REPLACE INTO instances ({', '.join(_COLUMNS)}) VALUES ({marks})",
                [_values(row) for row in rows],
            )
            # What was derived of an earlier prediction is gone with it.
            ids = [(row.id,) for row in rows]
            self._db.executemany("DELETE FROM regions WHERE id = ?", ids)
            self._db.executemany("DELETE FROM pairs WHERE predicted = ?", ids)
            before = self._costs()
            for stage, cost in (costs or {}).items():
                total = before.get(stage, StageCost()) + cost
                # An update keeps the row's place: stages stay in the order in which they first ran.
                self._db.execute(
                    "INSERT INTO stages VALUES (?, ?, ?, ?, ?) ON CONFLICT (stage) DO UPDATE SET "
                    "seconds = excluded.seconds, instances = excluded.instances, batch = excluded.batch, "
                    "peak = excluded.peak",
                    (stage, total.seconds, total.instances, total.batch, total.peak),
                )

    def _costs(self) -> dict[str, StageCost]:
        rows = self._db.execute("SELECT stage, seconds, instances, batch, peak FROM stages ORDER BY rowid")
        return {stage: StageCost(*values) for stage, *values in rows}

    def stages(self) -> pd.DataFrame:
        """What the model's stages have cost: stage, seconds, instances, batch, peak (bytes)."""
        return pd.DataFrame(
            [{"stage": stage, **vars(cost)} for stage, cost in self._costs().items()],
            columns=["stage", "seconds", "instances", "batch", "peak"],
        )

    def table(self) -> pd.DataFrame:
        """All rows but their masks, by ascending id: id, error, height, width, c00..c15, data_s, predict_s."""
        columns = [name for name in _COLUMNS if name != "rle"]
        return pd.read_sql_query(f"SELECT {', '.join(columns)} FROM instances ORDER BY id", self._db)

    def write_records(self, records: pd.DataFrame) -> None:
        """Keep what the dataset's index says of instances that are new, so that a score needs the store alone."""
        known = {id for (id,) in self._db.execute("SELECT id FROM records")}
        new = records[~records["id"].astype(str).isin(known)]
        if new.empty:
            return
        lines = new.to_dict("records")
        with self._db:
            self._db.executemany(
                "INSERT OR REPLACE INTO records VALUES (?, ?)",
                [(str(line["id"]), json.dumps(line, allow_nan=True)) for line in lines],
            )

    def records(self) -> pd.DataFrame:
        """What the dataset's index says of the instances that were run, in its order."""
        if not self._has("records"):
            return pd.DataFrame()
        found = self._db.execute("SELECT record FROM records ORDER BY rowid")
        return pd.DataFrame([json.loads(line) for (line,) in found])

    def write_regions(self, name: str, counts: Mapping[str, Integers]) -> None:
        """Keep the (4,) joint counts of instances in a region that needs their masks."""
        with self._db:
            self._db.executemany(
                "INSERT OR REPLACE INTO regions VALUES (?, ?, ?, ?, ?, ?)",
                [(name, id, *map(int, row)) for id, row in counts.items()],
            )

    def regions(self, name: str) -> dict[str, Integers]:
        """The counts of a region by instance."""
        if not self._has("regions"):
            return {}
        found = self._db.execute("SELECT id, neither, predicted, amodal, both FROM regions WHERE name = ?", (name,))
        return {id: np.array(row, np.int64) for id, *row in found}

    def write_pairs(self, pairs: Iterable[tuple[str, str, float]]) -> None:
        """Keep the IoU of predictions with the amodal masks of their image, by both instances' ids."""
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO pairs VALUES (?, ?, ?)", list(pairs))

    def pairs(self) -> pd.DataFrame:
        """IoUs of pairs: predicted, amodal (ids) and iou."""
        if not self._has("pairs"):
            return pd.DataFrame(columns=["predicted", "amodal", "iou"])
        return pd.read_sql_query("SELECT predicted, amodal, iou FROM pairs", self._db)

    def _has(self, table: str) -> bool:
        """Whether the store has a table; a store of an earlier version, opened to be read, may lack some."""
        found = self._db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,))
        return found.fetchone() is not None

    def prediction(self, id: str) -> Mask:
        """The predicted mask of one instance, (H, W) bool. Raises KeyError where there is none."""
        return np.asarray(coco_mask.decode(self._rle(id)), bool)

    def rle(self, id: str) -> Rle:
        """The predicted mask of one instance as an RLE that JSON can hold. Raises KeyError where there is none."""
        rle = self._rle(id)
        return {"size": rle["size"], "counts": rle["counts"].decode("ascii")}

    def _rle(self, id: str) -> Any:
        """An RLE in pycocotools' own form."""
        found = self._db.execute("SELECT height, width, rle FROM instances WHERE id = ?", (id,)).fetchone()
        if found is None or found[2] is None:
            raise KeyError(id)
        return {"size": [found[0], found[1]], "counts": found[2]}


def _read_only_mode(path: Path) -> str:
    """How SQLite opens a file without leaving anything beside it."""
    log = path.with_name(f"{path.name}-wal")
    # A log with content belongs to a writer at work, or to one that was killed. Without one the file is whole, and
    # "immutable" keeps SQLite from making files beside it, which it could not do in a folder that is not the user's.
    return "mode=ro" if log.exists() and log.stat().st_size else "immutable=1"


def _values(row: Row) -> tuple[object, ...]:
    counts = [None] * CELLS if row.counts is None else [int(count) for count in row.counts]
    height, width = row.shape or (None, None)
    return (row.id, row.error, height, width, row.rle, *counts, row.data_s, row.predict_s)
