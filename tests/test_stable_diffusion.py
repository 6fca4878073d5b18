"""Stable Diffusion 1.5 and 2 against a loop written from the equations alone, and against diffusers' own pipeline."""

from __future__ import annotations

import gc
import json
import shutil
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import inpainting
import numpy as np
import pytest
import torch
from ddim_reference import Networks, Sampling, published, reference, start_noise
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionInpaintPipeline, UNet2DConditionModel
from inpainting import STRATEGIES, inpaint, inputs
from params import mostly_slow
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

from amodal_bench.backbones.stable_diffusion import StableDiffusion
from amodal_bench.core.errors import BenchError
from amodal_bench.method.inpaint import Denoising
from amodal_bench.method.leakage import Blend, Conditioning, Leakage, NoLeakage, Strength
from amodal_bench.weights.small.stable_diffusion import clip_tokenizer, text_config

SIDE, STEPS = 64, 4
SHIPPED = Path(__file__).parents[1] / "amodal_bench/tiny/weights"


@pytest.fixture(scope="module")
def sd15(small: Callable[[str], Path]) -> Path:
    return small("stable_diffusion")


@pytest.fixture(scope="module")
def sd2(sd15: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What sets Stable Diffusion 2 apart, in the files that its repository has."""
    folder = tmp_path_factory.mktemp("sd2")
    shutil.copytree(sd15, folder, dirs_exist_ok=True)
    torch.manual_seed(2)
    config = json.loads((folder / "unet/config.json").read_text())
    config |= {"attention_head_dim": [1, 2, 4, 4], "use_linear_projection": True}
    UNet2DConditionModel.from_config(config).save_pretrained(folder / "unet")
    CLIPTextModel(text_config("gelu")).save_pretrained(folder / "text_encoder")
    shutil.rmtree(folder / "tokenizer")
    clip_tokenizer(folder / "tokenizer", pad="!")
    # The published folder contradicts itself, and the padding of its training stands in the other file.
    path = folder / "tokenizer/tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"pad_token": "<|endoftext|>"}))
    return folder


@pytest.fixture(params=["sd15", "sd2"])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


opened = partial(inpainting.opened, StableDiffusion)


@pytest.fixture(scope="module")
def backbone(sd15: Path) -> StableDiffusion:
    return opened(sd15)


def pipeline_of(folder: Path) -> StableDiffusionInpaintPipeline:
    """The library's pipeline with DDIM instead of PNDM, and a posterior so sure that its sample is its mode."""
    pipeline = StableDiffusionInpaintPipeline.from_pretrained(folder, low_cpu_mem_usage=False)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.vae.quant_conv.bias.data[4:] = -60.0
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def nets(sd15: Path) -> Networks:
    pipeline = pipeline_of(sd15)
    with torch.no_grad():
        prompt, _ = pipeline.encode_prompt("", "cpu", 1, False)
    return Networks(lambda inputs, time: pipeline.unet(inputs, time, prompt).sample, pipeline.vae)


def same(painted: np.ndarray, expected: np.ndarray) -> None:
    # Float rounding may tip a pixel into the next of 256 grey values, no further.
    assert np.abs(painted.astype(float) - expected).max() <= 1
    assert (painted != expected).mean() < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("guidance", [0.0, 0.75])
@pytest.mark.parametrize("leakage", STRATEGIES.values(), ids=STRATEGIES)
def test_every_strategy_equals_the_equations(
    nets: Networks, backbone: StableDiffusion, leakage: Leakage, guidance: float
) -> None:
    conditions, areas, seeds = inputs(2, SIDE)
    painted = inpaint(backbone, conditions, areas, seeds, Denoising(leakage, STEPS, guidance))
    for each, condition, area, seed in zip(painted, conditions, areas, seeds, strict=True):
        same(each, reference(nets, published(STEPS), condition, area, seed, leakage, guidance))


@pytest.mark.slow
def test_a_model_that_predicts_the_velocity_equals_the_equations() -> None:
    """The shipped model: velocities, no signal at all at the first step, none of the noise left after the last."""
    unet = UNet2DConditionModel.from_pretrained(SHIPPED / "unet", low_cpu_mem_usage=False).eval()
    vae = AutoencoderKL.from_pretrained(SHIPPED / "vae", low_cpu_mem_usage=False).eval()
    prompt = load_file(SHIPPED / "null_prompt.safetensors")["null_prompt"]
    root = published(STEPS).abar.sqrt()
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    how = Sampling([999, 749, 499, 249], root**2, torch.tensor(1.0), velocity=True)
    assert how.abar[999] == 0
    (condition,), (area,), (seed,) = inputs(1, SIDE)
    painted = inpaint(opened(SHIPPED), [condition], [area], [seed], Denoising(Blend(), STEPS, 0.75))
    nets = Networks(lambda inputs, time: unet(inputs, time, prompt).sample, vae)
    same(painted[0], reference(nets, how, condition, area, seed, Blend(), 0.75))


@pytest.mark.slow
def test_without_leakage_and_paste_the_loop_equals_diffusers_own_pipeline(folder: Path) -> None:
    """The library's 9-channel pipeline pastes nothing: a strategy that mixes nothing in has to agree with it.

    They agree with the same solver, noise, prompt and mask. By design the pipeline differs in PNDM, its own noise,
    and a posterior that it draws from.
    """
    conditions, areas, seeds = inputs(1, SIDE)
    ours = inpaint(opened(folder, grid="nearest"), conditions, areas, seeds, Denoising(Strength(s=1.0), STEPS, 0.0))[
        0
    ]
    theirs = pipeline_of(folder)(
        prompt="",
        image=torch.from_numpy(conditions[0]).permute(2, 0, 1)[None],
        mask_image=torch.from_numpy(areas[0])[None, None].float(),
        latents=start_noise(seeds[0], 4, SIDE // 8, SIDE // 8),
        height=SIDE, width=SIDE, num_inference_steps=STEPS, guidance_scale=1.0, output_type="np",
        generator=torch.Generator().manual_seed(0),
    ).images[0]  # fmt: skip
    assert np.abs(ours - theirs * 255).max() <= 1


def test_a_sample_does_not_depend_on_its_company(backbone: StableDiffusion) -> None:
    conditions, areas, seeds = inputs(7, SIDE)
    how = Denoising(Conditioning(), 2, 0.5)
    together = inpaint(backbone, conditions, areas, seeds, how)
    alone = [inpaint(backbone, [c], [a], [s], how)[0] for c, a, s in zip(conditions, areas, seeds, strict=True)]
    back = inpaint(backbone, conditions[::-1], areas[::-1], seeds[::-1], how)[::-1]
    assert np.array_equal(together, alone)
    assert np.array_equal(together, back)


@pytest.mark.parametrize("steps", mostly_slow([1, 7, 20, 50], 2))
def test_ddim_from_the_published_scheduler_is_the_one_of_diffusers_pipeline(folder: Path, steps: int) -> None:
    theirs = pipeline_of(folder).scheduler
    theirs.set_timesteps(steps)
    backbone = opened(folder)
    schedule, ours = backbone.schedule(steps), backbone.scheduler
    assert list(schedule.times) == theirs.timesteps.tolist()
    assert torch.equal(ours.alphas_cumprod, theirs.alphas_cumprod)
    assert ours.final_alpha_cumprod == theirs.final_alpha_cumprod
    assert ours.config.prediction_type == theirs.config.prediction_type == "epsilon"
    assert not ours.config.clip_sample


def test_the_null_prompt_is_the_pipelines_and_padded_as_the_folder_says(folder: Path) -> None:
    pipeline = pipeline_of(folder)
    with torch.no_grad():
        expected, _ = pipeline.encode_prompt("", "cpu", 1, False)
    assert torch.equal(opened(folder).prompt["null_prompt"], expected)
    tokens = pipeline.tokenizer("", padding="max_length", max_length=77).input_ids
    begin, end = 512, 513
    assert tokens == [begin, end] + 75 * [0 if "sd2" in folder.name else end]


def test_the_text_encoder_is_read_once_and_then_gone(sd15: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    original = StableDiffusion.load

    def load(self: StableDiffusion, kind: Any, part: str, dtype: Any = None) -> Any:
        network = original(self, kind, part, dtype)
        loaded.append((part, weakref.ref(network)))
        return network

    monkeypatch.setattr(StableDiffusion, "load", load)
    first = opened(sd15).prompt["null_prompt"]
    gc.collect()
    assert [part for part, _ in loaded] == ["text_encoder"]
    assert loaded[0][1]() is None
    assert torch.equal(opened(sd15).prompt["null_prompt"], first)
    assert len(loaded) == 1


@pytest.mark.slow
def test_a_folder_without_the_variants_files_is_loaded_from_its_plain_ones(sd15: Path, tmp_path: Path) -> None:
    assert opened(sd15, variant="fp16").describe() == opened(sd15).describe()
    case = inputs(1, SIDE)
    how = Denoising(NoLeakage(), 2, 0.0)
    expected = inpaint(opened(sd15), *case, how)
    assert np.array_equal(inpaint(opened(sd15, variant="fp16"), *case, how), expected)
    copy = tmp_path / "fp16"
    shutil.copytree(sd15, copy)
    for path in copy.rglob("*.safetensors"):
        path.rename(path.with_suffix(".fp16.safetensors"))
    assert np.array_equal(inpaint(opened(copy, variant="fp16"), *case, how), expected)


@pytest.mark.slow
def test_tensors_under_their_older_names_are_found(sd15: Path, tmp_path: Path) -> None:
    """The published files are older than the libraries' names for some of what is in them."""
    copy = tmp_path / "old"
    shutil.copytree(sd15, copy)
    renamed(
        copy / "vae/diffusion_pytorch_model.safetensors",
        {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"},
    )
    path = copy / "text_encoder/model.safetensors"
    states = {f"text_model.{name.removeprefix('text_model.')}": value for name, value in load_file(path).items()}
    save_file(states | {"text_model.embeddings.position_ids": torch.arange(77)[None]}, path, {"format": "pt"})
    case, how = inputs(1, SIDE), Denoising(NoLeakage(), 2, 0.0)
    assert np.array_equal(inpaint(opened(copy), *case, how), inpaint(opened(sd15), *case, how))


def renamed(path: Path, names: dict[str, str]) -> None:
    """Change parts of the names of a file's tensors."""
    tensors = load_file(path)
    for old, new in names.items():
        assert any(old in name for name in tensors)
        tensors = {name.replace(old, new): value for name, value in tensors.items()}
    save_file(tensors, path, {"format": "pt"})


def rewritten(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def unet_of(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "unet/config.json").read_text())
    UNet2DConditionModel.from_config(config | changes).save_pretrained(folder / "unet")


def without(path: Path, name: str) -> None:
    tensors = load_file(path)
    del tensors[name]
    save_file(tensors, path, {"format": "pt"})


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no tokenizer": (lambda at: shutil.rmtree(at / "tokenizer"), "it needs unet/, vae/, scheduler/, text_encoder/"),
    "no text encoder": (lambda at: shutil.rmtree(at / "text_encoder"), "it needs unet/, vae/, scheduler/"),
    "no scheduler": (lambda at: shutil.rmtree(at / "scheduler"), "cannot be loaded as Stable Diffusion"),
    "broken config": (lambda at: (at / "unet/config.json").write_text("{"), "cannot be loaded as Stable Diffusion"),
    "cut short": (
        lambda at: (at / "vae/diffusion_pytorch_model.safetensors").write_bytes(b"\x08"),
        "is cut short, or no file of safetensors",
    ),
    "a tensor less": (
        lambda at: without(at / "unet/diffusion_pytorch_model.safetensors", "conv_in.bias"),
        "unet/ lacks 1 tensors, such as conv_in.bias",
    ),
    "other sizes": (lambda at: rewritten(at / "unet/config.json", cross_attention_dim=12), "cannot be loaded as"),
    "not for inpainting": (lambda at: unet_of(at, in_channels=4), "4 input channels, not the 9"),
    "of another generation": (
        lambda at: unet_of(
            at, addition_embed_type="text_time", addition_time_embed_dim=4, projection_class_embeddings_input_dim=30
        ),
        "its UNet is not one of Stable Diffusion .*: sd15, sd2 or sdxl",
    ),
}


@pytest.mark.parametrize(("damage", "message"), mostly_slow(DAMAGES.values(), 2), ids=DAMAGES)
def test_weights_that_cannot_be_used_are_one_clear_line(
    sd15: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    copy = tmp_path / "sd"
    shutil.copytree(sd15, copy)
    damage(copy)
    with pytest.raises(BenchError, match=message) as caught:
        inpaint(opened(copy), *inputs(1, SIDE), Denoising(NoLeakage(), 2, 0.0))
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"precision": "bfloat16"}, {"fuse": True}], ids=str)
def test_precision_and_fused_kernels_change_little(
    sd15: Path, backbone: StableDiffusion, options: dict[str, Any]
) -> None:
    case, how = inputs(1, SIDE), Denoising(Conditioning(), STEPS, 0.75)
    plain, other = inpaint(backbone, *case, how)[0], inpaint(opened(sd15, **options), *case, how)[0]
    assert np.abs(plain.astype(float) - other).mean() < 2
