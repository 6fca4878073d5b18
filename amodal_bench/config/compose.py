"""The settings that a run with the same overrides would have, outside of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amodal_bench.config.build import suggest
from amodal_bench.config.faulty import faults_named, refuse_faulty
from amodal_bench.config.overrides import parsed, readable, refuse_sweeps
from amodal_bench.config.own import name_folders
from amodal_bench.config.search import composer
from amodal_bench.config.settings import Settings, config_folder, settings_from
from amodal_bench.core.errors import BenchError, UsageError, first_line

if TYPE_CHECKING:
    from omegaconf import DictConfig

LONGEST_NAME = 200
"""Bytes of a choice's name: no file has a longer one."""

SEVERAL = "these are several runs, and one is wanted; give one value (a text with a comma needs quotes of its own)"


def compose(overrides: Sequence[str], config_dirs: Sequence[Path]) -> Settings:
    """The settings of a run with these overrides, as plain values.

    Raises:
        UsageError: they cannot be composed, with the valid choices where a name was wrong; or they describe several
            runs.
    """
    return settings_from(composed(overrides, config_dirs))


def composed(overrides: Sequence[str], config_dirs: Sequence[Path]) -> DictConfig:
    """The configuration of a run with these overrides, as Hydra composes it: references are not resolved yet.

    Classes of the user's are looked for in `config_dirs`, too, from then on.

    Raises:
        UsageError: it cannot be composed; the message has the valid choices where a name was wrong.
    """
    from hydra import compose as hydra_compose
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from amodal_bench.config.mistakes import explain

    folders = [folder.expanduser() for folder in config_dirs]
    require_folders(folders)
    every = readable(overrides)
    refuse_sweeps(every)
    refuse_choices(every, folders)
    name_folders(folders)
    try:
        with faults_named(folders), composer(config_folder(), folders):
            composed = hydra_compose("config", overrides=every, return_hydra_config=True)
            refuse_faulty(composed.hydra.runtime.choices, folders)
            return _one_run(composed)
    except (BenchError, HydraException, OmegaConfBaseException) as error:
        raise UsageError(explain(error, folders)) from error
    except (ValueError, TypeError, OSError) as error:  # Hydra's own, of names and values that it did not think of
        raise UsageError(f"{' '.join(every)}: cannot be composed ({first_line(error)[:200]})") from error


def _one_run(composed: Any) -> DictConfig:
    """The configuration without Hydra's own part. Raises `UsageError` where that part asks for a sweep."""
    from hydra.types import RunMode
    from omegaconf import flag_override, read_write

    if composed.hydra.mode is RunMode.MULTIRUN:
        cells = " ".join(f"{key}={value}" for key, value in (composed.hydra.sweeper.params or {}).items())
        raise UsageError(f"{cells or 'hydra.mode=MULTIRUN'}: {SEVERAL}")
    with read_write(composed), flag_override(composed, "struct", False):
        del composed["hydra"]
    found: DictConfig = composed
    return found


def choices(group: str, config_dirs: Sequence[Path]) -> dict[str, Path]:
    """The YAML file of each `group=NAME`, by name; of two with one name the user's, as in a run."""
    require_folders(config_dirs)
    folders = [config_folder(), *reversed(config_dirs)]
    found = {file.stem: file for folder in folders for file in (folder / group).glob("*.yaml")}
    return dict(sorted(found.items()))


def nested_choices(group: str, config_dirs: Sequence[Path]) -> list[str]:
    """The names of `group=FOLDER/NAME` that lie in folders of a group; `_base` holds parts of others."""
    folders = [folder / group for folder in (config_folder(), *config_dirs)]
    files = (file.relative_to(at).with_suffix("") for at in folders for file in at.glob("*/**/*.yaml"))
    return sorted({file.as_posix() for file in files if not is_part(file.as_posix())})


def is_part(name: str) -> bool:
    """Whether a choice is only a part of others, as `_base/published` is: a folder or file that begins with `_`."""
    return any(word.startswith("_") for word in name.split("/"))


def groups(config_dirs: Sequence[Path]) -> list[str]:
    """The groups that have a choice: folders of YAML files."""
    folders = (config_folder(), *config_dirs)
    return sorted({file.parent.name for folder in folders for file in folder.glob("*/*.yaml")})


def refuse_choices(overrides: Sequence[str], config_dirs: Sequence[Path]) -> None:
    """Raise `UsageError` for the first `group=NAME` whose name is null, a number, or that of a part of others.

    Args:
        overrides: readable ones.
        config_dirs: folders with configurations of the user's, which have groups, too.
    """
    from hydra.core.override_parser.types import ChoiceSweep

    known = groups(config_dirs)
    for override in overrides:
        found = parsed(override)
        group = str(found.key_or_group) if found else ""
        if found is None or found.is_delete() or group == "" or not (group in known or "/" in group):
            continue
        values = found._value.list if isinstance(found._value, ChoiceSweep) else [found._value]
        every = [*choices(group, config_dirs), *nested_choices(group, config_dirs)]
        if any(value is None or isinstance(value, (bool, int, float)) for value in values):
            drop = f"to leave it out write ~{found.get_key_element()}; " if found.package else ""
            raise UsageError(f"{override}: must be the name of a choice; {drop}valid: {', '.join(every)}")
        for name in (str(getattr(value, "text", value)) for value in values):
            if len(name.encode(errors="replace")) > LONGEST_NAME or "\0" in name:
                raise UsageError(f"{group}={name[:40]}...: no choice has such a name; valid: {', '.join(every)}")
            if is_part(name):
                raise UsageError(f"{group}={name}: is a part of others, and no choice; {suggest(name, every)}")


def require_folders(config_dirs: Sequence[Path]) -> None:
    """Raise `UsageError` where a folder of configurations does not exist."""
    for folder in config_dirs:
        if not folder.is_dir():
            raise UsageError(f"--config-dir: there is no folder {folder}")
