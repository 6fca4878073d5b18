"""Stable Diffusion XL against a loop written from the equations alone, and against diffusers' own pipeline."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import inpainting
import numpy as np
import pytest
import torch
from ddim_reference import Networks, published, reference, start_noise
from diffusers import DDIMScheduler, EulerDiscreteScheduler, StableDiffusionXLInpaintPipeline
from inpainting import STRATEGIES, inpaint, inputs
from params import mostly_slow

from amodal_bench.backbones.stable_diffusion_xl import StableDiffusionXL
from amodal_bench.core.errors import BenchError, ConfigError
from amodal_bench.method.inpaint import Denoising
from amodal_bench.method.leakage import Conditioning, Leakage, NoLeakage, Strength

SIDE, STEPS = 64, 4
ENCODERS = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")


@pytest.fixture(scope="module")
def folder(small: Callable[[str], Path]) -> Path:
    return small("stable_diffusion_xl")


opened = partial(inpainting.opened, StableDiffusionXL)


def test_the_side_of_pictures_is_the_one_of_the_configs_unless_it_is_set(folder: Path) -> None:
    assert StableDiffusionXL(str(folder)).native == 64  # sample_size 8, cells of 8 pixels
    assert StableDiffusionXL(str(folder), native=32).native == 32


@pytest.fixture(scope="module")
def backbone(folder: Path) -> StableDiffusionXL:
    return opened(folder)


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> StableDiffusionXLInpaintPipeline:
    """The library's pipeline with DDIM instead of Euler, and a posterior so sure that its sample is its mode."""
    pipeline = StableDiffusionXLInpaintPipeline.from_pretrained(folder, low_cpu_mem_usage=False)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.vae.quant_conv.bias.data[4:] = -60.0
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def prompts(pipeline: StableDiffusionXLInpaintPipeline) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """The library's two empty prompts, each with its pooled vector."""
    with torch.no_grad():
        encoded, zeros, pooled, pooled_zeros = pipeline.encode_prompt("", device=torch.device("cpu"))
    return {"zeros": (zeros, pooled_zeros), "encoded": (encoded, pooled)}


@pytest.fixture(scope="module")
def nets(pipeline: StableDiffusionXLInpaintPipeline) -> Networks:
    """The UNet with a prompt of nothing but zeros, and the sizes in the order original, corner, target."""

    def predict(inputs: torch.Tensor, time: int) -> torch.Tensor:
        added = {"text_embeds": torch.zeros(1, 10), "time_ids": torch.tensor([[SIDE, SIDE, 0, 0, SIDE, SIDE]])}
        predicted: torch.Tensor = pipeline.unet(inputs, time, torch.zeros(1, 77, 20), added_cond_kwargs=added).sample
        return predicted

    return Networks(predict, pipeline.vae)


@pytest.mark.slow
@pytest.mark.parametrize("guidance", [0.0, 0.75])
@pytest.mark.parametrize("leakage", STRATEGIES.values(), ids=STRATEGIES)
def test_every_strategy_equals_the_equations(
    nets: Networks, backbone: StableDiffusionXL, leakage: Leakage, guidance: float
) -> None:
    conditions, areas, seeds = inputs(2, SIDE)
    painted = inpaint(backbone, conditions, areas, seeds, Denoising(leakage, STEPS, guidance))
    for each, condition, area, seed in zip(painted, conditions, areas, seeds, strict=True):
        expected = reference(nets, published(STEPS), condition, area, seed, leakage, guidance)
        # Float rounding may tip a pixel into the next of 256 grey values, no further.
        assert np.abs(each.astype(float) - expected).max() <= 1
        assert (each != expected).mean() < 0.01


@pytest.mark.parametrize("null_prompt", mostly_slow(["zeros", "encoded"]))
def test_without_leakage_and_paste_the_loop_equals_diffusers_own_pipeline(
    folder: Path,
    pipeline: StableDiffusionXLInpaintPipeline,
    prompts: dict[str, tuple[torch.Tensor, torch.Tensor]],
    null_prompt: str,
) -> None:
    """The library's 9-channel pipeline pastes nothing: a strategy that mixes nothing in has to agree with it.

    They agree with the same solver, noise, prompt and mask, and with strength 1: the pipeline's default of 0.9999
    leaves out a step. By design the pipeline differs in Euler, its own noise, and a posterior that it draws from.
    """
    conditions, areas, seeds = inputs(1, SIDE)
    backbone = opened(folder, null_prompt=null_prompt, grid="nearest")
    how = Denoising(Strength(s=1.0), STEPS, 0.0)
    ours = inpaint(backbone, conditions, areas, seeds, how)[0]
    prompt, pooled = prompts[null_prompt]
    theirs = pipeline(
        prompt_embeds=prompt, pooled_prompt_embeds=pooled,
        image=torch.from_numpy(conditions[0]).permute(2, 0, 1)[None],
        mask_image=torch.from_numpy(areas[0])[None, None].float(),
        latents=start_noise(seeds[0], 4, SIDE // 8, SIDE // 8),
        height=SIDE, width=SIDE, num_inference_steps=STEPS, guidance_scale=1.0, strength=1.0, output_type="np",
        generator=torch.Generator().manual_seed(0),
    ).images[0]  # fmt: skip
    assert np.abs(ours - theirs * 255).max() <= 1


@pytest.mark.parametrize("null_prompt", ["zeros", "encoded"])
def test_the_null_prompts_are_the_librarys(
    folder: Path, prompts: dict[str, tuple[torch.Tensor, torch.Tensor]], null_prompt: str
) -> None:
    ours = opened(folder, null_prompt=null_prompt).prompt
    states, pooled = prompts[null_prompt]
    assert torch.equal(ours["null_prompt"], states)
    assert torch.equal(ours["null_pooled"], pooled)
    assert bool(states.any()) == bool(pooled.any()) == (null_prompt == "encoded")


@pytest.mark.slow
def test_zeros_need_no_text_encoder_and_encoded_needs_both_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    original = StableDiffusionXL.load

    def load(self: StableDiffusionXL, kind: Any, part: str, dtype: Any = None) -> Any:
        loaded.append(part)
        return original(self, kind, part, dtype)

    monkeypatch.setattr(StableDiffusionXL, "load", load)
    first = opened(folder, null_prompt="encoded").prompt
    assert loaded == ["text_encoder", "text_encoder_2"]
    again = opened(folder, null_prompt="encoded").prompt
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert len(loaded) == 2

    copy = tmp_path / "sdxl"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(*ENCODERS))
    painted = inpaint(opened(copy), *inputs(1, SIDE), Denoising(NoLeakage(), 2, 0.0))
    assert painted[0].shape == (SIDE, SIDE, 3)
    with pytest.raises(BenchError, match=r"it needs .*text_encoder_2/"):
        _ = opened(copy, null_prompt="encoded").prompt


