"""A seeded sample of a dataset: whole clusters, spread over occlusion rates, each the beginning of any larger one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from amodal_bench.core.errors import InputError
from amodal_bench.core.files import write_whole
from amodal_bench.core.ids import label, read_ids
from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.paper.record import FOLDER
from amodal_bench.report.scored import BINS


def sampled(records: pd.DataFrame, protocol: ScoringProtocol, wanted: int, seed: int = 0) -> list[str]:
    """Ids of `wanted` instances or a few more that a protocol selects, in whole images or videos; else all.

    Clusters are ordered by a seeded hash within the stratum of their mean occlusion rate, and strata take turns in
    proportion to their sizes; the sample is the beginning of that order.

    Args:
        records: the dataset's index.
        protocol: whose filter selects, and whose clusters stay whole.
        wanted: how many instances.
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
    counts = clusters.value_counts().reindex(order)
    before = counts.cumsum() - counts
    taken = set(order[(before < wanted).to_numpy()])
    return chosen.loc[clusters.isin(taken).to_numpy(), "id"].astype(str).to_list()


def written(results: Path, dataset: str, ids: list[str]) -> Path:
    """The file that lists a sample; its name has number and digest, so that another sample is another file."""
    name = f"{dataset}-{label(ids).replace(':', '-')}.txt"
    file = results / FOLDER / "ids" / name
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


def _is_whole(file: Path) -> bool:
    try:
        return bool(listed_in(file))
    except InputError:
        return False
