"""Protocols: a named, versioned way from joint counts to named numbers. No image and no GPU."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from amodal_bench.core.bytecode import told
from amodal_bench.core.errors import ConfigError
from amodal_bench.core.parsed import parsed
from amodal_bench.core.types import Floats, Integers
from amodal_bench.metrics.counts import total
from amodal_bench.metrics.numbers.base import DRAWS, Number, Rows, Score, WholeNumber, divided, hidden_pixels
from amodal_bench.metrics.numbers.overlap import overlap

FAILURES = ("zero", "exclude")
CLUSTERS = ("auto", "image", "video")


EMPTY = "empty amodal mask"
"""Why a record without a pixel of A is left out."""


@dataclass(frozen=True)
class Filter:
    """Which records a protocol scores.

    Attributes:
        stuff: whether regions annotated as stuff are scored.
        crowd: whether annotations of a crowd, one for many objects, are scored.
        hidden: whether instances of which nothing is visible are scored; most models have no answer for them.
        min_occlusion, max_occlusion: bounds, inclusive, of the annotated occlusion rate; a record whose rate
            is not annotated passes.
    """

    stuff: bool = False
    crowd: bool = False
    hidden: bool = False
    min_occlusion: float = 0.0
    max_occlusion: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.min_occlusion <= self.max_occlusion <= 1:
            raise ConfigError(
                f"protocol.filter: min_occlusion {self.min_occlusion} and max_occlusion {self.max_occlusion} "
                "must satisfy 0 <= min <= max <= 1"
            )

    def select(self, records: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
        """The records that are scored, and how many were left out for which reason."""
        rate = records["occlusion_rate"]
        reasons = {
            EMPTY: without_pixels(records),
            "hidden": flag(records, "hidden") & (not self.hidden),
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


def without_pixels(records: pd.DataFrame) -> pd.Series[bool]:
    """Whether A of a record has no pixel, (N,) bool: there is no object, under any protocol; False where unknown."""
    if "amodal_pixels" not in records:
        return pd.Series(False, index=records.index)
    return pd.to_numeric(records["amodal_pixels"], errors="coerce").eq(0)


def flag(records: pd.DataFrame, name: str) -> pd.Series[bool]:
    """A flag of the records, (N,) bool; False where it is not stated, as in an index without that column."""
    if name not in records:
        return pd.Series(False, index=records.index)
    return records[name].eq(True).astype(bool)  # a missing value, as bool, would be True


@dataclass(frozen=True)
class ScoringProtocol:
    """How counts become named numbers.

    Attributes:
        name, version: printed beside every number; the version changes when any number could.
        numbers: what is computed, by name, in the order of the tables; the first one is the headline.
        filter: which records are scored.
        errors: `zero` scores a failed prediction as an empty one, `exclude` leaves it out.
        clusters: what is resampled as a whole: `video`, `image`, or `auto`: the video where there is one.
    """

    name: str
    version: int
    numbers: Mapping[str, Number | WholeNumber]
    filter: Filter
    errors: str = "zero"
    clusters: str = "auto"

    def __post_init__(self) -> None:
        for setting, value, valid in (("errors", self.errors, FAILURES), ("clusters", self.clusters, CLUSTERS)):
            if value not in valid:
                raise ConfigError(f"protocol.{setting}: {value!r} is not one of {', '.join(map(repr, valid))}")
        if not self.numbers:
            raise ConfigError("protocol.numbers: must name at least one number")
        for name, number in self.numbers.items():
            if not is_dataclass(number) or not (hasattr(number, "score") or hasattr(number, "value")):
                raise ConfigError(f"protocol.numbers.{name}: must be a dataclass with `regions` and `score(rows)`")

    @property
    def headline(self) -> str:
        """The name of the number that stands for the protocol where there is room for one."""
        return next(iter(self.numbers))

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the regions whose counts the numbers need, each once."""
        return tuple(dict.fromkeys(region for number in self.numbers.values() for region in number.regions))

    @property
    def of_draws(self) -> bool:
        """Whether a number is about all draws of an instance; else all are about draw 0."""
        return DRAWS in self.regions

    def scores(self, rows: Rows) -> dict[str, Score | float]:
        """All numbers over rows that the protocol's filter has taken, by name; a plain float has no interval."""
        return {
            name: number.value(rows) if isinstance(number, WholeNumber) else number.score(rows)
            for name, number in self.numbers.items()
        }

    def cluster_ids(self, records: pd.DataFrame) -> pd.Series[str]:
        """What each record moves with when the data are drawn anew, (N,) str."""
        videos, images = records["video_id"].fillna("").astype(str), records["image_id"].astype(str)
        if self.clusters == "image":
            return images
        # A video and an image of one name are two clusters.
        return ("video " + videos).where(videos != "", "image " + images)

    @property
    def content(self) -> dict[str, Any]:
        """Everything that decides the numbers, as JSON values."""
        numbers = {name: _described(number) for name, number in self.numbers.items()}
        return {
            "name": self.name,
            "version": self.version,
            "numbers": numbers,
            "filter": asdict(self.filter),
            "errors": self.errors,
            "clusters": self.clusters,
        }

    @property
    def digest(self) -> str:
        """Eight hex digits of the SHA-256 over the content."""
        return hashlib.sha256(json.dumps(self.content, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def label(self) -> str:
        """What is printed beside every number: `instance@2` for the shipped content, else with what was changed."""
        changes = self.changes()
        return f"{self.name}@{self.version}" + (f" with {', '.join(changes)}" if changes else "")

    def changes(self) -> list[str]:
        """The settings that differ from those of the shipped protocol of this name, `KEY=VALUE` each."""
        shipped = shipped_content(self.name)
        if shipped is None:
            return []
        own, theirs = _flat(self.content), _flat(shipped)
        changed = [f"{key}={_said(own[key])}" for key in own if key in theirs and own[key] != theirs[key]]
        added = [f"numbers.{name}" for name in self.content["numbers"] if name not in shipped["numbers"]]
        left_out = [f"no numbers.{name}" for name in shipped["numbers"] if name not in self.content["numbers"]]
        return changed + added + left_out


def with_draws(protocols: Iterable[ScoringProtocol], samples: int) -> list[ScoringProtocol]:
    """The protocols, and where there are several draws and none of them is about all of these, `draws`."""
    found = list(protocols)
    if samples > 1 and not any(protocol.of_draws for protocol in found):
        found += [protocol for protocol in [shipped("draws")] if protocol is not None]
    return found


def shipped_content(name: str) -> dict[str, Any] | None:
    """The content of the protocol that the package ships under a name, or None where it ships none."""
    protocol = shipped(name)
    return None if protocol is None else protocol.content


@cache
def shipped(name: str) -> ScoringProtocol | None:
    """The protocol that the package ships under a name, or None where it ships none."""
    from omegaconf import OmegaConf

    from amodal_bench.config.build import build
    from amodal_bench.config.settings import config_folder

    file = config_folder() / "protocol" / f"{name}.yaml"
    if not file.is_file():
        return None
    spec: Any = OmegaConf.to_container(OmegaConf.load(file), resolve=True)
    protocol: ScoringProtocol = build(spec, "protocol")
    return protocol


def _described(number: Number | WholeNumber) -> dict[str, Any]:
    """A number's class and settings."""
    kind = type(number)
    path = f"{kind.__module__}.{kind.__qualname__}"
    assert is_dataclass(number)
    settings = {field.name: getattr(number, field.name) for field in fields(number) if field.init}
    # The package's own are named by their class: where its file lies changes no number.
    own = kind.__module__.startswith("amodal_bench.metrics.numbers.")
    return {"kind": kind.__qualname__, **settings} if own else {"kind": path, "code": _code(kind), **settings}


def _code(kind: type) -> str:
    """Sixteen hex digits over a user's class: its own code, and the file that defines it."""
    digest = hashlib.sha256("\n".join(told((kind,))).encode())
    file = Path(str(getattr(sys.modules.get(kind.__module__), "__file__", None)))
    if file.is_file():
        digest.update(parsed(file.read_text(encoding="utf-8")).encode())
    return digest.hexdigest()[:16]


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted keys."""
    found: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _said(value: Any) -> str:
    """A setting as it would be typed."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def occlusion_rate(counts: Integers) -> Floats:
    r"""|A \ V| / |A| of each instance from (N, 16) counts, (N,) in [0, 1]; NaN where A is empty."""
    return divided(hidden_pixels(counts), total(counts, lambda p, a, v, o: a), float("nan"))


def iou(counts: Integers) -> Floats:
    """IoU of P and A of each instance, (N, 16) counts to (N,) in [0, 1]; NaN where both are empty."""
    return divided(*overlap(counts), float("nan"))


def occluded_iou(counts: Integers) -> Floats:
    r"""IoU of P \ V and A \ V of each instance, (N, 16) counts to (N,) in [0, 1]; NaN where A \ V is empty."""
    iou_beyond = divided(*overlap(counts, "beyond_visible"), float("nan"))
    return np.where(hidden_pixels(counts) > 0, iou_beyond, np.nan)
