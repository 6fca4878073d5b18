"""Choices and settings of the user's that do nothing in the run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from amodal_bench.config.build import TARGET, find_class
from amodal_bench.core.errors import BenchError

if TYPE_CHECKING:
    from omegaconf import DictConfig

GROUPS = (
    "dataset",
    "protocol",
    "other_protocols",
    "logger",
    "engine",
    "baselines",
    "ids",
    "samples",
    "limit",
    "sheet",
    "results",
)
"""Settings of a run over a dataset: of one picture they say nothing."""

PARTS = ("view", "segmenter", "condition", "area", "leakage")
"""Groups that a model refers to, as in `${leakage}`: only so do they do something."""

LOCAL = "local"
OF_RAY = ("actors", "cpus", "gpus", "address")
"""Settings of the engine that mean nothing in this process."""

_EMPTY = re.compile(r"\s*\{\s*\}\s*")
_REFERENCE = re.compile(r"\$\{\.*([\w-]+)")


@runtime_checkable
class Idles(Protocol):
    """A class some of whose settings do nothing beside others, such as the margin of a view that is no crop."""

    @staticmethod
    def idle_settings(settings: Mapping[str, Any]) -> Mapping[str, str]:
        """The settings that do nothing beside the others, each with the reason; `settings` are those of a YAML."""
        ...


def without_effect(
    config: DictConfig, overrides: Sequence[str], used: Iterable[str] = (), given: str | None = None
) -> list[str]:
    """One line for each override of a part that neither the model nor a baseline uses, of an idle setting, or of {}.

    Args:
        config: the composed configuration, with its references.
        overrides: as they were given.
        used: parts that something else than a model uses.
        given: the name of a model that was given as an object, in place of the configuration's.
    """
    from omegaconf import OmegaConf

    raw: Any = OmegaConf.to_container(config, resolve=False)
    model = raw.get("model") if given is None and isinstance(raw.get("model"), dict) else {}
    name = given or model.get("name") or str(model.get("_target_")).rpartition(".")[2]
    reached = {*used, *_referred([model, raw.get("baselines")])}
    while more := set(_referred([raw.get(part) for part in reached])) - reached:
        reached |= more
    lines = []
    for override in overrides:
        key = override.lstrip("+~").partition("=")[0]
        part, _, setting = key.partition("@")[0].partition(".")
        if part in PARTS and part not in reached:
            lines.append(f"{override} has no effect: the model {name} does not use {part}")
        elif _EMPTY.fullmatch(override.partition("=")[2]) and raw.get(part):
            lines.append(f"{override} has no effect: what is in {{}} is added to what there is; write {key}=null")
        elif part == "engine" and setting in OF_RAY and (raw.get("engine") or {}).get("kind") == LOCAL:
            lines.append(f"{override} has no effect: it is Ray's, and the engine is {LOCAL}; add engine=ray")
        elif setting and part in (*PARTS, "model") and (reason := _idle(config, part, setting)):
            lines.append(f"{override} has no effect: {reason}")
    return lines


def of_no_picture(overrides: Sequence[str]) -> list[str]:
    """One line for each override that says nothing of a single picture, for `predict`."""
    first = {override: re.split(r"[.=@]", override.lstrip("+~"), maxsplit=1)[0] for override in overrides}
    reasons = dict.fromkeys(GROUPS, "predict works on your picture, and not on a dataset")
    reasons["samples"] = "predict makes one prediction; seed=N makes another one"
    return [
        f"{override} has no effect: {reasons[name]}"
        for override, name in first.items()
        if name in GROUPS and not override.startswith("protocol")  # union_visible counts
    ]


def _idle(config: DictConfig, part: str, setting: str) -> str | None:
    """Why a setting of a part does nothing, as the part's class says; None where it does something."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        spec: Any = OmegaConf.to_container(config, resolve=True)
        spec = spec.get(part) or {}
        kind = find_class(str(spec.get(TARGET)), part)
    except (OmegaConfBaseException, BenchError):  # told when the part is built
        return None
    return kind.idle_settings(spec).get(setting) if isinstance(kind, Idles) else None


def _referred(values: Iterable[Any]) -> Iterable[str]:
    """The first names of all references anywhere in some values."""
    for value in values:
        if isinstance(value, str):
            yield from _REFERENCE.findall(value)
        elif isinstance(value, dict):
            yield from _referred(value.values())
        elif isinstance(value, list):
            yield from _referred(value)
