"""What a recount of a packed run has found."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from amodal_bench.runner.packed import CONTROL

TOLERANCE = 1e-9
"""By so much numbers may differ: sums of other orders do, in the last bits."""

COLUMNS = ["kind", "id", "draw", "what", "packed", "recounted"]
"""The columns of the table of differences."""


@dataclass
class Verification:
    """What a recount has found.

    Attributes:
        dataset: name and fingerprint of the verifier's dataset.
        recounted: how many predictions and failed ones were recounted.
        differences: what differs: `kind` (counts, size, instance, picture, unreadable, record, region, pairs,
            majority or score), `id` and `draw` where it is one prediction's, `what`, and both values as `packed` and
            `recounted`.
        scores: labels of the protocols whose numbers were computed again.
        unscored: labels of the protocols whose numbers are in the pack and could not be computed again.
        notes: what a reader has to know, a line each.
    """

    dataset: str = ""
    recounted: int = 0
    differences: list[dict[str, Any]] = field(default_factory=list)
    scores: list[str] = field(default_factory=list)
    unscored: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether nothing differs, and every number that the pack states was computed again."""
        return not self.differences and not self.unscored

    def table(self) -> pd.DataFrame:
        """The differences as a table with `COLUMNS`."""
        return pd.DataFrame(self.differences, columns=COLUMNS)

    def differ(self, kind: str, what: str, packed: Any, recounted: Any, id: str = "", draw: int | str = "") -> None:
        """Note a difference."""
        row = [kind, id, draw, what, packed, recounted]
        self.differences.append(dict(zip(COLUMNS, row, strict=True)))


def alike(one: Any, other: Any) -> bool:
    """Whether two values are the same, numbers up to `TOLERANCE`; a missing one is like another missing one."""
    missing = [value is None or (isinstance(value, float) and math.isnan(value)) for value in (one, other)]
    if any(missing):
        return all(missing)
    if isinstance(one, int | float) and isinstance(other, int | float | np.number):
        return math.isclose(one, float(other), rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(one == other)


def first_lines(found: Verification, most: int) -> Iterator[str]:
    """The first differences, a line each."""
    for row in found.differences[:most]:
        draw = f", draw {row['draw']}" if row["draw"] else ""
        values = f": {row['packed']} packed, {row['recounted']} recounted"
        line = f"{row['kind']} {row['id']}{draw}: {row['what']}{values}".replace(" : ", ": ")
        yield CONTROL.sub("?", line)  # a file may name a number as it likes
