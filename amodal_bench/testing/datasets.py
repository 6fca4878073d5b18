"""What every dataset has to satisfy, checked on an object of any class: `assert violations(MyDataset()) == []`."""

from __future__ import annotations

import copy
import math
import pickle
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from amodal_bench.core.errors import InputError
from amodal_bench.core.forms import form, is_picture, wrong_mask
from amodal_bench.core.ids import is_listable
from amodal_bench.core.kinds import kind_of
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import RECORD_COLUMNS, Dataset, Problem, Sample, outdated_columns
from amodal_bench.datasets.reading.indexed import SCENE, IndexedDataset
from amodal_bench.datasets.reading.measures import of_masks
from amodal_bench.testing import settings
from amodal_bench.testing.clauses import FAILURES, described
from amodal_bench.testing.made import made

PIXEL_TOLERANCE, RATE_TOLERANCE = 0.01, 0.01
"""Shares by which stated numbers may miss the masks: finer differences are the files' matter, and `check`'s."""
BORDER_TOLERANCE = 0.1
"""Pixels for each side of a pixel at a mask's border: the area that a polygon encloses is not quite its pixels'."""
COMPANY = 40
"""Images with more instances are not read whole."""
PATIENCE = 3.0
"""Seconds: a dataset that takes longer to open is not opened again with each of its settings varied."""


@dataclass(frozen=True)
class Verdict:
    """What was found of a dataset.

    Attributes:
        violations: how it breaks the contract; a matter of its class.
        problems: what its `check` found; a matter of its files.
        read: how many of the chosen samples could be read, so that they were tested.
        aside: settings of which no other value was tried.
    """

    violations: list[str]
    problems: list[Problem]
    read: int
    aside: list[str] = field(default_factory=list)


def violations(dataset: Dataset, samples: int = 5) -> list[str]:
    """Every way in which a dataset breaks what `amodal_bench.datasets.base.Dataset` promises; empty if it keeps all.

    A record that cannot be read is no violation if `sample` raises `InputError` and `check` reports it. Whether the
    fingerprint is the same for two constructions is left to the caller.

    Args:
        dataset: the object.
        samples: how many instances to read; they are spread over the occlusion rates, always the same ones.
    """
    return examine(dataset, samples).violations


def of_settings(spec: Mapping[str, Any]) -> settings.Verdict:
    """Whether the fingerprint of a dataset tells its settings apart, and is the same in another process.

    Args:
        spec: the dataset's specification, plain values with the class as `_target_`.
    """
    begun = time.perf_counter()
    identity_of(made(spec, "dataset"))
    if time.perf_counter() - begun > PATIENCE:
        return settings.Verdict([], sorted(f"dataset.{'.'.join(place)}" for place, _ in settings.every(spec)))
    return settings.examine(spec, "dataset", _answers, lambda place: f"dataset.{place}", identity_of, "fingerprint()")


def identity_of(dataset: Dataset) -> str:
    """What identifies a dataset in a run."""
    return dataset.fingerprint()


def _answers(dataset: Dataset) -> list[Any]:
    """What a dataset gives, to compare two settings of it: its records and some samples."""
    records = dataset.records()
    read = [_readable(dataset, str(id)) for id in _spread(records, 3)["id"]]
    told = [part for one in read if one is not None for part in (one.image, one.visible, one.amodal, one.others)]
    return [np.array(records.to_csv()), *told]


def examine(dataset: Dataset, samples: int = 5) -> Verdict:
    """`violations`, and what `dataset.check()` finds."""
    broken, read, refused = _of_all_but_check(dataset, samples)
    try:
        problems = dataset.check()
    except FAILURES as error:
        what = f"check() raises {described(error)}; what is wrong in the files is returned, not raised"
        return Verdict([*broken, what], [], read)
    if not isinstance(problems, Sequence) or not all(isinstance(problem, Problem) for problem in problems):
        return Verdict([*broken, "check() does not return a sequence of Problem"], [], read)
    if refused and not problems:
        broken.append(f"check() finds no problem, but a sample cannot be read: {refused[0]}")
    return Verdict(broken, list(problems), read)


