"""What can still be read of a damaged store, row by row, and a store in place of another one."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amodal_bench.core.errors import unbroken
from amodal_bench.runner.schema import (
    GONE,
    SUMMED,
    bounded,
    gone,
    has_sums,
    has_table,
    read_only_mode,
    require_files,
    show,
)
from amodal_bench.runner.store import Store
from amodal_bench.runner.sums import SUM, DamagedRow, fault

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_FORMAT)

_SMALLEST = 30
"""Bytes that a row takes at least, with room for numbers that are no longer in use."""

_BESIDE = ("-wal", "-shm")


@dataclass
class Salvaged:
    """The rows of a store.

    Attributes:
        sound: by table those that are as they were written, in their order, without their checksums.
        broken: by table those that are not, each with its checksum first.
        others: rows of tables without checksums, by the statement that makes the table.
        faults: what is wrong with the file itself, a line each.
    """

    sound: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    broken: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    others: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def salvage(path: Path) -> Salvaged:
    """Read all that can be read of a store; nothing is written.

    Raises:
        NewerStore: a newer version made it.
        ForeignStore: it is another program's database.
        InTheWay: it, or what SQLite keeps beside it, is no file.
        sqlite3.Error: the disk refuses.
    """
    require_files(path)
    most = 1000 + path.stat().st_size // _SMALLEST
    found = Salvaged({table: [] for table in SUMMED}, {table: [] for table in SUMMED})
    with closing(bounded(sqlite3.connect(f"{path.absolute().as_uri()}?{read_only_mode(path)}", uri=True))) as db:
        db.text_factory = lambda text: text.decode("utf-8", errors="surrogateescape")
        try:
            db.execute("PRAGMA writable_schema = ON")  # else of a file that is cut short not even the rest is read
            show(db)
            db.execute("BEGIN")  # one state of a store that somebody may be writing to
            found.faults += [unbroken(line) for (line,) in db.execute("PRAGMA integrity_check(20)") if line != "ok"]
            if not db.execute("SELECT 1 FROM main.sqlite_master").fetchone():
                found.faults.append("it is empty")
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            found.faults.append(unbroken(error))
        with suppress(sqlite3.Error):  # of which there is a line already
            lines = (GONE.format(table) for table in gone(db))
            found.faults += [line for line in lines if line not in found.faults]
        for table in SUMMED:
            _take(db, table, found, most)
        _take_others(db, found)
    return found


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error says that the content of a file is damaged, and not that a disk refuses, or whose it is."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, DamagedRow) or code in _DAMAGE


def _take(db: sqlite3.Connection, table: str, found: Salvaged, most: int) -> None:
    """Sort the rows of a table into sound and broken ones; one that is there twice counts once."""
    columns = SUMMED[table]
    kinds, keys = columns.kinds, columns.keys
    taken: dict[tuple[Any, ...], int] = {}
    sums = True
    with suppress(sqlite3.Error):
        sums = has_sums(db, table)
    for row in _every(db, f"SELECT {SUM}, {', '.join(kinds)} FROM {table}", table, most):
        if fault(row, columns, sums):
            found.broken[table].append(row)
        elif row[1 : 1 + keys] not in taken:
            taken[row[1 : 1 + keys]] = 1
            found.sound[table].append(row[1:])
    found.broken[table] = [row for row in dict.fromkeys(found.broken[table]) if row[1 : 1 + keys] not in taken]


def _every(db: sqlite3.Connection, query: str, table: str, most: int) -> Iterator[tuple[Any, ...]]:
    """The rows of a query in their order, and where one cannot be read each of the others by its number."""
    numbers: Iterable[int] = range(1, most)
    try:
        yield from db.execute(f"{query} ORDER BY rowid")
        return
    except sqlite3.DataError:  # one is too large, and the file is whole
        with suppress(sqlite3.Error):
            numbers = [number for (number,) in db.execute(f"SELECT rowid FROM {table} ORDER BY rowid")]
    except sqlite3.Error:
        pass
    for number in numbers:
        with suppress(sqlite3.Error):
            yield from db.execute(f"{query} WHERE rowid = ?", (number,))


def _take_others(db: sqlite3.Connection, found: Salvaged) -> None:
    with suppress(sqlite3.Error):
        made = db.execute("SELECT name, sql FROM main.sqlite_master WHERE type = 'table'").fetchall()
        for name, statement in made:
            if name not in SUMMED and not name.startswith("sqlite_") and isinstance(statement, str):
                with suppress(sqlite3.Error):
                    found.others[statement] = db.execute(f'SELECT * FROM main."{name}"').fetchall()


def fill(store: Store, found: Salvaged, tables: tuple[str, ...]) -> None:
    """Write the sound rows of tables into a new store, and the rows of tables without checksums."""
    with store.db as db:
        for table in tables:
            store.put(table, found.sound[table])
        for statement, rows in found.others.items():
            name = statement.removeprefix("CREATE TABLE ").partition("(")[0].strip().strip('"')
            with suppress(sqlite3.Error):  # what is in no result is not worth an error
                if not has_table(db, name):
                    db.execute(statement)
                marks = ", ".join("?" for _ in (rows[0] if rows else ()))
                db.executemany(f'INSERT OR REPLACE INTO "{name}" VALUES ({marks})', rows)


def put_in_place(made: Path, store: Path) -> Path:
    """Put a new store in the place of a damaged one, which is kept under another name; returns that name.

    Raises:
        OSError: the folder cannot be written.
    """
    number = 1
    while (kept := store.with_name(f"{store.stem}-damaged-{number}{store.suffix}")).exists():
        number += 1
    for end in ("", *_BESIDE):
        old = store.with_name(store.name + end)
        if old.exists():
            _copy(old, kept.with_name(kept.name + end))
    for end in _BESIDE:  # a log of the old store would be taken for one of the new
        store.with_name(store.name + end).unlink(missing_ok=True)
    made.replace(store)
    return kept


def _copy(old: Path, new: Path) -> None:
    try:
        os.link(old, new)
    except OSError:  # a file system without links
        shutil.copyfile(old, new)
