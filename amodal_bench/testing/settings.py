"""Whether a description is complete: two settings of a component that answer otherwise have to describe otherwise.

Every setting is varied by itself: those of a specification (the YAML as composed), and the parameters that its
classes have with a default. Answers are compared only where the description stays the same, so that it costs little.
What cannot be varied, because it names a place or something to download, or because the class refuses other values,
is listed.
"""

from __future__ import annotations

import inspect
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import getmro
from types import SimpleNamespace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from amodal_bench.config.build import TARGET, find_class, parameters
from amodal_bench.core.errors import BenchError
from amodal_bench.models.described import facts_of
from amodal_bench.testing import elsewhere
from amodal_bench.testing.clauses import FAILURES, as_json, described, same
from amodal_bench.testing.made import made

WEIGHTS = "weights"
PLACES = (WEIGHTS, "device", "root", "local_files_only")
"""Settings that say where something is or is computed: another value would need another machine, or a download."""
OF_WEIGHTS = ("name", "prior", "path", "file", "revision", "prior_revision", "variant")
"""Settings that say beside `weights` what would be downloaded; in a class without weights they are varied."""

ENOUGH = 3
"""Other values of a setting whose answers are compared."""

HURRY = 5.0
"""Seconds after which one other value of a setting that is described otherwise is enough: it may be slow."""


@dataclass(frozen=True)
class Verdict:
    """What was found.

    Attributes:
        violations: settings that change answers, but not the description; one line each.
        aside: settings of which no other value could be tried.
    """

    violations: list[str]
    aside: list[str]


def violations(
    spec: Mapping[str, Any], where: str, answers: Callable[[Any], Sequence[Any]], key: Callable[[str], str] = str
) -> list[str]:
    """Every setting of a specification that changes answers, but not the description."""
    return examine(spec, where, answers, key).violations


def examine(
    spec: Mapping[str, Any],
    where: str,
    answers: Callable[[Any], Sequence[Any]],
    key: Callable[[str], str] = str,
    identity: Callable[[Any], str] | None = None,
    call: str = "describe()",
) -> Verdict:
    """`violations`, and the settings of which no other value could be tried.

    Args:
        spec: plain values with the class as `_target_`; nested specifications are varied, too.
        where: its place in the configuration.
        answers: what a built component answers, arrays.
        key: how a user writes the setting at a place below `spec`.
        identity: what identifies a built component; its description as JSON if None.
        call: what is asked for the identity, for messages.
    """
    begun, identity = time.monotonic(), identity or described_as_json
    base = made(spec, where)
    facts = identity(base)
    if identity(made(spec, where)) != facts:
        return Verdict([f"{call} differs between two objects of the same settings"], [])
    if wrong := elsewhere.difference(spec, where, facts, call):
        return Verdict([wrong], [])
    variants = _Variants(spec, where, facts, identity)
    known: list[Sequence[Any]] = []
    broken, aside = [], []
    for place, value in every(spec):
        setting, tried = key(".".join(place)), False
        for other in variants.of(place, value):
            tried = True
            if other.built is None:  # it describes itself otherwise
                if time.monotonic() - begun > HURRY:
                    break
                continue
            known = known or [answers(base)]
            try:
                differs = not same(known[0], answers(other.built))
            except FAILURES as error:
                if not isinstance(other.value, bool | int | float):
                    tried = False  # a text that was made up need not mean anything
                    continue
                broken.append(f"{setting}={other.value} raises {described(error)}, but {call} says as for {value}")
                break
            if differs:
                changed = f"{setting}={other.value} instead of {value}"
                broken.append(f"{changed} answers differently, but {call} says the same")
                break
        if not tried:
            aside.append(setting)
    return Verdict(broken, aside)


def described_as_json(component: Any) -> str:
    """What identifies a component of a model: what it says of itself."""
    return as_json(facts_of(component))


