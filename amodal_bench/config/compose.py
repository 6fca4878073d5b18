"""The settings that a run with the same overrides would have, outside of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amodal_bench.config.settings import Settings, config_folder, register_schema, settings_from
from amodal_bench.core.errors import BenchError, UsageError

SEVERAL = "these are several runs, and one is wanted; give one value (a text with a comma needs quotes of its own)"


def compose(overrides: Sequence[str], config_dirs: Sequence[Path]) -> Settings:
    """The settings of a run with these overrides.

    Raises:
        UsageError: they cannot be composed, with the valid choices where a name was wrong; or they describe several
            runs.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from amodal_bench.config.mistakes import explain

    register_schema()
    every = [*overrides, *_search_path(config_dirs)]
    try:
        _refuse_sweeps(overrides)
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            composed = hydra_compose("config", overrides=every, return_hydra_config=True)
            return settings_from(_one_run(composed))
    except (BenchError, HydraException, OmegaConfBaseException) as error:
        raise UsageError(explain(error)) from error


def _refuse_sweeps(overrides: Sequence[str]) -> None:
    """Raise `UsageError` where an override has several values, as in `leakage=blend,none`."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    for override in OverridesParser.create().parse_overrides(list(overrides)):
        if override.is_sweep_override():
            raise UsageError(f"{override.input_line}: {SEVERAL}")


def _one_run(composed: Any) -> Any:
    """The configuration without Hydra's own part. Raises `UsageError` where that part asks for a sweep."""
    from hydra.types import RunMode
    from omegaconf import flag_override, read_write

    if composed.hydra.mode is RunMode.MULTIRUN:
        cells = " ".join(f"{key}={value}" for key, value in (composed.hydra.sweeper.params or {}).items())
        raise UsageError(f"{cells or 'hydra.mode=MULTIRUN'}: {SEVERAL}")
    with read_write(composed), flag_override(composed, "struct", False):
        del composed["hydra"]
    return composed


def choices(group: str, config_dirs: Sequence[Path]) -> dict[str, Path]:
    """The YAML file of each `group=NAME`; a folder of the user's comes before the harness's own."""
    _search_path(config_dirs)  # refuses a folder that does not exist
    folders = [config_folder(), *reversed(config_dirs)]
    found = {file.stem: file for folder in folders for file in (folder / group).glob("*.yaml")}
    return dict(sorted(found.items()))


def _search_path(config_dirs: Sequence[Path]) -> list[str]:
    for folder in config_dirs:
        if not folder.is_dir():
            raise UsageError(f"--config-dir: {folder} is no folder")
    places = [f"file://{folder.absolute()}".replace("\\", "\\\\").replace("'", "\\'") for folder in config_dirs]
    return ["hydra.searchpath=[{}]".format(",".join(f"'{place}'" for place in places))] if places else []
