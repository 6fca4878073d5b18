"""A run's identity: all that can change a result, and nothing that cannot."""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import composed
from params import mostly_slow

from amodal_bench.backbones.stable_diffusion import StableDiffusion
from amodal_bench.config.build import TARGET, build
from amodal_bench.core import versions as core_versions
from amodal_bench.core.cache import cache_folder
from amodal_bench.core.errors import ConfigError
from amodal_bench.models.pix2gestalt.backbone import Pix2GestaltBackbone
from amodal_bench.runner import imports
from amodal_bench.runner.identity import described, identify
from amodal_bench.runner.source import code_digest, own_libraries, reading_digest
from amodal_bench.segmenters.sam import Sam
from amodal_bench.weights.loading import device_kind


def digest(*overrides: str) -> str:
    settings = composed("dataset.images=1", *overrides)
    dataset, model = build(settings.dataset, "dataset"), build(settings.model, "model")
    return identify(dataset, model, settings.model[TARGET], settings.seed).digest


@pytest.mark.parametrize(
    "override",
    mostly_slow([
        "engine.batch_size=3", "engine.shuffle=true", "limit=5", "sheet=0", "results=elsewhere", "logger=wandb",
        "protocol=pooled", "protocol.errors=exclude", "protocol.filter.stuff=true", "model.name=other", "samples=3",
    ]),
)  # fmt: skip
def test_what_cannot_change_a_prediction_does_not_change_the_run(override: str) -> None:
    assert digest(override) == digest()


