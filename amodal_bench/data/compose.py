"""Settings and datasets as a run with the same overrides would have them, outside of a run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amodal_bench.config import Settings, build, config_folder, register_schema, settings_from
from amodal_bench.errors import BenchError

if TYPE_CHECKING:
    from amodal_bench.datasets.base import Dataset


class UsageError(BenchError):
    """The command line names something that does not exist or cannot be."""


def add_config_dir(parser: argparse.ArgumentParser) -> None:
    """The option for configuration folders of the user's, as a run has it."""
    parser.add_argument(
        "--config-dir",
        "-cd",
        action="append",
        default=[],
        type=Path,
        metavar="FOLDER",
        help="a folder with a configuration of your own in it, such as FOLDER/dataset/mine.yaml",
    )


def add_dataset(parser: argparse.ArgumentParser) -> None:
    """The arguments of a verb that works on one dataset."""
    parser.add_argument("name", metavar="NAME", help="as in dataset=NAME")
    parser.add_argument(
        "overrides", metavar="OVERRIDE", nargs="*", help="such as dataset.root=/data/cocoa dataset.split=val"
    )
    add_config_dir(parser)


def compose(overrides: Sequence[str], config_dirs: Sequence[Path]) -> Settings:
    """The settings of a run with these overrides.

    Raises:
        UsageError: they cannot be composed; the message has the valid choices where a name was wrong.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from amodal_bench.main import explain

    register_schema()
    every = [*overrides, *_search_path(config_dirs)]
    try:
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            return settings_from(hydra_compose("config", overrides=every))
    except (BenchError, HydraException, OmegaConfBaseException) as error:
        raise UsageError(explain(error)) from error


def _search_path(config_dirs: Sequence[Path]) -> list[str]:
    for folder in config_dirs:
        if not folder.is_dir():
            raise UsageError(f"--config-dir: {folder} is no folder")
    places = [f"file://{folder.absolute()}".replace("\\", "\\\\").replace("'", "\\'") for folder in config_dirs]
    return ["hydra.searchpath=[{}]".format(",".join(f"'{place}'" for place in places))] if places else []


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The settings for the arguments of `add_dataset`."""
    return compose([f"dataset={arguments.name}", *arguments.overrides], arguments.config_dir)


def open_dataset(settings: Settings) -> Dataset:
    """Build the settings' dataset.

    Raises:
        BenchError: it cannot be opened, whatever its class raised.
    """
    try:
        dataset: Dataset = build(settings.dataset, "dataset")
    except BenchError:
        raise
    except Exception as error:  # a user's class may fail in any way
        text = " ".join(str(error).split())
        raise BenchError(f"dataset: cannot be opened: {type(error).__name__}: {text}") from error
    return dataset


def dataset_names(config_dirs: Sequence[Path]) -> dict[str, Path]:
    """The YAML file of each `dataset=NAME`; a folder of the user's comes before the harness's own."""
    _search_path(config_dirs)  # refuses a folder that does not exist
    folders = [config_folder(), *reversed(config_dirs)]
    found = {file.stem: file for folder in folders for file in (folder / "dataset").glob("*.yaml")}
    return dict(sorted(found.items()))


def root_of(spec: Any) -> Path | None:
    """The folder that a dataset's specification names as `root`, or None where it needs none."""
    return Path(str(spec["root"])) if spec and spec.get("root") is not None else None
