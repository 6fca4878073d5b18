"""How a clause of a contract is run and worded; `testing/models.py` and its neighbours are made of such clauses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from amodal_bench.core.types import Mask


def guarded(clause: Iterator[str], call: str) -> Iterator[str]:
    """A clause's violations; an error that escapes from the component is one, too."""
    try:
        yield from clause
    except Exception as error:  # a user's own class may fail in any way
        yield f"{call} raises {described(error)}"


def described(error: BaseException) -> str:
    """An error as one line: its class and what it says."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def form(value: Any) -> str:
    """What an answer is, such as `(4, 3) float64`, or `a list`."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    return f"a {type(value).__name__}"


def wrong_mask(mask: Any, shape: tuple[int, ...]) -> str | None:
    """What an answer is instead of a bool mask of `shape`, or None where it is one."""
    right = isinstance(mask, np.ndarray) and mask.dtype == np.bool_ and mask.shape == shape
    return None if right else f"{form(mask)}, not {shape} bool"


def of_description(describe: Callable[[], Any], call: str = "describe()") -> Iterator[str]:
    """A description is a mapping that JSON can hold, and two calls give the same."""
    facts = describe()
    if not isinstance(facts, Mapping):
        yield f"{call} returns a {type(facts).__name__}, not a mapping"
        return
    try:
        text = as_json(facts)
    except (TypeError, ValueError) as error:
        yield f"{call} cannot be written as JSON: {' '.join(str(error).split())}"
        return
    if as_json(describe()) != text:
        yield f"{call} differs from one call to the next"


def as_json(facts: Any) -> str:
    """A description in one canonical form. Raises `TypeError` or `ValueError` where JSON cannot hold it."""
    return json.dumps(dict(facts), sort_keys=True, allow_nan=False)


def same(first: Sequence[Any], second: Sequence[Any]) -> bool:
    """Whether two lists of arrays are equal in every bit."""
    return len(first) == len(second) and all(map(np.array_equal, first, second))


def of_company(ask: Callable[[Sequence[int]], Sequence[Mask]], count: int, call: str) -> Iterator[str]:
    """An answer is the same alone, in company, in another order and once more, and stays as it was given.

    Args:
        ask: the answers to the questions of these numbers, as one batch.
        count: how many questions there are.
        call: what is called, for messages.
    """
    everything = range(count)
    given = ask(everything)
    first = [mask.copy() for mask in given]
    turned, alone = list(ask(everything[::-1]))[::-1], ask(everything[-1:])
    if not same(first, given):
        yield f"{call} changes masks that it has returned before"
    if same(first, turned) and same(first[-1:], alone):
        return
    if not same(first, ask(everything)):
        yield f"{call} answers differently from one call to the next, with the same questions and seeds"
    elif not same(first, turned):
        yield f"{call} answers differently when the batch is in another order"
    else:
        yield f"{call} answers differently alone than in company"
