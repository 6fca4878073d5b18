"""Protocols: a named, versioned way from joint counts to numbers. No image, no mask, no GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from amodal_bench.core.errors import ConfigError
from amodal_bench.core.types import Floats, Integers
from amodal_bench.metrics.counts import total


@dataclass(frozen=True)
class Filter:
    """Which records a protocol scores.

    Attributes:
        stuff: whether regions annotated as stuff are scored.
        crowd: whether annotations of a crowd, one for many objects, are scored.
        min_occlusion, max_occlusion: bounds, inclusive, of the annotated occlusion rate; a record whose rate
            is not annotated passes.
    """

    stuff: bool = False
    crowd: bool = False
    min_occlusion: float = 0.0
    max_occlusion: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.min_occlusion <= self.max_occlusion <= 1:
            raise ConfigError(
                f"protocol.filter: min_occlusion {self.min_occlusion} and max_occlusion {self.max_occlusion} "
                "must satisfy 0 <= min <= max <= 1"
            )

    def select(self, records: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
        """The records that are scored, and how many were left out for which reason.

        An instance of which nothing is visible cannot be prompted and is always left out.
        """
        rate = records["occlusion_rate"]
        reasons = {
            "hidden": flag(records, "hidden"),
            "stuff": flag(records, "stuff") & (not self.stuff),
            "crowd": flag(records, "crowd") & (not self.crowd),
            "occlusion rate": (rate < self.min_occlusion) | (rate > self.max_occlusion),
        }
        kept = pd.Series(True, index=records.index)
        excluded: dict[str, int] = {}
        for reason, out in reasons.items():
            excluded[reason] = int((kept & out).sum())
            kept &= ~out
        return records[kept], {reason: n for reason, n in excluded.items() if n}


def flag(records: pd.DataFrame, name: str) -> pd.Series[bool]:
    """A flag of the records, (N,) bool; False where it is not stated, as in an index without that column."""
    if name not in records:
        return pd.Series(False, index=records.index)
    return records[name].eq(True).astype(bool)  # a missing value, as bool, would be True


@dataclass(frozen=True)
class Score:
    """One number of a protocol as a ratio of sums over instances, so that it can be resampled.

    Attributes:
        numerator, denominator: (N,) float64; both are 0 for an instance that the number leaves out.
    """

    numerator: Floats
    denominator: Floats

    @property
    def value(self) -> float:
        """The number in [0, 1]; NaN where no instance counts."""
        below = float(self.denominator.sum())
        return float(self.numerator.sum()) / below if below else float("nan")

    @property
    def instances(self) -> int:
        """How many instances count."""
        return int((self.denominator > 0).sum())


@dataclass(frozen=True)
class ScoringProtocol:
    r"""How counts become the two numbers mIoU and occluded mIoU.

    Attributes:
        name, version: printed beside every number; the version changes when any number could.
        aggregate: `instance` averages the IoU of each instance (C2F-Seg's convention: the occluded one over
            instances with A \ V non-empty); `pooled` divides summed intersections by summed unions (PCNet's
            and SDAmodal's convention: the occluded one over all instances, so that what is painted beyond an
            unoccluded object counts against it).
        union_visible: whether the visible mask is added to the prediction before it is scored.
        filter: which records are scored.
    """

    name: str
    version: int
    aggregate: str
    union_visible: bool
    filter: Filter

    def __post_init__(self) -> None:
        if self.aggregate not in ("instance", "pooled"):
            raise ConfigError(f"protocol.aggregate: {self.aggregate!r} is not one of 'instance', 'pooled'")

    @property
    def label(self) -> str:
        """The name that is printed beside every number, such as `instance@1`."""
        return f"{self.name}@{self.version}"

    def iou(self, counts: Integers) -> Floats:
        """IoU of P and A, (N, 16) counts to (N,) in [0, 1]; NaN where both are empty."""
        both = total(counts, lambda p, a, v, o: self._taken(p, v) and a)
        either = total(counts, lambda p, a, v, o: self._taken(p, v) or a)
        return _divide(both, either)

    def occluded_iou(self, counts: Integers) -> Floats:
        r"""IoU of P \ V and A \ V, (N, 16) counts to (N,) in [0, 1]; NaN where A \ V is empty."""
        hidden = total(counts, lambda p, a, v, o: a and not v)
        both = total(counts, lambda p, a, v, o: p and a and not v)
        either = total(counts, lambda p, a, v, o: (p or a) and not v)
        return np.where(hidden > 0, _divide(both, either), np.nan)

    def scores(self, counts: Integers) -> dict[str, Score]:
        """The protocol's numbers, `miou` and `occluded_miou`, for (N, 16) counts."""
        if self.aggregate == "instance":
            return {"miou": _mean(self.iou(counts)), "occluded_miou": _mean(self.occluded_iou(counts))}

        def pooled(in_both: Callable[..., bool], in_either: Callable[..., bool]) -> Score:
            return Score(total(counts, in_both).astype(float), total(counts, in_either).astype(float))

        return {
            "miou": pooled(lambda p, a, v, o: self._taken(p, v) and a, lambda p, a, v, o: self._taken(p, v) or a),
            "occluded_miou": pooled(lambda p, a, v, o: p and a and not v, lambda p, a, v, o: (p or a) and not v),
        }

    def _taken(self, predicted: bool, visible: bool) -> bool:
        return predicted or (self.union_visible and visible)


def occlusion_rate(counts: Integers) -> Floats:
    r"""|A \ V| / |A| of each instance from (N, 16) counts, (N,) in [0, 1]; NaN where A is empty."""
    return _divide(total(counts, lambda p, a, v, o: a and not v), total(counts, lambda p, a, v, o: a))


def _divide(above: Integers, below: Integers) -> Floats:
    return np.asarray(np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0))


def _mean(values: Floats) -> Score:
    defined = ~np.isnan(values)
    return Score(np.where(defined, values, 0.0), defined.astype(float))
