"""pix2gestalt as a model: sampling, what it is shown, masks and votes, and a run. On tiny random weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from params import mostly_slow
from torch import Tensor

from amodal_bench.cli.models.command import main as models
from amodal_bench.core.errors import ConfigError
from amodal_bench.core.seeds import stream_seed
from amodal_bench.core.types import Image, Mask
from amodal_bench.datasets.base import Query
from amodal_bench.models.base import Completes, Explains, Timed
from amodal_bench.models.pix2gestalt import Pix2GestaltBackbone
from amodal_bench.models.pix2gestalt.ddim import schedule
from amodal_bench.models.pix2gestalt.model import Pix2Gestalt
from amodal_bench.models.pix2gestalt.picture import object_in, vote
from amodal_bench.report.outcome import Outcome
from amodal_bench.views.paste import paste
from amodal_bench.views.window import View, Window

SIDE = 64
SHAPES = [(50, 90), (90, 41), (64, 64), (33, 200), (128, 100)]
ABAR = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2, 0)
"""Stable Diffusion's share of signal at each time."""


@pytest.fixture(scope="module")
def folder(tiny_by_command: Callable[[str], Path]) -> Path:
    return tiny_by_command("pix2gestalt")


@pytest.fixture(scope="module")
def backbone(folder: Path) -> Pix2GestaltBackbone:
    return Pix2GestaltBackbone(
        str(folder), native=SIDE, device="cpu", precision="float32", micro_batch=4, vae_batch=2
    )


@pytest.fixture(scope="module")
def model(backbone: Pix2GestaltBackbone) -> Callable[..., Pix2Gestalt]:
    """A model with the same networks and other settings."""

    def make(view: View | None = None, **settings: Any) -> Pix2Gestalt:
        return Pix2Gestalt(backbone, view or View("frame", 0.0), **{"steps": 3, **settings})

    return make


