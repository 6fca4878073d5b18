"""Count what a packed run has again, with the masks of a dataset of one's own."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from amodal_bench.api.runs import STORE, Run, open_run
from amodal_bench.api.verified import TOLERANCE, Verification, alike
from amodal_bench.core.errors import one_line
from amodal_bench.core.ids import among
from amodal_bench.core.progress import follow
from amodal_bench.core.rle import decode
from amodal_bench.core.stops import is_wish
from amodal_bench.datasets.base import RECORD_COLUMNS, TRACK_COLUMNS, Dataset, Sample, records_of
from amodal_bench.metrics.numbers.base import MAJORITY, PAIRS
from amodal_bench.runner.packing import rows_of
from amodal_bench.runner.predicting import failed_row
from amodal_bench.runner.regions import complete
from amodal_bench.runner.run_json import FILE, read_said
from amodal_bench.runner.schema import COUNTS
from amodal_bench.runner.store import Row, Store, prediction_row


def recount(found: Verification, run: Run, dataset: Dataset, folder: Path) -> Run:
    """A run like the packed one, with every count made again; what differs is noted."""
    folder.mkdir()
    (folder / FILE).write_text(json.dumps(read_said(run.folder)), encoding="utf-8")
    index = records_of(dataset)
    index = index[among(index["id"], set(run.records(every=True)["id"].astype(str)))]
    with Store(run.folder / STORE, read_only=True) as store, Store(folder / STORE) as again:
        again.write_records(index)
        _compare_records(found, store.records(), index)
        known, kept = set(index["id"].astype(str)), list[Row]()
        last: tuple[str, Sample | BaseException] | None = None
        (count,) = store.db.execute("SELECT count(*) FROM instances").fetchone()
        for row in follow(rows_of(store), "counting again", "pred", count):
            if row.id not in known:
                found.differ("instance", "your dataset does not have it", "", "", row.id, row.draw)
                continue
            if last is None or last[0] != row.id:  # the draws of an instance stand together
                last = row.id, _sample(dataset, row.id)
            if (recounted := _row(found, row, last[1])) is not None:
                kept.append(recounted)
            if len(kept) >= 1000:
                again.write(kept)
                kept.clear()
        again.write(kept)
        _derived(found, store, again, dataset, index)
    return open_run(folder)


def _sample(dataset: Dataset, id: str) -> Sample | BaseException:
    try:
        return dataset.sample(id)
    except BaseException as error:  # a dataset of a user's own may fail in any way
        if is_wish(error):
            raise
        return error


def _row(found: Verification, row: Row, sample: Sample | BaseException) -> Row | None:
    """A row with counts of the verifier's masks; None where there is nothing to count."""
    if isinstance(sample, BaseException):
        if row.counts is not None:
            found.differ("picture", "it cannot be read here", "", one_line(sample), row.id, row.draw)
        return Row(row.id, row.error, draw=row.draw) if row.counts is None else None
    if row.counts is None:
        if sample.amodal.any() and sample.visible.any():
            found.differ("unreadable", "it can be read here", row.error, "", row.id, row.draw)
        return Row(row.id, row.error, draw=row.draw)
    shape = sample.amodal.shape
    if row.shape != shape:
        packed, own = ("{} x {}".format(*(each or ("-", "-"))) for each in (row.shape, shape))
        found.differ("size", "height x width of the picture", packed, own, row.id, row.draw)
        return None
    if row.rle is None:
        recounted = failed_row(sample, row.error or "", row.draw)
    else:
        mask = decode({"size": list(shape), "counts": row.rle}, *shape)
        masks = mask, sample.amodal, sample.visible, sample.others
        recounted = prediction_row(row.id, *masks, 0.0, 0.0, row.draw)
    assert recounted.counts is not None
    found.recounted += 1
    if wrong := _unequal(COUNTS, row.counts, recounted.counts):
        found.differ("counts", *wrong, row.id, row.draw)
    return recounted


def _unequal(names: Sequence[str], packed: Any, recounted: Any) -> tuple[str, str, str] | None:
    """What differs of two lists of counts: their names, and both values; None where nothing does."""
    places = [n for n, pair in enumerate(zip(packed, recounted, strict=True)) if pair[0] != pair[1]]
    if not places:
        return None
    texts = [" ".join(str(int(values[n])) for n in places) for values in (packed, recounted)]
    return " ".join(names[n] for n in places), texts[0], texts[1]


def _compare_records(found: Verification, packed: pd.DataFrame, index: pd.DataFrame) -> None:
    """Note where the packed index says other things of an instance: they decide what is scored."""
    own = {str(row["id"]): row for row in index.to_dict("records")}
    names = [name for name in (*RECORD_COLUMNS, *TRACK_COLUMNS) if name in packed and name in index]
    for row in packed.to_dict("records"):
        theirs = own.get(str(row["id"]))
        if theirs is None:
            continue
        for name in names:
            if not alike(row[name], theirs[name]):
                found.differ("record", name, row[name], theirs[name], str(row["id"]))


def _derived(found: Verification, store: Store, again: Store, dataset: Dataset, index: pd.DataFrame) -> None:
    """Count regions, pairs and majorities again, as far as the pack has them; what differs is noted."""
    names = [name for (name,) in store.db.execute("SELECT DISTINCT name FROM regions ORDER BY name")]
    counted, cells = again.counted(), ["neither", "predicted", "amodal", "both"]
    for name in names:
        packed = {id: counts for id, counts in store.regions(name).items() if id in counted}
        complete(again, dataset, [name], _of(index, packed))
        recounted = again.regions(name)
        for id, counts in packed.items():
            if wrong := _unequal(cells, counts, recounted[id]):
                found.differ("region", f"{name}: {wrong[0]}", *wrong[1:], id)
    for (draws,) in store.db.execute("SELECT DISTINCT draws FROM majorities ORDER BY draws").fetchall():
        packed = {id: counts for id, counts in store.majorities(draws).items() if id in counted}
        complete(again, dataset, [MAJORITY], _of(index, packed), draws)
        recounted = again.majorities(draws)
        for id, counts in packed.items():
            if wrong := _unequal(COUNTS, counts, recounted.get(id, [-1] * len(COUNTS))):
                found.differ("majority", f"of {draws} draws: {wrong[0]}", *wrong[1:], id)
    pairs = store.pairs()
    pairs = pairs[among(pairs["predicted"], counted) & among(pairs["amodal"], counted)]
    if len(pairs):
        complete(again, dataset, [PAIRS], _of(index, {*pairs["predicted"], *pairs["amodal"]}))
        known = {(row["predicted"], row["amodal"]): row["iou"] for row in again.pairs().to_dict("records")}
        for row in pairs.to_dict("records"):
            value = known.get((row["predicted"], row["amodal"]), math.nan)
            if not math.isclose(row["iou"], value, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
                found.differ("pairs", f"IoU with the A of {row['amodal']}", row["iou"], value, row["predicted"])


def _of(index: pd.DataFrame, ids: Mapping[str, Any] | set[str]) -> pd.DataFrame:
    return index[among(index["id"], ids)]
