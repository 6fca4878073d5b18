"""The store: one SQLite database per run, the product that every table is computed from."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from amodal_bench.core.digests import stat_of
from amodal_bench.core.errors import InputError
from amodal_bench.core.native import from_mask
from amodal_bench.core.rle import Rle, decode, united
from amodal_bench.core.stages import StageCost
from amodal_bench.core.types import Integers, Mask
from amodal_bench.metrics.counts import CELLS, joint_counts
from amodal_bench.runner.bulk import are_among, as_texts, texts
from amodal_bench.runner.schema import COUNTS as COUNTS
from amodal_bench.runner.schema import (
    INSTANCES,
    SUMMED,
    bounded,
    has_sums,
    has_table,
    look_at,
    prepare,
    read_only_mode,
    require_files,
    show,
)
from amodal_bench.runner.sums import SUM, DamagedRow, fault, row_sums, summed
from amodal_bench.runner.whole import CONTENTS, SEALED, Check, contents, note_whole, unseal

Read = TypeVar("Read")

STORE = "store.sqlite"
"""The name of the file in a run's folder."""

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
    has are draws 0. Each row has a checksum, which is looked at whenever the row is read.

    Args:
        path: the database file; it is created where it is missing.
        read_only: leave the file as it is, even where it is another program's.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self.path, self._read_only = path, read_only
        require_files(path)
        self._sums: dict[str, bool] = {}  # by table, whether its rows have checksums
        with ExitStack() as stack:  # nothing stays beside a file that is refused
            if read_only:
                self._db = _connected(path, stack)
            else:
                if path.is_file() and path.stat().st_size:
                    look_at(path)
                # Threads of a run take turns with it.
                self._db = bounded(sqlite3.connect(path, check_same_thread=False))
                stack.callback(self._db.close)
                prepare(self._db)
            self._check = stack.enter_context(Check(self._db, path))
            self._close = stack.pop_all().close

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None or issubclass(kind, sqlite3.Error):  # damage is told by whoever has looked for it
                self.require_whole()
        finally:
            self._close()
        if kind is None and not self._read_only:  # nobody else has written to it
            note_whole(self.path)

    @property
    def db(self) -> sqlite3.Connection:
        """The database, for what other modules keep beside the predictions."""
        self.require_whole()
        return self._db

    @property
    def unchecked(self) -> sqlite3.Connection:
        """The database, to be read while the file is still looked at; `require_whole` says what was found."""
        return self._db

    def require_whole(self) -> None:
        """Wait until the file has been looked at. Raises `DamagedRow` where it is not whole."""
        self._check.wait()

    def done(self, draw: int = 0) -> set[str]:
        """Ids that have a prediction of a draw; those with an error are not done and will be tried again."""
        return self._ids("error IS NULL", draw)

    def has(self, id: str, draw: int = 0) -> bool:
        """Whether there is a prediction of a draw of one instance."""
        which = "WHERE id = ? AND draw = ? AND error IS NULL"
        return self._db.execute(f"SELECT 1 FROM instances {which}", (id, draw)).fetchone() is not None

    def counted(self, draw: int = 0) -> set[str]:
        """Ids that have counts of a draw: predictions, and failed ones, which count as empty."""
        return self._ids(f"{COUNTS[0]} IS NOT NULL", draw)

    def _ids(self, holds: str, draw: int) -> set[str]:
        return set(texts(self._db, ["id"], f"FROM instances WHERE draw = ? AND {holds}", (draw,))[0].to_pylist())

    def write(self, rows: Iterable[Row], costs: Mapping[str, StageCost] | None = None) -> None:
        """Commit rows in one transaction; a row replaces one of the same id and draw, and costs of stages add up."""
        rows = list(rows)
        with self._db:
            self.put("instances", [_values(row) for row in rows])
            self.forget_derived([(row.id, row.draw) for row in rows])
            if costs:
                self.add_costs(costs)

    def add_costs(self, costs: Mapping[str, StageCost]) -> None:
        """Add to what stages have cost; the caller commits."""
        total = self.costs()  # by their stages in the order in which they first ran
        for stage, cost in costs.items():
            total[stage] = total.get(stage, StageCost()) + cost
        self.require_whole()
        self._db.execute("DELETE FROM stages")
        self.put("stages", [(stage, *vars(cost).values()) for stage, cost in total.items()])

    def forget_derived(self, predictions: Sequence[tuple[str, int]]) -> None:
        """Take out what was derived of earlier predictions, by id and draw; the caller commits."""
        self.require_whole()
        ids = [(id,) for id, draw in predictions if draw == 0]
        self._db.executemany("DELETE FROM regions WHERE id = ?", ids)
        self._db.executemany("DELETE FROM pairs WHERE predicted = ?", ids)
        self._db.executemany("DELETE FROM majorities WHERE id = ? AND draws > ?", predictions)

    def put(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        """Write rows with their checksums, each in place of one with the same key; the caller commits."""
        self.require_whole()
        if table in SEALED:
            unseal(self._db)
        kinds = SUMMED[table].kinds
        marks = ", ".join("?" for _ in range(1 + len(kinds)))
        self._db.executemany(
            f"INSERT OR REPLACE INTO {table} ({SUM}, {', '.join(kinds)}) VALUES ({marks})",
            (summed(row, kinds.values()) for row in rows),
        )

    def rows(self, table: str, which: str = "", values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """What `lots` reads, row by row."""
        return chain.from_iterable(self.lots(table, which, values))

    def lots(self, table: str, which: str = "", values: Sequence[Any] = ()) -> Iterator[list[tuple[Any, ...]]]:
        """Rows of a table, many at once; none where the store of an earlier version lacks it.

        Args:
            table: its name.
            which: what follows its name in a query.
            values: that stand for the query's question marks.

        Raises:
            DamagedRow: one is not as it was written.
        """
        if table not in self._sums:
            if not has_table(self._db, table):
                return
            self._sums[table] = has_sums(self._db, table)
        columns, sums = SUMMED[table], self._sums[table]
        found = self._db.execute(f"SELECT {SUM}, {', '.join(columns.kinds)} FROM {table} {which}", values)
        while summed_rows := found.fetchmany(_LOT):
            rows = [row[1:] for row in summed_rows]
            if not (sums and row_sums(rows) == [row[0] for row in summed_rows]):
                for row in summed_rows:
                    if problem := fault(row, columns, sums):
                        keys = ", ".join(map(repr, row[1 : 1 + columns.keys]))
                        raise DamagedRow(f"{table}, row {keys[:200]}: {problem}")
            yield rows

    def costs(self) -> dict[str, StageCost]:
        """What stages have cost so far, in the order in which they first ran."""
        return {stage: StageCost(*values) for stage, *values in self.rows("stages", "ORDER BY rowid")}

    def stages(self) -> pd.DataFrame:
        """What the model's stages have cost: stage, seconds, instances, batch, peak (bytes)."""
        return pd.DataFrame(
            [{"stage": stage, **vars(cost)} for stage, cost in self.costs().items()],
            columns=["stage", "seconds", "instances", "batch", "peak"],
        )

    def table(self) -> pd.DataFrame:
        """Draw 0 of all instances, by ascending id: id, error, height, width, c00..c15, data_s, predict_s."""
        return self.drawn(1).drop(columns="draw")

    def drawn(self, draws: int | None = None) -> pd.DataFrame:
        """The first draws of all instances, or all, by ascending id and draw: the columns of `table`, and `draw`."""
        if not has_table(self._db, "instances"):
            raise sqlite3.DatabaseError("no such table: instances")
        parts: dict[str, list[Any]] = {name: [] for name in _SHOWN}
        for rows in self.lots("instances", "WHERE draw < ? ORDER BY id, draw", (2**62 if draws is None else draws,)):
            for (name, kind), column in zip(INSTANCES.items(), zip(*rows, strict=True), strict=True):
                if name in parts:
                    parts[name].append(_column(column, kind))
        return pd.DataFrame({n: _joined(p) for n, p in parts.items()} if parts["id"] else None, columns=_SHOWN)

    def draws(self) -> int:
        """The largest number of draws that any instance has been tried for; 0 in a store without rows."""
        (last,) = self._db.execute("SELECT max(draw) FROM instances").fetchone()
        return 0 if last is None else int(last) + 1

    def write_records(self, records: pd.DataFrame) -> None:
        """Keep what the dataset's index says of instances that are new, so that a score needs the store alone."""
        (known,) = texts(self._db, ["id"], "FROM records NOT INDEXED")  # as they were written
        new = records[~are_among(as_texts(records["id"].astype(str)), known)]
        if new.empty:
            return
        with self._db:
            self.put("records", ((line["id"], json.dumps(line, allow_nan=True)) for line in new.to_dict("records")))

    def records(self, every: bool = False) -> pd.DataFrame:
        """What the dataset's index says of the instances that were run, or of `every` one, in its order."""
        tried = "" if every else "WHERE id IN (SELECT id FROM instances)"
        found = [line for _, line in self.rows("records", f"{tried} ORDER BY rowid")]
        # Read as one text: a hundred thousand calls of the parser take four times as long.
        try:
            records = json.loads(f"[{','.join(found)}]")
        except (ValueError, RecursionError) as error:
            raise DamagedRow("records: one of them is not JSON") from error
        if not all(isinstance(record, dict) and isinstance(record.get("id"), str) for record in records):
            raise DamagedRow("records: one of them is not an object with an id")
        return _frame(records)

    def seal(self) -> None:
        """Note which predictions and records there are: that one is gone no checksum of a row would show."""
        self.write_told(CONTENTS, json.dumps(contents(self._db)))

    def write_told(self, name: str, text: str) -> None:
        """Keep what a file beside the store says, so that it can be written again."""
        with self._db:
            self.put("told", [(name, text)])

    def told(self, name: str) -> str | None:
        """What a file beside the store said; None where nobody has kept it."""
        return next((text for _, text in self.rows("told", "WHERE name = ?", (name,))), None)

    def write_regions(self, name: str, counts: Mapping[str, Integers]) -> None:
        """Keep the (4,) joint counts of instances in a region that needs their masks."""
        with self._db:
            self.put("regions", ((name, id, *row) for id, row in counts.items()))

    def regions(self, name: str) -> dict[str, Integers]:
        """The counts of a region by instance."""
        return {id: np.array(row, np.int64) for _, id, *row in self.rows("regions", "WHERE name = ?", (name,))}

    def write_pairs(self, pairs: Iterable[tuple[str, str, float]]) -> None:
        """Keep the IoU of predictions with the amodal masks of their image, by both instances' ids."""
        with self._db:
            self.put("pairs", pairs)

    def pairs(self) -> pd.DataFrame:
        """IoUs of pairs: predicted, amodal (ids) and iou."""
        return pd.DataFrame.from_records(list(self.rows("pairs")), columns=["predicted", "amodal", "iou"])

    def write_majorities(self, draws: int, counts: Mapping[str, Integers]) -> None:
        """Keep the (16,) joint counts of what more than half of an instance's first draws have."""
        with self._db:
            self.put("majorities", ((id, draws, *row) for id, row in counts.items()))

    def majorities(self, draws: int) -> dict[str, Integers]:
        """The counts of the majority of so many draws by instance."""
        found = self.rows("majorities", "WHERE draws = ?", (draws,))
        return {id: np.array(row, np.int64) for id, _, *row in found}

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
        found = next(self.rows("instances", "WHERE id = ? AND draw = ?", (id, draw)), None)
        row = None if found is None else dict(zip(INSTANCES, found, strict=True))
        if row is None or row["rle"] is None:
            raise KeyError(id)
        return {"size": [row["height"], row["width"]], "counts": row["rle"]}


def _column(values: tuple[Any, ...], kind: str) -> Any:
    """Values of one column: an array where all are whole numbers, or all others, as pandas makes of them."""
    if kind not in ("INTEGER", "REAL"):
        return values
    found = np.array(values)
    return found if found.dtype in (np.int64, np.float64) else values


def _joined(parts: Sequence[Any]) -> Any:
    """Parts of a column as one: an array, or a list of which pandas makes what it can."""
    if all(isinstance(part, np.ndarray) and part.dtype == parts[0].dtype for part in parts):
        return np.concatenate(parts)
    return [value for part in parts for value in (part.tolist() if isinstance(part, np.ndarray) else part)]


def _frame(records: list[dict[str, Any]]) -> pd.DataFrame:
    """Records as a table; where all have the same keys, column by column, which takes half the time."""
    names = list(records[0]) if records else []
    if all(len(record) == len(names) for record in records):
        with suppress(KeyError):
            return pd.DataFrame({name: [record[name] for record in records] for name in names})
    return pd.DataFrame(records)


def read_store(path: Path, read: Callable[[Store], Read]) -> Read:
    """What `read` finds in a store that is only read; again where another process has written to it meanwhile.

    Raises:
        sqlite3.Error: it cannot be read as a store.
    """
    for _ in range(_TRIES):
        before, alone = stat_of(path), read_only_mode(path) != "mode=ro"
        try:
            with Store(path, read_only=True) as store:
                found = read(store)
        except sqlite3.Error:
            if not alone or stat_of(path) == before:
                raise
            continue
        # SQLite itself keeps a reader apart from a writer, but not where the reader has said that it is alone.
        if not alone or stat_of(path) == before:
            return found
    with Store(path, read_only=True) as store:
        return read(store)


_TRIES = 20

_LOT = 1000
"""Rows that are read at once."""


def _connected(path: Path, stack: ExitStack) -> sqlite3.Connection:
    """A store as it is, to be read; a log that cannot be read in its folder is read in a copy."""
    try:
        db = bounded(sqlite3.connect(f"{path.absolute().as_uri()}?{read_only_mode(path)}", uri=True))
        stack.callback(db.close)
        show(db)
        return db
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        log = path.with_name(f"{path.name}-wal")
        if code not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY) or not (path.is_file() and log.is_file()):
            raise
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="amodal_bench-")))
    for file in (path, log):
        shutil.copyfile(file, folder / file.name)
    db = bounded(sqlite3.connect(folder / path.name))
    stack.callback(db.close)
    show(db)
    return db


def _values(row: Row) -> tuple[object, ...]:
    counts = [None] * CELLS if row.counts is None else row.counts
    height, width = row.shape or (None, None)
    return (row.id, row.draw, row.error, height, width, row.rle, *counts, row.data_s, row.predict_s)
