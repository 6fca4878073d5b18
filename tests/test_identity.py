"""A run's identity: all that can change a result, and nothing that cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import composed

from amodal_bench.config.build import TARGET, build
from amodal_bench.core.errors import ConfigError
from amodal_bench.runner.identity import described, identify


def digest(*overrides: str) -> str:
    settings = composed("dataset.images=1", *overrides)
    dataset, model = build(settings.dataset, "dataset"), build(settings.model, "model")
    return identify(dataset, model, settings.model[TARGET], settings.seed).digest


@pytest.mark.parametrize(
    "override",
    [
        "engine.batch_size=3", "engine.shuffle=true", "limit=5", "sheet=0", "results=elsewhere", "logger=wandb",
        "protocol=pooled", "protocol.errors=exclude", "protocol.filter.stuff=true", "model.name=other", "samples=3",
    ],
)  # fmt: skip
def test_what_cannot_change_a_prediction_does_not_change_the_run(override: str) -> None:
    assert digest(override) == digest()


@pytest.mark.parametrize(
    "override",
    [
        "seed=1", "segmenter.opening=0", "dataset.seed=1", "dataset.split=val", "leakage=none", "leakage=blend",
        "area=hull", "area.grow=0.1", "condition.object_noise=0.1", "condition.blur=0.1", "segmenter.iterations=2",
        "view.margin=0.1",
        "model.steps=5",
        "model.union_visible=false", "model.guidance=1.0", "model.points=3", "model.backbone.micro_batch=4",
        "model.backbone.precision=bfloat16",
    ],
)  # fmt: skip
def test_what_can_change_a_prediction_changes_the_run(override: str) -> None:
    assert digest(override) != digest()


def test_weights_count_by_content_and_not_by_place(tmp_path: Path) -> None:
    import shutil

    from amodal_bench.tiny.networks import WEIGHTS

    shutil.copytree(WEIGHTS, tmp_path / "copy")
    assert digest(f"model.backbone.weights={tmp_path / 'copy'}") == digest()
    shutil.copytree(WEIGHTS, tmp_path / "changed")
    file = tmp_path / "changed" / "unet" / "diffusion_pytorch_model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))
    assert digest(f"model.backbone.weights={tmp_path / 'changed'}") != digest()


class Said:
    """A user's model, which says of itself what it was given."""

    def __init__(self, facts: Callable[[], Any]) -> None:
        self.facts = facts

    def describe(self) -> Any:
        return self.facts()

    def predict(self, queries: Any, seeds: Any) -> Any:
        return [query.visible for query in queries]


def test_numbers_of_numpys_in_a_description_are_numbers() -> None:
    facts = {"n": np.int64(3), "x": np.float32(0.5), "on": np.bool_(True), "parts": (np.int8(1), {1: None})}
    said = described(Said(lambda: facts))
    assert said == {"n": 3, "x": 0.5, "on": True, "parts": [1, {"1": None}]}
    assert type(said["n"]) is int and type(said["on"]) is bool
    dataset = build(composed("dataset.images=1").dataset, "dataset")
    plain = {"n": 3, "x": 0.5, "on": True, "parts": [1, {"1": None}]}
    first, second = (identify(dataset, Said(lambda each=each: each), "a.B", 0) for each in (facts, plain))  # type: ignore[misc]
    assert first.digest == second.digest


@pytest.mark.parametrize(
    ("facts", "wrong"),
    [
        (lambda: None, r"model: Said\.describe\(\) returns a NoneType; it must be a dict"),
        (lambda: {"a": {"b": [np.zeros(3)]}}, r"Said\.describe\(\)\['a'\]\['b'\]\[0\] is a ndarray; it must be text"),
        (lambda: {"path": Path("x")}, r"\['path'\] is a \w*Path; it must be text"),
        (lambda: {"x": float("nan")}, r"\['x'\] is nan; it must be text, a finite number"),
        (lambda: {(1, 2): 3}, r"has the key \(1, 2\); keys must be text"),
        (lambda: dict[str, int]()["gone"], r"model: Said\.describe\(\) raises KeyError: 'gone'"),
    ],
)  # fmt: skip
def test_what_json_cannot_hold_is_one_line(facts: Callable[[], Any], wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong) as raised:
        described(Said(facts))
    assert "\n" not in str(raised.value)
