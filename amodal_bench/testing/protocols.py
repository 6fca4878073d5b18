"""What every protocol has to satisfy, checked on an object of any class: `assert violations(MyProtocol()) == []`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from amodal_bench.core.types import Integers
from amodal_bench.datasets.base import RECORD_COLUMNS
from amodal_bench.metrics.counts import joint_counts
from amodal_bench.metrics.numbers.base import Rows, Score, divided
from amodal_bench.metrics.numbers.overlap import overlap
from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.metrics.regions import REGIONS, pair_counts
from amodal_bench.testing.clauses import guarded


def violations(protocol: ScoringProtocol) -> list[str]:
    """Every way in which a protocol breaks what `amodal_bench.metrics.protocols.ScoringProtocol` promises."""
    broken = list(guarded(_of_label(protocol), "label"))
    broken += guarded(_of_filter(protocol), "filter.select()")
    broken += guarded(_of_scores(protocol), "scores()")
    return broken


def _of_label(protocol: ScoringProtocol) -> Iterator[str]:
    label = protocol.label
    name = label.split(" with ")[0] if isinstance(label, str) else ""
    if len(name.split()) != 1 or not name.rpartition("@")[2].isdigit():
        yield f"label is {label!r}, not NAME@VERSION"


def _of_filter(protocol: ScoringProtocol) -> Iterator[str]:
    """A filter chooses rows and says how many it left out."""
    records = _records()
    kept = records.copy()
    chosen, excluded = protocol.filter.select(records)
    if not records.equals(kept):
        yield "filter.select() changes the records"
    if not chosen.index.isin(records.index).all() or not chosen.equals(records.loc[chosen.index]):
        yield "filter.select() returns rows that are not those of the records"
    elif chosen["hidden"].any() and not protocol.filter.hidden:
        yield "filter.select() takes instances of which nothing is visible, and filter.hidden is false"
    elif len(chosen) + sum(excluded.values()) != len(records):
        yield "filter.select() does not say of every instance that it leaves out why"


def _of_scores(protocol: ScoringProtocol) -> Iterator[str]:
    """Numbers in [0, 1], the same for any order of the rows; a perfect prediction is worth 1."""
    rows = _rows_of(perfect=False)
    kept = rows.counts.copy()
    scores, again = protocol.scores(rows), protocol.scores(rows)
    if list(scores) != list(protocol.numbers):
        yield "scores() does not return the numbers by their names"
        return
    if not np.array_equal(rows.counts, kept):
        yield "scores() changes the counts"
        return
    order = np.arange(len(rows))[::-1]
    turned = protocol.scores(_taken(rows, order))
    for name, score in scores.items():
        if isinstance(score, Score):
            yield from _of_score(name, score, len(rows))
        if not _close(_value(score), _value(again[name])):
            yield f"scores(): {name} differs from one call to the next"
        elif isinstance(score, Score) and not _close(_value(score), _value(turned[name])):
            yield f"scores(): {name} depends on the order of the instances"
    for name, score in protocol.scores(_rows_of(perfect=True)).items():
        pasted = getattr(protocol.numbers[name], "prediction", "given") == "visible_unless_covered"
        best = float(getattr(protocol.numbers[name], "perfect", 1))
        if not (pasted or np.isnan(_value(score)) or _close(_value(score), best)):
            yield f"scores(): {name} of perfect predictions is {_value(score):g}, not {best:g}"


def _value(score: Score | float) -> float:
    return score.value if isinstance(score, Score) else float(score)


def _close(first: float, second: float) -> bool:
    return bool(np.isclose(first, second, rtol=0, atol=1e-5, equal_nan=True))


def _of_score(name: str, score: Score, count: int) -> Iterator[str]:
    if not isinstance(score, Score) or score.numerator.shape != (count,) or score.denominator.shape != (count,):
        yield f"scores(): {name} is not a Score of one numerator and denominator for each instance"
    elif not np.isnan(score.value) and not 0 <= score.value <= 1:
        yield f"scores(): {name} is {score.value:g}, outside of [0, 1]"


def _taken(rows: Rows, order: Integers) -> Rows:
    """The rows in another order."""
    place = np.argsort(order)
    pairs = rows.pairs
    if pairs is not None:
        pairs = pairs.assign(predicted=place[pairs["predicted"]], amodal=place[pairs["amodal"]])
    regions = {name: counts[order] for name, counts in rows.regions.items()}
    records = rows.records.iloc[order].reset_index(drop=True)
    draws = None if rows.draws is None else rows.draws[order]
    majority = None if rows.majority is None else rows.majority[order]
    return Rows(rows.counts[order], records, regions, pairs, draws, majority)


def _rows_of(perfect: bool) -> Rows:
    """Twelve instances: two videos of two objects in three frames, random blobs of which V lies inside A.

    All of them are partly hidden, and in every frame another instance covers a part. Each has three draws.
    """
    rng, again = np.random.default_rng(0), np.random.default_rng(1)
    counts: list[Integers] = []
    draws: list[Integers] = []
    majority: list[Integers] = []
    regions: dict[str, list[Integers]] = {name: [] for name in REGIONS}
    for _ in range(12):
        amodal = np.zeros((24, 24), bool)
        top, left = rng.integers(1, 8, 2)
        amodal[top : top + 14, left : left + 14] = True
        visible, others = amodal.copy(), np.zeros_like(amodal)
        visible[:, left + rng.integers(6, 9) :] = False
        others[:, left + 11 :] = True
        predicted = amodal if perfect else np.roll(amodal, int(rng.integers(1, 5)), axis=0)
        counts.append(joint_counts(predicted, amodal, visible, others))
        for name, region in REGIONS.items():
            regions[name].append(pair_counts(*region(predicted, amodal, visible)))
        moves = again.integers(-4, 5, (2, 2))
        drawn = [predicted, *(predicted if perfect else np.roll(amodal, move, (0, 1)) for move in moves)]
        draws.append(np.stack([joint_counts(each, amodal, visible, others) for each in drawn]))
        majority.append(joint_counts(np.sum(drawn, axis=0) >= 2, amodal, visible, others))
    places = np.arange(12)
    records = pd.DataFrame(
        {
            "image_id": [f"{n // 6}/{n % 3}" for n in places],
            "video_id": [str(n // 6) for n in places],
            "object_id": [str(n // 3) for n in places],
            "frame": places % 3,
            "category": "c",
            "crowd": False,
        }
    )
    ious = divided(*overlap(np.stack(counts)), 0.0)
    pairs = pd.DataFrame({"predicted": places, "amodal": places, "iou": ious})
    stacked = {name: np.stack(rows) for name, rows in regions.items()}
    return Rows(np.stack(counts), records, stacked, pairs, np.stack(draws), np.stack(majority))


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
    plain = {"image_id": "i", "video_id": "", "category": "c", "amodal_pixels": 9.0}
    flags = dict.fromkeys(("stuff", "crowd", "truncated", "hidden"), False)
    listed = [{"id": str(n), **plain, **flags, **row} for n, row in enumerate(rows)]
    return pd.DataFrame(listed, columns=list(RECORD_COLUMNS)).astype(RECORD_COLUMNS)
