"""Every YAML file composes into something that can be built, and every mistake is answered in one line."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import composed
from params import mostly_slow

from amodal_bench.config.build import build, find_class, parameters
from amodal_bench.config.compose import choices, nested_choices
from amodal_bench.config.fits import misfit
from amodal_bench.config.settings import config_folder
from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.metrics.protocols import Filter

CHOICES = [
    "=".join(path.relative_to(config_folder()).with_suffix("").as_posix().split("/", 1))
    for path in sorted(config_folder().glob("*/**/*.yaml"))
    if path.parent.name != "_base"  # no choices, but what choices have in common
    and "hydra" not in path.parts  # launchers build no component
]


@pytest.mark.parametrize("choice", mostly_slow(CHOICES, lambda choice: choice in ("leakage=blend", "model=sd15")))
def test_every_choice_builds_every_component(choice: str, tmp_path: Path) -> None:
    if choice in ("logger=mlflow", "logger=tensorboard"):  # extras of their own
        pytest.importorskip(choice.partition("=")[2])
    settings = composed(
        choice,
        *(["logger.wandb.mode=offline"] if choice == "logger=wandb" else []),
        f"results={tmp_path}",
        "dataset.images=1" if "dataset" not in choice or choice == "dataset=toy" else "seed=0",
    )
    if "path" in settings.model:  # of predictions, which a user has to name; nothing is read from it yet
        settings.model["path"] = str(tmp_path)
    parts = {"model": settings.model, "protocol": settings.protocol}
    parts |= {f"baselines.{k}": v for k, v in settings.baselines.items()}
    parts |= {f"logger.{k}": v for k, v in settings.logger.items()}
    if "root" not in settings.dataset:  # the others need files
        parts["dataset"] = settings.dataset
    assert settings.engine.batch_size > 0
    for name, spec in parts.items():
        assert build(spec, name) is not None


@pytest.mark.slow
def test_the_convention_of_pcnet_leaves_nothing_out_and_is_pooled_otherwise() -> None:
    pcnet, pooled = (build(composed(f"protocol={name}").protocol, "protocol") for name in ("pcnet", "pooled"))
    assert pcnet.label == "pcnet@2" and pcnet.filter == Filter(stuff=True, crowd=True, hidden=True)
    assert pcnet.numbers["miou"] == pooled.numbers["miou"]
    assert pooled.filter == Filter()


@pytest.mark.slow
def test_a_model_may_choose_its_leakage_and_the_command_line_overrules_it() -> None:
    assert composed("model=tiny").model["leakage"]["_target_"].endswith("Conditioning")
    assert composed("model=tiny", "leakage=none").model["leakage"]["_target_"].endswith("NoLeakage")
    assert composed("model=sd15").model["leakage"]["_target_"].endswith("Blend")
    assert composed("model=sd15", "leakage=strength").model["leakage"]["_target_"].endswith("Strength")


@pytest.mark.slow
def test_a_model_may_choose_its_segmenter_and_the_command_line_overrules_it() -> None:
    assert composed("model=tiny").model["segmenter"]["_target_"].endswith("GrabCut")
    assert composed("model=sd15").model["segmenter"]["_target_"].endswith("Sam")
    for model in ("tiny", "sd15", "sam", "sam2"):
        chosen = composed(f"model={model}", "segmenter=colour_model").model["segmenter"]
        assert chosen["_target_"].endswith("ColourModel")


@pytest.mark.parametrize(
    ("overrides", "message"),
    mostly_slow(
        [
            (
                ["+dataset.image=3"],
                r"dataset\.image: unknown key; did you mean 'images'\? valid: images, seed, split",
            ),
            (
                ["area.shape=hul"],
                "area.shape: 'hul' is not one of 'hull', 'dilated_hull', 'bbox', 'full', 'background'",
            ),
            (["leakage=blend", "leakage.s=2"], r"leakage\.s: 2 must be between 0 and 1"),
            (["dataset._target_=nowhere.Nothing"], "dataset._target_: cannot import nowhere.Nothing"),
            (["dataset.images=many"], "dataset.images: must be a whole number, not 'many'"),
            (["condition.background=blue"], "condition.background: 'blue' is not one of"),
        ],
        2,
    ),
)
def test_a_component_that_cannot_be_built_says_why(overrides: list[str], message: str) -> None:
    settings = composed("dataset.images=1", *overrides)
    with pytest.raises(ConfigError, match=message):
        _ = build(settings.dataset, "dataset"), build(settings.model, "model")


@pytest.mark.parametrize("override", mostly_slow(["limit=0", "samples=0", "engine.batch_size=0", "sheet=-1"]))
def test_a_value_out_of_range_is_refused(override: str) -> None:
    with pytest.raises(ConfigError, match=override.partition("=")[0]):
        composed(override)


def test_a_folder_without_weights_is_refused_when_the_model_is_named(tmp_path: Path) -> None:
    spec = composed(f"model.backbone.weights={tmp_path / 'none'}").model
    with pytest.raises(InputError, match=r"there is no such weights folder; set model\.weights"):
        build(spec, "model").describe()


class _Root:
    def __init__(self, weights: str, native: int = 8) -> None:
        self.weights, self.native = weights, native


class _Child(_Root):
    def __init__(self, weights: str, own: int = 1, **options: Any) -> None:
        super().__init__(weights, **options)
        self.own = own


def test_a_class_that_passes_options_on_takes_those_of_its_parents() -> None:
    assert parameters(_Child) == ["weights", "own", "native"]
    assert parameters(lambda **anything: anything) is None
    with pytest.raises(
        ConfigError, match=r"model\.nativ: unknown key; did you mean 'native'\? valid: native, own, weights"
    ):
        build({"_target_": f"{__name__}._Child", "weights": "w", "nativ": 3}, "model")


def test_a_key_that_yaml_takes_for_a_truth_value_is_named() -> None:
    odd: dict[Any, Any] = {"_target_": f"{__name__}._Child", "weights": "w", True: 3}
    with pytest.raises(ConfigError, match=r"^model: the key True is not a text; write it in quotes in the YAML"):
        build(odd, "model")


def raising(error: str) -> None:
    """Raise an error by its name, as a user's constructor may."""
    raise {"SystemExit": SystemExit, "KeyError": KeyError, "OSError": OSError, "RuntimeError": RuntimeError}[error](
        "first line\nsecond line"
    )


