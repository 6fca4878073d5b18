"""The store's tables, and how those of earlier versions are brought up to date."""

from __future__ import annotations

import sqlite3

from amodal_bench.metrics.counts import CELLS

SCHEMA = 3
"""The version of the tables: 1 had no records and regions, 2 had one prediction of each instance."""

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

_EARLIER = {"draw": "0"}

_TABLES = {
    "instances": ", ".join(f"{name} {kind}" for name, kind in INSTANCES.items()) + ", PRIMARY KEY (id, draw)",
    "stages": "stage TEXT PRIMARY KEY, seconds REAL, instances INTEGER, batch INTEGER, peak INTEGER",
    "records": "id TEXT PRIMARY KEY, record TEXT",
    "regions": "name TEXT, id TEXT, neither INTEGER, predicted INTEGER, amodal INTEGER, both INTEGER, "
    "PRIMARY KEY (name, id)",
    "pairs": "predicted TEXT, amodal TEXT, iou REAL, PRIMARY KEY (predicted, amodal)",
    "majorities": f"id TEXT, draws INTEGER, {_COUNTED}, PRIMARY KEY (id, draws)",
}


class NewerStore(sqlite3.DatabaseError):
    """A newer version of the harness made the store."""


def prepare(db: sqlite3.Connection) -> None:
    """Make the tables of a new store, and bring those of an earlier version up to date, in one transaction.

    Raises:
        NewerStore: a newer version made the store.
        sqlite3.DatabaseError: it is another program's file.
    """
    refuse_newer(db)
    # Write-ahead logging: a killed process loses at most the transaction it was in.
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    if _version(db) == SCHEMA:
        return
    with db:
        db.execute("BEGIN IMMEDIATE")  # Python begins none before a CREATE
        outdated = _is_outdated(db)
        if outdated:
            db.execute("ALTER TABLE instances RENAME TO instances_before")
        for name, columns in _TABLES.items():
            db.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
        if outdated:
            found = _selected(db, "instances_before")
            db.execute(f"INSERT INTO instances ({', '.join(INSTANCES)}) SELECT {found} FROM instances_before")
            db.execute("DROP TABLE instances_before")
        db.execute(f"PRAGMA user_version = {SCHEMA}")


def show(db: sqlite3.Connection) -> None:
    """Let a store that is only read answer as one of today's tables would; its file stays as it is.

    Raises:
        NewerStore: a newer version made the store.
    """
    refuse_newer(db)
    if _is_outdated(db):
        db.execute("PRAGMA temp_store = MEMORY")
        # Without a schema's name, what is temporary comes before what is in the file.
        db.execute(f"CREATE TEMP VIEW instances AS SELECT {_selected(db, 'instances')} FROM main.instances")


def refuse_newer(db: sqlite3.Connection) -> None:
    """Raise `NewerStore` where a newer version of the harness made the store."""
    if (version := _version(db)) > SCHEMA:
        raise NewerStore(f"it has schema {version}, and this version reads up to {SCHEMA}")


def has_table(db: sqlite3.Connection, name: str) -> bool:
    """Whether a store has a table; one of an earlier version, opened to be read, may lack some."""
    found = db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,))
    return found.fetchone() is not None


def _version(db: sqlite3.Connection) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)


def _is_outdated(db: sqlite3.Connection) -> bool:
    return has_table(db, "instances") and not set(INSTANCES) <= _columns(db, "instances")


def _columns(db: sqlite3.Connection, table: str) -> set[str]:
    return {str(name) for _, name, *_ in db.execute(f"PRAGMA table_info({table})")}


def _selected(db: sqlite3.Connection, table: str) -> str:
    """Today's columns of the predictions, out of a table that may lack some."""
    known = _columns(db, table)
    return ", ".join(name if name in known else f"{_EARLIER.get(name, 'NULL')} AS {name}" for name in INSTANCES)
