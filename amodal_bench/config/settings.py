"""The root of the configuration: Hydra's schema when it is composed, plain values afterwards."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from amodal_bench.config.build import suggest
from amodal_bench.config.effect import LOCAL
from amodal_bench.config.overrides import expand_home
from amodal_bench.config.wording import in_plain_words
from amodal_bench.core.errors import ConfigError, first_line

_PACKAGE = Path(__file__).parent.parent


def config_folder() -> Path:
    """The folder of the YAML files: inside an installed package, beside it in a checkout."""
    inside = _PACKAGE / "conf"
    return inside if inside.is_dir() else _PACKAGE.parent / "conf"


RAY = "ray"
"""The kind of engine beside `LOCAL`."""


@dataclass
class Engine:
    """How the work is done; nothing in here can change a result.

    Attributes:
        kind: `local` for this process, `ray` for Ray's actors.
        batch_size: samples read and predicted together.
        shuffle: run the samples in a random order.
        max_error_share: a larger share of errors fails the run at its end.
        time_limit: seconds for each sample, to be read and to be predicted; None for no limit.
        retry_fatal: try samples again that have taken the process with them.
        overlap: read the next batch, and keep the last one, while one is predicted.
        shard: `k/K`, run only this part of the instances, into a store of its own; None for all of them.
        actors: of Ray, at most so many; None for as many as there is room for.
        cpus: cores of each actor.
        gpus: GPUs of each actor, or a part of one; None for one where the cluster has any.
        address: of a cluster of Ray's; None to start one on this machine.
    """

    kind: str = LOCAL
    batch_size: int = 16
    shuffle: bool = False
    max_error_share: float = 0.1
    time_limit: float | None = 3600.0
    retry_fatal: bool = False
    overlap: bool = True
    shard: str | None = None
    actors: int | None = None
    cpus: int = 1
    gpus: float | None = None
    address: str | None = None


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
        samples: predictions of each instance, each under a seed of its own; a deterministic model makes one.
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
    samples: int = 1
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

    A text that begins with `~` or `$HOME` is a path, and the home folder takes their place.

    Raises:
        ConfigError: a value is out of its range, or one that has to be given is missing.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    _refuse_unread_keys(OmegaConf.to_container(config, resolve=False))
    try:
        settings = OmegaConf.to_object(config)
    except OmegaConfBaseException as error:
        raise ConfigError(in_plain_words(error) or first_line(error)) from error
    assert isinstance(settings, Settings)
    for each in fields(settings):
        setattr(settings, each.name, _expanded(getattr(settings, each.name)))
    _check_collections(settings)
    _check_engine(settings.engine)
    if settings.samples < 1:
        raise ConfigError(f"samples: {settings.samples} must be >= 1")
    if settings.limit is not None and settings.limit < 1:
        raise ConfigError(f"limit: {settings.limit} must be >= 1")
    if settings.seed < 0:
        raise ConfigError(f"seed: {settings.seed} must be >= 0")
    if settings.sheet < 0:
        raise ConfigError(f"sheet: {settings.sheet} must be >= 0")
    if not settings.results:
        raise ConfigError("results: is empty; name a folder, such as results=results")
    return settings


def _check_engine(engine: Engine) -> None:
    """Raise `ConfigError` where a value is out of its range."""
    if engine.kind not in (LOCAL, RAY):
        raise ConfigError(f"engine.kind: {engine.kind!r} is not an engine; {suggest(engine.kind, [LOCAL, RAY])}")
    for name in ("batch_size", "actors", "cpus"):
        value = getattr(engine, name)
        if value is not None and value < 1:
            raise ConfigError(f"engine.{name}: {value} must be >= 1")
    if engine.gpus is not None and not (engine.gpus == int(engine.gpus) >= 0 or 0 < engine.gpus < 1):
        raise ConfigError(f"engine.gpus: {engine.gpus} must be 0, a part of one GPU, or a whole number")
    if not 0 <= engine.max_error_share <= 1:
        raise ConfigError(f"engine.max_error_share: {engine.max_error_share} must be between 0 and 1")
    if engine.time_limit is not None and not 0 < engine.time_limit < math.inf:
        raise ConfigError(f"engine.time_limit: {engine.time_limit} must be seconds > 0, or null for no limit")


def _refuse_unread_keys(raw: Any) -> None:
    """Raise `ConfigError` for a key that is none of the root's, and that no other setting refers to."""
    known = [each.name for each in fields(Settings)]
    for key in raw:
        if key not in known and not any(f"${{{key}{end}" in str(raw) for end in (".", "}", "[")):
            raise ConfigError(f"{key}: unknown key; {suggest(str(key), known)}")


def _check_collections(settings: Settings) -> None:
    """Raise `ConfigError` where something else stands for components by name, or where nothing keeps the results."""
    for key, group in (("baselines", "model"), ("other_protocols", "protocol"), ("logger", "logger")):
        value = getattr(settings, key)
        if not value and key != "logger":
            continue
        if not value:
            raise ConfigError(f"{key}: nothing would keep the results; choose one, such as {key}=csv")
        if not isinstance(value, dict):
            name = value if isinstance(value, str) else "NAME"
            wanted = f"+{group}@{key}.{name}={name}" if key != group else f"{key}=csv"
            none = f", or {key}=null for none" if key != group else ""
            raise ConfigError(f"{key}: {value!r} is not a set of components by name; write {wanted}{none}")
    for key in ("dataset", "model", "protocol", "view", "segmenter", "condition", "area", "leakage"):
        if isinstance(getattr(settings, key), list):
            raise ConfigError(f"{key}: is a list, and a component is wanted; its YAML is lines of KEY: VALUE")


def _expanded(value: Any) -> Any:
    if isinstance(value, str):
        return expand_home(value)
    if isinstance(value, dict):
        return {key: _expanded(inner) for key, inner in value.items()}
    return [_expanded(inner) for inner in value] if isinstance(value, list) else value