def queries(shapes: Sequence[tuple[int, int]] = SHAPES) -> list[Query]:
    """Pictures of coloured patches and an object in each."""
    random = np.random.default_rng(1)
    made = []
    for number, (height, width) in enumerate(shapes):
        patches = random.integers(0, 256, (-(-height // 8), -(-width // 8), 3), dtype=np.uint8)
        image = patches.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
        visible = np.zeros((height, width), bool)
        visible[height // 4 : height // 2, width // 3 : width // 2] = True
        made.append(Query(str(number), image, visible))
    return made


# Sampling


def test_the_schedule_is_that_of_the_librarys_ddim() -> None:
    from diffusers import DDIMScheduler

    for steps in (200, 50, 7):
        theirs = DDIMScheduler(
            beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, steps_offset=1, set_alpha_to_one=False
        )
        theirs.set_timesteps(steps)
        mine = schedule(ABAR.tolist(), steps)
        assert mine.times == tuple(float(time) for time in theirs.timesteps)
        assert mine.signal[-1] ** 2 == pytest.approx(float(theirs.final_alpha_cumprod), abs=1e-6)
    assert schedule(ABAR.tolist(), 200).times[::199] == (996.0, 1.0)
    for steps in (0, 1000):
        with pytest.raises(ConfigError, match=f"model.steps: {steps} must be between 1 and 999"):
            schedule(ABAR.tolist(), steps)


@pytest.mark.slow
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_a_step_is_that_of_the_librarys_ddim(folder: Path, eta: float) -> None:
    from diffusers import DDIMScheduler

    theirs = DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        steps_offset=1,
        set_alpha_to_one=False,
        clip_sample=False,
    )
    theirs.set_timesteps(20)
    mine = Pix2GestaltBackbone(str(folder), native=SIDE, device="cpu", eta=eta)
    levels = mine.schedule(20)
    x, predicted = torch.randn(2, 2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for step in (0, 7, 19):
        noise = torch.cat([torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(n)) for n in (1, 2)])
        expected = theirs.step(predicted, int(levels.times[step]), x, eta=eta, variance_noise=noise).prev_sample
        found = mine.advance(predicted, levels, step, x, [torch.Generator().manual_seed(n) for n in (1, 2)])
        assert torch.allclose(found, expected, atol=2e-5)


def by_hand(
    backbone: Pix2GestaltBackbone, image: Image, visible: Mask, seed: int, number: int, scale: float
) -> Image:
    """One sample from the published formulas and the networks; image and V have the model's size."""
    steps = 5
    draw = [torch.Generator().manual_seed(stream_seed(seed, f"{name}/{number}")) for name in ("latents", "steps")]
    picture = torch.from_numpy(image).permute(2, 0, 1)[None] / 127.5 - 1
    mask = torch.from_numpy(visible).float().expand(1, 3, -1, -1) * 2 - 1
    with torch.no_grad():
        # What is shown: latents by the posterior's mode, not scaled.
        shown = torch.cat([backbone.vae.encode(each).latent_dist.mean for each in (picture, mask)], 1)
        side = backbone.clip.config.image_size
        small = torch.nn.functional.interpolate(picture, (side, side), mode="bicubic", align_corners=True)
        mean, std = (
            torch.tensor([0.48145466, 0.4578275, 0.40821073]),
            torch.tensor([0.26862954, 0.26130258, 0.27577711]),
        )
        pixels = ((small + 1) / 2 - mean[:, None, None]) / std[:, None, None]
        token = backbone.projection(backbone.clip(pixel_values=pixels).image_embeds)[None]
        x = torch.randn(1, 4, 8, 8, generator=draw[0])
        for i in reversed(range(steps)):
            time, before = 200 * i + 1, 200 * (i - 1) + 1 if i else 0

            def noise_in(seen: Tensor, told: Tensor, x: Tensor = x, time: int = time) -> Tensor:
                out: Tensor = backbone.unet(torch.cat([x, seen], 1), time, encoder_hidden_states=told).sample
                return out

            given, without = noise_in(shown, token), noise_in(torch.zeros_like(shown), torch.zeros_like(token))
            eps = without + scale * (given - without)
            a, b = float(ABAR[time]), float(ABAR[before])
            sigma = math.sqrt((1 - b) / (1 - a) * (1 - a / b))
            clean = (x - math.sqrt(1 - a) * eps) / math.sqrt(a)
            x = math.sqrt(b) * clean + math.sqrt(1 - b - sigma**2) * eps
            x = x + sigma * torch.randn(1, 4, 8, 8, generator=draw[1])
        painted = (backbone.vae.decode(x / 0.18215).sample / 2 + 0.5).clamp(0, 1)
    answer: Image = (painted[0].permute(1, 2, 0) * 255).numpy().astype(np.uint8)
    return answer


@pytest.mark.parametrize("scale", mostly_slow([2.0, 1.0, 0.0]))
def test_samples_equal_a_loop_from_the_formulas(
    model: Callable[..., Pix2Gestalt], backbone: Pix2GestaltBackbone, scale: float
) -> None:
    (query,) = queries([(SIDE, SIDE)])
    pictures = list(model(steps=5, guidance=scale, samples=2).explain([query], [9])[0].values())
    for number, picture in enumerate(pictures):
        expected = by_hand(backbone, query.image, query.visible, 9, number, scale)
        # Rounding may tip a value over the edge to the next byte.
        assert np.abs(picture.astype(int) - expected).max() <= 1 and (picture != expected).mean() < 0.01
    assert (pictures[0] != pictures[1]).mean() > 0.1


@pytest.mark.slow
def test_image_mask_embedding_and_seed_all_matter(model: Callable[..., Pix2Gestalt]) -> None:
    (query,) = queries([(SIDE, SIDE)])
    made = model(samples=1)
    job = made._prepare(query)
    seen = made.sampler.paint([job.image], [job.visible], [3])[0][0]
    for image, visible, seed in (
        (255 - job.image, job.visible, 3),
        (job.image, 1 - job.visible, 3),
        (job.image, job.visible, 4),
    ):
        assert (made.sampler.paint([image], [visible], [seed])[0][0] != seen).mean() > 0.1
    picture, mask = torch.zeros(1, 3, SIDE, SIDE), torch.zeros(1, 1, SIDE, SIDE)
    shown = made.backbone.prepare(picture, picture, mask, erase=False)
    levels, x = made.backbone.schedule(3), torch.zeros(1, 4, 8, 8)
    before = made.backbone.denoise(x, levels, 0, shown)
    after = made.backbone.denoise(x, levels, 0, {**shown, "embedding": shown["embedding"] + 1})
    assert not torch.allclose(before, after, atol=1e-3)


# A prediction depends on its query and seed alone


@pytest.mark.slow
@pytest.mark.parametrize("view", [View("frame", 0.0), View("crop", 0.5)], ids=["frame", "crop"])
def test_predictions_are_the_same_alone_in_company_and_reversed(
    model: Callable[..., Pix2Gestalt], view: View
) -> None:
    asked, seeds = queries(), [5, 6, 7, 8, 9]
    made = model(view)
    together = made.predict(asked, seeds)
    backwards = made.predict(asked[::-1], seeds[::-1])[::-1]
    alone = [made.predict([query], [seed])[0] for query, seed in zip(asked, seeds, strict=True)]
    for query, one, other, third in zip(asked, together, backwards, alone, strict=True):
        assert one.shape == query.visible.shape and one.dtype == bool
        assert np.array_equal(one, other) and np.array_equal(one, third)
    assert made.predict([], []) == []
    assert any(not mask.all() and mask.any() for mask in together)


@pytest.mark.slow
def test_a_picture_is_the_same_to_the_byte_whatever_their_number(model: Callable[..., Pix2Gestalt]) -> None:
    asked = queries()[:2]
    few, many = (model(samples=count).explain(asked[:1], [5])[0] for count in (1, 5))
    assert list(many) == [f"completed {n}" for n in (1, 2, 3, 4, 5)]
    assert np.array_equal(few["completed 1"], many["completed 1"])
    assert len({picture.tobytes() for picture in many.values()}) == 5


# What it is shown


def test_the_mask_is_shrunk_like_a_picture(model: Callable[..., Pix2Gestalt]) -> None:
    (query,) = queries([(128, 200)])
    job = model()._prepare(query)
    expected = cv2.resize(query.visible.astype(np.uint8) * 255, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    assert np.array_equal(np.round(job.visible * 255), expected) and job.visible.dtype == np.float32
    assert len(np.unique(job.visible)) > 2
    assert np.array_equal(job.image, cv2.resize(query.image, (SIDE, SIDE), interpolation=cv2.INTER_AREA))


def test_the_object_does_not_go_on_beyond_the_image(model: Callable[..., Pix2Gestalt]) -> None:
    visible = np.zeros((20, 100), bool)
    visible[:, 10:90] = True
    query = Query("wide", np.full((20, 100, 3), 7, np.uint8), visible)
    job = model(View("crop", 0.0))._prepare(query)
    rows = np.nonzero(job.visible.any(axis=1))[0]
    # The window is a square of 80 pixels, of which the image covers 20.
    assert (job.window.width, job.window.height) == (80, 80) and len(rows) == SIDE // 4
    assert (job.visible[rows] == 1).all() and (job.image == 7).all()


# Masks


def test_what_is_not_white_is_the_object() -> None:
    picture = np.full((8, 8, 3), 255, np.uint8)
    picture[2:4, 2:6] = 250
    picture[5, 5] = 251
    picture[0, 0] = (255, 0, 255)
    mask = object_in(picture, Window(0, 0, 8, 8, 8), (8, 8), 250)
    expected = np.zeros((8, 8), bool)
    expected[2:4, 2:6] = expected[0, 0] = True
    assert np.array_equal(mask, expected)
    assert object_in(picture, Window(0, 0, 8, 8, 8), (8, 8), 251)[5, 5]
    assert not object_in(np.full_like(picture, 255), Window(0, 0, 8, 8, 8), (8, 8), 250).any()


def test_red_and_blue_are_weighed_as_the_authors_do() -> None:
    """0.114 of red and 0.299 of blue: 30 less of red are still white, 30 less of blue are not."""
    picture = np.full((1, 2, 3), 255, np.uint8)
    picture[0, 0, 0] = picture[0, 1, 2] = 225
    assert object_in(picture, Window(0, 0, 2, 1, 2), (1, 2), 250).tolist() == [[False, True]]


def test_a_picture_is_enlarged_before_it_is_thresholded() -> None:
    picture = np.full((8, 8, 3), 255, np.uint8)
    picture[2:6, 2:6] = 215
    mask = object_in(picture, Window(0, 0, 40, 24, 8), (24, 40), 250)
    grey = cv2.resize(picture, (40, 24), interpolation=cv2.INTER_LANCZOS4)[..., 0]
    assert mask.shape == (24, 40) and np.array_equal(mask, grey <= 250)
    assert mask[6:18, 10:30].all() and not mask[:4].any() and not mask[:, 36:].any()


def test_a_window_is_put_back_where_it_was() -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    mask = object_in(picture, Window(5, -2, 10, 10, 8), (12, 12), 250)
    expected = np.zeros((12, 12), bool)
    expected[:8, 5:12] = True
    assert np.array_equal(mask, expected)


def test_votes() -> None:
    masks = [
        np.array([[a, b, c, d]], bool) for a, b, c, d in ((1, 1, 1, 0), (1, 1, 0, 0), (1, 0, 0, 0), (1, 0, 0, 0))
    ]
    assert vote(masks[:3], "majority").tolist() == [[True, True, False, False]]
    assert vote(masks, "majority").tolist() == [[True, False, False, False]], "half of them are not more than half"
    assert vote(masks, "union").tolist() == [[True, True, True, False]]
    assert vote(masks[:1], "majority").tolist() == vote(masks[:1], "union").tolist() == masks[0].tolist()


@pytest.mark.slow
def test_the_prediction_is_the_vote_over_its_pictures(model: Callable[..., Pix2Gestalt]) -> None:
    asked = queries()[:2]
    for how in ("majority", "union"):
        made = model(vote=how, threshold=240, union_visible=False)
        for query, mask in zip(asked, made.predict(asked, [5, 6]), strict=True):
            shape = query.visible.shape
            window = Window(0, 0, shape[1], shape[0], SIDE)
            pictures = made.explain([query], [5 if query is asked[0] else 6])[0].values()
            found = np.sum([object_in(picture, window, (shape[0], shape[1]), 240) for picture in pictures], axis=0)
            assert np.array_equal(mask, found >= (2 if how == "majority" else 1))


@pytest.mark.slow
def test_completing_hands_out_the_picture_nearest_to_the_vote(model: Callable[..., Pix2Gestalt]) -> None:
    made, (query, *_) = model(threshold=240), queries()
    completed = made.complete(query, 5)
    assert np.array_equal(completed.mask, made.predict([query], [5])[0])
    shape = query.visible.shape
    window = Window(0, 0, shape[1], shape[0], SIDE)
    pictures = list(made.explain([query], [5])[0].values())
    masks = [object_in(picture, window, (shape[0], shape[1]), 240) for picture in pictures]
    ious = [(mask & completed.mask).sum() / (mask | completed.mask).sum() for mask in masks]
    nearest = pictures[int(np.argmax(ious))]
    assert isinstance(made, Completes) and len(set(ious)) == len(ious)
    assert np.array_equal(completed.picture, paste(nearest, window, (shape[0], shape[1])))


# Settings, clocks, runs


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"steps": 0}, "model: steps (0) and samples (3) must be >= 1"),
        ({"samples": 0}, "model: steps (3) and samples (0) must be >= 1"),
        ({"vote": "best"}, "model.vote: 'best' is not one of 'majority', 'union'"),
        ({"threshold": 255}, "model.threshold: 255 must be a grey value between 0 and 254"),
    ],
)
def test_settings_that_cannot_be(model: Callable[..., Pix2Gestalt], settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        model(**settings)
    assert str(caught.value) == said


def test_describe_tells_every_setting(model: Callable[..., Pix2Gestalt], folder: Path) -> None:
    plain = model().describe()
    changes: dict[str, Any] = {"steps": 4, "guidance": 3.0, "samples": 2, "vote": "union", "threshold": 249}
    for name, value in changes.items():
        other = model(**{name: value}).describe()
        assert {key for key in plain if plain[key] != other[key]} == {name}
    assert model(View("crop", 0.5)).describe()["view"] == {"mode": "crop", "margin": 0.5}
    still = Pix2GestaltBackbone(
        str(folder), native=SIDE, device="cpu", precision="float32", micro_batch=4, vae_batch=2, eta=0.0
    ).describe()
    assert {key for key in still if still[key] != plain["backbone"][key]} == {"eta"}


def test_describing_loads_no_network(folder: Path) -> None:
    made = Pix2GestaltBackbone(str(folder), native=SIDE, device="cpu")
    assert made.describe()["random_weights"]
    assert not {"unet", "vae", "clip", "projection", "_contents"} & set(vars(made))


def test_costs_are_those_of_an_instance(model: Callable[..., Pix2Gestalt]) -> None:
    made = model(samples=3)
    assert isinstance(made, Timed) and isinstance(made, Explains)
    made.predict(queries()[:2], [1, 2])
    costs = made.costs()
    assert list(costs) == ["prepare", "encode", "denoise", "decode", "vote"]
    assert {name: cost.instances for name, cost in costs.items()} == dict.fromkeys(costs, 2)
    assert costs["denoise"].batch == 4 and made.costs() == {}


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_lower_precision_is_that_of_all_networks_and_hardly_shows(
    model: Callable[..., Pix2Gestalt], folder: Path, precision: str
) -> None:
    made = Pix2GestaltBackbone(str(folder), native=SIDE, device="cpu", precision=precision, micro_batch=2)
    (query,) = queries([(40, 60)])
    lower, full = (
        each.explain([query], [1])[0] for each in (Pix2Gestalt(made, View("frame", 0.0), steps=3), model())
    )
    for name, picture in full.items():
        assert picture.std() > 10 and np.abs(lower[name].astype(float) - picture).mean() < 2
    for network in (made.unet, made.vae, made.clip, made.projection):
        assert {parameter.dtype for parameter in network.parameters()} == {getattr(torch, precision)}


@pytest.mark.slow
def test_all_tensors_are_on_the_device(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On torch's device without memory, which as a GPU does refuses to mix with the CPU's tensors."""
    made = Pix2GestaltBackbone(str(folder), native=SIDE, device="meta", micro_batch=2, vae_batch=2)
    decode, decoded = made.decode, list[str]()

    def watched(latents: Tensor) -> Tensor:
        decoded.append(decode(latents).device.type)
        return torch.zeros(len(latents), 3, SIDE, SIDE)  # there are no numbers

    monkeypatch.setattr(made, "decode", watched)
    Pix2Gestalt(made, View("frame", 0.0), steps=2).predict(queries()[:2], [1, 2])
    assert decoded == ["meta"] * 3


def small(folder: Path) -> list[str]:
    return [
        "model=pix2gestalt", f"model.weights={folder}", "model.backbone.native=64", "model.backbone.device=cpu",
        "model.backbone.micro_batch=3", "model.backbone.vae_batch=1", "model.steps=2", "dataset.images=2", "limit=3",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_run(bench: Callable[..., Outcome], folder: Path) -> None:
    outcome = bench(*small(folder))
    main = outcome.main
    assert len(main.counted) == 3 and main.errors().empty
    said = outcome.table()["settings"].iloc[-1]
    assert said.startswith("view=frame ") and said.endswith("random weights")
    facts = main.facts["model"]
    assert facts["model"] == "pix2gestalt" and (facts["guidance"], facts["samples"]) == (2.0, 3)
    assert facts["backbone"]["eta"] == 1.0 and facts["backbone"]["random_weights"]
    seconds = main.timing().set_index("stage")["seconds_per_instance"]
    assert (seconds[["prepare", "encode", "denoise", "decode", "vote"]] > 0).all()


@pytest.mark.slow
def test_a_run_on_crops(bench: Callable[..., Outcome], folder: Path) -> None:
    main = bench(*small(folder), "view=crop", "model.samples=1").main
    assert len(main.counted) == 3 and main.errors().empty
    assert main.facts["model"]["view"] == {"mode": "crop", "margin": 0.5}


@pytest.mark.slow
def test_the_command_lists_and_checks_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert models(["list"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("pix2gestalt "))
    assert "cvlab/pix2gestalt-weights" in row and "15.5 GB" in row
    settings = [setting for setting in small(folder)[1:] if "backbone" in setting or "weights" in setting]
    assert models(["check", "pix2gestalt", *settings]) == 0
    out = capsys.readouterr().out
    lines = dict(line.split(maxsplit=1) for line in out.splitlines() if " " in line.strip())
    assert lines["unet"].startswith("UNet2DConditionModel, ") and lines["clip"].startswith("CLIPVisionModelWithProj")
    assert lines["denoise"].startswith("one step of 3 samples, ") and lines["problems"] == "none"
