"""Parameters of which some are run each time, and the rest with the slow tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest


def mostly_slow(values: Iterable[Any], fast: Callable[[Any], bool] | int = 1) -> Sequence[Any]:
    """Parameters that are slow tests, but for the first `fast` ones or those of which `fast` is true."""
    listed = list(values)
    chosen = [place < fast if isinstance(fast, int) else fast(value) for place, value in enumerate(listed)]
    return [
        value if now else pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=pytest.mark.slow)
        for value, now in zip(listed, chosen, strict=True)
    ]
