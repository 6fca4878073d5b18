"""A run's store written as a pack, and a pack filled into a store."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from amodal_bench.core.errors import InputError
from amodal_bench.core.files import write_whole
from amodal_bench.core.progress import follow
from amodal_bench.core.stages import StageCost
from amodal_bench.datasets.base import RECORD_COLUMNS, TRACK_COLUMNS
from amodal_bench.runner import packed
from amodal_bench.runner.packed import CONTROL, Pack, prediction_line
from amodal_bench.runner.private import private, without_paths
from amodal_bench.runner.store import Row, Store

_KEPT = {*RECORD_COLUMNS, *TRACK_COLUMNS}
_BATCH = 1000
Item = TypeVar("Item")


def write_pack(file: Path, store: Store, said: Mapping[str, Any], head: Mapping[str, Any]) -> None:
    """Write a pack, as a whole or not at all; the same run gives the same bytes.

    Args:
        file: where it goes.
        store: of the run.
        said: its `run.json`; `shown` is what of it is written.
        head: protocols and scores, see `Pack.head`.

    Raises:
        OSError: the file cannot be written.
    """
    (count,) = store.db.execute("SELECT count(*) FROM instances").fetchone()
    parts: dict[str, Iterable[str]] = {
        packed.HEAD: [_pretty({"format": packed.FORMAT, "version": packed.VERSION, **head})],
        packed.RUN: [_pretty(shown(said))],
        packed.STAGES: [_pretty(store.stages().astype(object).to_numpy().tolist())],
        packed.RECORDS: _lines(_records(store)),
        packed.PREDICTIONS: _lines(prediction_line(row) for row in follow(rows_of(store), "packing", "pred", count)),
        packed.REGION_COUNTS: _lines(_regions(store)),
        packed.PAIR_IOUS: _lines(_pairs(store)),
        packed.MAJORITIES: _lines(_majorities(store)),
    }

    def write(partial: Path) -> None:
        with zipfile.ZipFile(partial, "w") as archive:
            for name, texts in parts.items():
                # Neither time nor user of this machine, so that the same run gives the same file.
                info = zipfile.ZipInfo(name)
                info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
                with archive.open(info, "w", force_zip64=True) as part:
                    for text in texts:
                        part.write(text.encode("utf-8", errors="replace"))  # a folder may be named otherwise

    write_whole(file, write)


def shown(said: Mapping[str, Any]) -> dict[str, Any]:
    """What a pack has of a `run.json`: no paths and secrets, but for the identity, whose digest has to come out."""
    return {**without_paths(private(dict(said))), "identity": said["identity"]}


def private_in_identity(said: Mapping[str, Any]) -> bool:
    """Whether the identity, which stays as it is, names a path or a secret."""
    return bool(without_paths(private(said["identity"])) != said["identity"])


def rows_of(store: Store) -> Iterator[Row]:
    """Every row of a store with its mask, by ascending id and draw."""
    for id, draw, error, height, width, rle, *counts, data_s, predict_s in store.rows(
        "instances", "ORDER BY id, draw"
    ):
        told = None if error is None else CONTROL.sub(" ", without_paths(private(error)))
        shape = None if height is None else (height, width)
        known = None if counts[0] is None else np.array(counts, np.int64)
        yield Row(id, told, shape, rle, known, data_s or 0.0, predict_s or 0.0, draw)


def fill_store(pack: Pack, store: Store) -> None:
    """Fill an empty store with what a pack has. Raises `InputError` where a value cannot be used."""
    ids: set[str] = set()
    for records in _batches(pack.records()):
        ids |= {record["id"] for record in records}
        with store.db:
            store.put("records", ((record["id"], json.dumps(record)) for record in records))
    errors = total = 0
    for rows in _batches(follow(pack.predictions(), "unpacking", "pred")):
        _require_known(pack, packed.PREDICTIONS, ids, (row.id for row in rows))
        store.write(rows)
        total += len(rows)
        errors += sum(row.error is not None for row in rows)
    if not total:
        raise InputError(pack.path, "has no prediction", packed.ASK, packed.PREDICTIONS)
    pack.check_head(total - errors, errors)
    for stage, seconds, instances, batch, peak in pack.stages():
        store.write([], {stage: StageCost(seconds, instances, batch, peak)})
    for regions in _batches(pack.regions()):
        _require_known(pack, packed.REGION_COUNTS, ids, (id for _, id, _ in regions))
        for name in {name for name, _, _ in regions}:
            own = {id: np.array(counts, np.int64) for region, id, counts in regions if region == name}
            store.write_regions(name, own)
    for pairs in _batches(pack.pairs()):
        _require_known(
            pack, packed.PAIR_IOUS, ids, (id for predicted, amodal, _ in pairs for id in (predicted, amodal))
        )
        store.write_pairs(pairs)
    for majorities in _batches(pack.majorities()):
        _require_known(pack, packed.MAJORITIES, ids, (id for id, _, _ in majorities))
        for of in {of for _, of, _ in majorities}:
            store.write_majorities(of, {id: np.array(c, np.int64) for id, each, c in majorities if each == of})


def _require_known(pack: Pack, part: str, known: set[str], ids: Iterable[str]) -> None:
    for id in ids:
        if id not in known:
            raise InputError(
                pack.path, f"is not among the ids of {packed.RECORDS}", packed.ASK, f"{part}, {id!r}"[:200]
            )


def _records(store: Store) -> Iterator[dict[str, Any]]:
    """The records in their order; columns of a dataset's own may name files."""
    for _, line in store.rows("records", "ORDER BY rowid"):
        record = json.loads(line)
        own = {key: value for key, value in record.items() if key not in _KEPT}
        yield {**record, **without_paths(private(own))}


def _regions(store: Store) -> Iterator[dict[str, Any]]:
    for name, id, *counts in store.rows("regions", "ORDER BY name, id"):
        yield {"name": name, "id": id, "counts": counts}


def _pairs(store: Store) -> Iterator[dict[str, Any]]:
    for predicted, amodal, iou in store.rows("pairs", "ORDER BY predicted, amodal"):
        yield {"predicted": predicted, "amodal": amodal, "iou": iou}


def _majorities(store: Store) -> Iterator[dict[str, Any]]:
    for id, draws, *counts in store.rows("majorities", "ORDER BY id, draws"):
        yield {"id": id, "draws": draws, "counts": counts}


def _lines(values: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for value in values:
        yield json.dumps(value, ensure_ascii=False) + "\n"


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _batches(items: Iterator[Item]) -> Iterator[list[Item]]:
    while batch := list(islice(items, _BATCH)):
        yield batch
