"""What is not handed on with a run: the name of a home folder, keys, tokens and passwords."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from amodal_bench.core.files import home_folder

MASK = "***"

_WORDS = {"token", "secret", "password", "passwd", "passphrase", "credential", "credentials", "key", "apikey", "auth"}
_NAMED = re.compile(
    r"((?:[\w.-]*[_.-])?(?:token|secret|password|passwd|passphrase|credentials?|api_?key|access_?key|signature|sig|auth))"
    r"(\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,}&\"']+)",
    re.IGNORECASE,
)
_URL = re.compile(r"(\w://)[^/@\s]+@")
_SHAPED = re.compile(r"\b(?:hf_|ghp_|github_pat_|glpat-|sk-|xox[abp]-|AKIA|eyJ)[\w.-]{12,}")
_PATH = re.compile(r"(?<![\w.:/~@<>\\])(?:~|[A-Za-z]:)?(?:[/\\][^\s/\\'\",;:=()\[\]{}<>]+)+[/\\]?")
_WHOLE = re.compile(r"((?:^|.*?[\w\]]=))(?:~?/|[A-Za-z]:\\).*", re.DOTALL)
PATH = "<path>"
_SHORTEST = 8
"""Letters from which on the value of a variable of the environment is looked for."""


def private(value: Any) -> Any:
    """A plain value in which secrets are `***` and paths below the home folder begin with `~`.

    Secret is what stands under a secret's name (`api_key`, `token`), what a URL has before its `@`, what has the form
    of a known service's token, and the values of the environment's variables with such names.
    """
    return _private(value, _known())


def without_paths(value: Any) -> Any:
    """A plain value in which every absolute path, and every one below the home folder, is `<path>`.

    A text that begins as a path, also behind `KEY=`, is one to its end, since names of folders may have blanks.
    Addresses (`https://...`) stay, and so do relative paths.
    """
    if isinstance(value, Mapping):
        return {key: without_paths(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [without_paths(part) for part in value]
    if not isinstance(value, str):
        return value
    if "\n" not in value and (whole := _WHOLE.fullmatch(value)):
        return whole[1] + PATH
    return _PATH.sub(PATH, value)


def _private(value: Any, known: list[str]) -> Any:
    if isinstance(value, Mapping):
        return {
            key: MASK if isinstance(part, str) and part and _is_secret(str(key)) else _private(part, known)
            for key, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [_private(part, known) for part in _options(value)]
    return _text(value, known) if isinstance(value, str) else value


def _options(words: list[Any] | tuple[Any, ...]) -> list[Any]:
    """A list in which the word after an option such as `--token` is masked."""
    found: list[Any] = []
    for word in words:
        before = found[-1] if found else ""
        secret = isinstance(before, str) and before.startswith("--") and "=" not in before and _is_secret(before)
        found.append(MASK if secret else word)
    return found


def _text(text: str, known: list[str]) -> str:
    for secret in known:
        text = text.replace(secret, MASK)
    text = _NAMED.sub(rf"\1\2{MASK}", text)
    text = _URL.sub(rf"\1{MASK}@", text)
    text = _SHAPED.sub(MASK, text)
    own = home_folder()
    for home in {str(own), str(own.resolve())} - {"/"} if own else ():
        text = re.sub(rf"{re.escape(home)}(?=$|[/\\\s'\",:;)}}\]])", "~", text)
    return text


def _is_secret(name: str) -> bool:
    """Whether one of the words of a name is a secret's: `text_tokens` has none."""
    return not _WORDS.isdisjoint(re.split(r"[^a-z0-9]+", name.rpartition(".")[2].lower()))


def _known() -> list[str]:
    """Values of the environment's variables with secret names, longest first; a path is none."""
    found = {value for name, value in os.environ.items() if _is_secret(name) and len(value) >= _SHORTEST}
    return sorted((value for value in found if not value.startswith(os.sep)), key=len, reverse=True)