def leaves(spec: Mapping[str, Any], place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The settings of a specification by their places in it, its classes left out."""
    for key, value in spec.items():
        if isinstance(value, Mapping):
            yield from leaves(value, (*place, key))
        elif key != TARGET:
            yield (*place, key), value


def every(spec: Mapping[str, Any], place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The settings of a specification, and those that its classes have with a default; labels are no settings."""
    target = find_class(str(spec[TARGET]), ".".join(place)) if TARGET in spec else None
    taken = parameters(target) if target is not None else None
    for key, value in spec.items():
        if isinstance(value, Mapping):
            yield from every(value, (*place, key))
        elif key != TARGET and (taken is None or key in taken):
            yield (*place, key), value
    for key, value in _defaults(target).items():
        if key not in spec:
            yield (*place, key), value


class _Variants:
    """Components with another value of one setting."""

    def __init__(self, spec: Mapping[str, Any], where: str, facts: str, identity: Callable[[Any], str]) -> None:
        self.spec, self.where, self.facts, self.identity = spec, where, facts, identity

    def of(self, place: tuple[str, ...], value: Any) -> Iterator[SimpleNamespace]:
        """The values that the class takes; `built` is None where the component describes itself otherwise."""
        found = 0
        for other in others(self.spec, place, value):
            if found == ENOUGH:
                return
            try:
                built = made(_with(self.spec, place, other), self.where)
                same_facts = self.identity(built) == self.facts
            except (BenchError, *FAILURES):
                continue  # a value that the class refuses
            found += same_facts
            yield SimpleNamespace(value=other, built=built if same_facts else None)


def _with(spec: Mapping[str, Any], place: tuple[str, ...], value: Any) -> dict[str, Any]:
    head, *rest = place
    return {**spec, head: _with(spec[head], tuple(rest), value) if rest else value}


def others(spec: Mapping[str, Any], place: tuple[str, ...], value: Any) -> list[Any]:
    """Other values that the setting at a place may have; none that would name something to download."""
    owner: Any = spec
    for step in place[:-1]:
        owner = owner[step]
    name = place[-1]
    of_weights = WEIGHTS in owner or WEIGHTS in _defaults(_class(owner))
    if name in PLACES or (of_weights and name in OF_WEIGHTS):
        return []
    if literals := _literals(owner.get(TARGET), name):
        return [other for other in literals if other != value]
    found = _values(value)
    if of_weights and not isinstance(value, bool | int | float):
        return []
    return [other for index, other in enumerate(found) if other != value and other not in found[:index]]


def _values(value: Any) -> list[Any]:
    """Values of the kind of this one, near and far; texts and numbers where there is none."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, 2 * value, value + 64, value - 1]
    if isinstance(value, float):
        return [value / 2, value + 0.25, 2 * value, value + 1, value - 0.25] if math.isfinite(value) else [0.0, 1.0]
    if isinstance(value, str):
        return [f"{value}2", value.swapcase(), "other"]
    if value is None:
        return [1, 0.5, "other"]
    if isinstance(value, list | tuple) and value:
        first = [[other, *value[1:]] for other in _values(value[0])[:2]]
        return [*first, list(value[:-1])]
    return []


def _class(owner: Mapping[str, Any]) -> Any:
    return find_class(owner[TARGET], "") if isinstance(owner.get(TARGET), str) else None


def _defaults(target: Any) -> dict[str, Any]:
    """The parameters of a class, or of a function, that have a default which a YAML could say."""
    if target is None or (taken := parameters(target)) is None:
        return {}
    found: dict[str, Any] = {}
    for kind in getmro(target) if inspect.isclass(target) else (target,):
        call = vars(kind).get("__init__") if inspect.isclass(kind) else kind
        if call is None or kind is object:
            continue
        for parameter in inspect.signature(call).parameters.values():
            plain = isinstance(parameter.default, bool | int | float | str | list | tuple | None)
            if plain and parameter.name in taken:
                found.setdefault(parameter.name, parameter.default)
    return found


def _literals(target: Any, name: str) -> tuple[Any, ...]:
    """The texts that a class's parameter may be, by its annotation; none where it does not list them."""
    kinds = getmro(found) if isinstance(target, str) and inspect.isclass(found := find_class(target, "")) else ()
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
