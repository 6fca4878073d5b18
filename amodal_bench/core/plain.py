"""Settings and facts as people and command lines write them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any


def plain(value: Any) -> str:
    """The shortest text that tells a value from every other one: `0.3`, `20`, `true`, `null`, `blend`."""
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    if isinstance(value, str) and value and not any(letter.isspace() or letter in "\"'=" for letter in value):
        return json.dumps(value) if _is_other(value) else value
    return json.dumps(value, sort_keys=True, default=str)


LONGEST = 100
"""Digits of a whole number that is read as one: Python reads none of more than 4300."""


def number_in(text: str) -> int | None:
    """The whole number that a text of digits is; None of any other text."""
    return int(text) if text.isdecimal() and len(text) <= LONGEST else None


def whole(value: Any) -> int | None:
    """A number of parsed JSON as a whole one: 7 and 7.0 are 7, as pandas writes ids; None of anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < EXACT else None
    return value if isinstance(value, int) else None


EXACT = 1 << 53
"""Whole numbers below have a float of their own."""


def leaves(facts: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """Nested facts by their dotted places, below `place`; a list, and an empty mapping, is one fact."""
    for key, value in facts.items():
        here = f"{place}.{key}" if place else key
        if isinstance(value, Mapping) and value:
            yield from leaves(value, here)
        else:
            yield here, value


def without_seed(settings: str) -> str:
    """A row's settings without the seed, which has a place of its own."""
    return " ".join(word for word in settings.split(" ") if not word.startswith("seed="))


def _is_other(text: str) -> bool:
    """Whether a text reads as a value that is none: `3`, `true`, `null`, `nan`, `[1]`."""
    for reads in (json.loads, float):
        with suppress(ValueError):
            reads(text)
            return True
    return False
