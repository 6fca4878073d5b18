"""What is wrong with overrides, in one line, with the valid choices where a name was wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from amodal_bench.config.build import suggest
from amodal_bench.config.settings import config_folder
from amodal_bench.core.errors import BenchError


def explain(error: Exception) -> str:
    """What is wrong, in one line, with the valid choices where a name was wrong."""
    from hydra.errors import MissingConfigException, OverrideParseException

    if isinstance(error, BenchError):
        return str(error)
    if isinstance(error, MissingConfigException) and error.options:
        return _unknown_choice(str(error.missing_cfg_file), error.options, str(error))
    if isinstance(error, OverrideParseException):
        quoted = "a VALUE with spaces, commas or brackets needs quotes of its own: 'KEY=\"a, b\"'"
        return f"{error.override}: is no setting, which is KEY=VALUE; {quoted}"
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    texts = dict.fromkeys(" ".join(str(e).split()) for e in (error, cause))
    return _unknown_key(error) or ": ".join(texts)


def _unknown_choice(file: str, options: Sequence[str], said: str) -> str:
    """The answer to `group=NAME` where the group has no such file; names may lie in folders of it."""
    # Hydra knows where the group ends and the name begins, and tells it in its text alone.
    found = re.search(r"Available options in '([^']+)'", said)
    group = found[1] if found else file.rpartition("/")[0]
    wrong = file.removeprefix(f"{group}/")
    folder = config_folder() / group
    nested = [file.relative_to(folder).with_suffix("").as_posix() for file in folder.glob("*/*.yaml")]
    return f"{group}={wrong}: there is no such choice; {suggest(wrong, [*options, *nested])}"


def _unknown_key(error: Exception) -> str | None:
    """The answer to an override of a key that does not exist, or None where the error is another."""
    cause: Any = error
    while cause is not None:
        key, parent = getattr(cause, "full_key", None), getattr(cause, "parent_node", None)
        if key and parent is not None and "not in" in str(cause):
            known = [str(name) for name in parent] if hasattr(parent, "keys") else []
            return f"{key}: unknown key; {suggest(str(key).rpartition('.')[2], known)}"
        cause = cause.__cause__
    return None
