"""The store's tables, and how those of earlier versions are brought up to date."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from amodal_bench.core.files import not_a_file
from amodal_bench.metrics.counts import CELLS
from amodal_bench.runner.sums import SUM, Columns, DamagedRow, row_sum

SCHEMA = 4
"""The version of the tables: 1 had no records and regions, 2 one prediction of each instance, 3 no checksums."""

COUNTS = [f"c{cell:02d}" for cell in range(CELLS)]
"""Count columns: `cNN` holds the pixels of cell NN = predicted + 2 amodal + 4 visible + 8 others."""

_COUNTED = ", ".join(f"{name} INTEGER" for name in COUNTS)

INSTANCES = {
    "id": "TEXT",
    "draw": "INTEGER",
    "error": "TEXT",
    "height": "INTEGER",
    "width": "INTEGER",
    "rle": "BLOB",
    **dict.fromkeys(COUNTS, "INTEGER"),
    "data_s": "REAL",
    "predict_s": "REAL",
}
"""Columns of the predictions and their types; an earlier store's rows lack some, and get `_EARLIER` or NULL."""

ID, DRAW, ERROR = (list(INSTANCES).index(name) for name in ("id", "draw", "error"))
"""Their places in a row of predictions."""

_EARLIER = {"draw": "0"}

_TABLES = {
    "instances": ", ".join(f"{name} {kind}" for name, kind in INSTANCES.items()) + ", PRIMARY KEY (id, draw)",
    "stages": "stage TEXT PRIMARY KEY, seconds REAL, instances INTEGER, batch INTEGER, peak INTEGER",
    "records": "id TEXT PRIMARY KEY, record TEXT",
    "regions": "name TEXT, id TEXT, neither INTEGER, predicted INTEGER, amodal INTEGER, both INTEGER, "
    "PRIMARY KEY (name, id)",
    "pairs": "predicted TEXT, amodal TEXT, iou REAL, PRIMARY KEY (predicted, amodal)",
    "majorities": f"id TEXT, draws INTEGER, {_COUNTED}, PRIMARY KEY (id, draws)",
    "told": "name TEXT PRIMARY KEY, text TEXT",
}


_OPTIONAL = {
    "instances": (("error",), ("height", "width"), ("rle",), tuple(COUNTS), ("data_s",), ("predict_s",)),
    "pairs": (("iou",),),
}
"""Columns that may be NULL, in groups that are NULL together."""


def _parsed(table: str, columns: str) -> Columns:
    typed, _, key = columns.partition(", PRIMARY KEY (")
    kinds = {part.split(" ")[0]: part.split(" ")[1] for part in typed.split(", ")}
    names = list(kinds)
    groups = tuple(range(names.index(group[0]), names.index(group[-1]) + 1) for group in _OPTIONAL.get(table, ()))
    return Columns(kinds, key.count(",") + 1, groups)


SUMMED = {name: _parsed(name, columns) for name, columns in _TABLES.items()}
"""Tables whose rows carry a checksum, in a column of its own before the others."""


GONE = "its table {} is gone"
"""What is said of a store of this version that lacks a table."""


class NewerStore(sqlite3.DatabaseError):
    """A newer version of the harness made the store."""


class ForeignStore(sqlite3.DatabaseError):
    """Another program's database: it is left alone."""


class InTheWay(sqlite3.DatabaseError):
    """Something else lies in the place of a store or of a file that SQLite keeps beside it; `file` is which."""

    def __init__(self, file: Path, what: str) -> None:
        super().__init__(what)
        self.file = file


MOST_BYTES = 128 << 20
"""Bytes that a value of a row may have: the checksum takes four times as many, and the largest masks need a tenth."""


def bounded(db: sqlite3.Connection) -> sqlite3.Connection:
    """A connection that reads and writes no value of more than `MOST_BYTES`: it raises `sqlite3.DataError`."""
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
    return db


def require_files(path: Path) -> None:
    """Raise `InTheWay` where a store, or what SQLite opens beside it, is no file: it would wait for a pipe."""
    for end in ("", "-wal", "-shm", "-journal"):
        file = path.with_name(path.name + end)
        if what := not_a_file(file):
            raise InTheWay(file, what)


