"""Counts, sizes, rates and times as people read them."""

from __future__ import annotations

import math

WORDS = {"inst": "instances", "pred": "predictions"}
"""What short units stand for; of others there are several with an s."""


def amount(count: float, unit: str) -> str:
    """How much of something: `12 scenes`, `1.2 GB` for a count of the unit `B`, `12` without a unit."""
    if unit == "B":
        power = next((power for power in range(4) if count < 1000 ** (power + 1)), 4)
        return f"{count / 1000**power:.3g} {('', 'k', 'M', 'G', 'T')[power]}B"
    return f"{count} {_words(unit)}".rstrip()


def per_second(rate: float, unit: str) -> str:
    """A rate: `3.2 scenes/s`, `4.9 MB/s`."""
    return f"{amount(rate, unit)}/s" if unit == "B" else f"{rate:.3g} {_words(unit) or 'steps'}/s"


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any: `2:08`, `1:02:08`."""
    whole = max(0, math.ceil(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _words(unit: str) -> str:
    return WORDS.get(unit, f"{unit}s" if unit else "")
