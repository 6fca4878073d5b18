"""A run's identity: all that can change a result, and nothing that cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import composed

from amodal_bench.config.build import TARGET, build
from amodal_bench.runner.identity import identify


def digest(*overrides: str) -> str:
    settings = composed("dataset.images=1", *overrides)
    dataset, model = build(settings.dataset, "dataset"), build(settings.model, "model")
    return identify(dataset, model, settings.model[TARGET], settings.seed).digest


@pytest.mark.parametrize(
    "override",
    [
        "engine.batch_size=3", "engine.shuffle=true", "limit=5", "sheet=0", "results=elsewhere", "logger=wandb",
        "protocol=pooled", "protocol.errors=exclude", "protocol.filter.stuff=true", "model.name=other",
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
