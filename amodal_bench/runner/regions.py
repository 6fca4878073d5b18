"""Counts that need masks again: made once of stored predictions and the dataset, and kept in the store."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from amodal_bench.core import native
from amodal_bench.core.errors import BenchError, one_line
from amodal_bench.core.ids import among
from amodal_bench.core.progress import follow
from amodal_bench.core.stops import is_wish
from amodal_bench.core.types import Integers, Mask
from amodal_bench.datasets.base import Dataset, Sample
from amodal_bench.metrics.counts import joint_counts
from amodal_bench.metrics.numbers.base import DRAWS, MAJORITY, PAIRS
from amodal_bench.metrics.protocols import flag
from amodal_bench.metrics.regions import REGIONS, pair_counts
from amodal_bench.runner.store import Store


def complete(store: Store, dataset: Dataset, names: Sequence[str], records: pd.DataFrame, draws: int = 1) -> None:
    """Add the counts that the store lacks: of regions, of pairs and of the majority of draws, as `names` has them.

    Instances that the store has no counts of are left out. A failed prediction counts as an empty one. Regions and
    pairs are those of draw 0.

    Args:
        store: of the run; it is written.
        dataset: what the run was made on.
        names: of regions.
        records: the selected rows of the dataset's index.
        draws: how many predictions each instance has, of which the majority is taken.
    """
    counted = set(store.counted())
    ids = [str(id) for id in records["id"] if str(id) in counted]
    for name in names:
        if name == PAIRS:
            _complete_pairs(store, dataset, records[among(records["id"], ids)])
        elif name == MAJORITY:
            _complete_majorities(store, dataset, ids, draws)
        elif name != DRAWS:  # their counts are the store's own
            _complete_region(store, dataset, name, ids)


def _complete_region(store: Store, dataset: Dataset, name: str, ids: Sequence[str]) -> None:
    known, counts = store.regions(name), {}
    for id in follow([id for id in ids if id not in known], f"counting {name} again of masks", "inst"):
        sample = _read(dataset, id)
        counts[id] = _counts(name, _predicted(store, sample), sample)
    if counts:
        store.write_regions(name, counts)


def _complete_majorities(store: Store, dataset: Dataset, ids: Sequence[str], draws: int) -> None:
    if draws == 1:
        return  # it is the prediction itself
    known, counts = store.majorities(draws), {}
    tried = set(ids).intersection(*(store.counted(draw) for draw in range(draws)))
    for id in follow([id for id in ids if id in tried and id not in known], "counting majorities of draws", "inst"):
        sample = _read(dataset, id)
        counts[id] = joint_counts(_majority(store, sample, draws), sample.amodal, sample.visible, sample.others)
    if counts:
        store.write_majorities(draws, counts)


def _read(dataset: Dataset, id: str) -> Sample:
    """A sample that has been read before. Raises `BenchError` where it cannot be read any more."""
    try:
        return dataset.sample(id)
    except BenchError:
        raise
    except BaseException as error:  # a dataset of a user's own may fail in any way
        if is_wish(error):
            raise
        raise BenchError(
            f"instance {id}: cannot be read again ({one_line(error)}); all predictions are kept; "
            "give the same command again, or choose protocols without regions"
        ) from error


def _majority(store: Store, sample: Sample, draws: int) -> Mask:
    try:
        return store.majority(sample.id, draws)
    except KeyError:
        return np.zeros_like(sample.amodal)


def _counts(name: str, predicted: Mask, sample: Sample) -> Integers:
    if name not in REGIONS:
        raise BenchError(f"protocol: region {name!r} is not known; valid: {', '.join(REGIONS)}")
    return pair_counts(*REGIONS[name](predicted, sample.amodal, sample.visible))


def _predicted(store: Store, sample: Sample) -> Mask:
    try:
        return store.prediction(sample.id)
    except KeyError:
        return np.zeros_like(sample.amodal)


def _complete_pairs(store: Store, dataset: Dataset, records: pd.DataFrame) -> None:
    """The IoU of each prediction with each amodal mask of its image; a crowd's is the share that lies in it."""
    known = set(store.pairs()["predicted"])
    crowd = dict(zip(records["id"].astype(str), flag(records, "crowd"), strict=True))
    images = records.groupby("image_id", sort=False)
    for _, group in follow(images, "counting pairs of masks", "image", total=images.ngroups):
        ids = group["id"].astype(str).tolist()
        if known.issuperset(ids):
            continue
        samples = [_read(dataset, id) for id in ids]
        predicted = [native.from_mask(_predicted(store, sample)) for sample in samples]
        amodal = [native.from_mask(sample.amodal) for sample in samples]
        ious = native.ious(predicted, amodal, [int(crowd[id]) for id in ids])
        store.write_pairs((p, a, float(ious[i, j])) for i, p in enumerate(ids) for j, a in enumerate(ids))
