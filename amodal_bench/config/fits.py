"""Whether a plain value fits the parameter that it is for, as the class's own annotation says."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

WORDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    str: "text",
    Path: "a path",
    NoneType: "null",
}
"""What a value of a type is called; types that are not listed are not checked."""

PART = "a part of the model, whose class is its _target_"
_PACKAGE = __name__.partition(".")[0]


def misfit(target: Any, key: str, value: Any) -> str | None:
    """What is wrong with a plain value, such as `must be a whole number, not 'x'`; None where nothing is.

    Only annotations with plain types, and with interfaces of the harness, are checked: another class may make what it
    needs of any value.

    Args:
        target: the class or function.
        key: the parameter.
        value: a number, text, truth value, None, or a list or mapping of these.
    """
    found = _parameter(target, key)
    if found is None or not isinstance(value, bool | Real | str | list | Mapping | None):
        return None
    hint, default = found
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if value is None and default is None:
        return None
    unbounded = isinstance(default, float) and not math.isfinite(default)
    if any(_fits(kind, value, unbounded) for kind in kinds):
        return None
    wanted = " or ".join(dict.fromkeys(WORDS.get(kind, PART) for kind in kinds))
    return f"must be {wanted}, not {'null' if value is None else repr(value)}"


def _fits(kind: Any, value: Any, unbounded: bool) -> bool:
    if kind is bool or kind is NoneType:
        return isinstance(value, kind)
    if kind is int:
        return isinstance(value, Integral) and not isinstance(value, bool)
    if kind is float:
        number = isinstance(value, Real) and not isinstance(value, bool)
        return number and (unbounded or math.isfinite(value))
    if kind in (str, Path):
        return isinstance(value, str)
    ours = inspect.isclass(kind) and kind.__module__.partition(".")[0] == _PACKAGE
    return not ours


def _parameter(target: Any, key: str) -> tuple[Any, Any] | None:
    """The annotation and the default of a parameter; None where there is no annotation that can be resolved."""
    kinds = inspect.getmro(target) if inspect.isclass(target) else (target,)
    for kind in kinds:
        call = vars(kind).get("__init__") if inspect.isclass(kind) else kind
        annotations = getattr(call, "__annotations__", {})
        if key not in annotations:
            continue
        one: Any = SimpleNamespace(__annotations__={key: annotations[key]})
        try:
            hint = get_type_hints(one, vars(sys.modules[kind.__module__]))[key]
        except Exception:  # a name that is imported for type checkers alone, or made within a function
            return None
        return hint, inspect.signature(call).parameters[key].default  # type: ignore[arg-type]
    return None
