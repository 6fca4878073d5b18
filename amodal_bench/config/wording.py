"""Errors of the libraries that compose settings, in plain words that name the setting."""

from __future__ import annotations

import re

KINDS = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false", "String": "a text"}
"""What a setting wants, by OmegaConf's name for it."""

_CONVERTED = re.compile(r"Value '(.*)' of type '.*' could not be converted to (\w+)", re.DOTALL)
_VALUE = re.compile(r"Value '(.*)' is not a valid bool", re.DOTALL)
_REFERENCE = re.compile(r"Interpolation key '(.*)' not found")
_MERGED = re.compile(r"Error merging override (.*)", re.DOTALL)


def in_plain_words(error: BaseException) -> str | None:
    """What is wrong with a value, or with a reference in it; None of any other error."""
    texts = []
    cause: BaseException | None = error
    while cause is not None:
        first = (str(cause).strip().splitlines() or [""])[0]
        key = getattr(cause, "full_key", None)
        if found := _CONVERTED.match(first):
            return f"{_named(key, error)}: {found[1]!r} must be {KINDS.get(found[2], found[2])}"
        if found := _VALUE.match(first):
            return f"{_named(key, error)}: {found[1]!r} must be true or false"
        if found := _REFERENCE.match(first):
            remedy = f"for these characters themselves write \\${{{found[1]}}} in quotes"
            where = f"{key}: " if key else ""
            return f"{where}${{{found[1]}}} refers to a setting that does not exist; {remedy}"
        if first.startswith("Cannot merge DictConfig with ListConfig"):
            return f"{_named(key, error)}: is a list, and components by name are wanted, or null for none"
        texts.append(first)
        cause = cause.__cause__
    if merged := _MERGED.match(texts[0]):
        return ": ".join(dict.fromkeys([merged[1].strip(), *texts[1:]]))
    return None


def _named(key: object, error: BaseException) -> str:
    """The setting: by its key, else by the override that Hydra names."""
    merged = _MERGED.match(str(error).strip().splitlines()[0])
    return str(key) if key else merged[1].partition("=")[0] if merged else "a setting"
