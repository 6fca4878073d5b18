"""Every YAML file composes into something that can be built, and every mistake is answered in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import composed

from amodal_bench.config.build import build, parameters
from amodal_bench.config.settings import config_folder
from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.metrics.protocols import Filter

CHOICES = [
    "=".join(path.relative_to(config_folder()).with_suffix("").as_posix().split("/", 1))
    for path in sorted(config_folder().glob("*/**/*.yaml"))
    if path.parent.name != "_base"  # no choices, but what choices have in common
]


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_builds_every_component(choice: str, tmp_path: Path) -> None:
    settings = composed(
        choice,
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


def test_the_convention_of_pcnet_leaves_nothing_out_and_is_pooled_otherwise() -> None:
    pcnet, pooled = (build(composed(f"protocol={name}").protocol, "protocol") for name in ("pcnet", "pooled"))
    assert pcnet.label == "pcnet@2" and pcnet.filter == Filter(stuff=True, crowd=True, hidden=True)
    assert pcnet.numbers["miou"] == pooled.numbers["miou"]
    assert pooled.filter == Filter()


def test_a_model_may_choose_its_leakage_and_the_command_line_overrules_it() -> None:
    assert composed("model=tiny").model["leakage"]["_target_"].endswith("Conditioning")
    assert composed("model=tiny", "leakage=none").model["leakage"]["_target_"].endswith("NoLeakage")
    assert composed("model=sd15").model["leakage"]["_target_"].endswith("Blend")
    assert composed("model=sd15", "leakage=strength").model["leakage"]["_target_"].endswith("Strength")


def test_a_model_may_choose_its_segmenter_and_the_command_line_overrules_it() -> None:
    assert composed("model=tiny").model["segmenter"]["_target_"].endswith("GrabCut")
    assert composed("model=sd15").model["segmenter"]["_target_"].endswith("Sam")
    for model in ("tiny", "sd15", "sam", "sam2"):
        chosen = composed(f"model={model}", "segmenter=colour_model").model["segmenter"]
        assert chosen["_target_"].endswith("ColourModel")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["+dataset.image=3"],
            r"dataset\.image: unknown key; did you mean 'images'\? valid: images, seed, split",
        ),
        (["area.shape=hul"], "area.shape: 'hul' is not one of 'hull', 'dilated_hull', 'bbox', 'full', 'background'"),
        (["leakage=blend", "leakage.s=2"], r"leakage\.s: 2 must be between 0 and 1"),
        (["dataset._target_=nowhere.Nothing"], "dataset._target_: cannot import nowhere.Nothing"),
        (["dataset.images=many"], "dataset.images: must be a whole number, not 'many'"),
        (["condition.background=blue"], "condition.background: 'blue' is not one of"),
    ],
)
def test_a_component_that_cannot_be_built_says_why(overrides: list[str], message: str) -> None:
    settings = composed("dataset.images=1", *overrides)
    with pytest.raises(ConfigError, match=message):
        _ = build(settings.dataset, "dataset"), build(settings.model, "model")


@pytest.mark.parametrize("override", ["limit=0", "engine.batch_size=0", "sheet=-1"])
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