@pytest.mark.parametrize(
    "override",
    mostly_slow([
        "seed=1", "segmenter.opening=0", "dataset.seed=1", "dataset.split=val", "leakage=none", "leakage=blend",
        "area=hull", "area.grow=0.1", "condition.object_noise=0.1", "condition.blur=0.1", "segmenter.iterations=2",
        "view.margin=0.1",
        "model.steps=5",
        "model.union_visible=false", "model.guidance=1.0", "model.points=3", "model.backbone.micro_batch=4",
        "model.backbone.precision=bfloat16",
    ]),
)  # fmt: skip
def test_what_can_change_a_prediction_changes_the_run(override: str) -> None:
    assert digest(override) != digest()


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "changes"),
    [
        ("torch", {"tiny"}), ("diffusers", {"tiny"}), ("transformers", set()), ("pycocotools", set()),
        ("opencv", {"visible", "hull", "tiny"}), ("numpy", {"visible", "hull", "tiny"}),
    ],
)  # fmt: skip
def test_a_library_counts_where_it_computes_and_nowhere_else(
    library: str, changes: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenCV counts everywhere on the toy, since it draws its masks; the tiny model's null prompt is shipped."""
    models = ("visible", "hull", "tiny")
    before = {model: digest(f"model={model}") for model in models}
    real = core_versions._version
    monkeypatch.setattr(core_versions, "_version", lambda name: "9.9" if name == library else real(name))
    assert {model for model in models if digest(f"model={model}") != before[model]} == changes


@pytest.mark.slow
def test_what_decodes_a_dataset_counts_for_every_model_on_it(tmp_path: Path) -> None:
    from amodal_bench.testing.export.kins import export

    export(tmp_path / "kins", images=1)
    dataset = build(composed("dataset=kins", f"dataset.root={tmp_path / 'kins'}").dataset, "dataset")
    facts = identify(dataset, Said(lambda: {}), "a.B", 0).facts["dataset"]
    assert set(facts["versions"]) == {"pillow", "pycocotools"} and len(facts["code"]) == 16
    toy = build(composed("dataset.images=1").dataset, "dataset")
    assert reading_digest(toy) != facts["code"]


@pytest.mark.slow
def test_libraries_and_modules_that_a_class_of_ones_own_imports_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the module's imports, wherever they stand in it, and those of the modules beside it."""
    (tmp_path / "own_model.py").write_text(
        "import json\nimport own_part\nfrom own_folder.deep import thing\n\n\nclass Model:\n"
        "    def describe(self):\n        import pandas.io\n        return {}\n"
    )
    (tmp_path / "own_part.py").write_text("from PIL import Image\nX = 1\n")
    (tmp_path / "own_folder").mkdir()
    (tmp_path / "own_folder" / "__init__.py").write_text("")
    (tmp_path / "own_folder" / "deep.py").write_text("from .side import thing\n")
    (tmp_path / "own_folder" / "side.py").write_text("thing = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import importlib

    model = importlib.import_module("own_model").Model()
    found = own_libraries(model)
    assert {name.lower() for name in found} == {"pillow", "pandas"}
    first = code_digest(model)
    (tmp_path / "own_folder" / "side.py").write_text("thing = 1  # the same\n")
    assert code_digest(model) == first
    (tmp_path / "own_folder" / "side.py").write_text("thing = 2\n")
    assert code_digest(model) != first
    assert own_libraries(build(composed("model=hull").model, "model")) == {}


def test_a_library_that_is_imported_late_counts_without_being_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("late_library/__init__.py", "raise SystemExit"), ("late_library/part.py", "")):
        (tmp_path / "installed" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "installed" / name).write_text(text)
    (tmp_path / "late_model.py").write_text("def f():\n    import late_library.part\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))
    monkeypatch.setattr(imports, "_LIBRARIES", (str(tmp_path / "installed"),))
    found = imports.reached(["late_model"])
    assert found.libraries == {"late_library"} and list(found.texts) == ["late_model"]


def test_a_function_that_is_part_of_a_model_counts_by_its_code() -> None:
    def half(x: int) -> int:
        return x // 2

    def third(x: int) -> int:
        return x // 3

    def model(function: Callable[[int], int]) -> Said:
        said = Said(lambda: {})
        said.function = function  # type: ignore[attr-defined]
        return said

    third.__name__ = half.__name__
    assert code_digest(model(half)) == code_digest(model(half)) != code_digest(model(third))
    assert code_digest(model(partial(half, 3))) != code_digest(model(partial(third, 3)))


@pytest.mark.slow
def test_the_kind_of_device_is_part_of_a_network_and_of_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card is told from others by its name; on a GPU the description says that TF32 is off."""
    import torch

    tiny = build(composed("model.backbone.device=cpu").model, "model").describe()
    assert tiny["backbone"]["device"] == f"cpu {platform.machine()}" and "tf32" not in tiny["backbone"]
    assert "device" not in str(build(composed("model=hull").model, "model").describe())
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: {"cuda": "One", "cuda:1": "Two"}[device])
    kinds = []
    for device in ("cuda", "cuda:1"):
        backbone = build(
            composed(f"model.backbone.device={device}", "model.backbone.precision=auto").model, "model"
        ).describe()["backbone"]
        assert (backbone["tf32"], backbone["precision"]) == (False, "bfloat16")
        kinds.append(backbone["device"])
    assert kinds == ["cuda One", "cuda Two"]
    assert device_kind("mps") == "mps"


@pytest.mark.slow
@pytest.mark.parametrize("part", ["backbone", "segmenter", "pix2gestalt"])
def test_tf32_is_off_wherever_a_network_is_loaded(
    part: str, small: Callable[[str], Path], tiny_by_command: Callable[[str], Path]
) -> None:
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    if part == "backbone":
        _ = StableDiffusion(str(small("stable_diffusion")), device="cpu").unet
    elif part == "segmenter":
        _ = Sam(str(tiny_by_command("sam")), device="cpu").model
    else:
        _ = Pix2GestaltBackbone(str(tiny_by_command("pix2gestalt")), device="cpu").projection
    assert not torch.backends.cuda.matmul.allow_tf32 and not torch.backends.cudnn.allow_tf32


def test_the_null_prompts_digest_is_its_content_or_all_that_it_is_computed_from(
    small: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    import torch
    from safetensors.torch import save_file

    def said(folder: Path) -> tuple[str, set[str]]:
        facts = StableDiffusion(str(folder), device="cpu").describe()
        return facts["null_prompt_digest"], set(facts["versions"])

    copy = shutil.copytree(small("stable_diffusion"), tmp_path / "copy")
    before, libraries = said(copy)
    assert libraries == {"torch", "diffusers", "transformers"}
    prompt = StableDiffusion(str(copy), device="cpu").prompt["null_prompt"]
    assert said(copy)[0] == before  # computing it changes nothing
    real = core_versions._version
    with monkeypatch.context() as patch:
        patch.setattr(core_versions, "_version", lambda name: "9.9" if name == "transformers" else real(name))
        assert said(copy)[0] != before
    save_file({"null_prompt": prompt}, copy / "null_prompt.safetensors")
    shipped, libraries = said(copy)
    assert libraries == {"torch", "diffusers"} and shipped != before
    save_file({"null_prompt": prompt + torch.ones(1)}, copy / "null_prompt.safetensors")
    assert said(copy)[0] != shipped


def test_a_null_prompt_that_was_changed_in_the_cache_is_computed_again(small: Callable[[str], Path]) -> None:
    import torch
    from safetensors.torch import save_file

    folder = str(small("stable_diffusion"))
    prompt = StableDiffusion(folder, device="cpu").prompt["null_prompt"]
    (kept,) = (cache_folder() / "null_prompts").glob("*.safetensors")
    for spoil in (
        lambda: save_file({"null_prompt": torch.full_like(prompt, torch.nan)}, kept),
        lambda: kept.write_bytes(kept.read_bytes()[:-7]),
    ):
        spoil()
        assert torch.equal(StableDiffusion(folder, device="cpu").prompt["null_prompt"], prompt)