@pytest.mark.parametrize("error", ["SystemExit", "KeyError", "OSError", "RuntimeError"])
def test_a_constructor_may_raise_anything(error: str) -> None:
    with pytest.raises(ConfigError, match=rf"^model: raising cannot be built: {error}: ") as raised:
        build({"_target_": f"{__name__}.raising", "error": error}, "model")
    assert "\n" not in str(raised.value)


@dataclass
class Bounds:
    """Settings of every plain type, one of which is without a bound by default."""

    count: int = 1
    share: float = 0.5
    most: float = math.inf
    text: str | None = None
    path: Path = Path()
    on: bool = False
    anything: Any = None
    several: list[int] = field(default_factory=list)
    sloppy: int = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("key", "value", "wrong"),
    [
        ("count", "x", "a whole number, not 'x'"),
        ("count", True, "a whole number, not True"),
        ("count", 1.0, "a whole number, not 1.0"),
        ("share", math.nan, "a finite number, not nan"),
        ("share", [1], r"a finite number, not \[1\]"),
        ("text", 3, "text or null, not 3"),
        ("path", None, "a path, not null"),
        ("on", 1, "true or false, not 1"),
    ],
)
def test_a_value_of_a_wrong_type_is_named(key: str, value: Any, wrong: str) -> None:
    with pytest.raises(ConfigError, match=rf"^it\.{key}: must be {wrong}$"):
        build({"_target_": f"{__name__}.Bounds", key: value}, "it")


def test_values_that_fit_arrive_as_they_are() -> None:
    values = {"count": 3, "share": 1, "most": math.inf, "text": "3", "path": "a", "on": True}
    values |= {"anything": {"a": [1]}, "several": "what the class makes of it", "sloppy": None}
    assert vars(build({"_target_": f"{__name__}.Bounds", **values}, "it")) == values


def test_a_mapping_without_a_class_in_the_place_of_a_part_is_one_line() -> None:
    settings = composed("model=random/sam", "+model.view.mode=frame")
    with pytest.raises(
        ConfigError, match=r"^model\.view: must be a part of the model, whose class is its _target_ or n"
    ):
        build(settings.model, "model")
    with pytest.raises(ConfigError, match=r"math\.pi is a float, and neither a class nor a function"):
        build({"_target_": "math.pi"}, "model")


@pytest.mark.slow
@pytest.mark.parametrize("group", ["model", "dataset", "protocol", "logger", "segmenter"])
def test_every_value_of_the_shipped_configurations_fits(group: str) -> None:
    for name in [*choices(group, []), *nested_choices(group, [])]:
        spec: Any = getattr(composed(f"{group}={name}"), group)
        for part in spec.values() if group == "logger" else [spec]:
            fitting(part)


def fitting(spec: dict[str, Any]) -> None:
    target = find_class(spec["_target_"], "here")
    for key, value in spec.items():
        if isinstance(value, dict) and "_target_" in value:
            fitting(value)
        else:
            assert misfit(target, key, value) is None, (target, key, value)
