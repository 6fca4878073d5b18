"""A run in one file: a ZIP of JSON that anybody may have made, read with every size and value checked.

`pack.json` says what it is, and has the protocols and what they gave; `run.json` is the run's, without private paths.
The others have one JSON value on each line: the index's records, the predictions, and counts that need masks again.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from amodal_bench.core.errors import InputError, unreadable
from amodal_bench.core.files import open_regular
from amodal_bench.core.rle import united
from amodal_bench.metrics.counts import CELLS
from amodal_bench.metrics.rebuild import content_digest
from amodal_bench.metrics.regions import REGIONS
from amodal_bench.runner.identity import Identity
from amodal_bench.runner.store import Row

FORMAT, VERSION = "amodal-bench run", 1
HEAD, RUN, STAGES = "pack.json", "run.json", "stages.json"
RECORDS, PREDICTIONS = "records.jsonl", "predictions.jsonl"
REGION_COUNTS, PAIR_IOUS, MAJORITIES = "regions.jsonl", "pairs.jsonl", "majorities.jsonl"

MIB = 1 << 20
LIMITS = {HEAD: 16 * MIB, RUN: 16 * MIB, STAGES: MIB} | dict.fromkeys(
    (RECORDS, PREDICTIONS, REGION_COUNTS, PAIR_IOUS, MAJORITIES), 4096 * MIB
)
"""The parts of a pack, and how many bytes each may have."""

TOTAL = 8192 * MIB
"""Bytes that all parts may have together."""

RATIO = 1100
"""Bytes that one compressed byte may become: more than its compression can honestly reach."""

LINE = 16 * MIB
"""Bytes that one record may have."""

LONGEST_TEXT, LARGEST_SIDE, MOST_PIXELS, MOST_DRAWS = 10_000, 1 << 16, 1 << 27, 1 << 20

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Characters that could do things to a terminal or a table."""

ASK = "ask for the file again, from whoever has made it"
TEXTS, FLAGS = ("id", "image_id", "video_id", "category"), ("stuff", "crowd", "truncated", "hidden")


