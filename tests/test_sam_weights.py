"""What promptable segmenters say of themselves, and what they say where their weights or settings are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import composed
from segmenting import KINDS, samples, weights

from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.segmenters.sam import Sam
from amodal_bench.weights.catalogue import catalogue
from amodal_bench.weights.random import RANDOM_MARK
from amodal_bench.weights.source import ROOT, WeightsSource


def test_describe_tells_settings_and_random_weights_apart(tmp_path: Path) -> None:
    facts = Sam(str(weights("sam")), device="cpu").describe()
    assert facts["random_weights"] and facts["precision"] == "float32" and len(facts["weights"]) == 64
    assert facts["segmenter"] == "sam" and set(facts["versions"]) == {"torch", "transformers"}
    other = Sam(str(weights("sam")), device="cpu", prompt="mask", choose="largest", batch=2).describe()
    assert {name for name in facts if facts[name] != other[name]} == {"prompt", "choose", "batch"}
    for file in weights("sam").iterdir():
        if file.name != RANDOM_MARK:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    unmarked = Sam(str(tmp_path), device="cpu").describe()
    assert "random_weights" not in unmarked and unmarked["weights"] == facts["weights"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("nowhere/at/all", "nowhere/at/all: there is no such weights folder; set segmenter.weights to a folder "),
        (
            "facebook/sam-vit-huge",
            "facebook/sam-vit-huge: its weights are not on this machine; `amodal-bench models fetch "
            "facebook/sam-vit-huge` downloads it (2.6 GB of disk, 1.3 GB of GPU memory, licence Apache-2.0)",
        ),
    ],
)
def test_absent_weights_are_one_line(
    spec: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError) as caught:
        Sam(spec).describe()
    assert str(caught.value).startswith(expected) and "\n" not in str(caught.value)


def test_weights_that_do_not_fit_are_one_line(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    config = (weights("sam") / "config.json").read_bytes()
    (tmp_path / "config.json").write_bytes(config)
    tensors = load_file(weights("sam") / "model.safetensors")
    less = {name: value for name, value in tensors.items() if name != "mask_decoder.iou_token.weight"}
    lacks = "cannot be loaded as sam (the file of weights lacks 1 tensors, such as mask_decoder.iou_token.weight"
    damaged = "is cut short, or no file of safetensors: its header cannot be read; download it again"
    for content, reason in ((less, f": {lacks}"), (None, f"/model.safetensors: {damaged}")):
        if content is None:
            (tmp_path / "model.safetensors").write_bytes(b"damaged")
        else:
            save_file(content, tmp_path / "model.safetensors", {"format": "pt"})
        with pytest.raises(InputError) as caught:
            Sam(str(tmp_path), device="cpu").segment(*samples())
        assert str(caught.value).startswith(f"{tmp_path}{reason}")
        assert "\n" not in str(caught.value)


def test_only_the_files_of_the_root_that_are_needed_are_downloaded() -> None:
    patterns = WeightsSource("facebook/sam-vit-huge").patterns((ROOT,))
    assert {"*.json", "model.safetensors"} <= set(patterns)
    assert not any("/" in pattern or pattern.endswith((".bin", ".pt", ".h5")) for pattern in patterns)


@pytest.mark.slow
def test_the_catalogue_knows_what_the_configurations_name() -> None:
    for family in KINDS:
        assert composed(f"segmenter={family}").segmenter["weights"] in catalogue()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"prompt": "box"}, "segmenter.prompt: 'box' is not one of points, points_box, mask"),
        ({"choose": "best"}, "segmenter.choose: 'best' is not one of score, largest, consistent"),
        ({"batch": 0}, "segmenter.batch: 0 must be >= 1"),
        ({"precision": "int8"}, "segmenter.precision: 'int8' is not one of auto, float32, bfloat16, float16"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Sam("nowhere", **settings)
    assert str(caught.value) == expected
