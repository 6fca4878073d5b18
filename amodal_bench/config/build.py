"""From plain values to components, one line for each mistake."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from amodal_bench.config.fits import misfit
from amodal_bench.config.moved import moved_class
from amodal_bench.config.own import hidden_file, look_in_own_folders
from amodal_bench.core.errors import BenchError, ConfigError, one_line, with_class
from amodal_bench.core.kinds import kind_of

NAME, TARGET = "name", "_target_"
LABELS = (NAME, "weights")
"""Keys beside `_target_` that others may refer to (`${..weights}`); passed only to a class that takes them."""


def build(spec: Mapping[str, Any], where: str) -> Any:
    """Make the component that a specification describes: its `_target_`, called with its other keys.

    Nested specifications are built first; a key of `LABELS` beside `_target_` is passed only to a class that
    takes it.

    Args:
        spec: plain values.
        where: the specification's place in the configuration, for messages.

    Raises:
        ConfigError: the class cannot be imported, does not take these keys or values, or raises anything but a
            `BenchError`, which is passed on.
    """
    if not isinstance(spec, Mapping) or TARGET not in spec:
        raise ConfigError(f"{where}: has no {TARGET}, the class to build")
    target = find_class(str(spec[TARGET]), where)
    taken = parameters(target)
    if odd := [key for key in spec if not isinstance(key, str)]:
        raise ConfigError(f"{where}: the key {odd[0]!r} is not a text; write it in quotes in the YAML, or rename it")
    values = {key: _built(value, f"{where}.{key}") for key, value in spec.items() if key != TARGET}
    if taken is not None:
        values = {key: value for key, value in values.items() if key in taken or key not in LABELS}
        for key in values:
            if key not in taken:
                raise ConfigError(f"{where}.{key}: unknown key; {suggest(key, taken)}")
    for key, value in values.items():
        made = isinstance(spec[key], Mapping) and TARGET in spec[key]
        if not made and (wrong := misfit(target, key, value)):
            raise ConfigError(f"{where}.{key}: {wrong}")
    try:
        return target(**values)
    except BenchError:
        raise
    except (Exception, SystemExit) as error:  # a user's class may fail in any way
        name = getattr(target, "__name__", spec[TARGET])
        raise ConfigError(f"{where}: {name} cannot be built: {with_class(error)}") from error


def _built(value: Any, where: str) -> Any:
    """A value with every specification in it built; the value itself where there is none in it."""
    if not isinstance(value, Mapping):
        return value
    if TARGET in value:
        return build(value, where)
    made = {key: _built(nested, f"{where}.{key}") for key, nested in value.items()}
    return value if all(made[key] is value[key] for key in value) else made


def find_class(path: str, where: str) -> Any:
    """The class with a dotted path; libraries are looked into first, then the user's own folders.

    Raises:
        ConfigError: it cannot be imported.
    """
    module, _, name = path.rpartition(".")
    if module.partition(".")[0] != __name__.partition(".")[0]:
        look_in_own_folders()
    try:
        found = getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:  # a user's file may fail in any way
        if now := moved_class(path):
            remedy = f"it has moved to {now}"
        elif mine := hidden_file(module):
            remedy = f"{mine} has the name of a library that is imported instead; rename it"
        else:
            remedy = "its folder must be the working folder, a folder given as --config-dir, or on PYTHONPATH"
        raise ConfigError(f"{where}.{TARGET}: cannot import {path} ({one_line(error)}); {remedy}") from error
    if not callable(found):
        raise ConfigError(f"{where}.{TARGET}: {path} is {kind_of(found)}, and neither a class nor a function")
    return found


def parameters(target: Any) -> list[str] | None:
    """The keyword parameters of a callable, or None where it takes any.

    A class that takes `**options` passes them on to the next one that it derives from.
    """
    kinds = target.__mro__ if inspect.isclass(target) else ()
    calls = [kind.__dict__["__init__"] for kind in kinds if "__init__" in kind.__dict__ and kind is not object]
    names: list[str] = []
    for call in calls or [target]:
        try:
            found = list(inspect.signature(call).parameters.values())
        except ValueError:  # of a compiled library, which does not say
            return None
        names += [p.name for p in found if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != "self"]
        if not any(p.kind is p.VAR_KEYWORD for p in found):
            return list(dict.fromkeys(names))
    return None


def suggest(wrong: str, valid: Iterable[str]) -> str:
    """Help for a wrong name: the nearest valid one, and all of them."""
    choices = sorted(valid)
    near = difflib.get_close_matches(wrong, choices, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return f"{guess}valid: {', '.join(choices)}" if choices else "it takes no keys"
