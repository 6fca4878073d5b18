"""The denoising loop against a plain loop written from the equations, and against diffusers' own pipeline."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import save_file

from amodal_bench.backbones.stable_diffusion import StableDiffusion
from amodal_bench.errors import BenchError
from amodal_bench.method.inpaint import Denoising, inpaint
from amodal_bench.method.leakage import Blend, Conditioning, Leakage, NoLeakage, Soft, Strength
from amodal_bench.seeds import stream_seed
from amodal_bench.types import Floats, Mask

SIDE = 32
STRATEGIES: list[Leakage] = [
    Blend(s=0.3), Blend(s=0.5, until=0.5), Strength(s=0.6), Soft(s=0.3), Conditioning(), NoLeakage(),
]  # fmt: skip
NAMES = ["blend", "blend until 0.5", "strength", "soft", "conditioning", "none"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion inpainting folder with random weights, saved as the real ones are."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("sd")
    UNet2DConditionModel(
        sample_size=16, in_channels=9, out_channels=4, layers_per_block=1, block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=8, attention_head_dim=2, norm_num_groups=4,
    ).save_pretrained(folder / "unet")  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8, 16), down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=4, sample_size=SIDE,
    )  # fmt: skip
    # A sure posterior: diffusers' pipeline draws a sample from it where we take the mode.
    vae.quant_conv.bias.data[4:] = -60.0
    vae.save_pretrained(folder / "vae")
    DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1,
    ).save_pretrained(folder / "scheduler")  # fmt: skip
    save_file({"null_prompt": torch.randn(1, 3, 8)}, folder / "null_prompt.safetensors")
    return folder


@pytest.fixture(scope="module")
def backbone(folder: Path) -> StableDiffusion:
    return StableDiffusion(str(folder), native=SIDE, micro_batch=3)


def inputs(count: int) -> tuple[list[Floats], list[Mask], list[int]]:
    rng = np.random.default_rng(1)
    conditions = [rng.random((SIDE, SIDE, 3), dtype=np.float32) for _ in range(count)]
    areas = []
    for index in range(count):
        area = np.zeros((SIDE, SIDE), bool)
        area[4 + index : 24, 6:26] = True
        areas.append(area)
    return conditions, areas, [11 + index for index in range(count)]


def reference(folder: Path, condition: Floats, area: Mask, seed: int, leakage: Leakage, w: float) -> np.ndarray:
    """One sample through paper.md's equations, step by step, with none of the harness's code."""
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", low_cpu_mem_usage=False).eval()
    vae = AutoencoderKL.from_pretrained(folder / "vae", low_cpu_mem_usage=False).eval()
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float32) ** 2
    abar = torch.cumprod(1 - betas, 0)
    from safetensors.torch import load_file

    prompt = load_file(folder / "null_prompt.safetensors")["null_prompt"]
    steps = 5
    times = [int(i) * (1000 // steps) + 1 for i in reversed(range(steps))]
    image = torch.from_numpy(condition).permute(2, 0, 1)[None] * 2 - 1
    mask = torch.from_numpy(area)[None, None].float()
    with torch.no_grad():
        scale = vae.config.scaling_factor
        z0 = vae.encode(image).latent_dist.mode() * scale
        shown_image = image * (1 - mask) if getattr(leakage, "erase", True) else image
        shown = vae.encode(shown_image).latent_dist.mode() * scale
        small = mask[:, :, ::2, ::2]
        eps = torch.randn(z0.shape, generator=torch.Generator().manual_seed(stream_seed(seed, "latents")))
        x, first = eps.clone(), 0
        if isinstance(leakage, Strength):
            first = steps - round(steps * leakage.s)
            x = abar[times[first]].sqrt() * z0 + (1 - abar[times[first]]).sqrt() * eps
        for i in range(first, steps):
            noise = unet(torch.cat([x, small, shown], 1), times[i], prompt).sample
            if w:
                empty = unet(torch.cat([x, torch.zeros_like(small), z0], 1), times[i], prompt).sample
                noise = (1 + w) * noise - w * empty
            a, b = abar[times[i]], abar[times[i + 1]] if i + 1 < steps else abar[0]
            clean = (x - (1 - a).sqrt() * noise) / a.sqrt()
            tilde = b.sqrt() * clean + (1 - b).sqrt() * noise
            last = i + 1 == steps
            known = z0 if last else b.sqrt() * z0 + (1 - b).sqrt() * eps
            eq5 = small * tilde + (1 - small) * known
            if isinstance(leakage, Blend):
                leaky = (i + 1) / steps <= leakage.until
                x = leakage.s * eq5 + (1 - leakage.s) * known if leaky else eq5
            elif isinstance(leakage, Strength):
                x = tilde
            elif isinstance(leakage, Soft):
                x = leakage.s * eq5 + (1 - leakage.s) * tilde
            else:
                x = eq5
        image = vae.decode(x / scale).sample
    return ((image / 2 + 0.5).clamp(0, 1)[0].permute(1, 2, 0) * 255).round().numpy()


@pytest.mark.parametrize("guidance", [0.0, 0.75])
@pytest.mark.parametrize("leakage", STRATEGIES, ids=NAMES)
def test_every_strategy_equals_the_equations(
    folder: Path, backbone: StableDiffusion, leakage: Leakage, guidance: float
) -> None:
    conditions, areas, seeds = inputs(2)
    painted = inpaint(backbone, conditions, areas, seeds, Denoising(leakage, 5, guidance))
    for index in range(2):
        expected = reference(folder, conditions[index], areas[index], seeds[index], leakage, guidance)
        # Float rounding may tip a pixel into the next of 256 grey values, no further.
        assert np.abs(painted[index].astype(float) - expected).max() <= 1
        assert (painted[index] != expected).mean() < 0.01


def test_strategies_give_different_images(backbone: StableDiffusion) -> None:
    conditions, areas, seeds = inputs(1)
    images = [inpaint(backbone, conditions, areas, seeds, Denoising(each, 5, 0.0))[0] for each in STRATEGIES]
    for i, one in enumerate(images):
        for other in images[i + 1 :]:
            assert (one != other).mean() > 0.02


def test_a_sample_does_not_depend_on_its_company(backbone: StableDiffusion) -> None:
    conditions, areas, seeds = inputs(7)
    how = Denoising(Conditioning(), 3, 0.5)
    together = inpaint(backbone, conditions, areas, seeds, how)
    alone = [inpaint(backbone, [c], [a], [s], how)[0] for c, a, s in zip(conditions, areas, seeds, strict=True)]
    back = inpaint(backbone, conditions[::-1], areas[::-1], seeds[::-1], how)[::-1]
    for one, other, third in zip(together, alone, back, strict=True):
        assert np.array_equal(one, other)
        assert np.array_equal(one, third)


def test_the_seed_matters(backbone: StableDiffusion) -> None:
    conditions, areas, _ = inputs(1)
    how = Denoising(NoLeakage(), 3, 0.0)
    first, second = (inpaint(backbone, conditions, areas, [seed], how)[0] for seed in (1, 2))
    assert not np.array_equal(first, second)


def test_without_leakage_and_paste_the_loop_equals_diffusers_own_pipeline(
    folder: Path, backbone: StableDiffusion
) -> None:
    """The library's 9-channel pipeline pastes nothing: a strategy that mixes nothing in has to agree with it."""
    from diffusers import StableDiffusionInpaintPipeline

    pipeline = StableDiffusionInpaintPipeline(
        vae=AutoencoderKL.from_pretrained(folder / "vae"),
        unet=UNet2DConditionModel.from_pretrained(folder / "unet"),
        scheduler=DDIMScheduler.from_pretrained(folder / "scheduler"),
        text_encoder=None, tokenizer=None, safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    conditions, areas, seeds = inputs(1)
    ours = inpaint(backbone, conditions, areas, seeds, Denoising(Strength(s=1.0), 5, 0.0))[0]
    from safetensors.torch import load_file

    theirs = pipeline(
        prompt_embeds=load_file(folder / "null_prompt.safetensors")["null_prompt"],
        image=torch.from_numpy(conditions[0]).permute(2, 0, 1)[None],
        mask_image=torch.from_numpy(areas[0])[None, None].float(),
        latents=torch.randn(
            (1, 4, SIDE // 2, SIDE // 2), generator=torch.Generator().manual_seed(stream_seed(seeds[0], "latents"))
        ),
        height=SIDE, width=SIDE, num_inference_steps=5, guidance_scale=1.0, output_type="np",
        generator=torch.Generator().manual_seed(0),
    ).images[0]  # fmt: skip
    assert np.abs(ours - theirs * 255).max() <= 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "null_prompt.safetensors").unlink(), "it needs unet/, vae/, scheduler/"),
        (
            lambda folder: (folder / "unet" / "config.json").write_text("{"),
            "cannot be loaded as Stable Diffusion",
        ),
        (lambda folder: _four_channels(folder), "4 input channels, not the 9"),
    ],
    ids=["no prompt", "broken config", "not for inpainting"],
)
def test_weights_that_cannot_be_used_are_one_clear_line(
    folder: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    import shutil

    copy = tmp_path / "sd"
    shutil.copytree(folder, copy)
    damage(copy)
    with pytest.raises(BenchError, match=message) as caught:
        StableDiffusion(str(copy), native=SIDE).schedule(5)
    assert "\n" not in str(caught.value)


def _four_channels(folder: Path) -> None:
    config = json.loads((folder / "unet" / "config.json").read_text())
    unet = UNet2DConditionModel.from_config(config | {"in_channels": 4})
    unet.save_pretrained(folder / "unet")
