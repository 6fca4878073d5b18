"""What a model answers, whose class may be anybody's: a plain mask for each query, or a line that says what it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from amodal_bench.core.forms import form, is_picture, wrong_mask
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Query
from amodal_bench.models.base import Completion


def masks_of(answers: Any, queries: Sequence[Query]) -> list[Mask]:
    """What `predict` has returned for queries, as plain arrays, each (H, W) bool.

    Raises:
        TypeError: it is no sequence of bool masks of the images' shapes.
        ValueError: there are more masks than queries, or fewer.
    """
    if not isinstance(answers, Sequence | np.ndarray) or (isinstance(answers, np.ndarray) and not answers.ndim):
        raise TypeError(f"the model returned {form(answers)}, not a list of masks")
    if len(answers) != len(queries):
        raise ValueError(f"the model returned {len(answers)} masks for {len(queries)} queries")
    for mask, query in zip(answers, queries, strict=True):
        if wrong := wrong_mask(mask, query.visible.shape, "the image"):
            raise TypeError(f"the model returned {wrong}")
    return [np.asarray(mask) for mask in answers]


def completion_of(found: Any, query: Query) -> Completion:
    """What `complete` has returned for a query, with plain arrays.

    Raises:
        TypeError: it is no `Completion`, or its mask or its picture is not one of the image's shape.
    """
    if not isinstance(found, Completion):
        raise TypeError(f"the model's complete() returned {form(found)}, not a Completion")
    (mask,) = masks_of([found.mask], [query])
    shape = (*query.visible.shape, 3)
    if not is_picture(found.picture) or found.picture.shape != shape:
        raise TypeError(f"the model painted {form(found.picture)}, not a picture of {shape} uint8")
    return Completion(mask, np.asarray(found.picture))
