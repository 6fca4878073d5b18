"""What a model says of one query: the amodal mask, and the object cut out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from amodal_bench.core.errors import BenchError, PredictionError, one_line
from amodal_bench.core.stops import is_wish
from amodal_bench.core.types import Image, Mask
from amodal_bench.datasets.base import Query
from amodal_bench.models.answers import completion_of, masks_of
from amodal_bench.models.base import Completes, Model


@dataclass(frozen=True)
class Answer:
    """An answer on the image's grid.

    Attributes:
        amodal: the predicted mask, (H, W) bool.
        cut_out: the object, (H, W, 4) uint8 RGBA: V's pixels as the image has them and, where the model paints,
            hidden ones as it painted them.
        painted: whether it does.
    """

    amodal: Mask
    cut_out: Image
    painted: bool


def answer(model: Model, query: Query, seed: int) -> Answer:
    """Ask a model for the mask of a query, and cut the object out.

    Raises:
        BenchError: the model has no answer, or what it needs is not at hand.
        TypeError, ValueError: what it returns is no such answer.
    """
    if not isinstance(model, Completes):
        (mask,) = masks_of(model.predict([query], [seed]), [query])
        return Answer(mask, _cut_out(query.image, query.visible), False)
    found = completion_of(model.complete(query, seed), query)
    whole = np.where(query.visible[..., None], query.image, found.picture)
    return Answer(found.mask, _cut_out(whole, found.mask), True)


@contextmanager
def in_one_line(name: str) -> Iterator[None]:
    """Turn whatever a model or a segmenter fails with into one line, as a run makes an error row of it."""
    try:
        yield
    except BenchError:
        raise
    except BaseException as error:
        if is_wish(error):
            raise
        raise PredictionError(f"{name}: {one_line(error)}") from error


def _cut_out(picture: Image, mask: Mask) -> Image:
    """(H, W, 3) and (H, W) to (H, W, 4), empty outside of the mask."""
    return np.dstack([picture * mask[..., None], mask.astype(np.uint8) * 255]).astype(np.uint8)
