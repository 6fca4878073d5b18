"""The store: one SQLite database per run, the product that every table is computed from."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd

from amodal_bench.core.errors import InputError
from amodal_bench.core.files import is_regular
from amodal_bench.core.ids import among
from amodal_bench.core.native import from_mask
from amodal_bench.core.rle import Rle, decode, united
from amodal_bench.core.stages import StageCost
from amodal_bench.core.types import Integers, Mask
from amodal_bench.metrics.counts import CELLS, joint_counts
from amodal_bench.runner.schema import COUNTS as COUNTS
from amodal_bench.runner.schema import INSTANCES, has_table, prepare, show

_SHOWN = [name for name in INSTANCES if name != "rle"]
"""What tables have of a prediction: everything but its mask."""


@dataclass(frozen=True)
class Row:
    """What is kept of one prediction.

    Attributes:
        id: the sample's id.
        error: why there is no prediction, or None.
        shape: (H, W) of the image; None where the sample could not be read.
        rle: the prediction as compressed COCO RLE bytes; None with an error.
        counts: (16,) joint counts, those of an empty prediction where the model failed; None where the sample could
            not be read.
        data_s, predict_s: seconds spent on reading and on predicting this instance.
        draw: which of the instance's predictions it is, from 0 on.
    """

    id: str
    error: str | None = None
    shape: tuple[int, int] | None = None
    rle: bytes | None = None
    counts: Integers | None = None
    data_s: float = 0.0
    predict_s: float = 0.0
    draw: int = 0


def prediction_row(
    id: str,
    predicted: Mask,
    amodal: Mask,
    visible: Mask,
    others: Mask,
    data_s: float,
    predict_s: float,
    draw: int = 0,
) -> Row:
    """Count and compress one prediction. Raises ValueError where it is no bool mask of the image's shape."""
    counts = joint_counts(predicted, amodal, visible, others)
    rle = from_mask(predicted)
    return Row(id, None, (amodal.shape[0], amodal.shape[1]), bytes(rle["counts"]), counts, data_s, predict_s, draw)


