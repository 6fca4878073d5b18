"""What a row says of its model: the settings that the model shows, then all that differ from its usual ones.

Two runs that differ in a setting never have the same row: what is not shown is as in the model's YAML, for which the
row's name stands, or where there is none of that name as the class's own defaults.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from amodal_bench.config.build import NAME, TARGET, find_class
from amodal_bench.config.compose import compose
from amodal_bench.config.settings import config_folder
from amodal_bench.core.plain import plain
from amodal_bench.models.base import Model, Shows
from amodal_bench.report.scored import RANDOM_WEIGHTS, has_random_weights

QUIET = (NAME, "device", "local_files_only")
"""No result depends on these."""

WEIGHTS = "weights"
_PACKAGE = __name__.partition(".")[0]
_MISSING = object()


def row_text(name: str, spec: Mapping[str, Any], model: Model, seed: int) -> str:
    """The text of a row, such as `view=crop 0.5 leakage=blend area=hull segmenter=sam steps=40 seed=1`.

    Args:
        name: of the row.
        spec: what the model was built from, plain values.
        model: what was built.
        seed: the run's.
    """
    shown = dict(model.settings()) if isinstance(model, Shows) else {}
    words = list(_headline(shown))
    for place, value in _unusual(spec, usual_spec(name), spec.get(WEIGHTS), type(model)):
        if not _told(place, value, shown):
            words.append(f"{place}={plain(value)}")
    words += [f"seed={seed}"] if seed else []
    words += [RANDOM_WEIGHTS] if has_random_weights(model.describe()) else []
    return " ".join(words)


@cache
def usual_spec(name: str) -> Mapping[str, Any] | None:
    """The specification of the shipped model whose YAML gives it this name, as composed; None where there is none."""
    from omegaconf import OmegaConf

    folder = config_folder() / "model"
    for file in sorted(folder.rglob("*.yaml")):
        content: Any = OmegaConf.load(file)
        if content.get(NAME) == name:
            return _composed(file.relative_to(folder).with_suffix("").as_posix())
    return None


def _composed(choice: str) -> Mapping[str, Any]:
    """The specification of `model=CHOICE`; a run that Hydra has started goes on with its own state."""
    from hydra.core.global_hydra import GlobalHydra

    running = GlobalHydra.instance()
    state, running.hydra = running.hydra, None
    try:
        spec: Mapping[str, Any] = compose([f"model={choice}"], []).model
    finally:
        GlobalHydra.instance().hydra = state
    return spec


def _headline(shown: Mapping[str, str]) -> Iterator[str]:
    """What the model shows; the settings of one part share a word: `view=crop 0.5`."""
    parts: dict[str, list[str]] = {}
    for place, text in shown.items():
        parts.setdefault(place.partition(".")[0], []).append(text)
    return (f"{part}={' '.join(texts)}" for part, texts in parts.items())


def _told(place: str, value: Any, shown: Mapping[str, str]) -> bool:
    """Whether the headline tells a setting already; it tells a part's class only of the harness's own classes."""
    part, _, key = place.rpartition(".")
    if key != TARGET:
        return place in shown
    shown_parts = {told.partition(".")[0] for told in shown}
    return not part or (part in shown_parts and str(value).startswith(f"{_PACKAGE}."))


def _unusual(
    spec: Mapping[str, Any], usual: Any, label: Any, kind: type | None = None, place: str = ""
) -> Iterator[tuple[str, Any]]:
    """The settings below a place that are not as usual, by their places.

    `label` is the model's `weights`, to which those of its backbone refer: they are told once. `kind` is the class of
    what was built, where it is at hand: a class of a notebook cannot be imported.
    """
    target = spec.get(TARGET)
    alike = isinstance(usual, Mapping) and usual.get(TARGET) == target
    expected = _defaults(kind or target) | (usual if alike else {})
    for key, value in spec.items():
        here = f"{place}.{key}" if place else key
        if isinstance(value, Mapping):
            yield from _unusual(value, expected.get(key), label, place=here)
        elif key not in QUIET and not (place and key == WEIGHTS and value == label):
            other = expected.get(key, _MISSING)
            if value != other or isinstance(value, bool) != isinstance(other, bool):
                yield here, value


@cache
def _defaults(target: Any) -> dict[str, Any]:
    """The defaults of a class's own parameters, and of those that it passes on."""
    found: dict[str, Any] = {}
    kind = find_class(target, "") if isinstance(target, str) else target
    kinds = inspect.getmro(kind) if inspect.isclass(kind) else ()
    for kind in reversed(kinds):
        if (call := vars(kind).get("__init__")) is not None and kind is not object:
            own = inspect.signature(call).parameters.values()
            found |= {each.name: each.default for each in own if each.default is not each.empty}
    return found
