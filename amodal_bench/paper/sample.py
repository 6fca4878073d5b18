"""A seeded sample of a dataset: whole clusters, spread over occlusion rates, each the beginning of any larger one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from amodal_bench.core.errors import InputError
from amodal_bench.core.files import read_text, write_whole
from amodal_bench.core.ids import among, label, read_ids
from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.paper.record import FOLDER
from amodal_bench.report.scored import BINS


@dataclass(frozen=True)
class Order:
    """The clusters of a dataset in the order in which samples take them.

    Attributes:
        ids: (N,) of str, of the instances in the order of the index.
        cluster: (N,) int64, of each the place of its cluster in the order.
        ends: (K,) int64, of each cluster how many instances it and those before it have.
    """

    ids: pd.Series
    cluster: NDArray[np.int64]
    ends: NDArray[np.int64]

    def beyond(self, wanted: int) -> int:
        """How many clusters have `wanted` instances or a few more; all of them where there are fewer."""
        return min(int(np.searchsorted(self.ends, wanted)) + 1, len(self.ends))

    def within(self, most: int) -> int:
        """How many clusters have `most` instances at most."""
        return int(np.searchsorted(self.ends, most, side="right"))

    def taken(self, clusters: int) -> list[str]:
        """The ids of the first clusters, in the order of the index."""
        return self.ids[self.cluster < clusters].to_list()

    def number_of(self, ids: Collection[str]) -> NDArray[np.int64]:
        """(K,) int64: how many of some instances each cluster and those before it have."""
        own = self.cluster[among(self.ids, ids)]
        return np.bincount(own, minlength=len(self.ends)).cumsum()


def ordered(records: pd.DataFrame, protocol: ScoringProtocol, seed: int = 0) -> Order:
    """The instances that a protocol selects, by whole images or videos in the order of samples.

    Clusters are ordered by a seeded hash within the stratum of their mean occlusion rate, and strata take turns in
    proportion to their sizes; a sample is the beginning of that order.

    Args:
        records: the dataset's index.
        protocol: whose filter selects, and whose clusters stay whole.
        seed: of the order.
    """
    chosen, _ = protocol.filter.select(records)
    videos = chosen if "video_id" in chosen else chosen.assign(video_id="")
    clusters = protocol.cluster_ids(videos)
    rate = pd.to_numeric(chosen["occlusion_rate"], errors="coerce").fillna(0.0)
    mean = rate.groupby(clusters.to_numpy()).mean()
    edges = sorted({high for _, high in BINS})
    table = pd.DataFrame({"stratum": np.searchsorted(edges, mean.to_numpy())}, index=mean.index)
    table["hash"] = [
        hashlib.sha256(f"{seed}\n{name}".encode(errors="surrogatepass")).hexdigest() for name in table.index
    ]
    table = table.sort_values(["stratum", "hash"])
    within = table.groupby("stratum").cumcount()
    sizes = table.groupby("stratum")["hash"].transform("size")
    table["turn"] = (within + 0.5) / sizes
    order = table.sort_values(["turn", "hash"]).index
    place = np.asarray(clusters.map(pd.Series(range(len(order)), index=order)), dtype=np.int64)
    return Order(chosen["id"].astype(str), place, np.bincount(place, minlength=len(order)).cumsum())


def sampled(records: pd.DataFrame, protocol: ScoringProtocol, wanted: int, seed: int = 0) -> list[str]:
    """Ids of `wanted` instances or a few more that a protocol selects, in whole images or videos; else all."""
    order = ordered(records, protocol, seed)
    return order.taken(order.beyond(wanted))


def lists_in(results: Path) -> Path:
    """The folder of the files that list samples."""
    return results / FOLDER / "ids"


def written(folder: Path, dataset: str, ids: list[str]) -> Path:
    """The file that lists a sample; its name has number and digest, so that another sample is another file."""
    name = f"{dataset}-{label(ids).replace(':', '-')}.txt"
    file = folder / name
    if not _is_whole(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{id}\n" for id in ids)
        write_whole(file, lambda partial: partial.write_text(text, encoding="utf-8"))
    return file


def listed_in(file: Path) -> list[str]:
    """The ids of a sample. Raises `InputError` where the file is not there, or is not what its name says."""
    ids = read_ids(file)
    if not file.stem.endswith(label(ids).replace(":", "-")):
        raise InputError(file, "lists other ids than its name says", "delete it and make the table again")
    return ids


def note(folder: Path, asked: Sequence[str], file: Path) -> None:
    """Keep which list was drawn for these words, so that it is found again where the dataset is not."""
    text = json.dumps({"asked": list(asked), "list": file.name}) + "\n"
    place = _note_of(folder, asked)
    place.parent.mkdir(parents=True, exist_ok=True)
    write_whole(place, lambda partial: partial.write_text(text, encoding="utf-8"))


def noted(folder: Path, asked: Sequence[str]) -> Path | None:
    """The list that was drawn for these words; None where there is none, or it is damaged."""
    try:
        said: Any = json.loads(read_text(_note_of(folder, asked)))
        file = folder / Path(said["list"]).name
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return file if _is_whole(file) else None


def _note_of(folder: Path, asked: Sequence[str]) -> Path:
    return folder.parent / "samples" / f"{hashlib.sha256(json.dumps(list(asked)).encode()).hexdigest()[:16]}.json"


def _is_whole(file: Path) -> bool:
    try:
        return bool(listed_in(file))
    except InputError:
        return False