def test_the_choice_of_null_prompt_is_part_of_the_description(folder: Path) -> None:
    zeros, encoded = (opened(folder, null_prompt=each).describe() for each in ("zeros", "encoded"))
    assert (zeros["null_prompt"], encoded["null_prompt"]) == ("zeros", "encoded")
    assert zeros["weights"] != encoded["weights"]  # these are more files
    with pytest.raises(ConfigError, match=r"null_prompt: 'none' is not one of zeros, encoded"):
        opened(folder, null_prompt="none")


def test_a_sample_does_not_depend_on_its_company(backbone: StableDiffusionXL) -> None:
    conditions, areas, seeds = inputs(7, SIDE)
    how = Denoising(Conditioning(), 2, 0.5)
    together = inpaint(backbone, conditions, areas, seeds, how)
    alone = [inpaint(backbone, [c], [a], [s], how)[0] for c, a, s in zip(conditions, areas, seeds, strict=True)]
    back = inpaint(backbone, conditions[::-1], areas[::-1], seeds[::-1], how)[::-1]
    assert np.array_equal(together, alone)
    assert np.array_equal(together, back)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers.*")
def test_ddim_takes_the_steps_of_the_repositorys_euler(folder: Path, backbone: StableDiffusionXL) -> None:
    """Euler's sample is DDIM's by the factor sqrt(abar); only the last step ends elsewhere."""
    euler = EulerDiscreteScheduler.from_pretrained(folder, subfolder="scheduler")
    euler.set_timesteps(20)
    schedule = backbone.schedule(20)
    assert list(schedule.times) == euler.timesteps.tolist()
    ours = torch.randn(1, 4, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    theirs = ours / schedule.signal[0]
    for step in range(20):
        output = torch.sin(3 * ours + step)
        ours = backbone.advance(output, schedule, step, ours, [])
        theirs = euler.step(output, euler.timesteps[step], theirs).prev_sample
        if step < 19:
            assert torch.allclose(theirs * schedule.signal[step + 1], ours, rtol=1e-5, atol=1e-5)
    # The published config has DDIM keep the schedule's smallest noise.
    left = torch.sqrt(1 - backbone.scheduler.alphas_cumprod[0])
    assert torch.allclose((ours - left * output) / torch.sqrt(1 - left**2), theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_in_float16_the_autoencoder_stays_in_float32(folder: Path, backbone: StableDiffusionXL) -> None:
    half, case, how = opened(folder, precision="float16"), inputs(1, SIDE), Denoising(Conditioning(), STEPS, 0.75)
    difference = inpaint(backbone, *case, how)[0].astype(float) - inpaint(half, *case, how)[0]
    assert (half.unet.dtype, half.vae.dtype) == (torch.float16, torch.float32)
    assert np.abs(difference).mean() < 2


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no unet": (lambda at: shutil.rmtree(at / "unet"), "XL .*it needs unet/, vae/, scheduler/ as diffusers"),
    "broken scheduler": (lambda at: (at / "scheduler/scheduler_config.json").write_text("{"), "cannot be loaded as"),
    "of another generation": (lambda at: _stable_diffusion(at), "its UNet is not one of Stable Diffusion XL"),
}


def _stable_diffusion(folder: Path) -> None:
    from amodal_bench.weights.small.stable_diffusion import save

    save(folder)


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_weights_that_cannot_be_used_are_one_clear_line(
    folder: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    copy = tmp_path / "sdxl"
    shutil.copytree(folder, copy)
    damage(copy)
    with pytest.raises(BenchError, match=message) as caught:
        inpaint(opened(copy), *inputs(1, SIDE), Denoising(NoLeakage(), 2, 0.0))
    assert "\n" not in str(caught.value)
