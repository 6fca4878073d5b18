"""What makes numbers on a dataset doubtful before anything is predicted, for a run to warn of; no pixel is read."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from amodal_bench.datasets.base import Dataset
from amodal_bench.datasets.reading.indexed import IndexedDataset


def doubts(dataset: Dataset, records: pd.DataFrame) -> Iterator[str]:
    """Why the visible masks of a dataset look wrong as a whole, one line each; a sound dataset has none.

    A loader of the harness knows which records state a mask; of another class only the occlusion rates are known.

    Args:
        dataset: the dataset.
        records: its index.
    """
    stated = dataset.doubts() if isinstance(dataset, IndexedDataset) else []
    yield from stated
    if stated:
        return
    rates = pd.to_numeric(records["occlusion_rate"], errors="coerce").dropna()
    if len(rates) and not (rates > 0).any():
        yield f"none of its {len(records)} instances is occluded: V = A, and the baseline V is perfect"
