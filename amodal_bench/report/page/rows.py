"""The instances of a page as columns: what each of them is, and what every run made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from amodal_bench.core.shown import shown
from amodal_bench.core.types import Floats, Integers
from amodal_bench.metrics.counts import total
from amodal_bench.metrics.numbers.base import divided
from amodal_bench.metrics.protocols import iou, occluded_iou, occlusion_rate
from amodal_bench.report.compare import amodal_pixels
from amodal_bench.report.compare_text import letters
from amodal_bench.report.page.scripts import packed
from amodal_bench.report.scored import NOT_RUN, Scored
from amodal_bench.runner.store import COUNTS


@dataclass(frozen=True)
class RunColumns:
    """What one run made of the instances.

    Attributes:
        name, settings, digest, folder: texts that tell it apart; the folder's name alone.
        iou, occluded_iou: of draw 0, (N,) in [0, 1]; NaN where there is none.
        error: places in `Rows.errors`, (N,) int64; 0 where nothing went wrong.
    """

    name: str
    settings: str
    digest: str
    folder: str
    iou: Floats
    occluded_iou: Floats
    error: Integers


@dataclass(frozen=True)
class Rows:
    """The instances of a page by ascending id, as columns of one length N.

    Attributes:
        ids, images, categories: texts as the dataset has them.
        rate: occlusion rate, (N,) in [0, 1]; NaN where it is not known.
        pixels: of A, (N,) int64.
        height, width: of the image, (N,) int64; 0 where the sample could not be read.
        visible_iou: IoU of V and A, (N,) in [0, 1]; NaN where it is not known.
        runs: what every run made of them.
        errors: kind and text of each error; the first one stands for none.
    """

    ids: Sequence[str]
    images: Sequence[str]
    categories: Sequence[str]
    rate: Floats
    pixels: Integers
    height: Integers
    width: Integers
    visible_iou: Floats
    runs: Sequence[RunColumns]
    errors: Sequence[tuple[str, str]] = field(default=(("", ""),))

    @property
    def frames(self) -> list[tuple[str, int, int]]:
        """The picture that each instance is in: image id, height and width."""
        return list(zip(self.images, self.height.tolist(), self.width.tolist(), strict=True))


def rows_of(scored: Sequence[Scored]) -> Rows:
    """The instances that any of the runs' first protocols selects, unreadable ones and failed ones among them.

    Args:
        scored: of one protocol each; an instance that one of them lacks is "not run" there.
    """
    tables = [one.chosen(one.protocols[0]).assign(id=lambda own: own["id"].astype(str)) for one in scored]
    tables = [table.drop_duplicates("id").set_index("id") for table in tables]
    ids = sorted({str(id) for table in tables for id in table.index})
    tables = [table.reindex(ids) for table in tables]
    counted = [table[COUNTS[0]].notna().to_numpy() for table in tables]
    counts = [_counts(table) for table in tables]
    # What is annotated is the same in all runs that could read it, so the first of them says it.
    some, known = counts[0].copy(), counted[0].copy()
    size = tables[0][["height", "width"]].astype(float).fillna(0).to_numpy(np.int64, copy=True)
    texts = tables[0][["image_id", "category"]].copy()
    for table, own, here in zip(tables[1:], counts[1:], counted[1:], strict=True):
        more = here & ~known
        some[more], size[more] = own[more], table.loc[more, ["height", "width"]].to_numpy(np.int64)
        known |= here
        texts = texts.fillna(table[["image_id", "category"]])
    errors: dict[tuple[str, str], int] = {("", ""): 0}
    runs = [
        RunColumns(
            f"{one.name}",
            one.settings,
            one.digest,
            one.folder.resolve().name,
            _where(iou(own), here),
            _where(occluded_iou(own), here),
            _errors(table, errors),
        )
        for one, table, own, here in zip(scored, tables, counts, counted, strict=True)
    ]
    return Rows(
        ids,
        texts["image_id"].fillna("").astype(str).to_list(),
        texts["category"].fillna("").astype(str).to_list(),
        _where(occlusion_rate(some), known),
        np.where(known, amodal_pixels(some), 0),
        size[:, 0],
        size[:, 1],
        _where(_visible_iou(some), known),
        runs,
        list(errors),
    )


def columns(rows: Rows) -> dict[str, Any]:
    """The rows as the page's script reads them: texts without what a terminal or a browser would obey."""
    images, places = _numbered(rows.images)
    categories, kinds = _numbered(rows.categories)
    return {
        "ids": [shown(id) for id in rows.ids],
        "images": [shown(image) for image in images],
        "image": packed(places, "u32"),
        "categories": [shown(category) for category in categories],
        "category": packed(kinds, "u32"),
        "rate": packed(rows.rate, "f32"),
        "pixels": packed(rows.pixels, "u32"),
        "height": packed(rows.height, "u32"),
        "width": packed(rows.width, "u32"),
        "visible_iou": packed(rows.visible_iou, "f32"),
        "errors": [[kind, shown(text)] for kind, text in rows.errors],
        "runs": [
            {
                "letter": letter,
                "name": shown(run.name),
                "settings": shown(run.settings),
                "digest": shown(run.digest),
                "folder": shown(run.folder),
                "iou": packed(run.iou, "f32"),
                "occluded_iou": packed(run.occluded_iou, "f32"),
                "error": packed(run.error, "u32"),
            }
            for letter, run in zip(letters(len(rows.runs)), rows.runs, strict=True)
        ],
    }


def _counts(table: pd.DataFrame) -> Integers:
    """The counts of rows, (N, 16); zeros where there are none."""
    return table[COUNTS].astype(float).fillna(0).to_numpy(np.int64)


def _where(values: Floats, holds: Any) -> Floats:
    return np.where(holds, values, np.nan)


def _visible_iou(counts: Integers) -> Floats:
    shared = total(counts, lambda p, a, v, o: a and v)
    return divided(shared, total(counts, lambda p, a, v, o: a or v), float("nan"))


def _errors(table: pd.DataFrame, known: dict[tuple[str, str], int]) -> Integers:
    """The place of each row's error among those that are `known`, to which new ones are added."""
    kinds = table["kind"].fillna(NOT_RUN).astype(str)
    texts = table["error"].fillna("").astype(str)
    found = [(kind, text if kind else "") for kind, text in zip(kinds, texts, strict=True)]
    return np.array([known.setdefault(each, len(known)) for each in found], np.int64)


def _numbered(texts: Sequence[str]) -> tuple[list[str], Integers]:
    """The different texts in order, and the place of each one among them."""
    names = sorted(set(texts))
    places = {name: place for place, name in enumerate(names)}
    return names, np.array([places[text] for text in texts], np.int64)
