"""Datasets as a run with the same overrides would have them, outside of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amodal_bench.config.build import build
from amodal_bench.config.compose import compose
from amodal_bench.config.settings import Settings
from amodal_bench.core.errors import BenchError, ConfigError

if TYPE_CHECKING:
    from amodal_bench.datasets.base import Dataset

UNFIT = (TypeError, ValueError, ImportError, AttributeError)
"""Causes of a `ConfigError` that are the settings' fault: values that a class does not take, or no such class."""


def settings_of(name: str, overrides: Sequence[str], config_dirs: Sequence[Path]) -> Settings:
    """The settings of a run with `dataset=NAME` and these overrides."""
    return compose([f"dataset={name}", *overrides], config_dirs)


def open_dataset(settings: Settings) -> Dataset:
    """Build the settings' dataset.

    Raises:
        BenchError: it cannot be opened, whatever its class raised.
    """
    try:
        dataset: Dataset = build(settings.dataset, "dataset")
    except ConfigError as error:
        if error.__cause__ is None or isinstance(error.__cause__, UNFIT):
            raise
        raise BenchError(str(error)) from error  # the class is at fault, and not the command line
    return dataset


def root_of(spec: Any) -> Path | None:
    """The folder that a dataset's specification names as `root`, or None where it needs none."""
    return Path(str(spec["root"])) if spec and spec.get("root") is not None else None
