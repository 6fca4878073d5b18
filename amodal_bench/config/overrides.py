"""Overrides as a user types them, made readable for Hydra: home folders expanded, odd characters quoted."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from amodal_bench.core.errors import UsageError
from amodal_bench.core.files import home_folder

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

_HOME = re.compile(r"(?P<before>^|[,\[])(?P<path>(?:~[^/,\]]*|\$HOME|\$\{HOME\})(?=/|$|[,\]])[^,\]]*)")
"""A path in a home folder: a value, or an element of a list or a sweep."""

_KEY = re.compile(r"[\w./@$:~+-]", re.ASCII)
_OWN_SYNTAX = ("[", "{", "'", '"')
"""A value that begins so is a list, a dictionary or quoted: it is not quoted for the user."""


def expand_home(text: str) -> str:
    """A path with `~` and `$HOME` at its beginning expanded; any other text as it is."""
    for name in ("$HOME", "${HOME}"):
        if text == name or text.startswith(f"{name}/"):
            home = home_folder()
            return text if home is None else str(home) + text[len(name) :]
    try:
        return str(Path(text).expanduser()) if text.startswith("~") else text
    except (RuntimeError, ValueError):  # there is no such user, or none can have such a name
        return text


def readable(overrides: Sequence[str]) -> list[str]:
    """The overrides so that Hydra can read them, in their order.

    Where a value begins with `~` or `$HOME`, that becomes the home folder. A value that Hydra's grammar refuses for
    its characters (`é`, `=`, `#`, brackets) is put in quotes.

    Raises:
        UsageError: one is no setting, or cannot be read even in quotes; the message has the character and the form
            that works.
    """
    return [_readable(override) for override in overrides]


def parsed(override: str) -> Override | None:
    """An override as Hydra's own parser reads it, or None where it cannot."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_override(override)
    except (HydraException, ValueError, RecursionError):  # Python reads no whole number of more than 4300 digits
        return None


def quoted(override: str) -> str:
    """An override with its value in quotes, so that every character of it stands for itself."""
    key, _, value = override.partition("=")
    return f"{key}={in_quotes(value)}"


def has_several(override: str) -> bool:
    """Whether an override, as it was given, has several values."""
    found = parsed(_readable(override))
    return found is not None and found.is_sweep_override()


def refuse_sweeps(overrides: Sequence[str], of_a_run: bool = False) -> None:
    """Raise `UsageError` for the first override that has several values, where one run is wanted.

    Args:
        overrides: as they were given.
        of_a_run: whether -m would help, which verbs do not have.
    """
    sweep = "give -m to run each of them," if of_a_run else "give one of them,"
    for override in overrides:
        if has_several(override):
            raise UsageError(
                f"{override}: has several values, separated by commas; {sweep} "
                f"or quote the value: {shlex.quote(quoted(override))}"
            )


def _readable(override: str) -> str:
    key, equals, value = override.partition("=")
    if not equals and not override.startswith("~"):
        raise UsageError(f"{override}: is not a setting; a setting is KEY=VALUE")
    if not all(key.lstrip("+~").partition("@")[0].split(".")):
        raise UsageError(f"{override}: has no name of a setting; a setting is KEY=VALUE")
    if wrong := next((character for character in key if not _KEY.match(character)), None):
        raise UsageError(f"{override}: {wrong!r} cannot be part of a setting's name (the part before the first '=')")
    text = f"{key}={_HOME.sub(_home, value)}" if equals else override
    if parsed(text) is not None:
        return text
    if not equals:
        raise UsageError(f"{override}: is not a setting; a setting is KEY=VALUE")
    if not value.startswith(_OWN_SYNTAX):
        # A comma separates the values of a sweep, whatever other characters they have.
        several = ",".join(map(in_quotes, text.partition("=")[2].split(",")))
        if parsed(f"{key}={several}") is not None:
            return f"{key}={several}"
    raise UsageError(
        f"{override}: {value[:1]!r} begins a list, a dictionary or a quoted text that does not end where it should; "
        f"if it is a part of the value, quote that: {shlex.quote(quoted(text))}"
    )


def _home(match: re.Match[str]) -> str:
    path = expand_home(match["path"])
    return match["before"] + (path if parsed(f"key={path}") else in_quotes(path))


def in_quotes(text: str) -> str:
    """Text in the quotes of Hydra's grammar, so that every character but those of `${...}` stands for itself."""
    from hydra.core.override_parser.types import Quote, QuotedString

    return str(QuotedString(text, Quote.double).with_quotes())
