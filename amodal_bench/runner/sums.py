"""Checksums of a store's rows, by which a row that is not as it was written is found."""

from __future__ import annotations

import math
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

SUM = "checksum"
"""The column that holds a row's checksum."""

_KINDS: dict[str, type] = {"TEXT": str, "INTEGER": int, "REAL": float, "BLOB": bytes}


class DamagedRow(sqlite3.DatabaseError):
    """A row of a store is not as it was written."""


class Columns(NamedTuple):
    """A table's columns.

    Attributes:
        kinds: their types by name.
        keys: how many of the first are its key.
        optional: places of those that may be NULL, in groups that are NULL together.
    """

    kinds: dict[str, str]
    keys: int
    optional: tuple[range, ...]


def row_sum(values: tuple[Any, ...]) -> int:
    """The CRC-32 over the values of a row as SQLite gives them back; each change of one to four bytes shows."""
    text = repr(values)
    return zlib.crc32(text.encode() if text.isascii() else text.encode("utf-8", "surrogatepass"))


def row_sums(rows: Sequence[tuple[Any, ...]]) -> list[int]:
    """`row_sum` of many rows."""
    crc32 = zlib.crc32
    try:
        return [crc32(repr(row).encode()) for row in rows]
    except UnicodeEncodeError:  # half of a surrogate pair
        return [row_sum(row) for row in rows]


def summed(values: Iterable[Any], kinds: Iterable[str]) -> tuple[Any, ...]:
    """A row as it is written: the checksum, and values of plain Python, as columns of these kinds give them back."""
    plain = tuple(_plain(value, kind) for value, kind in zip(values, kinds, strict=True))
    return row_sum(plain), *plain


def fault(row: Sequence[Any], columns: Columns, sums: bool) -> str:
    """What is wrong with a row that begins with its checksum; "" where nothing is.

    Args:
        row: the checksum and the values.
        columns: of the values.
        sums: whether there are checksums; else only the kinds of the values are looked at, and what is missing.
    """
    if sums:
        return "" if row_sum(tuple(row[1:])) == row[0] else "it is not as it was written"
    missing = {place for place, value in enumerate(row[1:]) if value is None}
    for group in columns.optional:
        if missing.issuperset(group):
            missing.difference_update(group)
    if missing:
        return f"it has no {list(columns.kinds)[min(missing)]}"
    for value, kind in zip(row[1:], columns.kinds.values(), strict=True):
        if value is not None and not isinstance(value, _KINDS[kind]):
            return f"it has {value!r:.40} where a value of kind {kind} belongs"
        if isinstance(value, int) and value < 0:
            return f"it has the number {value}, which must be >= 0"
    return ""


def _plain(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "REAL":
        number = float(value)
        return None if math.isnan(number) else number  # SQLite keeps NaN as NULL
    return _KINDS[kind](value)
