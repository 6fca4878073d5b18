"""Whether a store's file is whole: in order, and with all rows that a finished run had."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType

from amodal_bench.core.digests import stat_of
from amodal_bench.core.errors import unbroken
from amodal_bench.runner.schema import has_sums, has_table, read_only_mode
from amodal_bench.runner.sums import SUM, DamagedRow

CONTENTS = "contents"
"""Under which name a finished run's store says which rows it has."""

SEALED = ("instances", "records")

AT_ONCE = 32 * 2**20
"""Bytes of a file up to which looking at it takes no longer than a thread is worth."""

_whole: set[tuple[Path, str | None, str | None]] = set()
"""Files that this process has found whole, as they and their logs were then."""


class Check:
    """Looks at a store's file once in a process; at a large one in a thread, while it is read for its ids.

    The checksums of rows say nothing of rows that are gone, that stand twice or in no order. Use it as a context
    manager: it is left when the file is.

    Args:
        db: the store's own connection, by which a small file is looked at.
        path: of the file.

    Raises:
        DamagedRow: a small file is not whole.
    """

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._state = _state(path)
        self._thread: threading.Thread | None = None
        self._db: sqlite3.Connection | None = None
        self._error: sqlite3.Error | None = None
        if self._state in _whole:
            return
        (own,) = [file for _, name, file in db.execute("PRAGMA database_list") if name == "main"]
        if Path(own) == path.resolve() and path.stat().st_size > AT_ONCE:
            mode = read_only_mode(path)
            self._db = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, check_same_thread=False)
            self._thread = threading.Thread(target=self._look, args=(self._db,), name="looking", daemon=True)
            self._thread.start()
            return
        require_whole(db)
        _whole.add(self._state)

    def __enter__(self) -> Check:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None and self._db is not None:
            with suppress(sqlite3.ProgrammingError):  # it has come to its end, and has closed this
                self._db.interrupt()
            self._thread.join()

    def wait(self) -> None:
        """Wait until the file has been looked at. Raises `DamagedRow` where it is not whole."""
        if self._thread is not None:
            self._thread.join()
            if self._error is not None:
                raise self._error
            self._thread = None
            _whole.add(self._state)

    def _look(self, db: sqlite3.Connection) -> None:
        try:
            with closing(db):
                require_whole(db)
        except sqlite3.Error as error:
            self._error = error


def note_whole(path: Path) -> None:
    """Note that a file is whole that was so before this process has written to it, alone."""
    _whole.add(_state(path))


def _state(path: Path) -> tuple[Path, str | None, str | None]:
    return path.absolute(), stat_of(path), stat_of(path.with_name(f"{path.name}-wal"))


def unseal(db: sqlite3.Connection) -> None:
    """Forget what a finished run has noted of its rows, since they are about to change; the caller commits."""
    db.execute("DELETE FROM told WHERE name = ?", (CONTENTS,))


def require_whole(db: sqlite3.Connection) -> None:
    """Raise `DamagedRow` where a file lacks some of its rows, has some twice, or has them in no order.

    It takes a third of a second for 100,000 predictions.
    """
    (found,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise DamagedRow(unbroken(found))
    if all(has_table(db, table) and has_sums(db, table) for table in ("told", *SEALED)):
        sealed = db.execute("SELECT text FROM told WHERE name = ?", (CONTENTS,)).fetchone()
        if sealed is not None and sealed[0] != json.dumps(contents(db)):
            raise DamagedRow("predictions or records are gone, or are those of another run")


def contents(db: sqlite3.Connection) -> dict[str, list[int]]:
    """By table how many rows there are, and the sum of their checksums."""
    found = {}
    for table in SEALED:
        count, total = db.execute(f"SELECT count(*), coalesce(sum({SUM}), 0) FROM {table}").fetchone()
        found[table] = [int(count), int(total)]
    return found
