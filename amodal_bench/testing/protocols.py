"""What every protocol has to satisfy, checked on an object of any class: `assert violations(MyProtocol()) == []`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from amodal_bench.core.types import Integers
from amodal_bench.datasets.base import RECORD_COLUMNS
from amodal_bench.metrics.counts import CELLS, joint_counts
from amodal_bench.metrics.protocols import Score, ScoringProtocol
from amodal_bench.testing.clauses import guarded

NUMBERS = ("miou", "occluded_miou")


def violations(protocol: ScoringProtocol) -> list[str]:
    """Every way in which a protocol breaks what `amodal_bench.metrics.protocols.ScoringProtocol` promises."""
    broken = list(guarded(_of_label(protocol), "label"))
    broken += guarded(_of_filter(protocol), "filter.select()")
    broken += guarded(_of_scores(protocol), "scores()")
    return broken


def _of_label(protocol: ScoringProtocol) -> Iterator[str]:
    label = protocol.label
    if not isinstance(label, str) or len(label.split()) != 1 or not label.rpartition("@")[2].isdigit():
        yield f"label is {label!r}, not NAME@VERSION"


def _of_filter(protocol: ScoringProtocol) -> Iterator[str]:
    """A filter chooses rows and says how many it left out; what is hidden cannot be prompted."""
    records = _records()
    kept = records.copy()
    chosen, excluded = protocol.filter.select(records)
    if not records.equals(kept):
        yield "filter.select() changes the records"
    if not chosen.index.isin(records.index).all() or not chosen.equals(records.loc[chosen.index]):
        yield "filter.select() returns rows that are not those of the records"
    elif chosen["hidden"].any():
        yield "filter.select() takes instances of which nothing is visible"
    elif len(chosen) + sum(excluded.values()) != len(records):
        yield "filter.select() does not say of every instance that it leaves out why"


def _of_scores(protocol: ScoringProtocol) -> Iterator[str]:
    """Numbers in [0, 1], each instance for itself; a perfect prediction is worth 1 and a disjoint one less."""
    counts = _counts()
    kept = counts.copy()
    scores = protocol.scores(counts)
    if missing := [name for name in NUMBERS if name not in scores]:
        yield f"scores() lacks {', '.join(missing)}"
        return
    if not np.array_equal(counts, kept):
        yield "scores() changes the counts"
        return
    order = np.arange(len(counts))[::-1]
    turned, again, alone = protocol.scores(counts[order]), protocol.scores(counts), protocol.scores(counts[1:2])
    for name, score in scores.items():
        yield from _of_score(name, score, len(counts))
        if not _equal(score, again[name]):
            yield f"scores(): {name} differs from one call to the next"
        elif not _equal(_rows(score, order), turned[name]) or not _equal(_rows(score, np.array([1])), alone[name]):
            yield f"scores(): {name} of an instance depends on the others"
    for name, values in (("iou", protocol.iou(counts)), ("occluded_iou", protocol.occluded_iou(counts))):
        defined = values[~np.isnan(values)]
        if values.shape != (len(counts),) or ((defined < 0) | (defined > 1)).any():
            yield f"{name}() is not one number in [0, 1], or NaN, for each instance"
    perfect = {name: score.value for name, score in protocol.scores(_counts(perfect=True)).items()}
    if wrong := [name for name in NUMBERS if perfect[name] != 1]:
        yield f"scores(): {wrong[0]} of perfect predictions is {perfect[wrong[0]]:g}, not 1"


def _of_score(name: str, score: Score, count: int) -> Iterator[str]:
    if not isinstance(score, Score) or score.numerator.shape != (count,) or score.denominator.shape != (count,):
        yield f"scores(): {name} is not a Score of one numerator and denominator for each instance"
    elif not np.isnan(score.value) and not 0 <= score.value <= 1:
        yield f"scores(): {name} is {score.value:g}, outside of [0, 1]"


def _rows(score: Score, chosen: Integers) -> Score:
    return Score(score.numerator[chosen], score.denominator[chosen])


def _equal(first: Score, second: Score) -> bool:
    return bool(
        np.array_equal(first.numerator, second.numerator) and np.array_equal(first.denominator, second.denominator)
    )


def _counts(perfect: bool = False) -> Integers:
    """The joint counts of ten instances, (10, 16) int64: random masks of which V lies inside A, all partly hidden."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(10):
        amodal = rng.random((8, 8)) < 0.6
        visible, others = amodal & (rng.random((8, 8)) < 0.5), rng.random((8, 8)) < 0.2
        predicted = amodal if perfect else rng.random((8, 8)) < 0.5
        rows.append(joint_counts(predicted, amodal, visible, others & ~visible))
    return np.stack(rows).reshape(-1, CELLS)


def _records() -> pd.DataFrame:
    """Records of every kind: plain, unoccluded, stuff, crowd, hidden, and of an unknown rate."""
    rows = [
        {"occlusion_rate": 0.3},
        {"occlusion_rate": 0.0},
        {"occlusion_rate": 0.5, "stuff": True},
        {"occlusion_rate": 0.5, "crowd": True},
        {"occlusion_rate": 1.0, "hidden": True},
        {"occlusion_rate": float("nan")},
    ]
    plain = {"image_id": "i", "video_id": "", "category": "c", "area": 9.0}
    flags = dict.fromkeys(("stuff", "crowd", "truncated", "hidden"), False)
    listed = [{"id": str(n), **plain, **flags, **row} for n, row in enumerate(rows)]
    return pd.DataFrame(listed, columns=list(RECORD_COLUMNS)).astype(RECORD_COLUMNS)
