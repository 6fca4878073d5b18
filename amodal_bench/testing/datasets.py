"""What every dataset has to satisfy, checked on an object of any class: `assert violations(MyDataset()) == []`."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from amodal_bench.core.errors import InputError, with_class
from amodal_bench.core.ids import is_listable
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import RECORD_COLUMNS, Dataset, Problem, Sample, outdated_columns
from amodal_bench.datasets.reading.indexed import SCENE, IndexedDataset
from amodal_bench.datasets.reading.measures import of_masks

PIXEL_TOLERANCE, RATE_TOLERANCE = 0.01, 0.01
"""Shares by which stated numbers may miss the masks: finer differences are the files' matter, and `check`'s."""
COMPANY = 40
"""Images with more instances are not read whole."""


@dataclass(frozen=True)
class Verdict:
    """What was found of a dataset.

    Attributes:
        violations: how it breaks the contract; a matter of its class.
        problems: what its `check` found; a matter of its files.
        read: how many of the chosen samples could be read, so that they were tested.
    """

    violations: list[str]
    problems: list[Problem]
    read: int


def violations(dataset: Dataset, samples: int = 5) -> list[str]:
    """Every way in which a dataset breaks what `amodal_bench.datasets.base.Dataset` promises; empty if it keeps all.

    A record that cannot be read is no violation if `sample` raises `InputError` and `check` reports it. Whether the
    fingerprint is the same for two constructions is left to the caller.

    Args:
        dataset: the object.
        samples: how many instances to read; they are spread over the occlusion rates, always the same ones.
    """
    return examine(dataset, samples).violations


def examine(dataset: Dataset, samples: int = 5) -> Verdict:
    """`violations`, and what `dataset.check()` finds."""
    broken, read, refused = _of_all_but_check(dataset, samples)
    try:
        problems = dataset.check()
    except Exception as error:
        what = f"check() raises {with_class(error)}; what is wrong in the files is returned, not raised"
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
    except Exception as error:
        return [f"records() raises {with_class(error)}"], 0, []
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
    broken = [what for clause in clauses for what in _guarded(clause)]
    return broken, len(chosen) - len(refused), refused


def _guarded(clause: Iterator[str]) -> Iterator[str]:
    """A clause's violations; an error on the way is one, too."""
    try:
        yield from clause
    except Exception as error:
        yield f"a call raises {with_class(error)}"


def _of_records(records: Any) -> Iterator[str]:
    """The index by itself: columns, dtypes, ids and ranges."""
    if not isinstance(records, pd.DataFrame):
        yield f"records() returns a {type(records).__name__}, not a DataFrame"
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
    for record in chosen.to_dict("records"):
        id = str(record["id"])
        try:
            sample, again = dataset.sample(id), dataset.sample(id)
        except InputError as error:
            refused.append(error)
            continue
        except Exception as error:
            yield f"sample {id!r} raises {with_class(error)}, not an InputError"
            continue
        if broken := list(_of_form(id, sample)):
            yield from broken
            continue
        if not _same(sample, again):
            yield f"sample {id!r} differs from one call to the next"
        yield from (f"sample {id!r}: {what}" for what in _of_record(record, sample))


def _of_form(id: str, sample: Any) -> Iterator[str]:
    """Types, dtypes and sizes."""
    if not isinstance(sample, Sample):
        yield f"sample {id!r} is a {type(sample).__name__}, not a Sample"
        return
    if sample.id != id:
        yield f"sample {id!r} has the id {sample.id!r}"
    image = sample.image
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        yield f"sample {id!r}: the image is {_form(image)}, not (H, W, 3) uint8"
        return
    for name in ("visible", "amodal", "others"):
        mask = getattr(sample, name)
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != image.shape[:2]:
            yield f"sample {id!r}: {name} is {_form(mask)}, not {image.shape[:2]} bool as the image is"


def _of_record(record: dict[Any, Any], sample: Sample) -> Iterator[str]:
    """Where the masks contradict the record."""
    found, stated = of_masks(sample.amodal, sample.visible), record["amodal_pixels"]
    if found.amodal_pixels == 0:
        yield "the amodal mask is empty"
        return
    if record["hidden"] and not found.hidden:
        yield "hidden in records(), but its visible mask is not empty"
    # An index that has not measured the masks (its pixels are NaN) cannot know it.
    if not record["hidden"] and found.hidden and not math.isnan(stated):
        yield "the visible mask is empty, but records() does not say hidden"
    if abs(stated - found.amodal_pixels) > max(PIXEL_TOLERANCE * found.amodal_pixels, 1):  # False for NaN
        yield f"amodal_pixels is {stated:g} in records(), but the amodal mask has {found.amodal_pixels:g} pixels"
    rate = found.occlusion_rate
    if abs(record["occlusion_rate"] - rate) > RATE_TOLERANCE:
        yield f"its occlusion rate is {record['occlusion_rate']:g} in records(), but the masks give {rate:g}"
    if not math.isnan(stated) and record["truncated"] != found.truncated:
        yield f"truncated is {record['truncated']} in records(), but the amodal mask says otherwise"


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
    except Exception:  # reported by another clause, or a bad record
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
    except Exception as error:
        yield f"sample() of an unknown id raises {with_class(error)}, not an InputError"


def _of_pickle(dataset: Dataset, records: pd.DataFrame, chosen: pd.DataFrame) -> Iterator[str]:
    """Worker processes are sent the dataset."""
    try:
        copy: Dataset = pickle.loads(pickle.dumps(dataset))
    except Exception as error:
        yield f"cannot be pickled for worker processes: {with_class(error)}"
        return
    read = {str(id): sample for id in chosen["id"] if isinstance(sample := _readable(dataset, str(id)), Sample)}
    if not _agrees(dataset, dataset, records, read):
        return  # reported by another clause
    try:
        if not _agrees(copy, dataset, records, read):
            yield "a pickled copy of it gives other records, samples or fingerprint"
    except Exception as error:
        yield f"a pickled copy of it raises {with_class(error)}"


def _agrees(copy: Dataset, dataset: Dataset, records: pd.DataFrame, read: dict[str, Sample]) -> bool:
    """Whether a copy gives what the dataset gave."""
    return (
        copy.records().equals(records)
        and copy.fingerprint() == dataset.fingerprint()
        and all(_same(sample, copy.sample(id)) for id, sample in read.items())
    )


def _same(first: Sample, second: Any) -> bool:
    parts = ("image", "visible", "amodal", "others")
    return isinstance(second, Sample) and all(
        np.array_equal(getattr(first, part), getattr(second, part)) for part in parts
    )


def _form(array: Any) -> str:
    return f"{array.shape} {array.dtype}" if isinstance(array, np.ndarray) else f"a {type(array).__name__}"
