"""What a model of anybody's answers: plain arrays, or one line that says what it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from amodal_bench.cli.predict.answer import answer
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Query
from amodal_bench.models import base
from amodal_bench.models.answers import masks_of

QUERY = Query("a", np.full((4, 5, 3), 9, np.uint8), np.eye(4, 5, dtype=bool))
MASK = QUERY.visible
Completion: Any = base.Completion


class Predicts:
    """A model that paints nothing, and whose answers are given."""

    def __init__(self, masks: Any) -> None:
        self.masks = masks

    def describe(self) -> dict[str, Any]:
        return {}

    def predict(self, queries: Any, seeds: Any) -> Any:
        return self.masks


class Paints(Predicts):
    """A model that paints, and whose answers are given."""

    def complete(self, query: Query, seed: int) -> Any:
        return self.masks


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("kind", [np.matrix, np.ma.masked_array, np.asfortranarray, np.asarray])
@pytest.mark.parametrize("many", [list, tuple, deque, np.array])
def test_arrays_of_other_kinds_are_taken_as_plain_ones(kind: Callable[[Mask], Any], many: Callable[..., Any]) -> None:
    (mask,) = masks_of(many([kind(MASK)]), [QUERY])
    assert type(mask) is np.ndarray and np.array_equal(mask, MASK)
    assert answer(Predicts([kind(MASK)]), QUERY, 0).cut_out.shape == (4, 5, 4)


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        (None, "a NoneType, not a list of masks"),
        (3, "an int, not a list of masks"),
        (np.array(True), r"\(\) bool, not a list of masks"),
        ({"a": MASK}, "a dict, not a list of masks"),
        (iter([MASK]), "a list_iterator, not a list of masks"),
        ([], "0 masks for 1 queries"),
        ([MASK, MASK], "2 masks for 1 queries"),
        ([MASK[1:]], r"\(3, 5\) bool, not \(4, 5\) bool as the image"),
        ([MASK.astype(int)], r"\(4, 5\) int64, not \(4, 5\) bool as the image"),
        ([MASK.tolist()], r"a list, not a NumPy array of \(4, 5\) bool"),
    ],
)
def test_what_is_no_mask_for_each_query_is_told_in_one_line(masks: Any, said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^the model returned {said}$"):
        answer(Predicts(masks), QUERY, 0)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (None, r"the model's complete\(\) returned a NoneType, not a Completion"),
        (SimpleNamespace(mask=MASK), r"the model's complete\(\) returned a SimpleNamespace, not a Completion"),
        (Completion(MASK[1:], QUERY.image), r"the model returned \(3, 5\) bool, not \(4, 5\) bool as the image"),
        (Completion(MASK, np.uint8(7)), r"the model painted a numpy.uint8, not a picture of \(4, 5, 3\) uint8"),
        (Completion(MASK, QUERY.image[:1, :1]), r"the model painted \(1, 1, 3\) uint8, not a picture of \(4, 5, 3\)"),
        (Completion(MASK, QUERY.image / 255), r"the model painted \(4, 5, 3\) float64, not a picture of"),
        (Completion(MASK, QUERY.image[..., :1]), r"the model painted \(4, 5, 1\) uint8, not a picture of"),
    ],
)
def test_what_is_no_completion_is_told_in_one_line(made: Any, said: str) -> None:
    with pytest.raises(TypeError, match=f"^{said}"):
        answer(Paints(made), QUERY, 0)
    assert answer(Paints(Completion(MASK, QUERY.image)), QUERY, 0).painted
