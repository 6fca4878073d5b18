"""The contracts of a model and of all its parts, from what a configuration says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from amodal_bench.config import effect
from amodal_bench.config.build import TARGET
from amodal_bench.testing import areas, backbones, conditions, leakages, models, protocols, segmenters, settings
from amodal_bench.testing.made import made

PARTS: Mapping[str, Callable[[Any], list[str]]] = {
    "backbone": backbones.violations,
    "segmenter": segmenters.violations,
    "condition": conditions.violations,
    "area": areas.violations,
    "leakage": leakages.violations,
}
"""The contract of each part, by its key in a model's YAML."""

STEPS = 2
"""Denoising steps at most: no clause is about their number."""


@dataclass(frozen=True)
class Finding:
    """What a contract says of a component.

    Attributes:
        place: where its settings are.
        violations: one line each.
        aside: settings that were not varied.
        tried: whether it was tried; a model is not, where one of its parts breaks its contract.
    """

    place: str
    violations: list[str]
    aside: list[str] = field(default_factory=list)
    tried: bool = True


def examine(
    spec: Mapping[str, Any], protocol: Mapping[str, Any], parts: Mapping[str, Any], vary: bool = True
) -> Iterator[Finding]:
    """The findings of a model's parts, of the model, of its settings and of a protocol, one after the other.

    Args:
        spec: the model's, plain values.
        protocol: the protocol's.
        parts: parts that are built already, by their key in the model's YAML.
        vary: whether each setting is varied, for which networks may be loaded again.

    Raises:
        BenchError: a component cannot be built.
    """
    if isinstance(steps := spec.get("steps"), int):
        spec = {**spec, "steps": min(steps, STEPS)}
    spec_of = {key: value for key, value in spec.items() if isinstance(value, Mapping) and TARGET in value}
    built = {key: parts.get(key) or made(value, key_of(key)) for key, value in spec_of.items()}
    found = [Finding(key_of(key), contract(built[key])) for key, contract in PARTS.items() if key in built]
    yield from found
    if any(finding.violations for finding in found):
        yield Finding("model", [], tried=False)
    else:
        whole = Finding("model", models.violations(made({**spec, **built}, "model")))
        yield whole
        if vary and not whole.violations:
            verdict = settings.examine(spec, "model", models.answers, key_of)
            yield Finding("settings", verdict.violations, verdict.aside)
    yield Finding("protocol", protocols.violations(made(protocol, "protocol")))


def key_of(place: str) -> str:
    """How a user writes a setting at a place of a model's YAML."""
    return place if place.partition(".")[0] in effect.PARTS else f"model.{place}"
