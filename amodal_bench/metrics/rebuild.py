"""A protocol made again from its content, as files keep it: of the package's own numbers, and of no other class."""

from __future__ import annotations

import hashlib
import importlib
import json
import pkgutil
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import amodal_bench.metrics.numbers
from amodal_bench.core.errors import BenchError
from amodal_bench.metrics.numbers.base import Score
from amodal_bench.metrics.protocols import Filter, ScoringProtocol, shipped_content

_NAME = re.compile(r"\w[\w .+-]{0,99}")
_TOLD = ("label", "digest")
"""What files keep beside a protocol's content."""


def protocol_from(content: Any) -> ScoringProtocol:
    """The protocol with a content, as `ScoringProtocol.content` tells it; `label` and `digest` may stand beside.

    Nothing is imported that the content names: a number is looked for by the name of its class among the package's.

    Raises:
        ValueError: with a short reason, where it is not a protocol, has a number of somebody's own class, or would
            give other numbers in this version.
    """
    from amodal_bench.config.build import TARGET, build

    if not isinstance(content, Mapping) or not isinstance(content.get("numbers"), Mapping):
        raise ValueError("it is not a protocol")
    if _names_class(content, TARGET):
        raise ValueError("it names a class to load")
    name, version = content.get("name"), content.get("version")
    # Both become parts of a folder's name, and the name that of a file that is looked for.
    if not isinstance(name, str) or not _NAME.fullmatch(name) or type(version) is not int:
        raise ValueError("it has no name and version that can be used")
    own = {str(key): value for key, value in content.items() if key not in _TOLD}
    numbers: dict[str, Any] = {}
    for key, told in in_order(own):
        if not _NAME.fullmatch(key):
            raise ValueError("it has a number without a name that can be used")
        kind = told.get("kind") if isinstance(told, Mapping) else None
        if not isinstance(kind, str) or kind not in number_classes():
            raise ValueError(f"its number {key!r} is of the class {kind!r}, which this version has not")
        found = number_classes()[kind]
        settings = {setting: value for setting, value in told.items() if setting != "kind"}
        numbers[str(key)] = {TARGET: f"{found.__module__}.{found.__qualname__}", **settings}
    path, chosen = f"{ScoringProtocol.__module__}.", own.get("filter")
    if not isinstance(chosen, Mapping):
        raise ValueError("it has no filter")
    specification = {
        **own,
        TARGET: path + ScoringProtocol.__name__,
        "numbers": numbers,
        "filter": {TARGET: path + Filter.__name__, **chosen},
    }
    try:
        made: ScoringProtocol = build(specification, "protocol")
        digest = made.digest
    except (BenchError, TypeError, ValueError) as error:
        raise ValueError(f"it cannot be made again ({error})") from error
    if digest != content_digest(content):
        raise ValueError("this version would make another protocol of it")
    return made


def in_order(content: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The numbers in the order of the shipped protocol of that name: files keep them in that of the alphabet."""
    usual = shipped_content(str(content.get("name")))
    places = {name: place for place, name in enumerate((usual or {}).get("numbers", ()))}
    return sorted(content["numbers"].items(), key=lambda each: places.get(each[0], len(places)))


def _names_class(value: Any, key: str) -> bool:
    """Whether a key that the configuration takes for a class stands anywhere in a value."""
    if isinstance(value, Mapping):
        return key in value or any(_names_class(part, key) for part in value.values())
    return isinstance(value, list) and any(_names_class(part, key) for part in value)


def content_digest(content: Mapping[str, Any]) -> str:
    """The eight hex digits by which tables name a protocol's content."""
    own = {key: value for key, value in content.items() if key not in _TOLD}
    return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:8]


@cache
def number_classes() -> Mapping[str, type]:
    """The package's classes of numbers by their names, as contents have them."""
    package = amodal_bench.metrics.numbers
    found: dict[str, type] = {}
    for module in pkgutil.iter_modules(package.__path__):
        loaded = importlib.import_module(f"{package.__name__}.{module.name}")
        for name, kind in vars(loaded).items():
            own = isinstance(kind, type) and kind.__module__ == loaded.__name__ and not name.startswith("_")
            shaped = hasattr(kind, "__dataclass_fields__") and (hasattr(kind, "score") or hasattr(kind, "value"))
            if own and shaped and kind is not Score:
                found[kind.__qualname__] = kind
    return found
