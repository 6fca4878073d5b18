"""From the composed configuration to objects: plain values in, components out, one line for each mistake."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amodal_bench.core.errors import BenchError, ConfigError

_HERE = Path(__file__).parent
NAME, TARGET = "name", "_target_"
LABELS = (NAME, "weights")
"""Keys beside `_target_` that others may refer to (`${..weights}`); passed only to a class that takes them."""


def config_folder() -> Path:
    """The folder of the YAML files: inside an installed package, beside it in a checkout."""
    inside = _HERE / "conf"
    return inside if inside.is_dir() else _HERE.parent / "conf"


@dataclass
class Engine:
    """How the work is done; nothing in here can change a result.

    Attributes:
        batch_size: samples read and predicted together.
        shuffle: run the samples in a random order.
        max_error_share: a larger share of errors fails the run at its end.
    """

    batch_size: int = 16
    shuffle: bool = False
    max_error_share: float = 0.1


@dataclass
class Settings:
    """The root of the configuration: Hydra's schema when it is composed, plain values afterwards.

    Attributes:
        dataset, model, protocol: specifications of components, each with its class as `_target_`.
        baselines: models that are run and shown beside `model`, by name.
        other_protocols: protocols that score the same predictions beside `protocol`, by name.
        logger: specifications of loggers, by name.
        view: the window of the image that a model sees; models refer to it.
        segmenter, condition, area, leakage: parts that models refer to.
        engine: how the work is done.
        seed: the run's seed.
        ids: a file of instance ids to run instead of what the protocol's filter selects.
        limit: run only so many of the selected instances.
        results: the folder that keeps runs.
        sheet: rows of the contact sheet.
    """

    dataset: Any = None
    model: Any = None
    protocol: Any = None
    baselines: Any = None
    other_protocols: Any = None
    logger: Any = None
    view: Any = None
    segmenter: Any = None
    condition: Any = None
    area: Any = None
    leakage: Any = None
    engine: Engine = field(default_factory=Engine)
    seed: int = 0
    ids: str | None = None
    limit: int | None = None
    results: str = "results"
    sheet: int = 8


def register_schema() -> None:
    """Give Hydra the root's types, so that a wrong value or an unknown key is refused when it is composed."""
    from hydra.core.config_store import ConfigStore

    ConfigStore.instance().store(name="schema", node=Settings)


def settings_from(config: Any) -> Settings:
    """The composed DictConfig as plain values; below this call no code sees a DictConfig.

    Raises:
        ConfigError: a value is out of its range, or one that has to be given is missing.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        settings = OmegaConf.to_object(config)
    except OmegaConfBaseException as error:
        raise ConfigError(str(error).splitlines()[0]) from error
    assert isinstance(settings, Settings)
    if settings.engine.batch_size < 1:
        raise ConfigError(f"engine.batch_size: {settings.engine.batch_size} is not a positive number")
    if settings.limit is not None and settings.limit < 1:
        raise ConfigError(f"limit: {settings.limit} is not a positive number")
    if settings.sheet < 0:
        raise ConfigError(f"sheet: {settings.sheet} is negative")
    return settings


def build(spec: Mapping[str, Any], where: str) -> Any:
    """Make the component that a specification describes: its `_target_`, called with its other keys.

    Nested specifications are built first; a key of `LABELS` beside `_target_` is passed only to a class that
    takes it.

    Args:
        spec: plain values.
        where: the specification's place in the configuration, for messages.

    Raises:
        ConfigError: the class cannot be imported, or does not take these keys.
    """
    if not isinstance(spec, Mapping) or TARGET not in spec:
        raise ConfigError(f"{where}: has no {TARGET}, the class to build")
    target = find_class(str(spec[TARGET]), where)
    taken = parameters(target)
    values = {key: _built(value, f"{where}.{key}") for key, value in spec.items() if key != TARGET}
    if taken is not None:
        values = {key: value for key, value in values.items() if key in taken or key not in LABELS}
        for key in values:
            if key not in taken:
                raise ConfigError(f"{where}.{key}: unknown key; {suggest(key, taken)}")
    try:
        return target(**values)
    except BenchError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {target.__name__} cannot be built: {error}") from error


def _built(value: Any, where: str) -> Any:
    if isinstance(value, Mapping) and TARGET in value:
        return build(value, where)
    return value


def find_class(path: str, where: str) -> Any:
    """The class with a dotted path. Raises `ConfigError` where it cannot be imported."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"{where}.{TARGET}: cannot import {path} ({error}); is its folder on PYTHONPATH?"
        ) from error


def parameters(target: Any) -> list[str] | None:
    """The keyword parameters of a callable, or None where it takes any.

    A class that takes `**options` passes them on to the next one that it derives from.
    """
    kinds = target.__mro__ if inspect.isclass(target) else ()
    calls = [kind.__dict__["__init__"] for kind in kinds if "__init__" in kind.__dict__ and kind is not object]
    names: list[str] = []
    for call in calls or [target]:
        found = list(inspect.signature(call).parameters.values())
        names += [p.name for p in found if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != "self"]
        if not any(p.kind is p.VAR_KEYWORD for p in found):
            return list(dict.fromkeys(names))
    return None


def suggest(wrong: str, valid: Iterable[str]) -> str:
    """Help for a wrong name: the nearest valid one, and all of them."""
    choices = sorted(valid)
    near = difflib.get_close_matches(wrong, choices, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return f"{guess}valid: {', '.join(choices)}" if choices else "it takes no keys"
