"""A table of text, as every format writes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Grid:
    """One table of text.

    Attributes:
        title: above it.
        heads: of its columns.
        rows: of cells.
        bold: places (row, column) of the best values.
    """

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    bold: frozenset[tuple[int, int]] = frozenset()
