"""What every inpainting area has to satisfy, checked on any object: `assert violations(MyArea()) == []`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from amodal_bench.core.errors import PredictionError
from amodal_bench.core.types import Mask
from amodal_bench.method.described import facts_of
from amodal_bench.testing import scenes
from amodal_bench.testing.clauses import described, guarded, of_description, wrong_mask


def violations(area: Callable[[Mask], Mask], count: int = 3) -> list[str]:
    """Every way in which an area breaks what `amodal_bench.method.area.Area` promises: M from V, and from V alone."""
    broken = list(guarded(of_description(lambda: facts_of(area), "its description"), "its description"))
    for query in scenes.queries(count):
        broken += guarded(_of_area(area, query.visible), "the area")
    broken += _of_nothing(area, np.zeros((8, 8), bool))
    return list(dict.fromkeys(broken))


def _of_area(area: Callable[[Mask], Mask], visible: Mask) -> Iterator[str]:
    kept = visible.copy()
    found = area(visible)
    if wrong := wrong_mask(found, visible.shape):
        yield f"the area is {wrong} as V"
    elif not np.array_equal(kept, visible):
        yield "the area changes V"
    elif not np.array_equal(area(visible), found):
        yield "the area differs from one call to the next"


def _of_nothing(area: Callable[[Mask], Mask], empty: Mask) -> Iterator[str]:
    try:
        if wrong := wrong_mask(area(empty), empty.shape):
            yield f"the area of an empty V is {wrong} as V"
    except PredictionError:
        pass
    except Exception as error:
        yield f"the area of an empty V raises {described(error)}, not a PredictionError"
