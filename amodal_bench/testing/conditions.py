"""What every condition image has to satisfy, checked on an object of any class: `violations(MyCondition()) == []`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from amodal_bench.core.errors import PredictionError
from amodal_bench.core.forms import form
from amodal_bench.core.types import Floats, Image, Mask
from amodal_bench.datasets.base import Query
from amodal_bench.models.described import facts_of
from amodal_bench.testing import scenes
from amodal_bench.testing.clauses import FAILURES, described, guarded, of_description, of_generators

Condition: TypeAlias = Callable[[Image, Mask, int], Floats]


def violations(condition: Condition, count: int = 3) -> list[str]:
    """Every way in which a condition breaks what `amodal_bench.method.condition.Condition` promises."""
    broken = list(guarded(of_description(lambda: facts_of(condition), "its description"), "its description"))
    asked = scenes.queries(count)
    for query, seed in zip(asked, scenes.seeds(asked), strict=True):
        broken = broken or list(guarded(_of_picture(condition, query, seed), "the condition image"))
    return broken or list(_of_nothing(condition, scenes.unanswerable(asked[0])))


def _of_picture(condition: Condition, query: Query, seed: int) -> Iterator[str]:
    """Form and range; inputs and shared generators are left alone; one seed gives one picture."""
    image, visible = query.image.copy(), query.visible.copy()
    given = condition(query.image, query.visible, seed)
    made = given.copy() if isinstance(given, np.ndarray) else given  # the condition may use its buffer again
    if wrong := _wrong(made, image):
        yield f"the condition image is {wrong}"
    elif not np.array_equal(image, query.image) or not np.array_equal(visible, query.visible):
        yield "the condition changes its image or V"
    elif not np.array_equal(condition(query.image, query.visible, seed), made):
        yield "the condition image differs from one call to the next, with the same seed"
    else:
        yield from of_generators(lambda: condition(query.image, query.visible, seed), "the condition")


def _wrong(made: object, image: Image) -> str | None:
    if not isinstance(made, np.ndarray):
        return f"{form(made)}, not a NumPy array of {image.shape} float32"
    if made.dtype != np.float32 or made.shape != image.shape:
        return f"{form(made)}, not {image.shape} float32 as the view"
    if not np.isfinite(made).all() or made.min() < 0 or made.max() > 1:
        return f"between {made.min():g} and {made.max():g}, not 0 and 1"
    return None


def _of_nothing(condition: Condition, query: Query) -> Iterator[str]:
    try:
        if wrong := _wrong(condition(query.image, query.visible, 0), query.image):
            yield f"the condition image of an empty V is {wrong}"
    except PredictionError:
        pass
    except FAILURES as error:
        yield f"the condition image of an empty V raises {described(error)}, not a PredictionError"
