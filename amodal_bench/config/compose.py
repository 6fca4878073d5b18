"""The settings that a run with the same overrides would have, outside of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from amodal_bench.config.settings import Settings, config_folder, register_schema, settings_from
from amodal_bench.core.errors import BenchError, UsageError


def compose(overrides: Sequence[str], config_dirs: Sequence[Path]) -> Settings:
    """The settings of a run with these overrides.

    Raises:
        UsageError: they cannot be composed; the message has the valid choices where a name was wrong.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from amodal_bench.config.mistakes import explain

    register_schema()
    every = [*overrides, *_search_path(config_dirs)]
    try:
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            return settings_from(hydra_compose("config", overrides=every))
    except (BenchError, HydraException, OmegaConfBaseException) as error:
        raise UsageError(explain(error)) from error


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
