"""Whether a description is complete: two settings of a component that answer otherwise have to describe otherwise.

Every setting of a specification (the YAML as composed) is varied by itself: numbers, truth values, and texts whose
annotation is a `Literal`. Answers are compared only where the description stays the same, so that it costs little.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import getmro
from types import SimpleNamespace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from amodal_bench.config.build import TARGET, build, find_class
from amodal_bench.core.errors import BenchError
from amodal_bench.method.described import facts_of
from amodal_bench.testing.clauses import as_json, described, same

ASIDE = ("name", "weights", "prior", "path", "file", "device", "revision", "prior_revision", "local_files_only")
"""Names and places, and what would download: these are not varied."""

ENOUGH = 2
"""Other values of a setting whose answers are compared."""


def violations(
    spec: Mapping[str, Any], where: str, answers: Callable[[Any], Sequence[Any]], key: Callable[[str], str] = str
) -> list[str]:
    """Every setting of a specification that changes answers, but not the description.

    Args:
        spec: plain values with the class as `_target_`; nested specifications are varied, too.
        where: its place in the configuration.
        answers: what a built component answers, arrays.
        key: how a user writes the setting at a place below `spec`.
    """
    base, again = build(spec, where), build(spec, where)
    facts = as_json(facts_of(base))
    if as_json(facts_of(again)) != facts:
        return ["describe() differs between two objects of the same settings"]
    known: list[Sequence[Any]] = []

    def answers_otherwise(other: Any) -> bool:
        if not known:
            known.append(answers(base))
        return not same(known[0], answers(other))

    broken = []
    for place, value in leaves(spec):
        setting = key(".".join(place))
        try:
            for other in _undescribed(spec, where, place, facts):
                if answers_otherwise(other.built):
                    changed = f"{setting}={other.value} instead of {value}"
                    broken.append(f"{changed} answers differently, but describe() says the same")
                    break
        except BenchError:
            raise
        except Exception as error:
            broken.append(f"{setting}: trying another value than {value} raises {described(error)}")
    return broken


def leaves(spec: Mapping[str, Any], place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The settings of a specification by their places in it, its classes left out."""
    for key, value in spec.items():
        if isinstance(value, Mapping):
            yield from leaves(value, (*place, key))
        elif key != TARGET:
            yield (*place, key), value


def _undescribed(
    spec: Mapping[str, Any], where: str, place: tuple[str, ...], facts: str
) -> Iterator[SimpleNamespace]:
    """Components with another value of one setting (`value`, `built`) that describe themselves as before."""
    found = 0
    for value in _others(spec, place):
        try:
            built = build(_with(spec, place, value), where)
            same_facts = as_json(facts_of(built)) == facts
        except BenchError:
            continue  # a value that the class refuses
        if same_facts and found < ENOUGH:
            found += 1
            yield SimpleNamespace(value=value, built=built)


def _with(spec: Mapping[str, Any], place: tuple[str, ...], value: Any) -> dict[str, Any]:
    head, *rest = place
    return {**spec, head: _with(spec[head], tuple(rest), value) if rest else value}


def _others(spec: Mapping[str, Any], place: tuple[str, ...]) -> list[Any]:
    """Other values that the setting at a place may have."""
    owner: Any = spec
    for step in place[:-1]:
        owner = owner[step]
    name, value = place[-1], owner[place[-1]]
    if name in ASIDE:
        return []
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, 2 * value, value + 64, value - 1]
    if isinstance(value, float) and math.isfinite(value):
        return [value / 2, value + 0.25, 2 * value, value - 0.25, value + 1]
    return [other for other in _literals(owner.get(TARGET), name) if other != value]


def _literals(target: Any, name: str) -> tuple[Any, ...]:
    """The texts that a class's parameter may be, by its annotation; none where it does not list them."""
    kinds = getmro(find_class(target, "")) if isinstance(target, str) else ()
    for kind in kinds:
        call = vars(kind).get("__init__")
        if (annotation := getattr(call, "__annotations__", {}).get(name)) is None:
            continue
        try:
            one: Any = SimpleNamespace(__annotations__={name: annotation})
            hint = get_type_hints(one, vars(sys.modules[kind.__module__]))[name]
        except (NameError, TypeError):  # imported for type checkers alone
            return ()
        return get_args(hint) if get_origin(hint) is Literal else ()
    return ()
