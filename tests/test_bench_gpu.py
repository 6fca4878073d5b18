"""The GPU benchmark: its models have the published sizes, it counts what is run, and all of it runs on a CPU."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from inpainting import inputs
from omegaconf import OmegaConf
from params import mostly_slow
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import gpu
from gpu_measure import Stage
from gpu_models import FAMILIES, small
from gpu_networks import backbone, build, operations, parameters
from gpu_tables import _digits

from amodal_bench.config.settings import config_folder
from amodal_bench.core.stages import Stages
from amodal_bench.method.inpaint import Denoising, Inpainter
from amodal_bench.method.leakage import Blend, Conditioning

SIZES: dict[str, dict[str, tuple[int, float]]] = {
    "sd15": {"unet": (859_535_364, 1.72e9 / 2), "vae": (83_653_863, 167e6 / 2)},
    "sd2": {"unet": (865_925_124, 3.46e9 / 4), "vae": (83_653_863, 167e6 / 2)},
    "sdxl": {"unet": (2_567_478_084, 5.14e9 / 2), "vae": (83_653_863, 167e6 / 2)},
    "kandinsky": {"unet": (1_253_074_568, 5.01e9 / 4), "movq": (67_832_495, 271e6 / 4)},
    "flux": {"transformer": (11_902_391_360, 23.8e9 / 2), "vae": (83_819_683, 168e6 / 2)},
}
"""Parameters, and the size of the published file in bytes over the bytes of a number."""

COUNTS = {
    "sd15": (0.80, 1.12, 2.51),
    "sd2": (0.80, 1.12, 2.51),
    "sdxl": (6.76, 4.88, 10.5),
    "kandinsky": (1.99, 2.50, 4.89),
    "flux": (74.4, 4.88, 10.5),
}
"""TFLOP of one pass of the denoiser, of encoding once, and of decoding, at the native side."""

RUN = ["--device", "cpu", "--small", "--instances", "3", "--repeats", "2", "--naive-instances", "2", "--steps", "2"]
RUN += ["--host-instances", "2"]


@pytest.mark.parametrize("name", mostly_slow(FAMILIES, 2))
def test_the_networks_have_the_published_sizes(name: str) -> None:
    networks = build(FAMILIES[name], "meta", torch.bfloat16)
    for part, (exact, by_file) in SIZES[name].items():
        assert parameters(networks[part]) == exact
        assert exact == pytest.approx(by_file, rel=0.005)
        assert {weight.dtype for weight in networks[part].parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_measured_is_what_is_shipped(name: str) -> None:
    shipped = OmegaConf.load(config_folder() / "model" / f"{name}.yaml").backbone
    family = FAMILIES[name]
    assert shipped["_target_"] == f"amodal_bench.backbones.{family.backbone}"
    for setting in ("micro_batch", "vae_batch"):
        assert shipped[setting] == getattr(family, setting)
    # None: what the UNet's config says, in cells of 8 pixels.
    assert family.native == (shipped["native"] or 8 * family.networks[family.denoiser][1]["sample_size"])


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_a_pass_at_the_real_size_has_the_known_operations(name: str, tmp_path: Path) -> None:
    """What is shown un-erased takes one encoding, so that each number stands alone."""
    counted = operations(FAMILIES[name], tmp_path, Denoising(Conditioning(), 20, 0.0))
    once, encode, decode = COUNTS[name]
    assert counted["pass"] == pytest.approx(once, rel=0.01)
    assert counted["denoise"] == pytest.approx(20 * once, rel=0.01)
    assert counted["encode"] == pytest.approx(encode, rel=0.01)
    assert counted["decode"] == pytest.approx(decode, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("guidance", [0.0, 0.5])
@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "sd2"])
def test_the_operations_are_those_of_a_run(name: str, guidance: float, tmp_path: Path) -> None:
    """Counted on the real tensors of the whole loop, where nobody tells the counter of steps and stages."""
    family = small(FAMILIES[name], tmp_path / "tiny")
    how = Denoising(Blend(), 3, guidance)
    per_instance = operations(family, tmp_path / "meta", how)
    networks = build(family, "cpu", torch.float32)
    model = backbone(family, networks, tmp_path / "weights", device="cpu", micro_batch=2, vae_batch=2)
    inpainter = Inpainter(model, how, Stages())
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as run:
        inpainter.inpaint(*inputs(2, family.native))
    expected = 2 * sum(per_instance[stage] for stage in ("encode", "denoise", "decode"))
    assert run.get_total_flops() / 1e12 == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
def test_the_script_measures_every_family(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "out.json"
    assert gpu.main([*RUN, "--peak-tflops", "0.1", "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "THESE NUMBERS MEAN NOTHING" in printed
    found = json.loads(file.read_text(encoding="utf-8"))
    assert [each["pipeline"] for each in found["families"]] == [family.pipeline for family in FAMILIES.values()]
    for family, each in zip(FAMILIES.values(), found["families"], strict=True):
        assert f"### {family.title} at 64 px" in printed
        check(each)
    assert printed.count("| denoise | 2 |") == len(FAMILIES)


def check(found: dict[str, Any]) -> None:
    """The numbers of a family agree with each other."""
    stages = found["stages"]
    assert [len(stages[name]["seconds"]) for name in ("encode", "denoise", "decode", "plain loop")] == [2, 2, 2, 2]
    loop = [stages[name] for name in ("encode", "denoise", "decode")]
    whole = stages["encode to decode"]
    assert sum(min(stage["seconds"]) for stage in loop) <= max(whole["seconds"])
    assert whole["tflop"] == pytest.approx(sum(stage["tflop"] for stage in loop))
    assert found["ratio"] == pytest.approx(stages["plain loop"]["median"] / whole["median"])
    assert found["reached"] == pytest.approx(1 / whole["median"] / found["limit"])
    assert found["limit"] == pytest.approx(0.1 / whole["tflop"])
    assert stages["segment (GrabCut, CPU)"]["median"] > 0 and stages["prepare (CPU)"]["median"] > 0


@pytest.mark.slow
def test_options_reach_the_measurement_and_a_failing_family_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kandinsky cannot work at 32 px; and without a peak there is no share of it."""
    file = tmp_path / "out.json"
    sizes = ["--native", "32", "--micro-batch", "3", "--vae-batch", "1", "--guidance", "0.75"]
    assert gpu.main([*RUN, *sizes, "--families", "kandinsky,sdxl", "--json", str(file)]) == 1
    printed = capsys.readouterr().out
    assert "kandinsky: not measured: model.backbone.native: 32 is not a multiple of 64" in printed
    assert "two passes per step (Eq. 11)" in printed and "(2 to 2)" in printed
    (found,) = json.loads(file.read_text(encoding="utf-8"))["families"]
    assert (found["native"], found["reached"]) == (32, 0.0)
    assert [found["stages"][name]["batch"] for name in ("encode", "denoise", "decode")] == [1, 3, 1]
    assert found["stages"]["denoise"]["tflop"] == pytest.approx(4 * found["tflop_per_pass"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([], "no CUDA device here"), (["--device", "cpu"], "hours on a CPU")],
    ids=["no GPU", "real sizes on a CPU"],
)
def test_what_cannot_be_measured_is_one_line_and_status_2(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main(arguments) == 2
    (line,) = capsys.readouterr().out.splitlines()
    assert message in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--families", "sd2,sd3"], "'sd3' is not one of sd15, sd2"),
        (["--steps", "0"], "'0' is not a positive number"),
    ],
)
def test_a_wrong_option_is_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        gpu.main(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989.0),
        ("NVIDIA H100 PCIe", 756.0),
        ("NVIDIA H200", 989.0),
        ("NVIDIA H20", 148.0),
        ("NVIDIA A100-SXM4-80GB", 312.0),
        ("NVIDIA A10", 125.0),
        ("NVIDIA L40S", 362.0),
        ("NVIDIA GeForce RTX 4090", 165.2),
        ("Tesla T4", None),
    ],
)
def test_the_peak_follows_from_the_name(name: str, peak: float | None) -> None:
    assert gpu.peak_of(name) == peak


@pytest.mark.parametrize(("script", "driver"), [("echo 570.12", "570.12"), ("exit 9", "unknown"), (None, "unknown")])
def test_the_driver_is_what_its_tool_says(
    script: str | None, driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if script:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu._driver() == driver


def test_numbers_keep_three_digits() -> None:
    assert [_digits(value) for value in (1514.2, 48.31, 0.045678, 0)] == ["1514", "48.3", "0.0457", "0"]


def test_a_stage_is_known_by_its_median() -> None:
    assert Stage([0.9, 0.1, 0.2]).typical == 0.2