class Store:
    """Rows by sample id and draw. Use it as a context manager; it has one writer, which commits batch by batch.

    A store of an earlier version is brought up to date when it is opened to be written, and read as it is; what it
    has are draws 0.

    Args:
        path: the database file; it is created where it is missing.
        read_only: leave the file as it is, even where it is another program's.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self.path = path
        if path.exists() and not is_regular(path):
            raise sqlite3.DatabaseError("it is a folder, a pipe or a device")
        uri = f"{path.absolute().as_uri()}?{_read_only_mode(path)}"
        self._db = sqlite3.connect(uri, uri=True) if read_only else sqlite3.connect(path)
        try:
            (show if read_only else prepare)(self._db)
        except sqlite3.Error:
            self._db.close()  # nothing stays beside a file that is refused
            raise

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

    def done(self, draw: int = 0) -> set[str]:
        """Ids that have a prediction of a draw; those with an error are not done and will be tried again."""
        return self._ids("error IS NULL", draw)

    def counted(self, draw: int = 0) -> set[str]:
        """Ids that have counts of a draw: predictions, and failed ones, which count as empty."""
        return self._ids(f"{COUNTS[0]} IS NOT NULL", draw)

    def _ids(self, holds: str, draw: int) -> set[str]:
        return {id for (id,) in self._db.execute(f"SELECT id FROM instances WHERE draw = ? AND {holds}", (draw,))}

    def write(self, rows: Iterable[Row], costs: Mapping[str, StageCost] | None = None) -> None:
        """Commit rows in one transaction; a row replaces one of the same id and draw, and costs of stages add up."""
        rows = list(rows)
        marks = ", ".join("?" for _ in INSTANCES)
        with self._db:
            self._db.executemany(
                f"INSERT OR REPLACE INTO instances ({', '.join(INSTANCES)}) VALUES ({marks})",
                [_values(row) for row in rows],
            )
            # What was derived of an earlier prediction is gone with it.
            ids = [(row.id,) for row in rows if row.draw == 0]
            self._db.executemany("DELETE FROM regions WHERE id = ?", ids)
            self._db.executemany("DELETE FROM pairs WHERE predicted = ?", ids)
            votes = [(row.id, row.draw) for row in rows]
            self._db.executemany("DELETE FROM majorities WHERE id = ? AND draws > ?", votes)
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
        """Draw 0 of all instances, by ascending id: id, error, height, width, c00..c15, data_s, predict_s."""
        return self.drawn(1).drop(columns="draw")

    def drawn(self, draws: int | None = None) -> pd.DataFrame:
        """The first draws of all instances, or all, by ascending id and draw: the columns of `table`, and `draw`."""
        query = f"SELECT {', '.join(_SHOWN)} FROM instances WHERE draw < ? ORDER BY id, draw"
        return pd.read_sql_query(query, self._db, params=(2**62 if draws is None else draws,))

    def draws(self) -> int:
        """The largest number of draws that any instance has been tried for; 0 in a store without rows."""
        (last,) = self._db.execute("SELECT max(draw) FROM instances").fetchone()
        return 0 if last is None else int(last) + 1

    def write_records(self, records: pd.DataFrame) -> None:
        """Keep what the dataset's index says of instances that are new, so that a score needs the store alone."""
        known = {id for (id,) in self._db.execute("SELECT id FROM records")}
        new = records[~among(records["id"], known)]
        if new.empty:
            return
        lines = new.to_dict("records")
        with self._db:
            self._db.executemany(
                "INSERT OR REPLACE INTO records VALUES (?, ?)",
                [(str(line["id"]), json.dumps(line, allow_nan=True)) for line in lines],
            )

    def records(self, every: bool = False) -> pd.DataFrame:
        """What the dataset's index says of the instances that were run, or of `every` one, in its order."""
        if not has_table(self._db, "records"):
            return pd.DataFrame()
        tried = "" if every else "WHERE id IN (SELECT id FROM instances)"
        found = self._db.execute(f"SELECT record FROM records {tried} ORDER BY rowid")
        # Read as one text: a hundred thousand calls of the parser take four times as long.
        return pd.DataFrame(json.loads(f"[{','.join(line for (line,) in found)}]"))

    def write_regions(self, name: str, counts: Mapping[str, Integers]) -> None:
        """Keep the (4,) joint counts of instances in a region that needs their masks."""
        with self._db:
            self._db.executemany(
                "INSERT OR REPLACE INTO regions VALUES (?, ?, ?, ?, ?, ?)",
                [(name, id, *map(int, row)) for id, row in counts.items()],
            )

    def regions(self, name: str) -> dict[str, Integers]:
        """The counts of a region by instance."""
        if not has_table(self._db, "regions"):
            return {}
        found = self._db.execute("SELECT id, neither, predicted, amodal, both FROM regions WHERE name = ?", (name,))
        return {id: np.array(row, np.int64) for id, *row in found}

    def write_pairs(self, pairs: Iterable[tuple[str, str, float]]) -> None:
        """Keep the IoU of predictions with the amodal masks of their image, by both instances' ids."""
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO pairs VALUES (?, ?, ?)", list(pairs))

    def pairs(self) -> pd.DataFrame:
        """IoUs of pairs: predicted, amodal (ids) and iou."""
        if not has_table(self._db, "pairs"):
            return pd.DataFrame(columns=["predicted", "amodal", "iou"])
        return pd.read_sql_query("SELECT predicted, amodal, iou FROM pairs", self._db)

    def write_majorities(self, draws: int, counts: Mapping[str, Integers]) -> None:
        """Keep the (16,) joint counts of what more than half of an instance's first draws have."""
        marks = ", ".join("?" for _ in range(2 + CELLS))
        with self._db:
            self._db.executemany(
                f"INSERT OR REPLACE INTO majorities VALUES ({marks})",
                [(id, draws, *map(int, row)) for id, row in counts.items()],
            )

    def majorities(self, draws: int) -> dict[str, Integers]:
        """The counts of the majority of so many draws by instance."""
        if not has_table(self._db, "majorities"):
            return {}
        found = self._db.execute(f"SELECT id, {', '.join(COUNTS)} FROM majorities WHERE draws = ?", (draws,))
        return {id: np.array(row, np.int64) for id, *row in found}

    def prediction(self, id: str, draw: int = 0) -> Mask:
        """The mask of one prediction, (H, W) bool. Raises KeyError where there is none."""
        rle = self._rle(id, draw)
        try:
            return decode(rle, *rle["size"])
        except ValueError as error:
            raise self._damaged(id, error) from error

    def majority(self, id: str, draws: int) -> Mask:
        """The pixels that more than half of the first draws have, (H, W) bool; a failed draw has none.

        Raises KeyError where a draw was never made, or none has a prediction.
        """
        tried = self._db.execute("SELECT COUNT(*) FROM instances WHERE id = ? AND draw < ?", (id, draws)).fetchone()
        if tried[0] < draws:
            raise KeyError(id)
        found = []
        for draw in range(draws):
            with suppress(KeyError):
                found.append(self.prediction(id, draw))
        if not found:
            raise KeyError(id)
        return np.asarray(2 * np.sum(found, axis=0, dtype=np.int64) > draws)

    def rle(self, id: str, draw: int = 0) -> Rle:
        """The mask of one prediction as an RLE that JSON can hold. Raises KeyError where there is none."""
        rle = self._rle(id, draw)
        try:
            united(rle, *rle["size"])
        except ValueError as error:
            raise self._damaged(id, error) from error
        counts = rle["counts"]
        return {"size": rle["size"], "counts": counts if isinstance(counts, str) else counts.decode("ascii")}

    def _damaged(self, id: str, error: ValueError) -> InputError:
        return InputError(self.path, f"its mask cannot be read ({error})", "run the command of this run again", id)

    def _rle(self, id: str, draw: int) -> Any:
        """An RLE in pycocotools' own form."""
        wanted = "SELECT height, width, rle FROM instances WHERE id = ? AND draw = ?"
        found = self._db.execute(wanted, (id, draw)).fetchone()
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
    return (row.id, row.draw, row.error, height, width, row.rle, *counts, row.data_s, row.predict_s)
