"""Kandinsky 2.2 against a plain loop written from the equations, and against diffusers' own pipeline."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import inpainting
import numpy as np
import pytest
import torch
from ddim_reference import covering
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    KandinskyV22InpaintPipeline,
    KandinskyV22PriorPipeline,
    UNet2DConditionModel,
    VQModel,
)
from diffusers.pipelines.kandinsky2_2.pipeline_kandinsky2_2_inpainting import prepare_mask
from inpainting import STRATEGIES, inpaint, inputs
from params import mostly_slow
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModel, CLIPVisionModelWithProjection

from amodal_bench.backbones.kandinsky import Kandinsky, eroded
from amodal_bench.backbones.kandinsky_prior import Prior
from amodal_bench.core.errors import BenchError, ConfigError, InputError
from amodal_bench.core.seeds import stream_seed
from amodal_bench.core.types import Floats, Mask
from amodal_bench.method.inpaint import Denoising
from amodal_bench.method.leakage import Blend, Conditioning, Leakage, NoLeakage, Soft, Strength
from amodal_bench.weights.small.kandinsky import EMBEDDING

SIDE = 64
STEPS = 4
BETAS = torch.linspace(0.00085, 0.012, 1000)
ABAR = torch.cumprod(1 - BETAS, 0)


@pytest.fixture(scope="module")
def folder(small: Callable[[str], Path]) -> Path:
    return small("kandinsky")


def opened(folder: Path, **options: Any) -> Kandinsky:
    return inpainting.opened(Kandinsky, folder, **({"prior": str(folder / "prior")} | options))


@pytest.fixture(scope="module")
def backbones(folder: Path) -> dict[str, Kandinsky]:
    return {solver: opened(folder, solver=solver) for solver in ("ddpm", "ddim")}


@pytest.fixture(scope="module")
def nets(folder: Path) -> tuple[Any, Any, torch.Tensor]:
    """UNet, MoVQ and the embedding of an empty picture, as the libraries load and compute them."""
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", low_cpu_mem_usage=False).eval()
    movq = VQModel.from_pretrained(folder / "movq", low_cpu_mem_usage=False).eval()
    encoder = CLIPVisionModelWithProjection.from_pretrained(folder / "prior" / "image_encoder")
    return unet, movq, zero_embed(encoder)


def zero_embed(encoder: Any) -> torch.Tensor:
    prior = KandinskyV22PriorPipeline(
        prior=None, image_encoder=encoder, text_encoder=None, tokenizer=None, scheduler=None, image_processor=None
    )
    with torch.no_grad():
        embedding: torch.Tensor = prior.get_zero_embed()
    return embedding


def noise_of(seed: int, purpose: str) -> torch.Generator:
    return torch.Generator().manual_seed(stream_seed(seed, purpose))


def smaller_by_a_cell(keep: torch.Tensor) -> torch.Tensor:
    """The known mask, cell by cell: 0 where the cell or one of six neighbours is 0."""
    height, width = keep.shape[-2:]
    made = keep.clone()
    for i in range(height):
        for j in range(width):
            near = [(i, j), (i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1), (i - 1, j - 1), (i + 1, j + 1)]
            inside = [(a, b) for a, b in near if 0 <= a < height and 0 <= b < width]
            made[..., i, j] = min(float(keep[0, 0, a, b]) for a, b in inside)
    return made


def stepped(output: torch.Tensor, x: torch.Tensor, a: torch.Tensor, b: torch.Tensor, draw: Any) -> torch.Tensor:
    """DDPM's step (formula 7 of its paper, learned variance), or DDIM's with eta 0 where nothing is drawn."""
    noise, v = output[:, :4], output[:, 4:]
    clean = ((x - (1 - a).sqrt() * noise) / a.sqrt()).clamp(-2, 2)
    if draw is None:
        return b.sqrt() * clean + (1 - b).sqrt() * noise
    beta = 1 - a / b
    mean = b.sqrt() * beta / (1 - a) * clean + (a / b).sqrt() * (1 - b) / (1 - a) * x
    if b == 1:
        return mean
    share = (v + 1) / 2
    log_variance = share * beta.log() + (1 - share) * (beta * (1 - b) / (1 - a)).log()
    return mean + (0.5 * log_variance).exp() * torch.randn(x.shape, generator=draw)


def reference(
    nets: Any, condition: Floats, area: Mask, seed: int, leakage: Leakage, w: float, solver: str
) -> np.ndarray:
    """One sample through paper.md's equations, step by step, with none of the harness's code."""
    unet, movq, embedding = nets
    times = [int(i) * (1000 // STEPS) for i in reversed(range(STEPS))]
    image = torch.from_numpy(condition).permute(2, 0, 1)[None] * 2 - 1
    with torch.no_grad():
        z0 = movq.encode(image).latents
        keep = smaller_by_a_cell(1 - covering(torch.from_numpy(area)[None, None].float(), 8))
        shown = z0 * keep if getattr(leakage, "erase", True) else z0
        eps = torch.randn(z0.shape, generator=noise_of(seed, "latents"))
        draw = noise_of(seed, "steps") if solver == "ddpm" else None
        x, first = eps.clone(), 0
        if isinstance(leakage, Strength):
            first = STEPS - round(STEPS * leakage.s)
            x = ABAR[times[first]].sqrt() * z0 + (1 - ABAR[times[first]]).sqrt() * eps if first else x

        def predicted(image: torch.Tensor, mask: torch.Tensor, time: int) -> torch.Tensor:
            inputs = torch.cat([x, image, mask], 1)
            return unet(inputs, time, None, added_cond_kwargs={"image_embeds": embedding}).sample  # type: ignore[no-any-return]

        for i in range(first, STEPS):
            output = predicted(shown, keep, times[i])
            if w:
                empty = predicted(z0, torch.ones_like(keep), times[i])
                output = torch.cat([(1 + w) * output[:, :4] - w * empty[:, :4], output[:, 4:]], 1)
            last = i + 1 == STEPS
            b = torch.tensor(1.0) if last else ABAR[times[i + 1]]
            tilde = stepped(output, x, ABAR[times[i]], b, draw)
            known = b.sqrt() * z0 + (1 - b).sqrt() * eps
            eq5 = (1 - keep) * tilde + keep * known
            if isinstance(leakage, Blend):
                x = leakage.s * eq5 + (1 - leakage.s) * known if (i + 1) / STEPS <= leakage.until else eq5
            elif isinstance(leakage, Strength):
                x = tilde
            elif isinstance(leakage, Soft):
                x = leakage.s * eq5 + (1 - leakage.s) * tilde
            else:
                x = eq5
        image = movq.decode(x, force_not_quantize=True).sample
    picture: np.ndarray = ((image / 2 + 0.5).clamp(0, 1)[0].permute(1, 2, 0) * 255).round().numpy()
    return picture


CASES = [(name, w, "ddpm") for name in STRATEGIES for w in (0.0, 0.75)]
CASES += [("soft", 0.0, "ddim"), ("none", 0.75, "ddim")]


@pytest.mark.parametrize(("name", "guidance", "solver"), mostly_slow(CASES))
def test_every_strategy_equals_the_equations(
    nets: Any, backbones: dict[str, Kandinsky], name: str, guidance: float, solver: str
) -> None:
    conditions, areas, seeds = inputs(2, SIDE)
    leakage = STRATEGIES[name]
    painted = inpaint(backbones[solver], conditions, areas, seeds, Denoising(leakage, STEPS, guidance))
    expected = reference(nets, conditions[1], areas[1], seeds[1], leakage, guidance, solver)
    # Float rounding may tip a pixel into the next of 256 grey values, no further.
    assert np.abs(painted[1].astype(float) - expected).max() <= 1
    assert (painted[1] != expected).mean() < 0.01


@pytest.mark.slow
def test_strategies_and_solvers_give_different_images(backbones: dict[str, Kandinsky]) -> None:
    conditions, areas, seeds = inputs(1, SIDE)
    runs = [(leakage, "ddpm") for leakage in STRATEGIES.values()] + [(STRATEGIES["none"], "ddim")]
    images = [
        inpaint(backbones[solver], conditions, areas, seeds, Denoising(leakage, STEPS, 0.0))[0]
        for leakage, solver in runs
    ]
    for i, one in enumerate(images):
        for other in images[i + 1 :]:
            assert (one != other).mean() > 0.02


@pytest.mark.slow
def test_a_sample_and_the_noise_of_its_steps_do_not_depend_on_its_company(backbones: dict[str, Kandinsky]) -> None:
    conditions, areas, seeds = inputs(7, SIDE)
    how, backbone = Denoising(Conditioning(), 2, 0.5), backbones["ddpm"]
    together = inpaint(backbone, conditions, areas, seeds, how)
    alone = [inpaint(backbone, [c], [a], [s], how)[0] for c, a, s in zip(conditions, areas, seeds, strict=True)]
    back = inpaint(backbone, conditions[::-1], areas[::-1], seeds[::-1], how)[::-1]
    for one, other, third in zip(together, alone, back, strict=True):
        assert np.array_equal(one, other)
        assert np.array_equal(one, third)


@pytest.mark.parametrize(
    ("leakage", "everywhere", "solver"),
    mostly_slow([(NoLeakage(), False, "ddpm"), (Strength(s=1.0), True, "ddpm"), (NoLeakage(), False, "ddim")]),
    ids=["its paste is Eq. 5", "nothing to paste", "ddim"],
)
def test_without_leakage_the_loop_equals_diffusers_own_pipeline(
    folder: Path, nets: Any, leakage: Leakage, everywhere: bool, solver: str
) -> None:
    """The library's pipeline always pastes the known latents, outside of the area that it has made larger by a cell.

    That is Eq. 5 with our `latent_area`, the strategy `none`. Where all is painted, nothing is pasted, and a strategy
    that mixes nothing in has to agree, too.

    Set for that: no text guidance (guidance_scale 1), one sample (it pastes the first one's mask into all samples of
    a batch), 'np' ('pt' is not brought to [0, 1]), the generator of our steps, and a mask tensor that it may change.
    """
    unet, movq, embedding = nets
    config = DDPMScheduler.from_pretrained(folder / "scheduler").config
    # Without its variance_type: the pipeline would give DDIM all eight channels.
    plain = {name: value for name, value in config.items() if name != "variance_type" and name[0] != "_"}
    scheduler = DDPMScheduler.from_config(config) if solver == "ddpm" else DDIMScheduler.from_config(plain)
    pipeline = KandinskyV22InpaintPipeline(unet=unet, movq=movq, scheduler=scheduler)
    pipeline.set_progress_bar_config(disable=True)
    conditions, areas, seeds = inputs(1, SIDE)
    area = np.ones_like(areas[0]) if everywhere else areas[0]
    backbone = opened(folder, solver=solver, grid="nearest")
    ours = inpaint(backbone, conditions, [area], seeds, Denoising(leakage, STEPS, 0.0))[0]
    theirs = pipeline(
        image_embeds=embedding, negative_image_embeds=embedding,
        image=torch.from_numpy(conditions[0]).permute(2, 0, 1)[None] * 2 - 1,
        mask_image=torch.from_numpy(area)[None, None].float(),
        latents=torch.randn((1, 4, SIDE // 8, SIDE // 8), generator=noise_of(seeds[0], "latents")),
        generator=noise_of(seeds[0], "steps"),
        height=SIDE, width=SIDE, num_inference_steps=STEPS, guidance_scale=1.0, output_type="np",
    ).images[0]  # fmt: skip
    assert np.abs(ours - theirs * 255).max() <= 1


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 1.0])
def test_erosion_equals_the_pipelines_and_leaves_its_input_alone(share: float) -> None:
    draw = torch.Generator().manual_seed(int(share * 100))
    kept = (torch.rand((5, 1, 9, 12), generator=draw) < share).float()
    before = kept.clone()
    ours = eroded(kept)
    assert torch.equal(kept, before)
    assert torch.equal(ours, prepare_mask(kept.clone()))


@pytest.mark.parametrize("solver", ["ddpm", "ddim"])
@pytest.mark.parametrize("steps", [3, 20])
def test_what_is_known_at_a_level_is_what_the_scheduler_adds_noise_to(
    backbones: dict[str, Kandinsky], solver: str, steps: int
) -> None:
    backbone = backbones[solver]
    schedule = backbone.schedule(steps)
    clean, eps = torch.randn(2, 1, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    times = backbone.scheduler.timesteps
    assert list(schedule.times) == times.tolist() and len(times) == steps
    for level, time in enumerate(times):
        expected = backbone.scheduler.add_noise(clean, eps, time[None])
        assert torch.allclose(schedule.known(clean, eps, level), expected, atol=1e-6)
        step = backbone.scheduler.previous_timestep(time) if solver == "ddpm" else time - 1000 // steps
        following = times[level + 1] if level + 1 < steps else None
        assert step == following if following is not None else step < 0
    assert torch.equal(schedule.known(clean, eps, steps), clean)


def test_the_mask_tells_where_to_paint_also_where_nothing_is_erased(backbones: dict[str, Kandinsky]) -> None:
    backbone = backbones["ddpm"]
    areas = torch.zeros(1, 1, SIDE, SIDE)
    areas[..., 16:40, 24:40] = 1
    clean = torch.full((1, 4, 8, 8), 3.0)
    erased, whole = (backbone.prepare(areas, clean, areas, erase) for erase in (True, False))
    assert torch.equal(erased["mask"], whole["mask"]) and torch.equal(erased["mask"], 1 - backbone.latent_area(areas))
    assert erased["mask"][0, 0, 2:5, 3:5].sum() == 0 and 0 < erased["mask"].sum() < 64
    assert torch.equal(erased["image"], clean * erased["mask"]) and torch.equal(whole["image"], clean)
    empty = backbone.prepare(areas, clean, torch.zeros_like(areas), False)
    assert empty["mask"].min() == 1 and torch.equal(empty["image"], clean)


@pytest.mark.slow
def test_the_null_prompt_is_computed_once_and_then_neither_needs_nor_loads_the_prior(
    folder: Path, nets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    first = opened(copy)
    identity = first.describe()
    assert torch.allclose(first.conditioning, nets[2], atol=1e-6) and first.conditioning.shape == (1, EMBEDDING)
    shutil.rmtree(copy / "prior")
    monkeypatch.setattr(Prior, "embed_nothing", lambda self: pytest.fail("loads the image encoder again"))
    second = opened(copy)
    assert second.describe() == identity
    assert torch.equal(second.conditioning, first.conditioning)
    monkeypatch.setenv("AMODAL_BENCH_CACHE", str(tmp_path / "another machine's"))
    with pytest.raises(
        InputError, match="lacks image_encoder/; it is needed once, for the null prompt, which is not in the cache"
    ):
        opened(copy).describe()


def test_another_prior_is_another_identity(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    before = opened(copy).describe()
    torch.manual_seed(1)
    config = CLIPVisionConfig.from_pretrained(folder / "prior" / "image_encoder")
    CLIPVisionModelWithProjection(config).save_pretrained(copy / "prior" / "image_encoder")
    after = opened(copy).describe()
    assert {name for name in before if before[name] != after[name]} == {"prior", "null_prompt_digest"}


def test_a_null_prompt_beside_the_weights_goes_first(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("prior"))
    given = torch.randn(1, EMBEDDING, generator=torch.Generator().manual_seed(2))
    save_file({"null_prompt": given}, copy / "null_prompt.safetensors")
    backbone = opened(copy, prior=None)
    assert backbone.describe()["prior"] is None
    assert torch.equal(backbone.conditioning, given)


def _without_projection(folder: Path) -> None:
    config = CLIPVisionConfig.from_pretrained(folder / "prior" / "image_encoder")
    CLIPVisionModel(config).save_pretrained(folder / "prior" / "image_encoder")


def _of_another_width(folder: Path) -> None:
    config = CLIPVisionConfig.from_pretrained(folder / "prior" / "image_encoder")
    config.projection_dim = EMBEDDING // 2
    CLIPVisionModelWithProjection(config).save_pretrained(folder / "prior" / "image_encoder")


def _four_channels(folder: Path) -> None:
    config = json.loads((folder / "unet" / "config.json").read_text())
    UNet2DConditionModel.from_config(config | {"in_channels": 4}).save_pretrained(folder / "unet")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: shutil.rmtree(folder / "movq"), "cannot be loaded as Kandinsky 2.2"),
        (lambda folder: (folder / "unet" / "config.json").write_text("{"), "cannot be loaded as Kandinsky 2.2"),
        (_four_channels, "4 input channels, not the 9"),
        (
            lambda folder: shutil.rmtree(folder / "prior"),
            r"this prior lacks image_encoder/.* set model\.backbone\.prior",
        ),
        (
            lambda folder: (folder / "prior" / "image_encoder" / "model.safetensors").write_bytes(b"damaged"),
            "prior: its image_encoder cannot be loaded",
        ),
        (_without_projection, "prior: its image_encoder cannot be loaded .no \\S+ in it"),
        (
            _of_another_width,
            r"the null prompt has shape \(1, 8\), its UNet takes \(1, 16\); set model.backbone.prior",
        ),
    ],
    ids=[
        "no movq",
        "broken config",
        "not for inpainting",
        "no prior",
        "broken prior",
        "no projection",
        "other prior",
    ],
)
def test_weights_that_cannot_be_used_are_one_clear_line(
    folder: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    damage(copy)
    with pytest.raises(BenchError, match=message) as caught:
        inpaint(opened(copy), *inputs(1, SIDE), Denoising(NoLeakage(), 2, 0.0))
    assert "\n" not in str(caught.value)


def test_a_published_prior_that_is_absent_is_named_with_the_command_that_gets_it(folder: Path) -> None:
    with pytest.raises(InputError, match="`amodal-bench models fetch kandinsky-community/kandinsky-2-2-prior`"):
        opened(folder, prior="kandinsky-community/kandinsky-2-2-prior").describe()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "euler"}, r"model\.backbone\.solver: 'euler' is not one of ddpm, ddim"),
        ({"prior": None}, r"model\.backbone\.prior: is not set"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        opened(folder, **options).describe()


def test_the_side_is_a_multiple_of_64(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.backbone\.native: 96 is not a multiple of 64"):
        Kandinsky(str(folder), 96)
