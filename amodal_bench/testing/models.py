"""What every model has to satisfy, checked on an object of any class: `assert violations(MyModel()) == []`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from amodal_bench.core.errors import PredictionError
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Query
from amodal_bench.models.base import Completes, Completion, Explains, Finite, Model, Step, Stepwise
from amodal_bench.testing import scenes
from amodal_bench.testing.clauses import (
    as_json,
    described,
    form,
    guarded,
    of_company,
    of_description,
    same,
    wrong_mask,
)


def violations(model: Model, count: int = 3) -> list[str]:
    """Every way in which a model breaks what `amodal_bench.models.base.Model` promises; empty if it keeps all.

    Whether its description has all of its settings is left to `testing.settings`.

    Args:
        model: the object.
        count: how many scenes of the toy aquarium it is asked about, at least two.
    """
    broken = list(guarded(of_description(model.describe), "describe()"))
    if broken:
        return broken
    before = as_json(model.describe())
    asked = scenes.queries(count)
    if isinstance(model, Finite):
        known = set(model.answers())
        unknown = Query("no instance has this id", asked[0].image, asked[0].visible)
        broken += guarded(_of_unknown(model, unknown), "predict()")
        asked = [query for query in asked if query.id in known]
    if asked:
        broken += guarded(_of_answers(model, asked), "predict()")
    if asked and not broken:
        broken += guarded(_of_extras(model, asked[0]), "a picture")
        broken += guarded(_of_nothing(model, asked), "predict()")
    if as_json(model.describe()) != before:
        broken.append("describe() says something else after predict()")
    return broken


def answers(model: Model, count: int = 3) -> list[Mask]:
    """What a model answers to the scenes, to compare two settings of it."""
    asked = scenes.queries(count)
    return [np.array(mask) for mask in model.predict(asked, scenes.seeds(asked))]


def _of_answers(model: Model, asked: list[Query]) -> Iterator[str]:
    """Form, inputs left alone, and independence of the batch."""
    seeds, kept = scenes.seeds(asked), [(query.image.copy(), query.visible.copy()) for query in asked]

    def ask(index: Sequence[int]) -> Sequence[Mask]:
        return model.predict([asked[i] for i in index], [seeds[i] for i in index])

    if broken := list(_of_form(ask(range(len(asked))), asked)):
        yield from broken
    elif not all(same([query.image, query.visible], was) for query, was in zip(asked, kept, strict=True)):
        yield "predict() changes the image or the visible mask of its query"
    else:
        yield from of_company(ask, len(asked), "predict()")


def _of_form(masks: Any, asked: Sequence[Query]) -> Iterator[str]:
    if not isinstance(masks, Sequence) or len(masks) != len(asked):
        number = f" of {len(masks)}" if isinstance(masks, Sequence) else ""
        found = f"a {type(masks).__name__}{number}"
        yield f"predict() of {len(asked)} queries returns {found}, not a list of as many masks"
        return
    for mask, query in zip(masks, asked, strict=True):
        if wrong := wrong_mask(mask, query.visible.shape):
            yield f"predict() returns {wrong} as its query's image"
            return


def _of_nothing(model: Model, asked: Sequence[Query]) -> Iterator[str]:
    """No query at all, and one in which nothing is visible: a mask or a `PredictionError`, no other error."""
    if len(model.predict([], [])):
        yield "predict() of no query returns masks"
    empty = scenes.unanswerable(asked[0])
    try:
        yield from _of_form(model.predict([empty], [0]), [empty])
    except PredictionError:
        pass
    except Exception as error:
        yield f"predict() of an empty visible mask raises {described(error)}, not a PredictionError"


def _of_unknown(model: Model, query: Query) -> Iterator[str]:
    """A model that reads its answers has none for this query."""
    try:
        model.predict([query], [0])
        yield "predict() of a query that is not among answers() returns something, and raises no PredictionError"
    except PredictionError:
        pass
    except Exception as error:
        yield f"predict() of a query that is not among answers() raises {described(error)}, not a PredictionError"


def _of_extras(model: Model, query: Query) -> Iterator[str]:
    """The pictures that a model may have for people: they belong to the prediction, and are pictures."""
    (seed,) = scenes.seeds([query])
    (mask,) = model.predict([query], [seed])
    if isinstance(model, Explains):
        pictures = model.explain(query, seed)
        if not isinstance(pictures, Mapping):
            yield f"explain() returns a {type(pictures).__name__}, not a mapping of pictures"
        else:
            yield from (f"explain(): {name} is {form(p)}, no picture" for name, p in pictures.items() if _flawed(p))
    if isinstance(model, Completes):
        made = model.complete(query, seed)
        if not isinstance(made, Completion) or not np.array_equal(made.mask, mask):
            yield "complete() does not return the mask that predict() returns"
        elif _flawed(made.picture) or made.picture.shape != query.image.shape:
            yield f"complete(): the picture is {form(made.picture)}, not {query.image.shape} uint8"
    if isinstance(model, Stepwise):
        steps = model.every_step(query, seed)
        numbers = [step.number for step in steps if isinstance(step, Step)]
        if len(numbers) != len(steps) or not numbers or numbers != sorted(set(numbers)):
            yield "every_step() does not return steps of ascending numbers"


def _flawed(picture: Any) -> bool:
    right = isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim == 3
    return not right or picture.shape[2] != 3
