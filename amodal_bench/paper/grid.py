"""A table of text, as every format writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Grid:
    """One table of text.

    Attributes:
        title: above it.
        heads: of its columns.
        rows: of cells.
        bold: places (row, column) of the best values.
        runs: digests of the runs behind the values, by place.
    """

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    bold: frozenset[tuple[int, int]] = frozenset()
    runs: Mapping[tuple[int, int], str] = field(default_factory=dict)
