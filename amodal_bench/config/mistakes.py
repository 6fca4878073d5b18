"""What is wrong with overrides, in one line, with the valid choices where a name was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amodal_bench.config.build import suggest
from amodal_bench.config.compose import is_part, nested_choices
from amodal_bench.config.fits import misfit
from amodal_bench.config.moved import moved_setting
from amodal_bench.config.settings import config_folder
from amodal_bench.config.wording import in_plain_words
from amodal_bench.core.errors import BenchError, first_line, unbroken


def explain(error: BaseException, config_dirs: Sequence[Path] = ()) -> str:
    """What is wrong, in one line, with the valid choices where a name was wrong.

    Args:
        error: of the harness, of Hydra or of OmegaConf.
        config_dirs: folders with configurations of the user's, which have choices, too.
    """
    if isinstance(error, BenchError):
        return str(error)
    from hydra.errors import MissingConfigException

    if isinstance(error, MissingConfigException) and error.options:
        return _unknown_choice(str(error.missing_cfg_file), error.options, [config_folder(), *config_dirs])
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    texts = dict.fromkeys(_text(each) for each in (error, cause))
    return _unknown_key(error) or _wrong_type(error) or in_plain_words(error) or ": ".join(texts)


def _text(error: BaseException) -> str:
    """An error's text on one line, without what OmegaConf adds for programmers."""
    from omegaconf.errors import OmegaConfBaseException

    return first_line(error) if isinstance(error, OmegaConfBaseException) else unbroken(error)


def _unknown_choice(file: str, options: Sequence[str], folders: Sequence[Path]) -> str:
    """The answer to `group=NAME` where the group has no such file; names may lie in folders of it."""
    parts = file.split("/")
    beginnings = ["/".join(parts[:end]) for end in range(1, len(parts))]
    # The shortest folder with choices of its own is the group; Hydra's own groups lie elsewhere.
    group = next((one for one in beginnings if any(_has_choices(at / one) for at in folders)), beginnings[-1])
    wrong = file.removeprefix(f"{group}/")
    known = [*options, *nested_choices(group, folders)]
    return (
        f"{group}={wrong}: there is no such choice; {suggest(wrong, {name for name in known if not is_part(name)})}"
    )


def _has_choices(folder: Path) -> bool:
    return any(folder.glob("*.yaml"))


def _unknown_key(error: BaseException) -> str | None:
    """The answer to an override of a key that does not exist, or None where the error is another."""
    from omegaconf.errors import ConfigAttributeError, ConfigKeyError

    cause: Any = error
    while cause is not None:
        key, parent = getattr(cause, "full_key", None), getattr(cause, "parent_node", None)
        if key and parent is not None and isinstance(cause, (ConfigKeyError, ConfigAttributeError)):
            if now := moved_setting(str(key)):
                return f"{key}: unknown key; write {now}"
            known = [str(name) for name in parent] if hasattr(parent, "keys") else []
            return f"{key}: unknown key; {suggest(str(key).rpartition('.')[2], known)}"
        cause = cause.__cause__
    return None


def _wrong_type(error: BaseException) -> str | None:
    """The answer to a value that a setting of the root cannot have, or None where the error is another."""
    from omegaconf.errors import ValidationError

    cause: Any = error
    while cause is not None:
        if isinstance(cause, ValidationError) and cause.full_key and cause.object_type is not None:
            key, value = str(cause.full_key), getattr(cause, "value", None)
            wrong = misfit(cause.object_type, key.rpartition(".")[2], value)
            return f"{key}: {wrong}" if wrong else None
        cause = cause.__cause__
    return None
