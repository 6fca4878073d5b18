"""What every model has to satisfy, checked on an object of any class: `assert violations(MyModel()) == []`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from amodal_bench.core.errors import PredictionError
from amodal_bench.core.forms import form, is_picture, wrong_mask
from amodal_bench.core.kinds import kind_of
from amodal_bench.core.seeds import sample_seed
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Query
from amodal_bench.models.base import Completes, Completion, Explains, Finite, Framed, Model, Step, Stepwise, draws_of
from amodal_bench.models.explained import wrong_explanation
from amodal_bench.testing import scenes
from amodal_bench.testing.clauses import (
    FAILURES,
    as_json,
    described,
    guarded,
    of_company,
    of_description,
    of_generators,
    of_members,
    of_unchanged,
    same,
)
from amodal_bench.views.window import Window


def violations(model: Model, count: int = scenes.MANY) -> list[str]:
    """Every way in which a model breaks what `amodal_bench.models.base.Model` promises; empty if it keeps all.

    Whether its description has all of its settings is left to `testing.settings`.

    Args:
        model: the object.
        count: how many scenes of the toy aquarium it is asked about in one batch, at least two.
    """
    broken = list(of_members(model, "describe", "predict"))
    broken = broken or list(guarded(of_description(model.describe), "describe()"))
    if broken:
        return broken
    before = as_json(model.describe())
    asked = scenes.queries(count)
    if isinstance(model, Finite):
        broken += guarded(_of_unknown(model, asked[0]), "predict()")
        if broken:
            return broken
        known = set(model.answers())
        asked = [query for query in asked if query.id in known]
    asked, refused = _answered(model, asked)
    if refused and not asked:
        return [f"predict() has an answer to no scene of the toy aquarium: {refused}"]
    if asked:
        broken += guarded(_of_answers(model, asked, rounding='"torch"' in before), "predict()")
    if asked and not broken:
        broken += _of_extras(model, asked[0])
        broken += guarded(_of_nothing(model, asked), "predict()")
        broken += guarded(_of_seeds(model, asked), "predict()")
    broken += guarded(of_unchanged(model.describe, before, "predict()"), "describe()")
    return list(dict.fromkeys(broken))


def answers(model: Model, count: int = 3) -> list[Mask]:
    """What a model answers to the scenes, to compare two settings of it."""
    asked = scenes.queries(count)
    asked, _ = _answered(model, asked)
    return [np.array(mask) for mask in model.predict(asked, scenes.seeds(asked))]


def _answered(model: Model, asked: list[Query]) -> tuple[list[Query], str]:
    """The queries that a model has an answer to, and why it has none to the others: it may refuse some."""
    try:
        model.predict(*_copies(asked))
    except PredictionError:
        pass
    except FAILURES:
        return asked, ""  # reported by another clause
    else:
        return asked, ""
    found, why = [], ""
    for query in asked:
        try:
            model.predict(*_copies([query]))
            found.append(query)
        except PredictionError as error:
            why = str(error)
        except FAILURES:
            found.append(query)
    return found, why


def _copies(asked: list[Query]) -> tuple[list[Query], list[int]]:
    """Queries that a model may spoil, and their seeds."""
    return [Query(query.id, query.image.copy(), query.visible.copy()) for query in asked], scenes.seeds(asked)


def _of_answers(model: Model, asked: list[Query], rounding: bool) -> Iterator[str]:
    """The form of the answers; inputs and shared generators are left alone; no answer depends on the batch."""
    seeds, kept = scenes.seeds(asked), [(query.image.copy(), query.visible.copy()) for query in asked]

    def ask(index: Sequence[int]) -> Sequence[Mask]:
        return model.predict([asked[i] for i in index], [seeds[i] for i in index])

    if broken := list(_of_form(ask(range(len(asked))), asked)):
        yield from broken
    elif not all(same([query.image, query.visible], was) for query, was in zip(asked, kept, strict=True)):
        yield "predict() changes the image or the visible mask of its query"
    else:
        broken = list(of_company(ask, len(asked), "predict()", rounding))
        yield from broken or of_generators(lambda: ask(range(1)), "predict()")


def _of_form(masks: Any, asked: Sequence[Query]) -> Iterator[str]:
    if not isinstance(masks, Sequence) or len(masks) != len(asked):
        number = f" of {len(masks)}" if isinstance(masks, Sequence) else ""
        found = kind_of(masks) + number
        yield f"predict() of {len(asked)} queries returns {found}, not a list of as many masks"
        return
    for mask, query in zip(masks, asked, strict=True):
        if wrong := wrong_mask(mask, query.visible.shape, "its query's image"):
            yield f"predict() returns {wrong}"
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
    except FAILURES as error:
        yield f"predict() of an empty visible mask raises {described(error)}, not a PredictionError"


def _of_seeds(model: Model, asked: list[Query]) -> Iterator[str]:
    """A model that says that it is deterministic predicts each instance once, so other seeds must not matter."""
    first, again = ([sample_seed(0, query.id, draw) for query in asked] for draw in (0, 1))
    if draws_of(model, 2) == 1 and not same(model.predict(asked, first), model.predict(asked, again)):
        yield "predict() depends on the seeds, and the model says that it is deterministic"


def _of_unknown(model: Any, query: Query) -> Iterator[str]:
    """A model that reads its answers has none for an id that nobody has."""
    model.answers()
    try:
        model.predict([Query("no instance has this id", query.image, query.visible)], [0])
        yield "predict() of a query that is not among answers() returns something, and raises no PredictionError"
    except PredictionError:
        pass
    except FAILURES as error:
        yield f"predict() of a query that is not among answers() raises {described(error)}, not a PredictionError"


def _of_extras(model: Model, query: Query) -> Iterator[str]:
    """The pictures that a model may have for people; they leave the query alone, too."""
    kinds = (
        (Explains, "explain()", _of_explanation),
        (Framed, "explained_window()", _of_window),
        (Completes, "complete()", _of_completion),
        (Stepwise, "every_step()", _of_steps),
    )
    (seed,) = scenes.seeds([query])
    for kind, call, clause in kinds:
        if isinstance(model, kind):
            own = Query(query.id, query.image.copy(), query.visible.copy())
            yield from guarded(clause(model, own, seed), call)
            if not same([own.image, own.visible], [query.image, query.visible]):
                yield f"{call} changes the image or the visible mask of its query"


def _of_explanation(model: Any, query: Query, seed: int) -> Iterator[str]:
    if wrong := wrong_explanation(model.explain([query], [seed]), 1):
        yield wrong


def _of_window(model: Any, query: Query, _seed: int) -> Iterator[str]:
    window = model.explained_window(query)
    if not isinstance(window, Window) or window.width < 1 or window.height < 1:
        yield f"explained_window() returns {window!r}, not a rectangle with x, y, width and height"


def _of_completion(model: Any, query: Query, seed: int) -> Iterator[str]:
    """The completion belongs to the prediction."""
    shape = query.image.shape
    (mask,) = model.predict([query], [seed])
    kept = mask.copy()
    made = model.complete(query, seed)
    if not isinstance(made, Completion) or not np.array_equal(made.mask, kept):
        yield "complete() does not return the mask that predict() returns"
    elif not is_picture(made.picture) or made.picture.shape != shape:
        yield f"complete(): the picture is {form(made.picture)}, not {shape} uint8"


def _of_steps(model: Any, query: Query, seed: int) -> Iterator[str]:
    steps = model.every_step(query, seed)
    numbers = [step.number for step in steps if isinstance(step, Step)]
    if len(numbers) != len(steps) or not numbers or numbers != sorted(set(numbers)):
        yield "every_step() does not return steps of ascending numbers"
