"""From Python values to the overrides that a command line would have, and to settings."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from amodal_bench.api.given import a_kind
from amodal_bench.config.compose import composed as hydra_composed
from amodal_bench.config.effect import PARTS, without_effect
from amodal_bench.config.overrides import in_quotes
from amodal_bench.config.settings import Settings, settings_from
from amodal_bench.core.errors import ConfigError, UsageError

Folders = str | Path | Iterable[str | Path]
"""What may be given as `config_dirs`: folders, or one of them."""

CALLER = 3
"""Frames from the warning up to who called a function of the API."""


def composed(
    overrides: Sequence[str], config_dirs: Folders, model: str | None = None, used: Iterable[str] = PARTS
) -> Settings:
    """The settings of a run with these overrides; a choice without effect is a warning, as on the command line.

    Args:
        overrides: each `KEY=VALUE`, as on the command line.
        config_dirs: folders of the caller's own, searched before the harness's.
        model: the name of a model that was given as an object, instead of the settings' own.
        used: parts that are used in any case; all of them where no model is made.

    Raises:
        UsageError: a folder does not exist, a setting is not known, or the overrides describe several runs.
    """
    require_overrides(overrides)
    config = hydra_composed(overrides, existing(config_dirs))
    for line in without_effect(config, overrides, used, model):
        warnings.warn(line, stacklevel=CALLER)
    return settings_from(config)


def require_overrides(overrides: Sequence[object]) -> None:
    """Raise `UsageError` for the first override that is no text of the form KEY=VALUE, or `~KEY`."""
    for override in overrides:
        if not isinstance(override, str) or ("=" not in override and not override.startswith("~")):
            what = repr(override) if isinstance(override, str | int | float | None) else a_kind(override)
            raise UsageError(f"{what}: an override is text of the form KEY=VALUE, such as 'model=hull'")


def existing(config_dirs: Folders) -> list[Path]:
    """The caller's configuration folders. Raises `UsageError` where one does not exist."""
    one = isinstance(config_dirs, str | Path)
    given = [config_dirs] if one else list(config_dirs) if isinstance(config_dirs, Iterable) else [None]
    if not all(isinstance(each, str | Path) for each in given):
        raise UsageError(f"config_dirs: must be a folder or a list of folders, not {a_kind(config_dirs)}")
    folders = [Path(str(folder)).expanduser() for folder in given]
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"config_dirs: {folder} is not a folder; create it, or correct the path")
    return folders


def choice(group: str, name: object) -> str:
    """`GROUP=NAME`. Raises `UsageError` where the name is no text."""
    if not isinstance(name, str):
        raise UsageError(f"{group}: its name must be text, as in {group}=NAME, not {a_kind(name)}")
    return override_of(group, name)


def overrides_of(values: Mapping[str, Any], what: str = "settings") -> list[str]:
    """One override for each setting; keys may be dotted.

    Raises:
        ConfigError: a value cannot be a setting, or `values`, known as `what`, is no mapping.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{what}: must be a dict by dotted names such as 'model.steps', not {a_kind(values)}")
    for key in values:
        if not isinstance(key, str):
            raise ConfigError(f"{what}: {key!r} must be text, the dotted name of a setting such as 'model.steps'")
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
    raise ConfigError(f"{key}: a setting is {kinds}, not {a_kind(value)}")


def _name(key: Any) -> str:
    return _quoted(str(key)) if not str(key).isidentifier() else str(key)


def _quoted(text: str) -> str:
    """Text in quotes; `${` is escaped, since it would otherwise refer to another setting."""
    return in_quotes(text.replace("${", "\\${"))
