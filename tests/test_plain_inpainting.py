"""`model=inpaint_sdxl`: V is known, all else is erased and painted; on tiny random weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import composed
from ddim_reference import covering, start_noise
from diffusers import DDIMScheduler, StableDiffusionXLInpaintPipeline

from amodal_bench.config.build import build
from amodal_bench.core.types import Image, Mask
from amodal_bench.datasets.base import Query
from amodal_bench.datasets.toy import Toy
from amodal_bench.method.condition import Background, Condition
from amodal_bench.method.inpaint import DenoisingStep
from amodal_bench.models.tuning_free import TuningFree
from amodal_bench.segmenters.base import Prompt

SIDE, STEPS, SEED = 64, 4, 7


class Recorder:
    """A segmenter that finds V, and keeps what it is told."""

    def __init__(self) -> None:
        self.images: list[Image] = []
        self.prompts: list[Prompt] = []

    def describe(self) -> dict[str, str]:
        return {}

    def segment(self, images: Sequence[Image], prompts: Sequence[Prompt]) -> list[Mask]:
        self.images += images
        self.prompts += prompts
        return [prompt.visible for prompt in prompts]


@pytest.fixture(scope="module")
def folder(small: Callable[[str], Path]) -> Path:
    return small("stable_diffusion_xl")


@pytest.fixture(scope="module")
def model(folder: Path) -> TuningFree:
    settings = composed(
        "model=inpaint_sdxl", f"model.weights={folder}", f"model.backbone.native={SIDE}", f"model.steps={STEPS}",
        "model.backbone.device=cpu", "model.backbone.precision=float32", "model.backbone.micro_batch=1",
        "model.backbone.vae_batch=1",
    )  # fmt: skip
    built: TuningFree = build(settings.model, "model")
    return built


@pytest.fixture(scope="module")
def query() -> Query:
    return Toy(images=1).sample("test-00000-2").query


@pytest.fixture
def recorder(model: TuningFree, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    found = Recorder()
    monkeypatch.setattr(model, "segmenter", found)
    return found


@pytest.mark.slow
def test_the_object_as_it_is_stands_on_grey_and_all_else_is_painted(
    model: TuningFree, recorder: Recorder, query: Query
) -> None:
    model.predict([query], [SEED])
    (prompt,) = recorder.prompts
    seen = model.view.window(query.visible, SIDE).image(query.image)
    (shown,) = model.explain([query], [SEED])
    assert 0 < prompt.visible.sum() < prompt.visible.size
    assert np.array_equal(shown["condition image"], np.where(prompt.visible[..., None], seen, 128))
    assert np.array_equal(shown["area"][..., 0] > 0, ~prompt.visible)
    assert prompt.area.all(), "the segmenter may find V again, and the object anywhere"
    assert prompt.before is not None and np.array_equal(prompt.before, shown["condition image"])


def test_the_cells_inside_v_are_the_known_ones_at_every_step(model: TuningFree, query: Query) -> None:
    job = model._prepare(query, SEED)
    steps: list[DenoisingStep] = []
    model.inpainter.inpaint([job.condition], [job.area], [SEED], steps.append)
    with torch.inference_mode():
        clean = model.backbone.encode(torch.from_numpy(job.condition).permute(2, 0, 1)[None] * 2 - 1)
    eps = start_noise(SEED, *clean.shape[1:])
    cell = SIDE // clean.shape[-1]
    visible = covering(torch.from_numpy(~job.prompt.visible)[None, None].float(), cell)[0, 0] == 0
    assert 0 < visible.sum() < visible.numel() and len(steps) == STEPS
    for each in steps:
        signal, noise = (factors[each.step + 1] for factors in (each.schedule.signal, each.schedule.noise))
        known = signal * clean + noise * eps
        assert torch.allclose(each.after[..., visible], known[..., visible], atol=1e-4)
        assert torch.equal(each.after[..., ~visible], each.advanced[..., ~visible])
        assert not torch.allclose(each.advanced[..., visible], known[..., visible], atol=1e-2)
    assert torch.allclose(steps[-1].after[..., visible], clean[..., visible], atol=1e-4)


@pytest.mark.slow
def test_it_is_the_librarys_pipeline_with_v_pasted_after_each_step(
    model: TuningFree, recorder: Recorder, folder: Path, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library pastes for UNets of four channels only; here its pipeline is made to do so for this one, too."""
    monkeypatch.setattr(model.backbone, "grid", "nearest")
    model.predict([query], [SEED])
    job = model._prepare(query, SEED)
    pipeline = StableDiffusionXLInpaintPipeline.from_pretrained(folder, low_cpu_mem_usage=False)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.vae.quant_conv.bias.data[4:] = -60.0  # so sure that the posterior's sample is its mode
    pipeline.set_progress_bar_config(disable=True)
    image = torch.from_numpy(job.condition).permute(2, 0, 1)[None]
    mask = torch.from_numpy(job.area)[None, None].float()
    with torch.no_grad():
        clean = pipeline.vae.encode(image * 2 - 1).latent_dist.mode() * pipeline.vae.config.scaling_factor
    small, eps = mask[:, :, ::8, ::8], start_noise(SEED, *clean.shape[1:])

    def paste(pipe: Any, step: int, _time: int, tensors: dict[str, Any]) -> dict[str, Any]:
        times = pipe.scheduler.timesteps
        known = pipe.scheduler.add_noise(clean, eps, times[step + 1 : step + 2]) if step + 1 < len(times) else clean
        return {"latents": small * tensors["latents"] + (1 - small) * known}

    prompt, pooled = torch.zeros(1, 77, pipeline.unet.config.cross_attention_dim), torch.zeros(1, 10)
    theirs = pipeline(
        prompt_embeds=prompt, pooled_prompt_embeds=pooled, image=image, mask_image=mask, latents=eps,
        height=SIDE, width=SIDE, num_inference_steps=STEPS, guidance_scale=1.0, strength=1.0, output_type="np",
        callback_on_step_end=paste,
    ).images[0]  # fmt: skip
    assert np.abs(recorder.images[0] - theirs * 255).max() <= 1 and theirs.std() > 0.05


def test_what_is_erased_is_grey_to_the_denoiser_whatever_the_background(model: TuningFree, query: Query) -> None:
    """Shown un-erased, the colour reaches it; erased, only grey is the colour that it is shown."""
    shown: dict[tuple[str, bool], torch.Tensor] = {}
    pictures = {}
    colours: tuple[Background, ...] = ("grey", "white")
    for background in colours:
        made = Condition(0.0, background)(*_seen(model, query), SEED)
        picture = torch.from_numpy(made).permute(2, 0, 1)[None] * 2 - 1
        area = torch.from_numpy(~_seen(model, query)[1])[None, None].float()
        pictures[background] = picture * (1 - area), picture
        for erase in (True, False):
            with torch.inference_mode():
                clean = model.backbone.encode(picture)
                shown[background, erase] = model.backbone.prepare(picture, clean, area, erase)["image"]
    assert torch.equal(shown["grey", True], shown["white", True])
    assert not torch.allclose(shown["grey", False], shown["white", False], atol=1e-3)
    assert torch.equal(*pictures["grey"]) and torch.equal(shown["grey", True], shown["grey", False])
    assert model.condition.background == "grey"


def _seen(model: TuningFree, query: Query) -> tuple[Image, Mask]:
    window = model.view.window(query.visible, SIDE)
    return window.image(query.image), window.mask(query.visible)
