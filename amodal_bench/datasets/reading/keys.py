r"""Under which key a record holds its visible mask: the dataset's own first, then those of the formats close to it.

COCO-A, COCOA-cls and SAIL-VOS say `visible_mask`, KINS `i_segm` (2020) or `inmodal_seg` (2019), and files that were
converted between them keep either name, or `invisible_mask` alone, which is A \ V. Which key was taken is a column of
the index, and `data info` and `data check` say it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from amodal_bench.core.rle import Segmentation, decode, encode, is_list, is_object
from amodal_bench.datasets.reading.pairs import DENSE, Form, Form_

FORMATS = ("visible_mask", "i_segm", "inmodal_seg")
"""Keys of V in the formats that are read."""

HIDDEN = "invisible_mask"
r"""The key of A \ V."""

VISIBLE_KEY = "visible_key"
"""The column of an index that says where V was found; "" where it was nowhere, and V = A."""

FEW = 0.05
"""Share of instances with a visible mask, below which a file that should have one for each is doubted."""


def visible_key(record: dict[str, Any], own: Sequence[str]) -> str:
    """The key that V is read from: the first of the dataset's own keys, of `FORMATS`, or `HIDDEN`; "" for none."""
    if record.get(own[0]) is not None:  # as in almost all records
        return own[0]
    return next((key for key in (*own, *FORMATS, HIDDEN) if record.get(key) is not None), "")


def visible_part(
    record: dict[str, Any], key: str, amodal: Segmentation, size: tuple[int, int] | None
) -> Segmentation:
    r"""V of a record as a segmentation, for an index; None where A \ V cannot be taken from A.

    Args:
        record: the JSON object.
        key: that `visible_key` found.
        amodal: A as read from JSON.
        size: the image's height and width, None where they are unknown.
    """
    if key != HIDDEN:
        return record[key]
    if says_nothing(record[HIDDEN]):
        return amodal
    try:
        return None if size is None else encode(visible_mask(record, key, decode(amodal, *size), DENSE))
    except ValueError:
        return None


def visible_mask(record: dict[str, Any], key: str, amodal: Form_, form: Form[Form_]) -> Form_:
    """V of a record in the form of A; `key` is what `visible_key` found. Raises `ValueError` that names the key."""
    if key != HIDDEN:
        return form.read_field(key, record[key], *form.size(amodal))
    if says_nothing(record[HIDDEN]):
        return amodal
    return form.without(amodal, form.read_field(HIDDEN, record[HIDDEN], *form.size(amodal)))


def first(record: dict[str, Any], keys: Sequence[str]) -> tuple[str, Any]:
    """The first of some keys that has a value, with it; else all of them, and None."""
    found = (key for key in keys if record.get(key) is not None)
    return next(((key, record[key]) for key in found), (" or ".join(keys), None))


def says_nothing(segmentation: Segmentation) -> bool:
    """Whether a mask is there but empty: no part at all, or only polygons of less than three points."""
    if not is_list(segmentation):
        return bool(segmentation == {})
    parts = segmentation if all(map(is_list, segmentation)) else [segmentation]
    return all(len(part) < 6 and not any(map(is_object, part)) for part in parts)


def what_was_taken(instances: pd.DataFrame, own: Sequence[str]) -> Iterator[str]:
    """What to remark of the keys that the visible masks of an index were read from."""
    taken = instances[VISIBLE_KEY].value_counts()
    for key in (str(key) for key in taken.index if key and key not in own):
        whence = f"{key}, which is A without V" if key == HIDDEN else f"{key}, the key of another format"
        yield f"V of {taken[key]} of {len(instances)} instances is read from {whence}"
    if none := int(taken.get("", 0)):
        tried = ", ".join(dict.fromkeys((*own, *FORMATS, HIDDEN)))
        yield f"{none} of {len(instances)} instances have no visible mask ({tried}): V = A is assumed"


def doubts(instances: pd.DataFrame, expected: bool) -> Iterator[str]:
    """What a run should warn of: visible masks that are missing where there should be some.

    Args:
        instances: of an index with `VISIBLE_KEY`.
        expected: whether every record should have a visible mask; else those of occluded objects alone.
    """
    without = instances[VISIBLE_KEY] == ""
    count, found = len(instances), int((~without).sum())
    if count and (not found or (expected and found < FEW * count)):
        have = f"only {found}" if found else "none"
        yield f"{have} of its {count} instances has a visible mask: V = A is assumed, where the baseline V is perfect"
    elif occluded := int((without & (instances["occlusion_rate"] > 0)).sum()):
        yield f"{occluded} of its {count} instances state an occlusion rate and no visible mask: V = A is assumed"