@contextmanager
def opened_pack(path: Path) -> Iterator[Pack]:
    """Open a pack to be read; nothing of it is written anywhere.

    Raises:
        InputError: it is not a pack, lacks a part, or has one that it may not have.
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            _check_parts(path, archive.infolist())
            yield Pack(path, archive)
    except OSError as error:
        raise unreadable(path, error) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError) as error:
        raise InputError(path, f"is not a whole pack of a run ({error})", ASK) from error


def _check_parts(path: Path, found: list[zipfile.ZipInfo]) -> None:
    """Raise `InputError` unless the parts are the known ones, each once, and no larger than they may be."""
    names = [info.filename for info in found]
    if unknown := [name for name in names if name not in LIMITS]:
        raise InputError(path, f"has {unknown[0][:200]!r}; a pack has only {', '.join(LIMITS)}", ASK)
    if twice := [name for name in LIMITS if names.count(name) > 1]:
        raise InputError(path, "is in the pack twice", ASK, twice[0])
    if lacking := [name for name in LIMITS if name not in names]:
        raise InputError(path, f"is not a pack of a run: it has no {lacking[0]}", ASK)
    for info in found:
        limit = min(LIMITS[info.filename], MIB + RATIO * info.compress_size)
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(path, "is encrypted, or compressed in a way that no pack is", ASK, info.filename)
        if info.file_size > limit:
            problem = f"says that it has {info.file_size} bytes, and may have {limit}"
            raise InputError(path, problem, ASK, info.filename)
    if (total := sum(info.file_size for info in found)) > TOTAL:
        raise InputError(path, f"says that it has {total} bytes, and may have {TOTAL}", ASK)


class Pack:
    """An opened pack; each method reads its part from the beginning, and checks every value.

    All of them raise `InputError`, which names the file, the part and the line.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path, self._archive = path, archive

    def head(self) -> dict[str, Any]:
        """What the pack is: format, version, run (its digest), how many predictions and errors, protocols and scores.

        A protocol is its content with its digest, and a score is of one of them.
        """
        head = self._whole(HEAD)
        if not isinstance(head, dict) or head.get("format") != FORMAT:
            raise self._wrong(HEAD, "does not say that it is a run of this harness")
        if head.get("version") != VERSION:
            remedy = "install the version that made it"
            problem = f"has version {head.get('version')!r}, and this version reads {VERSION}"
            raise InputError(self.path, problem, remedy, HEAD)
        for name in ("protocols", "scores"):
            if not isinstance(head.get(name), list) or not all(isinstance(part, dict) for part in head[name]):
                raise self._wrong(HEAD, f"has no list of {name}")
        if any(not isinstance(part.get("numbers"), dict) for part in [*head["protocols"], *head["scores"]]):
            raise self._wrong(HEAD, "has a protocol or a score without numbers")
        if (
            not _is_text(head.get("run"))
            or not _is_count(head.get("predictions"))
            or not _is_count(head.get("errors"))
        ):
            raise self._wrong(HEAD, "does not say which run it is, and how many predictions and errors it has")
        self._check_digests(head)
        return head

    def _check_digests(self, head: Mapping[str, Any]) -> None:
        """Raise `InputError` unless protocols have the digests that they state, and each score is of one of them."""
        digests = [content_digest(content) for content in head["protocols"]]
        for content, digest in zip(head["protocols"], digests, strict=True):
            if content.get("digest") != digest:
                stated, label = str(content.get("digest"))[:64], str(content.get("label", content.get("name")))[:80]
                problem = f"states the digest {stated!r} of the protocol {label!r}, whose content has {digest}"
                raise self._wrong(HEAD, problem)
        scored = [score.get("protocol") for score in head["scores"]]
        for stated in scored:
            if stated not in digests:
                raise self._wrong(HEAD, f"has a score of the protocol {str(stated)[:64]!r}, which is not in the file")
            if scored.count(stated) > 1:
                raise self._wrong(HEAD, f"has two scores of the protocol {str(stated)[:64]!r}")

    def check_head(self, predictions: int, errors: int) -> None:
        """Raise `InputError` unless the pack's head is of its run, and of so many predictions and errors."""
        head, digest = self.head(), self.facts()["digest"]
        if head["run"] != digest:
            raise self._wrong(HEAD, f"is of the run {head['run'][:64]!r}, and {RUN} of {digest}")
        if (head["predictions"], head["errors"]) != (predictions, errors):
            stated = f"states {head['predictions']} predictions and {head['errors']} errors"
            raise self._wrong(HEAD, f"{stated}, and {PREDICTIONS} has {predictions} and {errors}")

    def facts(self) -> dict[str, Any]:
        """The run's `run.json`, whose identity has the digest that it states."""
        said = self._whole(RUN)
        try:
            identity, digest, dataset = said["identity"], said["digest"], said["identity"]["dataset"]
            told = [digest, dataset["name"], dataset["fingerprint"], said["name"]]
            shaped = isinstance(identity["model"], dict) and all(map(_is_text, told))
            shaped = shaped and isinstance(identity.get("seed", 0), int)
        except (TypeError, KeyError):
            shaped = False
        if not shaped:
            raise self._wrong(RUN, "does not describe a run")
        if Identity(identity).digest != digest:
            raise self._wrong(RUN, f"states the digest {digest[:64]!r}, which its identity does not have")
        for name in ("settings", "split"):
            if said.get(name) is not None and not _is_text(said[name], True):
                raise self._wrong(RUN, f"has {name} that are not text")
        for name in ("components", "dates", "environment"):
            if not isinstance(said.get(name), dict | None):
                raise self._wrong(RUN, f"has {name} that are not facts by name")
        if not all(isinstance(date, str | None) for date in (said.get("dates") or {}).values()):
            raise self._wrong(RUN, "has dates that are not text")
        return dict(said)

    def stages(self) -> list[tuple[str, float, int, int, int]]:
        """What the model's stages have cost: stage, seconds, instances, batch, peak (bytes)."""
        rows = self._whole(STAGES)
        if not isinstance(rows, list):
            raise self._wrong(STAGES, "is not a list")
        for row in rows:
            fits = isinstance(row, list) and len(row) == 5 and _is_text(row[0]) and _is_seconds(row[1])
            if not fits or not all(map(_is_count, row[2:])):
                raise self._wrong(STAGES, "has a row that is not a stage, seconds, instances, batch and peak")
        return [(stage, seconds, instances, batch, peak) for stage, seconds, instances, batch, peak in rows]

    def records(self) -> Iterator[dict[str, Any]]:
        """What the dataset's index said of each instance, in its order."""
        seen: set[str] = set()
        for line, record in self._lines(RECORDS):
            if not all(_is_text(record.get(name), name != "id") for name in TEXTS):
                raise self._wrong(RECORDS, f"has no {', '.join(TEXTS)} as text", line)
            if not all(isinstance(record.get(name), bool | None) for name in FLAGS):
                raise self._wrong(RECORDS, f"has {', '.join(FLAGS)} that are not true or false", line)
            for name in ("occlusion_rate", "amodal_pixels"):
                if not isinstance(record.get(name), float | int | None) or isinstance(record.get(name), bool):
                    raise self._wrong(RECORDS, f"has {name} that is not a number", line)
            if not isinstance(record.get("frame", 0), int) or not _is_text(record.get("object_id", ""), True):
                raise self._wrong(RECORDS, "has a frame or an object_id that is none", line)
            if record["id"] in seen:
                raise self._wrong(RECORDS, f"has the id {record['id']!r} again", line)
            seen.add(record["id"])
            yield record

    def predictions(self) -> Iterator[Row]:
        """Every prediction, or why there is none; each RLE fills its picture."""
        seen: set[tuple[str, int]] = set()
        for line, told in self._lines(PREDICTIONS):
            try:
                row = _row(told)
            except ValueError as error:
                raise self._wrong(PREDICTIONS, str(error), line, told.get("id")) from error
            if (row.id, row.draw) in seen:
                raise self._wrong(PREDICTIONS, f"has draw {row.draw} again", line, row.id)
            seen.add((row.id, row.draw))
            yield row

    def regions(self) -> Iterator[tuple[str, str, list[int]]]:
        """Counts of regions that need masks again: name, id, and the four counts."""
        for line, told in self._lines(REGION_COUNTS):
            if told.get("name") not in list(REGIONS) or not _is_text(told.get("id")) or not _are_counts(told, 4):
                raise self._wrong(REGION_COUNTS, "is not a known region's name, an id and 4 counts", line)
            yield told["name"], told["id"], told["counts"]

    def pairs(self) -> Iterator[tuple[str, str, float]]:
        """IoUs of predictions with the amodal masks of their image, by both ids."""
        for line, told in self._lines(PAIR_IOUS):
            value = told.get("iou")
            if not (_is_text(told.get("predicted")) and _is_text(told.get("amodal")) and _is_share(value)):
                raise self._wrong(PAIR_IOUS, "is not two ids and an IoU from 0 to 1", line)
            yield told["predicted"], told["amodal"], float(value)

    def majorities(self) -> Iterator[tuple[str, int, list[int]]]:
        """Counts of what more than half of the first draws have: id, draws, and the 16 counts."""
        for line, told in self._lines(MAJORITIES):
            if not (_is_text(told.get("id")) and _is_count(told.get("draws")) and _are_counts(told, CELLS)):
                raise self._wrong(MAJORITIES, "is not an id, a number of draws and 16 counts", line)
            yield told["id"], told["draws"], told["counts"]

    def _whole(self, name: str) -> Any:
        with self._archive.open(name) as part:
            return self._parsed(part.read(LIMITS[name] + 1), name)

    def _lines(self, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """Number, from 1 on, and object of each line."""
        with self._archive.open(name) as part:
            number = 0
            while text := part.readline(LINE + 1):
                number += 1
                if len(text) > LINE:
                    raise self._wrong(name, f"has more than {LINE} bytes", number)
                value = self._parsed(text, name, number)
                if not isinstance(value, dict):
                    raise self._wrong(name, "is not an object of JSON", number)
                yield number, value

    def _parsed(self, text: bytes, name: str, line: int | None = None) -> Any:
        try:
            value = json.loads(text)
            text.decode("utf-8")
            _require_utf8(value)
            return value
        except (ValueError, RecursionError) as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error).partition(":")[0]
            raise self._wrong(name, f"is not valid JSON ({reason})", line) from error

    def _wrong(self, name: str, problem: str, line: int | None = None, id: object = None) -> InputError:
        where = name if line is None else f"{name}, line {line}"
        told = f", {id!r}"[:200] if isinstance(id, str) else ""
        return InputError(self.path, problem, ASK, where + told)


