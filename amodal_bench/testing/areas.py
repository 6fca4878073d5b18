"""What every inpainting area has to satisfy, checked on any object: `assert violations(MyArea()) == []`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from amodal_bench.core.errors import PredictionError
from amodal_bench.core.forms import wrong_mask
from amodal_bench.core.types import Mask
from amodal_bench.models.described import facts_of
from amodal_bench.testing import scenes
from amodal_bench.testing.clauses import FAILURES, described, guarded, of_description, of_generators


def violations(area: Callable[[Mask], Mask], count: int = 3) -> list[str]:
    """Every way in which an area breaks what `amodal_bench.method.area.Area` promises: M from V, and from V alone."""
    broken = list(guarded(of_description(lambda: facts_of(area), "its description"), "its description"))
    for query in scenes.queries(count):
        broken = broken or list(guarded(_of_area(area, query.visible), "the area"))
    return broken or list(_of_nothing(area, np.zeros((8, 8), bool)))


def _of_area(area: Callable[[Mask], Mask], visible: Mask) -> Iterator[str]:
    kept = visible.copy()
    made = area(visible)
    found = made.copy() if isinstance(made, np.ndarray) else made  # the area may use its buffer again
    if wrong := wrong_mask(found, visible.shape, "V"):
        yield f"the area is {wrong}"
    elif not np.array_equal(kept, visible):
        yield "the area changes V"
    elif not np.array_equal(area(visible), found):
        yield "the area differs from one call to the next"
    else:
        yield from of_generators(lambda: area(visible), "the area")


def _of_nothing(area: Callable[[Mask], Mask], empty: Mask) -> Iterator[str]:
    try:
        if wrong := wrong_mask(area(empty), empty.shape, "V"):
            yield f"the area of an empty V is {wrong}"
    except PredictionError:
        pass
    except FAILURES as error:
        yield f"the area of an empty V raises {described(error)}, not a PredictionError"