def prepare(db: sqlite3.Connection) -> None:
    """Make the tables of a new store, and bring those of an earlier version up to date, in one transaction.

    Raises:
        NewerStore: a newer version made the store.
        ForeignStore: it is another program's database.
        sqlite3.DatabaseError: it is no database, or a damaged one.
    """
    refuse_others(db)
    # Write-ahead logging: a killed process loses at most the transaction it was in.
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    if _version(db) == SCHEMA:
        return
    db.create_function("row_sum", -1, lambda *values: row_sum(values), deterministic=True)
    with db:
        db.execute("BEGIN IMMEDIATE")  # Python begins none before a CREATE
        for name, columns in _TABLES.items():
            outdated = has_table(db, name) and bool(_lacking(db, name))
            if outdated:
                db.execute(f"ALTER TABLE {name} RENAME TO {name}_before")
            db.execute(f"CREATE TABLE IF NOT EXISTS {name} ({SUM} INTEGER, {columns})")
            if outdated:
                found, known = _selected(db, name, f"{name}_before"), ", ".join(SUMMED[name].kinds)
                db.execute(
                    f"INSERT INTO {name} ({SUM}, {known}) "
                    f"SELECT row_sum({known}), * FROM (SELECT {found} FROM {name}_before ORDER BY rowid)"
                )
                db.execute(f"DROP TABLE {name}_before")
        db.execute(f"PRAGMA user_version = {SCHEMA}")


def show(db: sqlite3.Connection) -> None:
    """Let a store that is only read answer as one of today's tables would; its file stays as it is.

    Raises:
        NewerStore: a newer version made the store.
        ForeignStore: it is another program's database.
    """
    refuse_others(db)
    for name in SUMMED:
        if not has_table(db, name) or not (lacking := _lacking(db, name)):
            continue
        db.execute("PRAGMA temp_store = MEMORY")
        summed, found = "NULL" if SUM in lacking else SUM, _selected(db, name, name)
        # Without a schema's name, what is temporary comes before what is in the file.
        db.execute(f"CREATE TEMP VIEW {name} AS SELECT rowid, {summed} AS {SUM}, {found} FROM main.{name}")


def gone(db: sqlite3.Connection) -> list[str]:
    """The tables that a store of this version should have, and has not."""
    return [name for name in SUMMED if not has_table(db, name)] if _version(db) == SCHEMA else []


def has_sums(db: sqlite3.Connection, table: str) -> bool:
    """Whether the rows of a table carry checksums; those of earlier versions do not."""
    return SUM in {str(name) for _, name, *_ in db.execute(f"PRAGMA main.table_info({table})")}


def refuse_others(db: sqlite3.Connection) -> None:
    """Raise unless a database is empty, or a store of this version or of an earlier one.

    Raises:
        NewerStore: a newer version made the store.
        ForeignStore: it is another program's database.
        DamagedRow: its list of tables cannot be read.
    """
    try:
        tables = sorted(name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'"))
    except UnicodeDecodeError as error:  # Python cannot say what SQLite says of it
        raise DamagedRow("its list of tables is not UTF-8") from error
    columns = _columns(db, "instances")
    if "instances" in tables and not columns:
        raise DamagedRow("its table of predictions cannot be read")
    if "instances" not in tables and {"records", "told"} <= set(tables) and _version(db) == SCHEMA:
        raise DamagedRow(GONE.format("instances"))
    if tables and not {"id", "rle", *COUNTS} <= columns:
        raise ForeignStore(f"its tables are {', '.join(tables[:3])[:100]}")
    if (version := _version(db)) < 0:
        raise ForeignStore(f"it has schema {version}, which no version of a store has")
    if version > SCHEMA:
        raise NewerStore(f"it has schema {version}, and this version reads up to {SCHEMA}")


def look_at(path: Path) -> None:
    """Do what `refuse_others` does with a file that is not to be written; SQLite does so as it opens one to write.

    Raises:
        NewerStore: a newer version made the store.
        ForeignStore: it is another program's database.
        sqlite3.DatabaseError: it is no database, or a damaged one.
    """
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{read_only_mode(path)}", uri=True)) as db:
        refuse_others(db)


def read_only_mode(path: Path) -> str:
    """How SQLite opens a file without leaving anything beside it."""
    log = path.with_name(f"{path.name}-wal")
    # A log with content belongs to a writer at work, or to one that was killed. Without one the file is whole, and
    # "immutable" keeps SQLite from making files beside it, which it could not do in a folder that is not the user's.
    return "mode=ro" if log.exists() and log.stat().st_size else "immutable=1"


def has_table(db: sqlite3.Connection, name: str) -> bool:
    """Whether a store has a table; one of an earlier version, opened to be read, may lack some."""
    found = db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,))
    return found.fetchone() is not None


def _version(db: sqlite3.Connection) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)


def _lacking(db: sqlite3.Connection, table: str) -> set[str]:
    """The columns that a table of an earlier version lacks."""
    return {SUM, *SUMMED[table].kinds} - _columns(db, table)


def _columns(db: sqlite3.Connection, table: str) -> set[str]:
    return {str(name) for _, name, *_ in db.execute(f"PRAGMA table_info({table})")}


def _selected(db: sqlite3.Connection, table: str, source: str) -> str:
    """Today's columns of a table, out of one that may lack some."""
    known = _columns(db, source)
    return ", ".join(
        name if name in known else f"{_EARLIER.get(name, 'NULL')} AS {name}" for name in SUMMED[table].kinds
    )
