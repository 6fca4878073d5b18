"""A run's identity: the hash of all that can change a result, and of nothing that cannot."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amodal_bench.core.errors import ConfigError, answer_of
from amodal_bench.core.kinds import kind_of
from amodal_bench.core.version import __version__
from amodal_bench.core.versions import versions
from amodal_bench.datasets.base import Dataset, Decoded
from amodal_bench.models.base import Model
from amodal_bench.runner.source import code_digest, own_libraries, reading_digest


@dataclass(frozen=True)
class Identity:
    """What a run is.

    Attributes:
        facts: dataset fingerprint, model description, the code that predicts, seed and versions; batch size, order,
            paths and loggers are left out, since no result depends on them.
    """

    facts: dict[str, Any]

    @property
    def digest(self) -> str:
        """Twelve hex digits of the SHA-256 over the facts."""
        return hashlib.sha256(self.json().encode()).hexdigest()[:12]

    def json(self) -> str:
        """The facts in one canonical form."""
        return json.dumps(self.facts, sort_keys=True, indent=2)


def identify(dataset: Dataset, model: Model, target: str, seed: int) -> Identity:
    """The identity of running `model` (built from the class named `target`) on `dataset` with `seed`.

    Raises `ConfigError` where the model's description cannot be written as JSON.
    """
    return Identity(
        {
            "amodal_bench": __version__,
            "code": code_digest(model),
            "versions": {**own_libraries(model, dataset), **versions("numpy")},
            "dataset": _facts_of_dataset(dataset),
            "model": {"target": target, **described(model)},
            "seed": seed,
        }
    )


def _facts_of_dataset(dataset: Dataset) -> dict[str, Any]:
    """What of a dataset can change a result: what is read, by which code, and by which libraries."""
    libraries = dataset.libraries if isinstance(dataset, Decoded) else ()
    return {
        "name": dataset.name,
        "fingerprint": answer_of("dataset", dataset, "fingerprint"),
        "code": reading_digest(dataset),
        "versions": versions(*libraries),
    }


def described(model: Model) -> dict[str, Any]:
    """What a model says of itself, as JSON has it: numbers of NumPy's are converted, and tuples become lists.

    Raises:
        ConfigError: it says what JSON cannot hold, or raises anything but a `BenchError`, which is passed on.
    """
    call = f"{type(model).__name__}.describe()"
    facts = answer_of("model", model, "describe")
    if not isinstance(facts, Mapping):
        raise ConfigError(f"model: {call} returns {kind_of(facts)}; it must be a dict of JSON values")
    found: dict[str, Any] = _as_json(facts, call, "")
    return found


def _as_json(value: Any, call: str, place: str) -> Any:
    """A value as JSON has it; `place` is where it stands in the description."""
    if isinstance(value, Mapping):
        return {_key(key, call, place): _as_json(part, call, f"{place}[{key!r}]") for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(part, call, f"{place}[{number}]") for number, part in enumerate(value)]
    if getattr(value, "shape", None) == () and hasattr(value, "item"):  # a number of NumPy's
        return _as_json(value.item(), call, place)
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    what = repr(value) if isinstance(value, float) else kind_of(value)
    raise ConfigError(
        f"model: {call}{place} is {what}; it must be text, a finite number, True, False, None, or a list or dict of "
        "these"
    )


def _key(key: Any, call: str, place: str) -> str:
    if isinstance(key, str | int):
        return key if isinstance(key, str) else json.dumps(key)
    raise ConfigError(f"model: {call}{place} has the key {key!r}; keys must be text")
