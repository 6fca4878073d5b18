"""Columns of texts out of a store in one piece: to take half a million rows one by one takes seconds."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from amodal_bench.core.types import Mask
from amodal_bench.runner.in_flight import Key

Texts: TypeAlias = Any
"""A `pyarrow.StringArray`, which has no types of its own; what is no text is null in it."""


def texts(db: sqlite3.Connection, names: Sequence[str], rest: str, values: Sequence[object] = ()) -> list[Texts]:
    """Columns of texts, all in the same order.

    Args:
        db: the database.
        names: of the columns.
        rest: of the query, from "FROM" on.
        values: that stand for the query's question marks.

    Raises:
        sqlite3.Error: the database cannot be read.
    """
    joined = ", ".join(f"count({name}), group_concat({name}, char(10))" for name in names)
    try:
        count, *found = db.execute(f"SELECT count(*), {joined} {rest}", values).fetchone()
    except sqlite3.DataError:  # longer than a text may be
        return _one_by_one(db, names, rest, values)
    if not count:
        return [pa.array([], pa.string()) for _ in names]
    if any(each != count for each in found[::2]):
        return _one_by_one(db, names, rest, values)
    columns = [pc.split_pattern(pa.array([text], pa.string()), "\n").values for text in found[1::2]]
    if any(len(column) != count for column in columns):  # a text has a line feed
        return _one_by_one(db, names, rest, values)
    return columns


def _one_by_one(db: sqlite3.Connection, names: Sequence[str], rest: str, values: Sequence[object]) -> list[Texts]:
    rows = db.execute(f"SELECT {', '.join(names)} {rest}", values).fetchall()
    every = ([row[place] for row in rows] for place in range(len(names)))
    return [pa.array([each if isinstance(each, str) else None for each in column], pa.string()) for column in every]


def as_texts(values: Sequence[str] | pd.Series) -> Texts:
    """Texts of a list or of a table's column as `texts` gives them."""
    found = pa.array(values, pa.string())
    return found.cast(pa.string()).combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def are_among(ids: Texts, known: Texts) -> Mask:
    """Which texts are among others, (N,) bool."""
    first = min(len(ids), len(known))
    if not first:
        return np.zeros(len(ids), bool)
    if ids[:first].equals(known[:first]):  # a store's rows mostly stand as they were run: nothing has to be looked up
        rest = ids[first:]
        return np.concatenate([np.ones(first, bool), are_among(rest, known) if len(rest) else []]).astype(bool)
    return np.asarray(pc.is_in(ids, value_set=known).to_numpy(zero_copy_only=False), bool)


class Done(Collection[Key]):
    """The predictions that a store has of some draws, as (id, draw): how many, and of ids that lack some, which.

    Args:
        db: the store's database.
        ids: the instances that are wanted.
        draws: how many of each.

    Attributes:
        lacking: the ids that lack a prediction of a draw, each once, in their order.
        among: how many predictions there are of the instances that are wanted.

    Raises:
        sqlite3.Error: the database cannot be read.
    """

    def __init__(self, db: sqlite3.Connection, ids: Sequence[str], draws: int) -> None:
        wanted, complete = pa.array(ids, pa.string()), np.ones(len(ids), bool)
        found = [texts(db, ["id"], PREDICTED, (draw,))[0] for draw in range(draws)]
        self.among = 0
        for known in found:
            have = are_among(wanted, known)
            complete &= have
            self.among += int(have.sum())
        self.lacking = list(dict.fromkeys(ids[place] for place in np.flatnonzero(~complete).tolist()))
        some = pa.array(self.lacking, pa.string())
        self._of_lacking = [set(some.filter(pa.array(are_among(some, known))).to_pylist()) for known in found]
        self._every = sum(map(len, found))

    def __contains__(self, key: object) -> bool:
        id, draw = key if isinstance(key, tuple) else (None, 0)
        return draw < len(self._of_lacking) and id in self._of_lacking[draw]

    def __iter__(self) -> Iterator[Key]:
        return ((id, draw) for draw, ids in enumerate(self._of_lacking) for id in ids)

    def __len__(self) -> int:
        return self._every

    @property
    def within(self) -> bool:
        """Whether the store has predictions of no other instances."""
        return self.among == self._every


PREDICTED = "FROM instances WHERE draw = ? AND error IS NULL"
