"""A setting's value as people and command lines write it."""

from __future__ import annotations

import json
from typing import Any


def plain(value: Any) -> str:
    """The shortest text that tells a value from every other one: `0.3`, `20`, `true`, `null`, `blend`."""
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    if isinstance(value, str) and value and not any(letter.isspace() or letter in "\"'=" for letter in value):
        return value
    return json.dumps(value, sort_keys=True, default=str)
