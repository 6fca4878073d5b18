"""How a clause of a contract is run and worded; `testing/models.py` and its neighbours are made of such clauses."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from amodal_bench.core.errors import with_class
from amodal_bench.core.forms import form
from amodal_bench.core.kinds import kind_of
from amodal_bench.core.types import Mask

FAILURES = (Exception, SystemExit)
"""What a user's own class may raise: `sys.exit()` in it must not end the check, and least of all with status 0."""

ROUNDING_SHARE = 0.001
"""The share of an image's pixels by which masks of a network may differ with a sample's place in the batch.

A place decides about the last bits of the numbers (`testing/backbones.py` has measured it), those about single levels
of a picture of 256, and those about pixels at a threshold. Company at the same place decides about nothing.
"""


def guarded(clause: Iterator[str], call: str) -> Iterator[str]:
    """A clause's violations; an error that escapes from the component is one, too."""
    try:
        yield from clause
    except FAILURES as error:
        yield f"{call} raises {described(error)}"


def described(error: BaseException) -> str:
    """An error as one line: its class and what it says."""
    # A StopIteration within a generator arrives as the RuntimeError that it causes.
    return with_class(error.__cause__ if isinstance(error.__cause__, StopIteration) else error)


def tensor_form(value: Any) -> str:
    """What a stage's answer is, such as `(4, 3) float64`, or `a numpy.ndarray`."""
    if type(value).__module__.partition(".")[0] == "torch":
        return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    return form(value) if not isinstance(value, np.ndarray) else "a numpy.ndarray"


def of_members(component: Any, *names: str) -> Iterator[str]:
    """A component has the methods of its kind."""
    for name in names:
        if not callable(getattr(component, name, None)):
            yield f"has no {name}()"


def of_description(describe: Callable[[], Any], call: str = "describe()") -> Iterator[str]:
    """A description is a mapping that JSON can hold, and two calls give the same."""
    facts = describe()
    if not isinstance(facts, Mapping):
        yield f"{call} returns {kind_of(facts)}, not a mapping"
        return
    try:
        text = as_json(facts)
    except (TypeError, ValueError) as error:
        yield f"{call} cannot be written as JSON: {' '.join(str(error).split())}"
        return
    if as_json(describe()) != text:
        yield f"{call} differs from one call to the next"


def of_unchanged(describe: Callable[[], Any], before: str, call: str) -> Iterator[str]:
    """A description is still what it was `before`, after the component was asked by `call`."""
    try:
        now = as_json(describe())
    except (TypeError, ValueError) as error:
        yield f"describe() cannot be written as JSON after {call}: {' '.join(str(error).split())}"
        return
    if now != before:
        yield f"describe() says something else after {call}"


def as_json(facts: Any) -> str:
    """A description in one canonical form. Raises `TypeError` or `ValueError` where JSON cannot hold it."""
    return json.dumps(dict(facts), sort_keys=True, allow_nan=False)


def same(first: Sequence[Any], second: Sequence[Any]) -> bool:
    """Whether two lists of arrays are equal in every bit."""
    return len(first) == len(second) and all(map(np.array_equal, first, second))


def of_company(
    ask: Callable[[Sequence[int]], Sequence[Mask]], count: int, call: str, rounding: bool = False
) -> Iterator[str]:
    """An answer is the same alone, in other company, in another order and once more, and stays as it was given.

    Args:
        ask: the answers to the questions of these numbers, as one batch.
        count: how many questions there are.
        call: what is called, for messages.
        rounding: whether a network answers, whose last bits may depend on a sample's place in the batch.
    """
    first, given = copied(ask(range(count)))
    if any(np.shares_memory(one, other) for one, other in combinations(given, 2)):
        yield f"{call} returns masks that share their memory: each query needs an array of its own"
        return
    turned, alone = copied(ask(range(count)[::-1]))[0][::-1], copied(ask(range(1)))[0]
    company = copied(ask([count - 1] * count))[0]
    if not same(first, given):
        yield f"{call} changes masks that it has returned before"
    if _turned_alike(first, turned, rounding) and same(first[:1], alone) and same(first[-1:], company[-1:]):
        return
    if not same(first, copied(ask(range(count)))[0]):
        yield f"{call} answers differently from one call to the next, with the same queries and seeds"
    elif not _turned_alike(first, turned, rounding):
        yield f"{call} answers differently when the batch is in another order"
    elif not same(first[:1], alone):
        yield f"{call} answers differently when a query is alone in its batch"
    else:
        yield f"{call} answers differently when other queries are in the batch"


def copied(masks: Sequence[Mask]) -> tuple[list[Mask], Sequence[Mask]]:
    """Copies of masks as they arrive, before the component is asked again, and the masks themselves."""
    return [mask.copy() for mask in masks], masks


def _turned_alike(first: Sequence[Mask], turned: Sequence[Mask], rounding: bool) -> bool:
    if len(first) != len(turned):
        return False
    share = ROUNDING_SHARE if rounding else 0.0
    return all(float((one != other).mean()) <= share for one, other in zip(first, turned, strict=True))


def of_generators(work: Callable[[], Any], call: str) -> Iterator[str]:
    """Work leaves the random generators alone that all of a process share."""
    before = _generators()
    work()
    if names := [name for name, state in _generators().items() if state != before[name]]:
        yield f"{call} seeds or uses the generator that a process shares ({', '.join(names)}); use one of its own"


def _generators() -> dict[str, bytes]:
    return {"np.random": pickle.dumps(np.random.get_state()), "random": pickle.dumps(random.getstate())}