def _of_all_but_check(dataset: Dataset, samples: int) -> tuple[list[str], int, list[InputError]]:
    """Violations, the number of samples that were read, and the errors of those that were refused."""
    try:
        records = dataset.records()
    except FAILURES as error:
        return [f"records() raises {described(error)}"], 0, []
    if broken := list(_of_records(records)):
        return broken, 0, []
    rows = records.reset_index(drop=True)
    chosen = _spread(rows, samples)
    refused: list[InputError] = []
    clauses = (
        _of_identity(dataset, records),
        _of_chosen(dataset, chosen, refused),
        _of_others(dataset, rows, chosen),
        _of_unknown_id(dataset),
        _of_pickle(dataset, records, chosen),
    )
    broken = _grouped([what for clause in clauses for what in _guarded(clause)])
    return broken, len(chosen) - len(refused), refused


def _grouped(broken: list[str]) -> list[str]:
    """One line for each fault: that of the first sample that has it, and how many have."""
    faults: dict[str, list[str]] = {}
    for what in broken:
        fault = re.sub(r"\d+(\.\d+)?", "", re.sub(r"'[^']*'", "", what)) if what.startswith("sample '") else what
        faults.setdefault(fault, []).append(what)
    return [f"{lines[0]} ({len(lines)} samples)" if len(lines) > 1 else lines[0] for lines in faults.values()]


def _guarded(clause: Iterator[str]) -> Iterator[str]:
    """A clause's violations; an error on the way is one, too."""
    try:
        yield from clause
    except FAILURES as error:
        yield f"a call raises {described(error)}"


def _of_records(records: Any) -> Iterator[str]:
    """The index by itself: columns, dtypes, ids and ranges."""
    if not isinstance(records, pd.DataFrame):
        yield f"records() returns {kind_of(records)}, not a DataFrame"
        return
    outdated = outdated_columns(records)
    yield from (f"column {old!r} of records() is called {new!r} now" for old, new in outdated.items())
    for name, dtype in RECORD_COLUMNS.items():
        if name in outdated.values():
            continue
        if name not in records:
            yield f"records() lacks the column {name!r}"
        elif not _has_dtype(records[name], dtype):
            yield f"column {name!r} of records() is {records[name].dtype} with missing or other values, not {dtype}"
    if not set(RECORD_COLUMNS) <= set(records):
        return
    if records.empty:
        yield "records() is empty"
    ids = records["id"].astype(str)
    if ids.duplicated().any():
        yield f"id {ids[ids.duplicated()].iloc[0]!r} stands more than once in records()"
    if bad := [id for id in ids if not is_listable(id)]:
        yield f"id {bad[0]!r} is empty, begins with '#', or has white space at an end or a line break"
    pixels, rate = (pd.to_numeric(records[name], errors="coerce") for name in ("amodal_pixels", "occlusion_rate"))
    # Both may be unknown before a mask is read; one alone is a column that was forgotten or misspelt.
    for name, column, other in (("amodal_pixels", pixels, rate), ("occlusion_rate", rate, pixels)):
        if len(column) and column.isna().all() and other.notna().any():
            yield f"column {name!r} of records() has no number: every row is NaN"
    if (pixels < 0).any():
        yield f"a number of amodal_pixels is negative: {pixels.min():g}"
    if ((rate < 0) | (rate > 1)).any():
        yield f"an occlusion rate is outside of [0, 1]: {rate[(rate < 0) | (rate > 1)].iloc[0]:g}"


def _has_dtype(column: pd.Series[Any], dtype: str) -> bool:
    if dtype == "str":
        return all(isinstance(value, str) for value in column)
    return str(column.dtype) == dtype


