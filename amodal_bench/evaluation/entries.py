"""What a command runs: its baselines and its model, from settings or from objects that a caller gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from amodal_bench.config.build import NAME, TARGET, build
from amodal_bench.config.settings import Settings
from amodal_bench.core.errors import ConfigError
from amodal_bench.datasets.base import Dataset
from amodal_bench.models.base import Model


@dataclass(frozen=True)
class Entry:
    """A model of the command, as specified and as built; `given` where it was given as an object."""

    name: str
    spec: Mapping[str, Any]
    model: Model
    given: bool = False

    @property
    def target(self) -> str:
        """The dotted path of its class."""
        return str(self.spec[TARGET])


@dataclass(frozen=True)
class Given:
    """What a caller gives as objects, instead of naming it in the settings.

    Attributes:
        dataset: what is run on, in place of `settings.dataset`.
        model: the command's own model, in place of `settings.model`.
        name: that model's name in tables; its class's where it is None.
        ids: the instances to run, in place of the file `settings.ids`.
    """

    dataset: Dataset | None = None
    model: Model | None = None
    name: str | None = None
    ids: Sequence[str] | None = None


def entries_of(settings: Settings, given: Given) -> list[Entry]:
    """Baselines first and the model last; a baseline that is the model itself stands once."""
    main = _entry(settings.model, "model") if given.model is None else _given_entry(given.model, given.name)
    baselines: dict[str, dict[str, Any]] = settings.baselines or {}
    entries = [_entry(spec, f"baselines.{name}") for name, spec in baselines.items()]
    same = (main.name, main.target)  # a name alone may be any class's
    return [*(entry for entry in entries if (entry.name, entry.target) != same), main]


def _entry(spec: Mapping[str, Any], where: str) -> Entry:
    model = build(spec, where)
    name = str(spec.get(NAME, str(spec[TARGET]).rpartition(".")[2]))
    return Entry(checked_name(name, where), spec, model)


def _given_entry(model: Model, name: str | None) -> Entry:
    """An object as an entry: its run has the identity that a YAML with its class as `_target_` would give it."""
    kind = type(model)
    target = f"{kind.__module__}.{kind.__qualname__}"
    return Entry(checked_name(name or kind.__name__, "model"), {TARGET: target}, model, given=True)


def checked_name(name: str, where: str) -> str:
    """A name that becomes part of a run's folder. Raises `ConfigError` where it cannot."""
    if not name.strip() or "/" in name or "\\" in name:
        raise ConfigError(
            f"{where}.{NAME}: {name!r} cannot be part of a folder's name; choose a name without slashes"
        )
    return name
