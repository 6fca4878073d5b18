"""The pictures by which a model explains its predictions, whose class may be anybody's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from amodal_bench.core.errors import PredictionError
from amodal_bench.core.forms import form, is_picture
from amodal_bench.core.types import Image
from amodal_bench.datasets.base import Query
from amodal_bench.models.base import Explains, Model


def explained(model: Model, queries: Sequence[Query], seeds: Sequence[int]) -> Sequence[Mapping[str, Image]]:
    """What `explain` gives of each query; of a model that has no such method, nothing for each.

    Raises:
        PredictionError: it returns anything but a mapping of pictures for each query.
        Exception: whatever it raises.
    """
    if not isinstance(model, Explains):
        return [{} for _ in queries]
    found = model.explain(queries, seeds)
    if wrong := wrong_explanation(found, len(queries)):
        raise PredictionError(f"{type(model).__name__}.{wrong}")
    return found


def wrong_explanation(found: Any, count: int) -> str | None:
    """What is wrong with what `explain` returns for so many queries; None where nothing is."""
    if isinstance(found, Mapping) or not isinstance(found, Sequence) or len(found) != count:
        return "explain() does not return a list with one mapping of pictures for each query"
    for pictures in found:
        if not isinstance(pictures, Mapping):
            return f"explain() returns a list of {type(pictures).__name__}, not of mappings of pictures"
        for name, picture in pictures.items():
            if not isinstance(name, str):
                return f"explain(): the name of a picture is {form(name)}, not a text"
            if not is_picture(picture):
                return f"explain(): {name} is {form(picture)}, not a picture, which is (height, width, 3) uint8"
    return None
