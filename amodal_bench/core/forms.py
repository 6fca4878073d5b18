"""What an answer of somebody's code is, in words, for messages."""

from __future__ import annotations

from typing import Any

import numpy as np

from amodal_bench.core.kinds import kind_of


def form(value: Any) -> str:
    """What an answer is, such as `(4, 3) float64` of an array, `a list`, or `a torch.Tensor`."""
    if isinstance(value, np.ndarray):
        return f"{value.shape} {value.dtype}{'' if value.size else ' (empty)'}"
    kind = type(value)
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"a {kind.__module__.partition('.')[0]}.{kind.__name__}"
    return kind_of(value)


def wrong_mask(value: Any, shape: tuple[int, ...], like: str) -> str | None:
    """What an answer is instead of a bool mask of `shape`, which is that of `like`; None where it is one."""
    if not isinstance(value, np.ndarray):
        return f"{form(value)}, not a NumPy array of {shape} bool"
    right = value.dtype == np.bool_ and value.shape == shape
    return None if right else f"{form(value)}, not {shape} bool as {like}"


def is_picture(value: Any) -> bool:
    """Whether a value is an image, (H, W, 3) uint8 with a pixel."""
    right = isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 3
    return right and value.shape[2] == 3 and value.size > 0
