"""Datasets as a run with the same overrides would have them, outside of a run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amodal_bench.cli.verbs import add_config_dir
from amodal_bench.config.build import build
from amodal_bench.config.compose import compose
from amodal_bench.config.settings import Settings
from amodal_bench.core.errors import BenchError

if TYPE_CHECKING:
    from amodal_bench.datasets.base import Dataset


def add_dataset(parser: argparse.ArgumentParser) -> None:
    """The arguments of a verb that works on one dataset."""
    parser.add_argument("name", metavar="NAME", help="as in dataset=NAME")
    parser.add_argument(
        "overrides", metavar="OVERRIDE", nargs="*", help="such as dataset.root=/data/cocoa dataset.split=val"
    )
    add_config_dir(parser)


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


def root_of(spec: Any) -> Path | None:
    """The folder that a dataset's specification names as `root`, or None where it needs none."""
    return Path(str(spec["root"])) if spec and spec.get("root") is not None else None