def prediction_line(row: Row) -> dict[str, Any]:
    """A prediction as `Pack.predictions` reads it."""
    return {
        "id": row.id,
        "draw": row.draw,
        "error": row.error,
        "size": None if row.shape is None else list(row.shape),
        "rle": None if row.rle is None else row.rle.decode("ascii"),
        "counts": None if row.counts is None else [int(count) for count in row.counts],
        "data_s": row.data_s,
        "predict_s": row.predict_s,
    }


def _row(told: Mapping[str, Any]) -> Row:
    """A checked prediction. Raises `ValueError` with what is wrong."""
    id, draw, error, size, rle = (told.get(name) for name in ("id", "draw", "error", "size", "rle"))
    if not _is_text(id) or not _is_count(draw) or draw >= MOST_DRAWS:
        raise ValueError("has no id and number of a draw")
    if error is not None and not (isinstance(error, str) and not CONTROL.search(error)):
        raise ValueError("has an error that is not text")
    if not _is_seconds(told.get("data_s")) or not _is_seconds(told.get("predict_s")):
        raise ValueError("has no seconds of reading and predicting")
    seconds = float(told["data_s"]), float(told["predict_s"])
    if told.get("counts") is None:
        if error is None or rle is not None:
            raise ValueError("has neither counts nor an error")
        return Row(id, error, None, None, None, *seconds, draw=draw)
    if not (isinstance(size, list) and len(size) == 2 and all(_is_count(each, LARGEST_SIDE) for each in size)):
        raise ValueError("has no size [height, width]")
    height, width = size
    if not 0 < height * width <= MOST_PIXELS:
        raise ValueError(f"has a picture of {height} x {width} pixels")
    if not _are_counts(told, CELLS) or sum(told["counts"]) != height * width:
        raise ValueError(f"has no 16 counts that add up to its {height * width} pixels")
    counts = np.array(told["counts"], np.int64)
    if (rle is None) != (error is not None):
        raise ValueError("has a mask and an error, or neither")
    if error is not None:
        return Row(id, error, (height, width), None, counts, *seconds, draw=draw)
    if not isinstance(rle, str):
        raise ValueError("has a mask that is not text")
    united({"size": size, "counts": rle}, height, width)
    return Row(id, None, (height, width), rle.encode("ascii"), counts, *seconds, draw=draw)


def _is_text(value: Any, empty: bool = False) -> TypeGuard[str]:
    return (
        isinstance(value, str) and (empty or bool(value)) and len(value) <= LONGEST_TEXT and not CONTROL.search(value)
    )


def _is_count(value: Any, most: int = 1 << 62) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _are_counts(told: Mapping[str, Any], cells: int) -> bool:
    counts = told.get("counts")
    return isinstance(counts, list) and len(counts) == cells and all(_is_count(c, MOST_PIXELS) for c in counts)


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12


def _is_share(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _require_utf8(value: Any) -> None:
    """Raise `ValueError` where a text has half a surrogate pair, which no database takes."""
    if isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, dict):
        for key, part in value.items():
            _require_utf8(key)
            _require_utf8(part)
    elif isinstance(value, list):
        for part in value:
            _require_utf8(part)
