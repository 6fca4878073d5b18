"""The files that predictions were made from: noted by content, so that a replaced picture is predicted again.

A file of which the file system says what was noted costs one stat; another one is read, and only other content
counts.
"""

from __future__ import annotations

import builtins
import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from amodal_bench.core.digests import is_only_touched, sha256, stat_of
from amodal_bench.core.errors import InputError
from amodal_bench.datasets.base import Dataset, FromFiles, FromSharedFiles, Problem, Sample, is_read_ahead
from amodal_bench.runner.bulk import are_among, texts
from amodal_bench.runner.schema import has_table
from amodal_bench.runner.whole import unseal

Noted: TypeAlias = tuple[str, str, str]
"""An instance's id, the digest of its files, and what the file system said of them."""

TABLE = "CREATE TABLE IF NOT EXISTS pictures (id TEXT PRIMARY KEY, digest TEXT, stat TEXT)"
NOTE = "INSERT OR REPLACE INTO pictures VALUES (?, ?, ?)"
_DERIVED = {"instances": "id", "regions": "id", "majorities": "id", "pairs": "predicted", "pictures": "id"}
"""Tables of a store that hold what was made of an instance's files, and the column with its id."""


class Pictures:
    """What a run's store notes of the files beyond the dataset's fingerprint; nothing where there are none.

    Args:
        dataset: that is run on.
        db: the database of the run's store.
        before: is called before anything is written to it.
        told: are told what is noted, in the thread that reads.
    """

    def __init__(
        self,
        dataset: Dataset,
        db: sqlite3.Connection,
        before: Callable[[], object] = lambda: None,
        told: Iterable[Callable[[Noted], None]] = (),
    ) -> None:
        self._db, self._before, self._told = db, before, tuple(told)
        self._noted: SimpleQueue[Noted] = SimpleQueue()
        self._source = dataset if isinstance(dataset, FromFiles) else None
        self.dataset: Dataset = dataset if self._source is None else Noting(dataset, self._source, self._note)
        if self._source is not None and not has_table(db, "pictures"):
            before()
            db.execute(TABLE)

    def forget_changed(self, ids: Sequence[str]) -> str:
        """Take the predictions out of the store whose files have other content than they were made from.

        A prediction of which nothing is noted, and one whose files are gone, stay as they are.

        Args:
            ids: the instances that are looked at.

        Returns:
            What was found, as a line of text; "" where nothing has changed.
        """
        if self._source is None:
            return ""
        names, noted = texts(self._db, ["id", "stat"], "FROM pictures")
        wanted = pa.array(are_among(names, pa.array(ids, pa.string())))
        names, noted = names.filter(wanted), noted.filter(wanted)
        every, which = _shared_files(self._source, names.to_pylist())
        look = _Look()
        stats = [look.stat(files) for files in every]
        now = pa.array(stats, pa.string()).take(pa.array(which, mask=which < 0))
        other = pc.fill_null(pc.not_equal(now, noted), False).to_numpy(zero_copy_only=False)
        touched = [(names[k].as_py(), every[which[k]], now[k].as_py()) for k in np.flatnonzero(other).tolist()]
        if not touched:
            return ""
        self._before()
        predicted = "WHERE id IN (SELECT id FROM instances WHERE error IS NULL)"
        digests = dict(self._db.execute(f"SELECT id, digest FROM pictures {predicted}").fetchall())
        renewed, changed = list[tuple[str, str]](), dict[str, Sequence[Path]]()
        for id, files, stat in touched:
            if id not in digests:
                continue
            if look.digest(files) != digests[id]:
                changed[id] = files
            else:
                renewed.append((stat, id))
        with self._db:
            self._db.executemany("UPDATE pictures SET stat = ? WHERE id = ?", renewed)
            tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for table in tables & set(_DERIVED):
                column = _DERIVED[table]
                self._db.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(id,) for id in changed])
            if changed:
                unseal(self._db)
        return _said(len({files[0] for files in changed.values()}), len(changed))

    def _note(self, noted: Noted) -> None:
        self._noted.put(noted)
        for tell in self._told:
            tell(noted)

    def keep(self) -> None:
        """Keep what was noted of the samples that were read; a kill before they are predicted does no harm."""
        found = [self._noted.get() for _ in range(self._noted.qsize())]
        write_notes(self._db, found)


