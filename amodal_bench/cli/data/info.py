"""Count a dataset's images, videos, instances, categories and flags; amodal pixels and occlusion rates as annotated.

No pixel is read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from amodal_bench.cli.columns import columns
from amodal_bench.cli.data.compose import open_dataset, settings_of
from amodal_bench.cli.verbs import verb
from amodal_bench.cli.words import dataset
from amodal_bench.core.shown import one_line
from amodal_bench.core.window import width
from amodal_bench.report.spark import bar, spark

if TYPE_CHECKING:
    import pandas as pd

    from amodal_bench.datasets.base import Dataset

TOP = 15
QUANTILES = {"min": 0.0, "5 %": 0.05, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "95 %": 0.95, "max": 1.0}
BINS = 10
BAR = 40
WIDER = 2
FLAGS = ("stuff", "crowd", "truncated", "hidden")


@verb(__doc__)
@dataset
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
def main(name: str, overrides: Sequence[str], config_dir: Sequence[Path], as_json: bool) -> int:
    """Print the facts of an index."""
    from amodal_bench.datasets.base import records_of

    opened = open_dataset(settings_of(name, overrides, config_dir))
    records = records_of(opened)
    facts = {"dataset": opened.name, **describe(records), "remarks": remarks(opened)}
    print(json.dumps(facts, indent=2) if as_json else _text(facts))
    return 0


def remarks(dataset: Dataset) -> list[str]:
    """What a loader has to say of its dataset as a whole."""
    from amodal_bench.datasets.reading.indexed import IndexedDataset

    return dataset.remarks() if isinstance(dataset, IndexedDataset) else []


def describe(records: pd.DataFrame) -> dict[str, Any]:
    """The facts of an index as plain values; what no instance states is None."""
    import pandas as pd

    from amodal_bench.metrics.protocols import flag

    rate, pixels = (pd.to_numeric(records[name], errors="coerce") for name in ("occlusion_rate", "amodal_pixels"))
    categories = records["category"].astype(str).value_counts(sort=False).sort_index()
    categories = categories.sort_values(ascending=False, kind="stable")
    videos = records["video_id"].astype(str) if "video_id" in records else pd.Series(dtype=str)
    return {
        "images": int(records["image_id"].nunique()),
        "videos": int(videos[videos != ""].nunique()),
        "instances": len(records),
        "categories": len(categories),
        "largest_categories": {str(name): int(count) for name, count in categories.head(TOP).items()},
        "flags": {name: int(flag(records, name).sum()) for name in FLAGS} | {"unoccluded": int((rate == 0).sum())},
        "amodal_pixels": _quantiles(pixels),
        "occlusion_rate": _quantiles(rate),
        "occlusion_histogram": _histogram(rate),
        "pixels_histogram": _by_size(pixels),
    }


def _quantiles(values: pd.Series[float]) -> dict[str, float | int | None]:
    found = {name: _number(float(values.quantile(share))) for name, share in QUANTILES.items()}
    return found | {"unknown": int(values.isna().sum())}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)


def _histogram(rate: pd.Series[float]) -> list[dict[str, float | int]]:
    """Instances per bin (low, high] of the occlusion rate; the first bin holds the unoccluded ones alone."""
    bins: list[dict[str, float | int]] = [{"low": 0.0, "high": 0.0, "instances": int((rate == 0).sum())}]
    for number in range(BINS):
        low, high = number / BINS, (number + 1) / BINS
        bins.append({"low": low, "high": high, "instances": int(((rate > low) & (rate <= high)).sum())})
    return bins


def _by_size(pixels: pd.Series[float]) -> list[dict[str, float | int]]:
    """Instances per bin [low, high) of the amodal pixels, each twice as wide as the one before."""
    sizes = pixels[pixels > 0]
    if sizes.empty:
        return []
    first, last = (math.floor(math.log(value, WIDER) + 1e-9) for value in (sizes.min(), sizes.max()))
    edges = [WIDER**power for power in range(first, last + 2)]
    return [
        {"low": low, "high": high, "instances": int(((sizes >= low) & (sizes < high)).sum())}
        for low, high in pairwise(edges)
    ]


def _text(facts: dict[str, Any]) -> str:
    lines = [f"{name:12}{facts[name]}" for name in ("dataset", "images", "videos", "instances", "categories")]
    lines += [f"  {one_line(name):24.24} {count:9}" for name, count in facts["largest_categories"].items()]
    if facts["categories"] > TOP:
        lines.append(f"  ... and {facts['categories'] - TOP} more")
    lines += ["flags", *(f"  {name:24} {count:9}" for name, count in facts["flags"].items())]
    sizes, rates = facts["pixels_histogram"], facts["occlusion_histogram"]
    rows = [_row("pixels", facts["amodal_pixels"], sizes), _row("occlusion", facts["occlusion_rate"], rates)]
    lines.append(columns(rows, ["", *QUANTILES, "histogram"], numbers=QUANTILES))
    lines += _bars(f"occlusion rate, instances ({facts['occlusion_rate']['unknown']} unknown)", rates, _share)
    lines += _bars(f"amodal pixels, instances ({facts['amodal_pixels']['unknown']} unknown)", sizes, _pixels)
    lines += [f"{'remark':12}{one_line(what)}" for what in facts["remarks"]]
    return "\n".join(lines)


def _row(title: str, values: dict[str, Any], entries: Sequence[dict[str, Any]]) -> list[str]:
    """A row of the quantiles' table, with a histogram of one line."""
    numbers = ("-" if values[name] is None else f"{values[name]:.5g}" for name in QUANTILES)
    return [title, *numbers, spark([entry["instances"] for entry in entries])]


def _bars(title: str, entries: Sequence[dict[str, Any]], label: Callable[[dict[str, Any]], str]) -> list[str]:
    """A histogram with a line for each bin."""
    most, labels = max((entry["instances"] for entry in entries), default=0), [label(entry) for entry in entries]
    wide = max(map(len, labels), default=0)
    room = min(BAR, max(width() - wide - 13, 5))
    counts = [entry["instances"] for entry in entries]
    lines = [f"  {text:>{wide}} {n:9} {bar(n, most, room)}" for text, n in zip(labels, counts, strict=True)]
    return [title, *map(str.rstrip, lines)]


def _share(entry: dict[str, Any]) -> str:
    return f"{100 * entry['low']:.0f}-{100 * entry['high']:.0f} %" if entry["high"] else "0 %"


def _pixels(entry: dict[str, Any]) -> str:
    return f"{entry['low']:.0f}-{entry['high'] - 1:.0f}"
