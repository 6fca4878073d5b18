"""From Python values to the overrides that a command line would have, and to settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from amodal_bench.config.compose import compose
from amodal_bench.config.settings import Settings
from amodal_bench.core.errors import ConfigError, UsageError


def composed(overrides: Sequence[str], config_dirs: Iterable[str | Path]) -> Settings:
    """The settings of a run with these overrides.

    Args:
        overrides: each `KEY=VALUE`, as on the command line.
        config_dirs: folders of the caller's own, searched before the harness's.

    Raises:
        UsageError: a folder does not exist, a setting is not known, or the overrides describe several runs.
    """
    for override in overrides:
        if not isinstance(override, str) or "=" not in override:
            raise UsageError(f"{override!r}: an override is text of the form KEY=VALUE, such as 'model=hull'")
    return compose(overrides, existing(config_dirs))


def existing(config_dirs: Iterable[str | Path]) -> list[Path]:
    """The caller's configuration folders. Raises `UsageError` where one does not exist."""
    folders = [Path(folder).expanduser() for folder in config_dirs]
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"config_dirs: {folder} is not a folder; create it, or correct the path")
    return folders


def overrides_of(values: Mapping[str, Any]) -> list[str]:
    """One override for each setting; keys may be dotted. Raises `ConfigError` where a value cannot be a setting."""
    return [override_of(key, value) for key, value in values.items()]


def override_of(key: str, value: Any) -> str:
    """`KEY=VALUE`, quoted so that the value arrives as it is, whatever characters it holds."""
    return f"{key}={_literal(value, key)}"


def _literal(value: Any, key: str) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | Path):
        return _quoted(str(value))
    if isinstance(value, list | tuple):
        return "[{}]".format(",".join(_literal(part, key) for part in value))
    if isinstance(value, Mapping):
        return "{{{}}}".format(",".join(f"{_name(name)}:{_literal(part, key)}" for name, part in value.items()))
    if hasattr(value, "item") and getattr(value, "shape", None) == ():  # a number of NumPy's
        return _literal(value.item(), key)
    kinds = "a number, text, a path, True, False, None, or a list or dict of these"
    raise ConfigError(f"{key}: a setting is {kinds}, not a {type(value).__name__}")


def _name(key: Any) -> str:
    return _quoted(str(key)) if not str(key).isidentifier() else str(key)


def _quoted(text: str) -> str:
    """Text in the quotes of Hydra's grammar; `${` is escaped, since it would otherwise refer to another setting."""
    from hydra.core.override_parser.types import Quote, QuotedString

    return QuotedString(text=text.replace("${", "\\${"), quote=Quote.single).with_quotes()
