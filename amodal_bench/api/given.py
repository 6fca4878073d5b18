"""What a caller gives as an object or a list, checked before any work is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from amodal_bench.core.errors import ConfigError
from amodal_bench.core.kinds import kind_of

MEMBERS = {
    "dataset": ("name", "records", "sample", "fingerprint", "check"),
    "model": ("describe", "predict"),
}
"""What an object needs to take a component's place."""


def a_kind(value: object) -> str:
    """What a value is, such as `a Grow`; of None its name."""
    return "None" if value is None else kind_of(value)


def listed(ids: object) -> list[str]:
    """A list of ids. Raises `ConfigError` where it is none."""
    if not isinstance(ids, Iterable) or isinstance(ids, bytes | Mapping):
        raise ConfigError(f"ids: must be a file with one id on each line, or a list of ids, not {a_kind(ids)}")
    return [str(id) for id in ids]


def checked(kind: str, value: object) -> object:
    """An object that takes a component's place. Raises `ConfigError` where it cannot."""
    if isinstance(value, type):
        raise ConfigError(f"{kind}: is the class {value.__name__}; give an object of it: {value.__name__}(...)")
    lacking = [member for member in MEMBERS[kind] if not hasattr(value, member)]
    if lacking:
        raise ConfigError(
            f"{kind}: {a_kind(value)} cannot be used, since it lacks {', '.join(lacking)}; "
            f"give a name, or an object with the members of amodal_bench.{kind.capitalize()}"
        )
    return value
