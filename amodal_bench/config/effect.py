"""Choices of the user's that no model of the run uses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omegaconf import DictConfig

MARGIN = "view.margin"
GROUPS = (
    "dataset",
    "protocol",
    "other_protocols",
    "logger",
    "engine",
    "baselines",
    "ids",
    "limit",
    "sheet",
    "results",
)
"""Settings of a run over a dataset: of one picture they say nothing."""

PARTS = ("view", "segmenter", "condition", "area", "leakage")
"""Settings that do something only through a model that refers to them, such as `${leakage}`."""

_REFERENCE = re.compile(r"\$\{\.*([\w-]+)")


def without_effect(config: DictConfig, overrides: Sequence[str], used: Iterable[str] = ()) -> list[str]:
    """One line for each override of a part that neither the model nor a baseline refers to.

    Args:
        config: the composed configuration, with its references.
        overrides: as they were given.
        used: parts that something else than a model uses.
    """
    from omegaconf import OmegaConf

    raw: Any = OmegaConf.to_container(config, resolve=False)
    model = raw.get("model") if isinstance(raw.get("model"), dict) else {}
    name = model.get("name") or str(model.get("_target_")).rpartition(".")[2]
    reached = {*used, *_referred([model, raw.get("baselines")])}
    while more := set(_referred([raw.get(part) for part in reached])) - reached:
        reached |= more
    lines = []
    for override in overrides:
        part = re.split(r"[.=@]", override.lstrip("+~"), maxsplit=1)[0]
        if part in PARTS and part not in reached:
            lines.append(f"{override} has no effect: the model {name} does not use {part}")
        elif override.lstrip("+").startswith(f"{MARGIN}=") and (raw.get("view") or {}).get("mode") == "frame":
            lines.append(f"{override} has no effect: view=frame shows the whole image, without a margin")
    return lines


def of_no_picture(overrides: Sequence[str]) -> list[str]:
    """One line for each override that says nothing of a single picture, for `predict`."""
    first = {override: re.split(r"[.=@]", override.lstrip("+~"), maxsplit=1)[0] for override in overrides}
    return [
        f"{override} has no effect: predict works on your picture, and not on a dataset"
        for override, name in first.items()
        if name in GROUPS and not override.startswith("protocol")  # union_visible counts
    ]


def _referred(values: Iterable[Any]) -> Iterable[str]:
    """The first names of all references anywhere in some values."""
    for value in values:
        if isinstance(value, str):
            yield from _REFERENCE.findall(value)
        elif isinstance(value, dict):
            yield from _referred(value.values())
        elif isinstance(value, list):
            yield from _referred(value)
