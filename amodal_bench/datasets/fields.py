"""Fields of JSON records that loaders read alike: ids, flags and sides of pictures."""

from __future__ import annotations

from itertools import chain, count
from typing import Any

LONGEST_SIDE = (1 << 16) - 1
"""Pixels of a picture's side, beyond which pycocotools' 32-bit counts overflow."""


def unused(label: str, taken: set[str]) -> str:
    """`label`, or the first of `label.2`, `label.3`, ... that is not taken yet; takes it."""
    free = next(name for name in chain([label], (f"{label}.{n}" for n in count(2))) if name not in taken)
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
    return id, f"id {stated} is there already" if stated else f"{entry} has no id"


def is_set(value: Any) -> bool:
    """Whether a flag is set: it may be a number, a boolean or text."""
    return value in (1, "1")  # True == 1


def side(value: Any) -> int:
    """A side of a picture in pixels, 0 where it is not stated or cannot be one."""
    return value if isinstance(value, int) and 0 < value <= LONGEST_SIDE else 0