def _of_identity(dataset: Dataset, records: pd.DataFrame) -> Iterator[str]:
    if not isinstance(dataset.name, str) or not dataset.name.strip():
        yield f"name is {dataset.name!r}, not a text"
    if not dataset.records().equals(records):
        yield "records() differs from one call to the next"
    first, second = dataset.fingerprint(), dataset.fingerprint()
    if not isinstance(first, str) or len(first) != 64 or set(first) - set("0123456789abcdef"):
        yield f"fingerprint() is {first!r}, not 64 hex digits"
    if first != second:
        yield "fingerprint() differs from one call to the next"


def _spread(records: pd.DataFrame, count: int) -> pd.DataFrame:
    """`count` records from unoccluded to hidden, those of unknown rate last."""
    ordered = records.sort_values("occlusion_rate", kind="stable")
    return ordered.iloc[np.unique(np.linspace(0, len(ordered) - 1, max(count, 1)).round().astype(int))]


def _of_chosen(dataset: Dataset, chosen: pd.DataFrame, refused: list[InputError]) -> Iterator[str]:
    """Each sample by itself and against its record; the errors of bad records are added to `refused`."""
    given: list[tuple[Sample, Sample]] = []
    for record in chosen.to_dict("records"):
        id = str(record["id"])
        try:
            sample = dataset.sample(id)
            kept = copy.deepcopy(sample)
            again = dataset.sample(id)
        except InputError as error:
            refused.append(error)
            continue
        except FAILURES as error:
            yield f"sample {id!r} raises {described(error)}, not an InputError"
            continue
        if broken := list(_of_form(id, sample)):
            yield from broken
            continue
        if not _same(kept, again):
            yield f"sample {id!r} differs from one call to the next"
        yield from (f"sample {id!r}: {what}" for what in _of_record(record, kept))
        given.append((kept, sample))
    for kept, sample in given:
        if not _same(kept, sample):
            yield f"sample {kept.id!r} changes when another one is read: each needs arrays of its own"


def _of_form(id: str, sample: Any) -> Iterator[str]:
    """Types, dtypes and sizes."""
    if not isinstance(sample, Sample):
        yield f"sample {id!r} is {kind_of(sample)}, not a Sample"
        return
    if sample.id != id:
        yield f"sample {id!r} has the id {sample.id!r}"
    image = sample.image
    if not is_picture(image):
        yield f"sample {id!r}: the image is {form(image)}, not (H, W, 3) uint8"
        return
    for name in ("visible", "amodal", "others"):
        if wrong := wrong_mask(getattr(sample, name), image.shape[:2], "the image"):
            yield f"sample {id!r}: {name} is {wrong}"


def _of_record(record: dict[Any, Any], sample: Sample) -> Iterator[str]:
    """Where the masks contradict the record."""
    found, stated = of_masks(sample.amodal, sample.visible), record["amodal_pixels"]
    if found.amodal_pixels == 0:
        if stated != 0:  # of what records() says to be empty, no protocol takes anything
            yield f"the amodal mask is empty, but amodal_pixels is {stated:g} in records()"
        return
    if record["hidden"] and not found.hidden:
        yield "hidden in records(), but its visible mask is not empty"
    # An index that has not measured the masks (its pixels are NaN) cannot know it.
    if not record["hidden"] and found.hidden and not math.isnan(stated):
        yield "the visible mask is empty, but records() does not say hidden"
    off = max(PIXEL_TOLERANCE * found.amodal_pixels, 1, BORDER_TOLERANCE * _border(sample.amodal))
    if abs(stated - found.amodal_pixels) > off:  # False for NaN
        yield f"amodal_pixels is {stated:g} in records(), but the amodal mask has {found.amodal_pixels:g} pixels"
    rate = found.occlusion_rate
    if abs(record["occlusion_rate"] - rate) > RATE_TOLERANCE:
        outside = int(np.count_nonzero(sample.visible & ~sample.amodal))
        beyond = f"; {outside} pixels of the visible mask lie outside of the amodal mask" if outside else ""
        yield f"its occlusion rate is {record['occlusion_rate']:g} in records(), but the masks give {rate:g}{beyond}"
    if not math.isnan(stated) and record["truncated"] != found.truncated:
        yield f"truncated is {record['truncated']} in records(), but the amodal mask says otherwise"


