"""Flux against a plain loop written from the equations, and against diffusers' own Flux pipelines."""

from __future__ import annotations

import json
import math
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import composed
from ddim_reference import covering
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxFillPipeline,
    FluxInpaintPipeline,
    FluxTransformer2DModel,
)
from diffusers.pipelines.flux.pipeline_flux_fill import calculate_shift, retrieve_timesteps
from inpainting import SMALL, STRATEGIES, inpaint, inputs
from safetensors.torch import load_file, save_file
from transformers import T5EncoderModel

from amodal_bench.backbones.flux import Flux
from amodal_bench.config.build import build
from amodal_bench.core.cache import cache_folder
from amodal_bench.core.errors import BenchError, ConfigError
from amodal_bench.core.seeds import stream_seed
from amodal_bench.core.types import Floats, Image, Mask
from amodal_bench.method.inpaint import Denoising
from amodal_bench.method.leakage import Blend, Conditioning, Leakage, NoLeakage, Soft, Strength

SIDE = 64
TOKENS = 16
SETTINGS: dict[str, Any] = SMALL | {"text_tokens": 24}


@pytest.fixture(scope="module")
def folder(small: Callable[[str], Path]) -> Path:
    return small("flux")


@pytest.fixture(scope="module")
def backbone(folder: Path) -> Flux:
    return Flux(str(folder), **SETTINGS)


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> FluxFillPipeline:
    """The library's, with T5 in bfloat16 as everybody runs it and as we do."""
    t5 = T5EncoderModel.from_pretrained(folder / "text_encoder_2", dtype=torch.bfloat16)
    pipeline = FluxFillPipeline.from_pretrained(folder, text_encoder_2=t5)
    _make_sure(pipeline.vae)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _make_sure(vae: AutoencoderKL) -> None:
    """A sure posterior: diffusers' pipelines draw a sample from it where we take the mode."""
    vae.encoder.conv_out.weight.data[16:] = 0
    vae.encoder.conv_out.bias.data[16:] = -60


@pytest.fixture(scope="module")
def null(pipeline: FluxFillPipeline) -> dict[str, torch.Tensor]:
    """What the pipeline makes of the empty prompt."""
    with torch.no_grad():
        states, pooled, _ = pipeline.encode_prompt("", max_sequence_length=24)
    return {"prompt_embeds": states.float(), "pooled_prompt_embeds": pooled}


