"""Fields of JSON records that loaders read alike: texts, file names, numbers, ids, flags and sides of pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from amodal_bench.core.plain import whole
from amodal_bench.core.rle import side_of

LONGEST_SIDE = (1 << 16) - 1
"""Pixels of a picture's side, beyond which pycocotools' 32-bit counts overflow."""

LARGEST = 1e12
"""No mask has so many pixels; longer whole numbers have no float."""

_NUMBER = (int, float)  # made once: half a million records ask four times each

NO_NAME = "its file_name cannot be one (it holds half a surrogate pair or a zero byte)"


LEADS_OUT = "its file_name leads out of the dataset's folder"


def text(value: Any) -> str:
    """A field as one line of text without blanks at its ends, "" where it is null; an id of 7.0 is that of 7.

    Half a surrogate pair, which JSON allows and no other file does, becomes "?".
    """
    if type(value) is int:  # as most ids are
        return str(value)
    if value is None:
        return ""
    number = whole(value) if isinstance(value, float) else None
    return " ".join(str(value if number is None else number).split()).encode(errors="replace").decode()


def file_name(value: Any) -> str:
    """A field as the name of a file, blanks inside it kept; "" where it is null or cannot be one (`NO_NAME`)."""
    name = "" if value is None else str(value).strip()
    return name if "\0" not in name and is_text(name) and not leads_out(name) else ""


def leads_out(name: str) -> bool:
    """Whether a name is absolute or has a step up: a picture lies in the folder of its dataset."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or f"{path}"[1:3] == ":/"


def is_text(value: str) -> bool:
    """Whether a text has no half of a surrogate pair, as names of files that are not UTF-8 have it, too."""
    return value.encode(errors="ignore").decode() == value


def pixels(value: Any) -> float:
    """A field as a number of pixels, NaN where it cannot be one."""
    return float(value) if isinstance(value, _NUMBER) and 0 <= value < LARGEST else math.nan


def share(value: Any) -> float:
    """A field as a number within 0 and 1, NaN where it is none."""
    return float(value) if isinstance(value, _NUMBER) and 0 <= value <= 1 else math.nan


def odd_numbers(fields: dict[str, Any], areas: tuple[str, ...], rates: tuple[str, ...] = ()) -> Iterator[str]:
    """What to report of numbers that are stated and cannot be right; they are measured instead."""
    for key in areas:
        if (value := fields.get(key)) is not None and math.isnan(pixels(value)):
            yield f"{key} must be a number of pixels"
    for key in rates:
        if (value := fields.get(key)) is not None and math.isnan(share(value)):
            yield f"{key} must be a number between 0 and 1"


def unused(label: str, taken: set[str]) -> str:
    """`label`, or one of `label.2`, `label.3`, ... that is not taken, the first where they are in a row; takes it."""
    free = label
    if label in taken:
        low, high = 1, 2  # halved, not counted: a hundred thousand records may have one id
        while f"{label}.{high}" in taken:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if f"{label}.{middle}" in taken else (low, middle)
        free = f"{label}.{high}"
    taken.add(free)
    return free


def claimed_id(stated: str, entry: str, taken: set[str]) -> tuple[str, str | None]:
    """An annotation's id, made up where it states none or one that is taken, and what to report then.

    Args:
        stated: the id as text, "" where there is none.
        entry: where the annotation stands: "entry 3 of annotations".
        taken: the ids so far; the new one is added.
    """
    id = unused(stated or entry.removesuffix(" of annotations").replace(" ", ""), taken)
    if id == stated:
        return id, None
    return id, f"id {stated} is listed twice" if stated else f"{entry} has no id"


def odd_flags(fields: dict[str, Any], flags: tuple[str, ...]) -> Iterator[str]:
    """What to report of flags that are stated and are none; they count as not set."""
    for key in flags:
        if (value := fields.get(key)) is not None and value not in (0, 1, "0", "1", ""):
            yield f"{key} must be 0 or 1; it is taken for 0"


def odd_sides(entry: dict[str, Any]) -> Iterator[str]:
    """What to report of a picture's height and width that are stated and cannot be."""
    for key in ("height", "width"):
        if entry.get(key) is not None and not side(entry[key]):
            yield f"{key} must be a whole number of pixels between 1 and {LONGEST_SIDE}; it is taken for unknown"


def is_set(value: Any) -> bool:
    """Whether a flag is set: it may be a number, a boolean or text."""
    return value in (1, "1")  # True == 1


def side(value: Any) -> int:
    """A side of a picture in pixels, 0 where it is not stated or cannot be one."""
    found = side_of(value) or 0
    return found if 0 < found <= LONGEST_SIDE else 0
