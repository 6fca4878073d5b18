"""Why a command is another run than those that there are: what its identity has that the nearest one has not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from glob import escape
from pathlib import Path
from typing import Any

from amodal_bench.core.errors import BenchError
from amodal_bench.core.plain import leaves, plain
from amodal_bench.runner.identity import Identity
from amodal_bench.runner.run_json import newest_first, read_facts

MOST = 4
"""Differences that are told one by one."""

LOOKED_AT = 100
"""Runs that are read, the newest first: a sweep may have left thousands."""

_ABSENT = object()
_NAMES = {
    "code": "the code that predicts",
    "dataset.fingerprint": "the dataset's files or settings",
    "dataset.code": "the code that reads the dataset",
}
_HASH = re.compile(r"[0-9a-f]{16,}")


def because(runs: Path, identity: Identity, name: str) -> str:
    """What differs from the nearest run of the same dataset and model name; "" where there is none.

    Args:
        runs: the folder of all runs.
        identity: of the run that is about to begin.
        name: the model's in tables.

    Returns:
        Text such as `torch 2.13.0, was 2.12.0; seed 1, was 0`.
    """
    now, dataset = dict(leaves(identity.facts)), str(identity.facts["dataset"]["name"])
    files = newest_first(runs, f"{escape(dataset)}-{escape(name)}-*")
    found: list[dict[str, tuple[Any, Any]]] = []
    for file in files[:LOOKED_AT]:
        with suppress(BenchError):
            facts = read_facts(file.parent)
            if facts.name == name and facts.digest != identity.digest:
                found.append(_differences(now, dict(leaves(facts.identity))))
    return _told(min(found, key=len, default={}))


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """What the identity of a run has that another's has not, such as `seed 1, was 0`; "" where they are equal."""
    return _told(_differences(dict(leaves(one)), dict(leaves(other))))


def _told(nearest: Mapping[str, tuple[Any, Any]]) -> str:
    said = list(dict.fromkeys(_said(place, *values) for place, values in nearest.items()))
    more = f"; and {len(said) - MOST} more" if len(said) > MOST else ""
    return "; ".join(said[:MOST]) + more


def _differences(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    places = [*now, *(place for place in before if place not in now)]
    pairs = {place: (now.get(place, _ABSENT), before.get(place, _ABSENT)) for place in places}
    return {place: pair for place, pair in pairs.items() if pair[0] != pair[1]}


def _said(place: str, now: Any, before: Any) -> str:
    """A difference in words; a library is called by its name, wherever it computes."""
    if place in _NAMES:
        return f"{_NAMES[place]} changed"
    path, _, last = place.rpartition(".")
    name = last if path.rpartition(".")[2] == "versions" else place.removeprefix("model.")
    return f"{name} {_value(now)}, was {_value(before)}"


def _value(value: Any) -> str:
    if value is _ABSENT:
        return "not there"
    text = plain(value)
    return text[:8] if _HASH.fullmatch(text) else text if len(text) <= 40 else f"{text[:37]}..."