def write_notes(db: sqlite3.Connection, found: Sequence[Noted]) -> None:
    """Commit (id, digest, stat) of samples that were read to a run's database."""
    if found:
        with db:
            db.executemany(NOTE, found)


class Noting:
    """A dataset that notes the files of each sample as it is read.

    Args:
        dataset: whose samples are read.
        source: the same, as `FromFiles`.
        note: takes an id, the digest of its files, and their stats; in the thread that reads.
    """

    def __init__(self, dataset: Dataset, source: FromFiles, note: Callable[[Noted], None]) -> None:
        self._dataset, self._source, self._note = dataset, source, note
        self._look = _Look()

    @property
    def name(self) -> str:
        return self._dataset.name

    @property
    def read_ahead(self) -> bool:
        """See `ReadAhead`."""
        return is_read_ahead(self._dataset)

    def records(self) -> pd.DataFrame:
        return self._dataset.records()

    def sample(self, id: str) -> Sample:
        """See `Dataset`. The files are looked at before they are read, and again afterwards.

        Raises:
            InputError: also where one is written while it is read.
        """
        files = self._source.files_of([id]).get(id, ())
        before = _Look().stat(files)
        sample = self._dataset.sample(id)
        if files and before is not None:
            digest = self._look.digest(files)
            after = _Look().stat(files)
            if after != before and not (is_only_touched(before, after) and _Look().digest(files) == digest):
                raise InputError(files[0], "changed while it was in use", "start the command again", f"instance {id}")
            self._note((id, digest, before))
        return sample

    def fingerprint(self) -> str:
        return self._dataset.fingerprint()

    def check(self) -> Sequence[Problem]:
        return self._dataset.check()


def _shared_files(source: FromFiles, ids: Sequence[str]) -> tuple[list[Sequence[Path]], NDArray[np.int64]]:
    """See `FromSharedFiles`: of any dataset."""
    if isinstance(source, FromSharedFiles):
        return source.shared_files(ids)
    found = source.files_of(ids)
    places: dict[int, int] = {}  # by what holds the files: instances of one picture may share it
    every, which = list[Sequence[Path]](), np.full(len(ids), -1, np.int64)
    for number, id in enumerate(ids):
        if files := found.get(id):
            which[number] = places.setdefault(builtins.id(files), len(every))
            if which[number] == len(every):
                every.append(files)
    return every, which


def _said(pictures: int, instances: int) -> str:
    if not pictures:
        return ""
    said = "1 picture has changed since: its" if pictures == 1 else f"{pictures} pictures have changed since: their"
    return f"{said} prediction is made again" if instances == 1 else f"{said} {instances} predictions are made again"


@dataclass
class _Look:
    """Looks at files, at each once however many instances share it."""

    stats: dict[str, str | None] = field(default_factory=dict)
    digests: dict[tuple[Path, str | None], str] = field(default_factory=dict)

    def stat(self, files: Sequence[Path]) -> str | None:
        """What the file system says of files, as text; None where one is missing."""
        found = [self._stat(file) for file in files]
        return None if None in found else " ".join(map(str, found))

    def digest(self, files: Sequence[Path]) -> str:
        """Hex SHA-256 over the contents of files in their order. Raises `InputError` where one cannot be read."""
        return hashlib.sha256("\n".join(map(self._digest, files)).encode()).hexdigest()

    def _stat(self, file: Path) -> str | None:
        name = str(file)  # which costs less than a path to be looked up by
        if name not in self.stats:
            self.stats[name] = stat_of(file)
        return self.stats[name]

    def _digest(self, file: Path) -> str:
        key = file, stat_of(file)
        if key not in self.digests:
            self.digests[key] = sha256(file)
        return self.digests[key]
