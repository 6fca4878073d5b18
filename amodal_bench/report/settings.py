"""What a row says of its model: the settings that the model shows, then all that differ from its usual ones.

Two runs that differ in a setting never have the same row: what is not shown is as in the model's YAML, for which the
row's name stands, or where there is none of that name as the class's own defaults. A model that was given as an
object has no settings to read, and its row says what its description does.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any

from amodal_bench.config.build import NAME, TARGET, build, find_class
from amodal_bench.config.compose import compose
from amodal_bench.config.settings import config_folder
from amodal_bench.core.plain import plain
from amodal_bench.models.base import Model, Shows
from amodal_bench.report.description import told_by_description
from amodal_bench.report.scored import RANDOM_WEIGHTS, has_random_weights

QUIET = (
    (NAME,),
    *((part, key) for part in ("backbone", "segmenter") for key in ("device", "local_files_only")),
)
"""Places of settings that change no result: the row's own label, and where and from what a network is loaded."""

WEIGHTS = "weights"
_PACKAGE = __name__.partition(".")[0]
_MISSING = object()


def row_text(
    name: str,
    spec: Mapping[str, Any],
    model: Model,
    seed: int,
    given: bool = False,
    namesakes: Collection[str] = (),
) -> str:
    """The text of a row, such as `view=crop 0.5 leakage=blend area=hull segmenter=sam steps=40 seed=1`.

    Args:
        name: of the row.
        spec: what the model was built from, plain values; of an object its class alone, as `_target_`.
        model: what was built.
        seed: the run's.
        given: whether the model was given as an object.
        namesakes: the classes of other runs of this name, which the row has to be told from.
    """
    shown = dict(model.settings()) if isinstance(model, Shows) else {}
    words, usual = list(_headline(shown)), usual_spec(name)
    if spec.get(TARGET) != (usual or {}).get(TARGET, spec.get(TARGET)) or set(namesakes) - {spec.get(TARGET)}:
        words.append(f"{TARGET}={spec.get(TARGET)}")
    if given:
        alike = usual is not None and usual.get(TARGET) == spec.get(TARGET)
        words += told_by_description(model, build(usual, "model") if usual and alike else None, shown)
    else:
        unusual = _unusual(spec, usual, spec.get(WEIGHTS), type(model))
        words += [f"{'.'.join(place)}={plain(value)}" for place, value in unusual if not _told(place, value, shown)]
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


def _told(place: tuple[str, ...], value: Any, shown: Mapping[str, str]) -> bool:
    """Whether the headline tells a setting already; it tells a part's class only of the harness's own classes."""
    if place[-1] != TARGET:
        return ".".join(place) in shown
    part = ".".join(place[:-1])
    shown_parts = {told.partition(".")[0] for told in shown}
    return not part or (part in shown_parts and str(value).startswith(f"{_PACKAGE}."))


def _unusual(
    spec: Mapping[str, Any], usual: Any, label: Any, kind: type | None = None, place: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The settings below a place that are not as usual, by their places; one that is taken away has its default.

    `label` is the model's `weights`, to which those of its backbone refer: they are told once. `kind` is the class of
    what was built, where it is at hand: a class of a notebook cannot be imported.
    """
    target = spec.get(TARGET)
    alike = isinstance(usual, Mapping) and usual.get(TARGET) == target
    defaults = _defaults(kind or target)
    expected = defaults | (usual if alike else {})
    for key, value in spec.items():
        here, other = (*place, key), expected.get(key, _MISSING)
        if here == ("backbone", WEIGHTS) and label is not None:
            other = label
        if isinstance(value, Mapping) and value:
            yield from _unusual(value, other, label, place=here)
        elif here not in QUIET and _canonical(value) != _canonical(other):
            yield here, value
    for key in [key for key in (usual if alike else {}) if key not in spec and (*place, key) not in QUIET]:
        if _canonical(default := defaults.get(key)) != _canonical(usual[key]):
            yield (*place, key), default


def _canonical(value: Any) -> Any:
    """A form in which two values are equal only where they are one setting: `true` is not 1, but 1.0 is."""
    return value if value is _MISSING else plain(value)


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