def _border(mask: Mask) -> int:
    """The sides of pixels between a mask and what is not."""
    framed = np.pad(mask, 1)
    return int(np.count_nonzero(np.diff(framed, axis=0))) + int(np.count_nonzero(np.diff(framed, axis=1)))


def _of_others(dataset: Dataset, records: pd.DataFrame, chosen: pd.DataFrame) -> Iterator[str]:
    """`others` against the visible masks of the other instances of the image.

    An image may have been annotated several times, each time on its own. Unless the dataset says which instances
    belong together, all of an image are taken to, where their visible masks are disjoint; else `others` only may not
    cover what no other instance does.
    """
    known = isinstance(dataset, IndexedDataset)
    together = (
        dataset.index.instances[SCENE].to_numpy() if isinstance(dataset, IndexedDataset) else records["image_id"]
    )
    together = pd.Series(together, index=records.index)
    for row in chosen.index:
        id, company = str(records.at[row, "id"]), records.loc[together == together[row], "id"].astype(str)
        if len(company) > COMPANY:
            continue
        read = {other: sample for other in company if (sample := _readable(dataset, other)) is not None}
        if id not in read or any(list(_of_form(other, sample)) for other, sample in read.items()):
            continue  # reported by another clause
        own, others = read[id].visible, read[id].others
        union = _union([sample.visible for other, sample in read.items() if other != id], own)
        disjoint = sum(int(sample.visible.sum()) for sample in read.values()) == int((union | own).sum())
        if len(read) == len(company) and (others & ~union).any():
            yield f"sample {id!r}: others covers pixels that are visible of no other instance of the image"
        elif (known or disjoint) and (union & ~others).any():
            yield f"sample {id!r}: others lacks visible pixels of another instance of the image"


def _readable(dataset: Dataset, id: str) -> Sample | None:
    try:
        return dataset.sample(id)
    except FAILURES:  # reported by another clause, or a bad record
        return None


def _union(masks: list[Mask], like: Mask) -> Mask:
    union = np.zeros_like(like)
    for mask in masks:
        if mask.shape == union.shape:
            union |= mask
    return union


def _of_unknown_id(dataset: Dataset) -> Iterator[str]:
    unknown = "no instance has this id"
    try:
        dataset.sample(unknown)
        yield "sample() of an unknown id returns something instead of raising InputError"
    except InputError:
        pass
    except FAILURES as error:
        yield f"sample() of an unknown id raises {described(error)}, not an InputError"


def _of_pickle(dataset: Dataset, records: pd.DataFrame, chosen: pd.DataFrame) -> Iterator[str]:
    """Worker processes are sent the dataset."""
    try:
        twin: Dataset = pickle.loads(pickle.dumps(dataset))
    except FAILURES as error:
        yield f"cannot be pickled for worker processes: {described(error)}"
        return
    read = {str(id): sample for id in chosen["id"] if isinstance(sample := _readable(dataset, str(id)), Sample)}
    if not _agrees(dataset, dataset, records, read):
        return  # reported by another clause
    try:
        if not _agrees(twin, dataset, records, read):
            yield "a pickled copy of it gives other records, samples or fingerprint"
    except FAILURES as error:
        yield f"a pickled copy of it raises {described(error)}"


def _agrees(twin: Dataset, dataset: Dataset, records: pd.DataFrame, read: dict[str, Sample]) -> bool:
    """Whether a copy gives what the dataset gave."""
    return (
        twin.records().equals(records)
        and twin.fingerprint() == dataset.fingerprint()
        and all(_same(sample, twin.sample(id)) for id, sample in read.items())
    )


def _same(first: Sample, second: Any) -> bool:
    parts = ("image", "visible", "amodal", "others")
    return isinstance(second, Sample) and all(
        np.array_equal(getattr(first, part), getattr(second, part)) for part in parts
    )
