"""Which instances a figure shows, and what is known of them: sample, occlusion rate, predictions."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from amodal_bench.core.errors import UsageError
from amodal_bench.core.ids import read_ids
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Sample


@dataclass(frozen=True)
class Predicted:
    """What a row's run says of an instance.

    Attributes:
        row: its name.
        mask: the prediction; None where there is none.
        why: in that case, in a word or two.
        random: whether random weights made it.
    """

    row: str
    mask: Mask | None
    why: str = ""
    random: bool = False


@dataclass(frozen=True)
class Example:
    """One instance of a figure.

    Attributes:
        column: the heading of its dataset.
        sample: its pixels.
        predicted: of each row.
    """

    column: str
    sample: Sample
    predicted: Sequence[Predicted]

    @property
    def rate(self) -> float:
        r"""Its occlusion rate, |A \ V| / |A| in pixels, in [0, 1]."""
        amodal = self.sample.amodal
        return int((amodal & ~self.sample.visible).sum()) / max(int(amodal.sum()), 1)

    @property
    def label(self) -> str:
        """What stands above its row: dataset, id and occlusion rate."""
        return f"{self.column} {self.sample.id}, occlusion {100 * self.rate:.0f} %"


def choose(records: pd.DataFrame, count: int, occlusion: Sequence[float], seed: int = 0) -> list[str]:
    """Ids of instances spread evenly over the ranks of their occlusion rates; of each part one by a seeded hash.

    Instances of one picture are avoided as long as there are others.

    Args:
        records: of the instances to choose from.
        count: how many are wanted.
        occlusion: least and largest occlusion rate, in [0, 1].
        seed: of the choice.

    Returns:
        Ids in the order of the rates; fewer where there are fewer.
    """
    rates = pd.to_numeric(records["occlusion_rate"], errors="coerce")
    fitting = records[rates.between(occlusion[0], occlusion[1]) & ~records["hidden"].astype(bool)]
    ordered = fitting.assign(rate=rates.reindex(fitting.index)).sort_values(["rate", "id"])
    found: list[str] = []
    pictures: set[str] = set()
    for part in np.array_split(np.arange(len(ordered)), max(min(count, len(ordered)), 1)):
        own = ordered.iloc[part]
        by_hash = sorted(
            zip(own["id"].astype(str), own["image_id"].astype(str), strict=True),
            key=lambda pair: (pair[1] in pictures, hashlib.sha256(f"{seed}\n{pair[0]}".encode()).hexdigest()),
        )
        for id, picture in by_hash[:1]:
            found.append(id)
            pictures.add(picture)
    return found


def asked_ids(text: str) -> list[str]:
    """The ids of `ids=`: a file that lists them, or the ids themselves with commas between them.

    Raises:
        InputError: the file cannot be read, or lists nothing.
        UsageError: there is no id.
    """
    if Path(text).expanduser().is_file():
        return read_ids(Path(text).expanduser())
    found = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not found:
        raise UsageError("ids: must be a file that lists ids, or ids with commas between them")
    return found


def known_ids(records: pd.DataFrame, wanted: Collection[str]) -> list[str]:
    """Those of the wanted ids that an index has, in the order in which they are wanted."""
    known = set(records["id"].astype(str))
    return [id for id in wanted if id in known]