def rearranged(grid: torch.Tensor) -> torch.Tensor:
    """`b c (h ph) (w pw) -> b (h w) (c ph pw)`, as the authors' code has it."""
    b, c, h, w = grid.shape
    return grid.view(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(b, h * w // 4, c * 4)


def noise_of(seed: int) -> torch.Tensor:
    return torch.randn((1, 16, SIDE // 8, SIDE // 8), generator=_generator(stream_seed(seed, "latents")))


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@torch.no_grad()
def reference(
    pipeline: FluxFillPipeline, null: dict[str, torch.Tensor], condition: Floats, area: Mask, seed: int,
    leakage: Leakage, w: float,
) -> np.ndarray:  # fmt: skip
    """One sample through paper.md's equations, step by step, with none of the harness's code."""
    transformer, vae, steps, cells = pipeline.transformer, pipeline.vae, 5, SIDE // 8

    def latents(pixels: torch.Tensor) -> torch.Tensor:
        mode: torch.Tensor = vae.encode(pixels).latent_dist.mode()
        return (mode - 0.1159) * 0.3611

    shift = math.exp(0.5 + (TOKENS - 256) * (1.15 - 0.5) / (4096 - 256))
    sigmas = [shift / (shift + 1 / (1 - i / steps) - 1) for i in range(steps)] + [0.0]
    image = torch.from_numpy(condition).permute(2, 0, 1)[None] * 2 - 1
    mask = torch.from_numpy(area)[None, None].float()
    small, z0 = covering(mask, 8), latents(image)
    shown = latents(image * (1 - mask)) if leakage.erase else z0
    ids = torch.tensor([[0.0, row, column] for row in range(cells // 2) for column in range(cells // 2)])

    def tilde(x: torch.Tensor, i: int, pixels: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        bits = pixels.view(1, cells, 8, cells, 8).permute(0, 2, 4, 1, 3).reshape(1, 64, cells, cells)
        tokens = torch.cat([rearranged(each) for each in (x, picture, bits)], -1)
        velocity: torch.Tensor = transformer(
            tokens, null["prompt_embeds"], null["pooled_prompt_embeds"], torch.tensor([sigmas[i]]), ids,
            torch.zeros(24, 3), torch.tensor([30.0]),
        ).sample  # fmt: skip
        grid = velocity.view(1, cells // 2, cells // 2, 16, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(x.shape)
        clean, noise = x - sigmas[i] * grid, x + (1 - sigmas[i]) * grid
        return (1 - sigmas[i + 1]) * clean + sigmas[i + 1] * noise

    eps = noise_of(seed)
    x, first = eps, 0
    if isinstance(leakage, Strength):
        first = steps - round(steps * leakage.s)
        x = (1 - sigmas[first]) * z0 + sigmas[first] * eps
    for i in range(first, steps):
        painted = tilde(x, i, mask, shown)
        if w:
            painted = (1 + w) * painted - w * tilde(x, i, torch.zeros_like(mask), z0)
        known = (1 - sigmas[i + 1]) * z0 + sigmas[i + 1] * eps
        eq5 = small * painted + (1 - small) * known
        if isinstance(leakage, Blend):
            leaky = (i + 1) / steps <= leakage.until
            x = leakage.s * eq5 + (1 - leakage.s) * known if leaky else eq5
        elif isinstance(leakage, Strength):
            x = painted
        elif isinstance(leakage, Soft):
            x = leakage.s * eq5 + (1 - leakage.s) * painted
        else:
            x = eq5
    pixels = vae.decode(x / 0.3611 + 0.1159).sample
    picture: np.ndarray = ((pixels / 2 + 0.5).clamp(0, 1)[0].permute(1, 2, 0) * 255).round().numpy()
    return picture


@pytest.mark.slow
@pytest.mark.parametrize("guidance", [0.0, 0.75])
@pytest.mark.parametrize("leakage", STRATEGIES.values(), ids=STRATEGIES)
def test_every_strategy_equals_the_equations(
    backbone: Flux, pipeline: FluxFillPipeline, null: dict[str, torch.Tensor], leakage: Leakage, guidance: float
) -> None:
    conditions, areas, seeds = inputs(2, SIDE)
    painted = inpaint(backbone, conditions, areas, seeds, Denoising(leakage, 5, guidance))
    for index in range(2):
        expected = reference(pipeline, null, conditions[index], areas[index], seeds[index], leakage, guidance)
        # Float rounding may tip a pixel into the next of 256 grey values, no further.
        assert np.abs(painted[index].astype(float) - expected).max() <= 1
        assert (painted[index] != expected).mean() < 0.01


@pytest.mark.slow
def test_strategies_give_different_images(backbone: Flux) -> None:
    conditions, areas, seeds = inputs(1, SIDE)
    images = [inpaint(backbone, conditions, areas, seeds, Denoising(each, 5, 0.0))[0] for each in STRATEGIES.values()]
    for i, one in enumerate(images):
        for other in images[i + 1 :]:
            assert (one != other).mean() > 0.02


def from_library(pipeline: Any, null: dict[str, torch.Tensor], **settings: Any) -> Any:
    """The library's picture of the first of `inputs`, from our noise."""
    conditions, areas, _ = inputs(1, SIDE)
    return pipeline(
        **null, image=torch.from_numpy(conditions[0]).permute(2, 0, 1)[None],
        mask_image=torch.from_numpy(areas[0])[None, None].float(), height=SIDE, width=SIDE,
        num_inference_steps=5, output_type="np", generator=_generator(0), **settings,
    ).images[0] * 255  # fmt: skip


def test_without_leakage_and_paste_the_loop_equals_diffusers_own_pipeline(
    backbone: Flux, pipeline: FluxFillPipeline, null: dict[str, torch.Tensor]
) -> None:
    """FluxFillPipeline pastes nothing: a strategy that mixes nothing in has to agree with it.

    It is given our noise in packs, our text tokens and guidance 30. By design we differ from it in taking the
    posterior's mode (here the posterior is sure) and in keeping the sample in float32 at lower precisions.
    """
    ours = inpaint(backbone, *inputs(1, SIDE), Denoising(Strength(s=1.0), 5, 0.0))[0]
    packs = rearranged(noise_of(inputs(1, SIDE)[2][0]))
    theirs = from_library(pipeline, null, latents=packs, guidance_scale=30.0, max_sequence_length=24)
    assert np.abs(ours - theirs).max() <= 1


def test_a_sample_does_not_depend_on_its_company(backbone: Flux) -> None:
    conditions, areas, seeds = inputs(7, SIDE)
    how = Denoising(Strength(s=0.6), 3, 0.5)
    together = inpaint(backbone, conditions, areas, seeds, how)
    alone = [inpaint(backbone, [c], [a], [s], how)[0] for c, a, s in zip(conditions, areas, seeds, strict=True)]
    back = inpaint(backbone, conditions[::-1], areas[::-1], seeds[::-1], how)[::-1]
    for one, other, third in zip(together, alone, back, strict=True):
        assert np.array_equal(one, other)
        assert np.array_equal(one, third)


@pytest.mark.parametrize("shifting", [True, False], ids=["by tokens", "fixed"])
@pytest.mark.parametrize("native", [64, 512, 1024])
def test_the_schedule_is_the_pipelines(folder: Path, tmp_path: Path, native: int, shifting: bool) -> None:
    copy = _copy(folder, tmp_path)
    scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(copy / "scheduler", use_dynamic_shifting=shifting)
    scheduler.save_pretrained(copy / "scheduler")
    ours = Flux(str(copy), **(SETTINGS | {"native": native})).schedule(20)
    mu = calculate_shift((native // 16) ** 2, 256, 4096, 0.5, 1.15)
    retrieve_timesteps(scheduler, 20, "cpu", sigmas=np.linspace(1.0, 1 / 20, 20), mu=mu)
    assert ours.noise == tuple(scheduler.sigmas.tolist())
    assert ours.times == tuple(scheduler.timesteps.tolist())
    assert ours.signal == tuple(1 - sigma for sigma in ours.noise)
    assert (ours.signal[0], ours.noise[0], ours.initial) == (0, 1, 1)
    assert (ours.signal[-1], ours.noise[-1]) == (1, 0)


def test_a_step_does_not_depend_on_the_steps_before_it(backbone: Flux, folder: Path) -> None:
    schedule = backbone.schedule(5)
    x, output = noise_of(1), noise_of(2)
    for step in (4, 0, 2, 2, 3, 1):
        scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(folder / "scheduler")
        mu = calculate_shift(TOKENS, 256, 4096, 0.5, 1.15)
        scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / 5, 5), mu=mu)
        scheduler.set_begin_index(step)
        expected = scheduler.step(output, scheduler.timesteps[step], x).prev_sample
        torch.testing.assert_close(backbone.advance(output, schedule, step, x, []), expected, rtol=0, atol=1e-6)


def test_the_null_prompt_is_the_pipelines(backbone: Flux, null: dict[str, torch.Tensor]) -> None:
    assert torch.equal(backbone.prompt["encoder_hidden_states"], null["prompt_embeds"])
    torch.testing.assert_close(backbone.prompt["pooled_projections"], null["pooled_prompt_embeds"])


def test_the_null_prompt_is_computed_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Flux(str(folder), **SETTINGS).prompt

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the text encoder is loaded again")

    monkeypatch.setattr(T5EncoderModel, "from_pretrained", refuse)
    again = Flux(str(folder), **SETTINGS).prompt
    assert all(torch.equal(first[name], again[name]) for name in ("encoder_hidden_states", "pooled_projections"))
    with pytest.raises(AssertionError):  # another length is another prompt
        _ = Flux(str(folder), **(SETTINGS | {"text_tokens": 8})).prompt

    shipped = _copy(folder, tmp_path)
    (kept,) = (cache_folder() / "null_prompts").glob("*.safetensors")
    shutil.copy(kept, shipped / "null_prompt.safetensors")
    for part in ("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"):
        shutil.rmtree(shipped / part)
    assert torch.equal(Flux(str(shipped), **SETTINGS).prompt["encoder_hidden_states"], first["encoder_hidden_states"])
    with pytest.raises(BenchError, match=r"24 text tokens, not 8; set model.backbone.text_tokens=24"):
        _ = Flux(str(shipped), **(SETTINGS | {"text_tokens": 8})).prompt


def test_never_two_of_the_large_networks_are_in_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: dict[str, weakref.ref[Any]] = {}
    load = Flux.load

    def watched(self: Flux, kind: Any, part: str, dtype: Any = None) -> Any:
        if part != "vae":
            assert not [name for name, network in loaded.items() if network()], f"beside {part}"
            network = load(self, kind, part, dtype)
            loaded[part] = weakref.ref(network)
            return network
        return load(self, kind, part, dtype)

    monkeypatch.setattr(Flux, "load", watched)
    inpaint(Flux(str(folder), **SETTINGS), *inputs(1, SIDE), Denoising(NoLeakage(), 1, 0.0))
    assert list(loaded) == ["text_encoder", "text_encoder_2", "transformer"]


def one_image(folder: Path, **settings: Any) -> Image:
    how = Denoising(NoLeakage(), 3, 0.5)
    return inpaint(Flux(str(folder), **(SETTINGS | settings)), *inputs(1, SIDE), how)[0]


@pytest.mark.slow
def test_what_the_transformer_is_told_matters(folder: Path) -> None:
    plain = one_image(folder)
    for settings in ({"distilled_guidance": 3.5}, {"text_tokens": 8}):
        assert not np.array_equal(plain, one_image(folder, **settings))
        described = Flux(str(folder), **(SETTINGS | settings)).describe()
        assert described.items() >= settings.items()


@pytest.mark.slow
def test_fused_and_half_precision_networks_paint_nearly_the_same(folder: Path) -> None:
    plain = one_image(folder).astype(float)
    assert np.abs(plain - one_image(folder, fuse=True)).max() <= 1
    half = np.abs(plain - one_image(folder, precision="bfloat16"))
    assert 0 < half.mean() < 3


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a compiler on the CPU")
def test_compiled_blocks_paint_the_same(folder: Path) -> None:
    assert np.abs(one_image(folder).astype(float) - one_image(folder, compile=True)).max() <= 1


def _copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def _with_channels(folder: Path, channels: int, **config: Any) -> None:
    known = json.loads((folder / "transformer" / "config.json").read_text())
    torch.manual_seed(1)
    transformer = FluxTransformer2DModel.from_config(known | {"in_channels": channels} | config)
    transformer.save_pretrained(folder / "transformer")


def _without_a_weight(folder: Path) -> None:
    (file,) = (folder / "transformer").glob("*.safetensors")
    weights = load_file(file)
    del weights["x_embedder.weight"]
    save_file(weights, file)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: shutil.rmtree(folder / "transformer"), "cannot be loaded as Flux .* it needs transformer/"),
        (lambda folder: shutil.rmtree(folder / "tokenizer_2"), "cannot be loaded as Flux .* it needs transformer/"),
        (lambda folder: (folder / "scheduler" / "scheduler_config.json").write_text("{"), "cannot be loaded as Flux"),
        (lambda folder: (folder / "vae" / "config.json").unlink(), "cannot be loaded as Flux"),
        (_without_a_weight, "x_embedder.weight"),
        (lambda folder: _with_channels(folder, 128), "128 input channels, not the 384 of an inpainting model"),
        (lambda folder: save_file({"x": torch.zeros(1)}, folder / "null_prompt.safetensors"), "pooled_projections"),
    ],
    ids=["no transformer", "no tokenizer", "scheduler", "vae", "a weight", "not for inpainting", "null prompt"],
)
def test_weights_that_cannot_be_used_are_one_clear_line(
    folder: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    copy = _copy(folder, tmp_path)
    damage(copy)
    with pytest.raises(BenchError, match=message) as caught:
        inpaint(Flux(str(copy), **SETTINGS), *inputs(1, SIDE), Denoising(NoLeakage(), 2, 0.0))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"native": 40}, "not a multiple of 16"),
        ({"text_tokens": 513}, "between 1 and 512"),
        ({"text_tokens": 0}, "between 1 and"),
    ],
)
def test_settings_that_cannot_be_used(folder: Path, setting: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Flux(str(folder), **(SETTINGS | setting))


@pytest.fixture(scope="module")
def schnell(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network like FLUX.1-schnell: shown nothing beside the sample, no guidance, no shift."""
    copy = _copy(folder, tmp_path_factory.mktemp("schnell"))
    _with_channels(copy, 64, guidance_embeds=False)
    FlowMatchEulerDiscreteScheduler(shift=1.0).save_pretrained(copy / "scheduler")
    return copy


def test_a_transformer_that_is_not_shown_the_mask_pastes_as_diffusers_own_pipeline(
    schnell: Path, null: dict[str, torch.Tensor]
) -> None:
    """FluxInpaintPipeline at strength 1 is Eq. 5: the known part is pasted back at every level, as in `none`."""
    parts = dict.fromkeys(("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"))
    pipeline = FluxInpaintPipeline.from_pretrained(schnell, **parts)
    _make_sure(pipeline.vae)
    pipeline.set_progress_bar_config(disable=True)
    backbone = Flux(str(schnell), **SETTINGS, grid="nearest")
    ours = inpaint(backbone, *inputs(1, SIDE), Denoising(NoLeakage(), 5, 0.0))[0]
    latents = noise_of(inputs(1, SIDE)[2][0])
    theirs = from_library(pipeline, null, latents=latents, strength=1.0, max_sequence_length=24)
    assert np.abs(ours - theirs).max() <= 1


@pytest.mark.parametrize("how", [Denoising(NoLeakage(), 2, 0.75), Denoising(Conditioning(), 2, 0.0)])
def test_what_means_nothing_to_such_a_transformer_is_refused(schnell: Path, how: Denoising) -> None:
    with pytest.raises(ConfigError, match=r"shown neither mask nor image.* set model.guidance=0"):
        inpaint(Flux(str(schnell), **SETTINGS), *inputs(1, SIDE), how)


@pytest.mark.slow
def test_the_configuration_is_the_papers(folder: Path) -> None:
    model = build(composed("model=flux", f"model.weights={folder}", "segmenter=random/sam").model, "model")
    described = model.describe()
    assert (described["guidance"], described["steps"], described["points"]) == (1.5, 20, 9)
    assert described["leakage"].items() >= {"name": "blend", "s": 0.3, "until": 1.0}.items()
    assert described["backbone"].items() >= {"native": 1024, "text_tokens": 512, "distilled_guidance": 30.0}.items()
