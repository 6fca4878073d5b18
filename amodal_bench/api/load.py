"""Components by the names that a command line uses: datasets, models and protocols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amodal_bench.api.composing import Folders, choice, composed, override_of
from amodal_bench.config.build import build
from amodal_bench.config.effect import PARTS
from amodal_bench.datasets.base import Dataset
from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.models.base import Model


def load_dataset(name: str, /, *overrides: str, config_dirs: Folders = (), **settings: Any) -> Dataset:
    """Open a dataset as `dataset=NAME` does; no pixel is read.

    Args:
        name: as in `dataset=NAME`.
        overrides: further `KEY=VALUE` settings, as on the command line.
        config_dirs: a folder of your own, or several, such as one with `dataset/mine.yaml` in it.
        settings: the dataset's own settings, such as `root="/data/kins"`.

    Raises:
        ConfigError: a setting has a value that cannot be used.
        UsageError: there is no such dataset, or it has no such setting.
        InputError: its files are missing or cannot be used.
    """
    every = [choice("dataset", name), *_within("dataset", settings), *overrides]
    dataset: Dataset = build(composed(every, config_dirs).dataset, "dataset")
    return dataset


def load_model(name: str, /, *overrides: str, config_dirs: Folders = (), **settings: Any) -> Model:
    """Make a model as `model=NAME` does; weights are loaded at its first prediction.

    Args:
        name: as in `model=NAME`.
        overrides: further `KEY=VALUE` settings, as on the command line, such as `"view.margin=0.3"`.
        config_dirs: a folder of your own, or several, such as one with `model/mine.yaml` in it.
        settings: the model's own settings, such as `guidance=0.5`. The names of `view`, `segmenter`, `condition`,
            `area` and `leakage` choose those parts, such as `leakage="blend"`.

    Raises:
        ConfigError: a setting has a value that cannot be used.
        UsageError: there is no such model, or it has no such setting.
        InputError: its files are missing or cannot be used.
    """
    parts = {key: value for key, value in settings.items() if key in PARTS and isinstance(value, str)}
    own = {key: value for key, value in settings.items() if key not in parts}
    chosen = [override_of(part, value) for part, value in parts.items()]
    every = [choice("model", name), *chosen, *_within("model", own), *overrides]
    model: Model = build(composed(every, config_dirs, used=()).model, "model")
    return model


def load_protocol(name: str, /, *overrides: str, config_dirs: Folders = (), **settings: Any) -> ScoringProtocol:
    """Make a scoring protocol as `protocol=NAME` does.

    Args:
        name: as in `protocol=NAME`.
        overrides: further `KEY=VALUE` settings, as on the command line, such as `"protocol.filter.stuff=true"`.
        config_dirs: a folder of your own, or several, such as one with `protocol/mine.yaml` in it.
        settings: the protocol's own settings, such as `union_visible=False`.

    Raises:
        ConfigError: a setting has a value that cannot be used.
        UsageError: there is no such protocol, or it has no such setting.
    """
    every = [choice("protocol", name), *_within("protocol", settings), *overrides]
    protocol: ScoringProtocol = build(composed(every, config_dirs).protocol, "protocol")
    return protocol


def _within(group: str, settings: Mapping[str, Any]) -> list[str]:
    return [override_of(f"{group}.{key}", value) for key, value in settings.items()]
