"""The class of a value in words, for messages."""

from __future__ import annotations

from typing import Any


def kind_of(value: Any) -> str:
    """What class a value has, such as `a list` or `an int`."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeioAEIO' else 'a'} {name}"  # a uint8, a UserDict
