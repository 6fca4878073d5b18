"""What identifies a part of the method in a run: an area, a condition, a leakage or a view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any


def facts_of(part: Any) -> Mapping[str, Any]:
    """What a part says of itself: its `describe()` where it has one, else its fields or public attributes."""
    if callable(describe := getattr(part, "describe", None)):
        facts: Mapping[str, Any] = describe()
        return facts
    if is_dataclass(part):
        return {field.name: getattr(part, field.name) for field in fields(part)}
    return {name: value for name, value in vars(part).items() if not name.startswith("_")}
