"""Train the tiny inpainting model: `amodal-bench toy train {autoencoder,denoiser,decoder,export}`.

Each stage checkpoints into a folder, stops when its steps or minutes are over, and continues where it
stopped when it is started again. `export` writes half-precision safetensors in diffusers' folder layout.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from amodal_bench.core.files import write_whole
from amodal_bench.core.progress import Progress, stage
from amodal_bench.core.types import Floats, Image, Mask
from amodal_bench.tiny import networks
from amodal_bench.tiny.samples import draw_sample

LATENTS = networks.LATENTS
SHARD = 8192
REUSE = 12
"""How often a sample is used, on average, before the next shard is drawn."""

CHUNKS = 16
"""Parts of a shard that are drawn independently, so that its samples do not depend on the number of processes."""

POOL = 12
"""Shards kept in memory; the oldest makes room for the newest."""


@dataclass(frozen=True)
class Training:
    """How a stage is trained.

    Attributes:
        folder: checkpoints.
        out: where `export` writes.
        steps: length of the stage's schedule.
        minutes: stop after so long.
        seed: of the samples that are drawn.
        threads: of torch, and processes that draw samples.
    """

    folder: Path
    out: Path
    steps: int
    minutes: float
    seed: int
    threads: int


class Stage:
    """What one training stage carries from step to step, and from process to process."""

    def __init__(self, name: str, model: nn.Module, steps: int, rate: float, args: Training) -> None:
        self.name, self.model, self.steps, self.rate, self.args = name, model, steps, rate, args
        self.optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-4, fused=True)
        self.average = {k: v.detach().clone() for k, v in model.state_dict().items()}
        self.step, self.seconds = 0, 0.0
        self.losses: list[tuple[int, float]] = []
        self.path = args.folder / f"{name}.pt"
        if self.path.exists():
            state = torch.load(self.path, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.average, self.losses = state["average"], state["losses"]
            self.step, self.seconds = state["step"], state["seconds"]

    def save(self) -> None:
        """Write the checkpoint; a killed process leaves the one before it."""
        state = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average,
            "losses": self.losses,
            "step": self.step,
            "seconds": self.seconds,
        }
        write_whole(self.path, lambda partial: torch.save(state, partial))

    def run(self, batches: Callable[[int], Tensor], loss_of: Callable[[Tensor], Tensor]) -> None:
        """Take steps until the stage or the allowed minutes are over."""
        with Progress(f"training {self.name}", self.steps, "step", self.step, keep=True) as progress:
            self._steps(batches, loss_of, progress)
        self.save()

    def _steps(
        self, batches: Callable[[int], Tensor], loss_of: Callable[[Tensor], Tensor], progress: Progress
    ) -> None:
        started, before = time.monotonic(), self.seconds
        recent = self.losses[-1][1] if self.losses else 0.0
        while self.step < self.steps:
            self.seconds = before + time.monotonic() - started
            if self.seconds - before > 60 * self.args.minutes:
                break
            batch = batches(self.step)
            done = self.step / self.steps
            warm = min(1.0, (self.step + 1) / 200)
            for group in self.optimiser.param_groups:
                group["lr"] = self.rate * warm * (0.01 + 0.495 * (1 + math.cos(math.pi * done)))
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = loss_of(batch)
            self.optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimiser.step()
            self.step += 1
            decay = min(0.999, (1 + self.step) / (10 + self.step))
            with torch.no_grad():
                torch._foreach_lerp_(list(self.average.values()), list(self.model.state_dict().values()), 1 - decay)
            recent += (loss.item() - recent) / min(self.step, 50)
            if self.step % 50 == 0:
                self.losses.append((self.step, recent))
                progress.say(f"loss {recent:.4f} over the last 50")
            progress.advance()
            if self.step % 500 == 0:
                self.save()


def draw_shard(seed: int, index: int, count: int, workers: int = 1) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images, masks, holes and masked images of one shard: (N, 3|1|1|3, 64, 64), images as uint8, masks as bool."""
    seeds = [[seed, index, part] for part in range(CHUNKS)]
    sizes = [count // CHUNKS + (part < count % CHUNKS) for part in range(CHUNKS)]
    # Fresh processes: a forked one would inherit torch's thread pool, which does not survive it.
    with stage("drawing scenes"), ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        chunks = list(pool.map(draw_chunk, seeds, sizes))
    images, masks, holes, shown = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*chunks, strict=True))
    return _planes(images), masks[:, None], holes[:, None], _planes(shown)


def _planes(images: Tensor) -> Tensor:
    return images.permute(0, 3, 1, 2).contiguous()


def draw_chunk(seed: list[int], count: int) -> tuple[Image, Mask, Mask, Image]:
    """Images, masks, holes and masked images of some samples: (N, 64, 64[, 3])."""
    rng = np.random.default_rng(seed)
    samples = [draw_sample(rng) for _ in range(count)]

    def pixels(images: list[Floats]) -> Image:
        return np.round(np.stack(images) * 255).astype(np.uint8)

    return (
        pixels([s.image for s in samples]),
        np.stack([s.mask for s in samples]),
        np.stack([s.hole for s in samples]),
        pixels([s.masked for s in samples]),
    )


def train_autoencoder(args: Training) -> None:
    """L1 on pixels and on their differences, and a small KL term."""
    vae = networks.build_autoencoder()
    stage = Stage("autoencoder", vae, args.steps, 2e-3, args)

    def loss_of(batch: Tensor) -> Tensor:
        posterior = vae.encode(batch).latent_dist
        output = vae.decode(posterior.sample()).sample.float()
        loss: Tensor = reconstruction_loss(output, batch) + 1e-5 * posterior.kl().mean() / 256
        return loss

    stage.run(image_batches(args, 0), loss_of)


def train_decoder(args: Training) -> None:
    """Go on with the decoder alone, so that a denoiser that knows the encoder's latents stays valid.

    A little noise on the latents stands for what a denoiser gets wrong.
    """
    vae = trained_autoencoder(args.folder)
    for part in (vae.decoder, vae.post_quant_conv):
        part.requires_grad_(True)
    stage = Stage("decoder", vae, args.steps, 1e-3, args)

    def loss_of(batch: Tensor) -> Tensor:
        with torch.no_grad():
            latents = vae.encode(batch).latent_dist.mode()
        noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(2_000_003 + stage.step))
        return reconstruction_loss(vae.decode(latents + 0.05 * latents.std() * noise).sample.float(), batch)

    stage.run(image_batches(args, 1000), loss_of)


def image_batches(args: Training, index: int) -> Callable[[int], Tensor]:
    """Batches of 16 scenes of one shard, by step: (16, 3, 64, 64) in [-1, 1]."""
    images, *_ = draw_shard(args.seed, index, SHARD, args.threads)

    def batches(step: int) -> Tensor:
        chosen = torch.randint(len(images), (16,), generator=torch.Generator().manual_seed(step))
        return as_input(images[chosen])

    return batches


def as_input(images: Tensor) -> Tensor:
    """uint8 images as the networks take them: float32 in [-1, 1]."""
    return images.float() / 127.5 - 1


def reconstruction_loss(output: Tensor, target: Tensor) -> Tensor:
    """L1 on pixels, and half as much on the differences of neighbours."""
    edges = sum(F.l1_loss(output.diff(dim=d), target.diff(dim=d)) for d in (2, 3))
    return F.l1_loss(output, target) + 0.5 * edges


def trained_autoencoder(folder: Path) -> Any:
    """The autoencoder with its averaged weights, frozen, and its latents' scaling factor set."""
    vae = networks.build_autoencoder()
    stage = folder / "decoder.pt"
    path = stage if stage.exists() else folder / "autoencoder.pt"
    vae.load_state_dict(torch.load(path, weights_only=True)["average"])
    vae.requires_grad_(False).eval()
    images, *_ = draw_shard(10_000, 0, 512)
    with torch.no_grad():
        latents = vae.encode(as_input(images)).latent_dist.mode()
    vae.register_to_config(scaling_factor=round(float(1 / latents.std()), 4))
    return vae


def train_denoiser(args: Training) -> None:
    """Predict the velocity of noised latents, given the mask and the masked image's latents."""
    vae, unet = trained_autoencoder(args.folder), networks.build_denoiser()
    stage = Stage("denoiser", unet, args.steps, 6e-4, args)
    scheduler = networks.build_scheduler()
    scale = float(vae.config.scaling_factor)
    shards: dict[int, tuple[Tensor, ...]] = {}
    per_shard, batch_size = REUSE * SHARD // 32, 32

    @torch.no_grad()
    def encode(images: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            parts = [vae.encode(as_input(p)).latent_dist.mode() for p in torch.split(images, 128)]
        return (torch.cat(parts).float() * scale).half()

    def shard(index: int) -> tuple[Tensor, ...]:
        if index not in shards:
            images, masks, holes, shown = draw_shard(args.seed, 1 + index, SHARD, args.threads)
            small = F.interpolate(masks.float(), size=(16, 16)).half()
            shares = F.avg_pool2d(holes.float(), 4).half()
            shards[index] = (encode(images), small, encode(shown), shares)
        return shards[index]

    def batches(step: int) -> Tensor:
        newest = step // per_shard
        for index in [i for i in shards if i <= newest - POOL]:
            del shards[index]
        oldest = max(0, newest - POOL + 1)
        generator = torch.Generator().manual_seed(step)
        pool = [shard(index) for index in range(oldest, newest + 1)]
        owner = torch.randint(len(pool), (batch_size,), generator=generator)
        row = torch.randint(SHARD, (batch_size,), generator=generator)
        rows = [torch.cat([part[r] for part in pool[o]]) for o, r in zip(owner.tolist(), row.tolist(), strict=True)]
        return torch.stack(rows).float()

    prompt = torch.zeros(networks.PROMPT_SHAPE)

    def loss_of(batch: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(1_000_003 + stage.step)
        clean, extra, hole = batch[:, :LATENTS], batch[:, LATENTS:-1], batch[:, -1:]
        noise = torch.randn(clean.shape, generator=generator)
        times = torch.randint(1000, (len(batch),), generator=generator)
        noisy = scheduler.add_noise(clean, noise, times)
        target = scheduler.get_velocity(clean, noise, times)
        output = unet(torch.cat([noisy, extra], 1), times, prompt.expand(len(batch), -1, -1)).sample
        # What is shown is copied easily: the loss is led by what was erased and has to be painted.
        weight = 0.25 + 0.25 * extra[:, :1] + hole
        loss: Tensor = (weight * (output.float() - target) ** 2).sum() / (LATENTS * weight.sum())
        return loss

    stage.run(batches, loss_of)


def export(args: Training) -> None:
    """Write the model in diffusers' folder layout, as half-precision safetensors, with its loss curves."""
    from safetensors.torch import save_file

    out: Path = args.out
    vae, unet = trained_autoencoder(args.folder), networks.build_denoiser()
    state = torch.load(args.folder / "denoiser.pt", weights_only=True)
    unet.load_state_dict(state["average"])
    vae.half().save_pretrained(out / "vae")
    unet.half().save_pretrained(out / "unet")
    networks.build_scheduler().save_pretrained(out / "scheduler")
    save_file({"null_prompt": torch.zeros(networks.PROMPT_SHAPE)}, out / "null_prompt.safetensors")
    curves = {}
    for name in ("autoencoder", "denoiser", "decoder"):
        if not (args.folder / f"{name}.pt").exists():
            continue
        stage = torch.load(args.folder / f"{name}.pt", weights_only=True)
        losses = [(step, round(loss, 5)) for step, loss in stage["losses"]]
        curves[name] = {"steps": stage["step"], "seconds": round(stage["seconds"]), "losses": losses}
    (out / "training.json").write_text(json.dumps(curves) + "\n")


STAGES = {"autoencoder": train_autoencoder, "denoiser": train_denoiser, "decoder": train_decoder, "export": export}


def train(stage: str, training: Training) -> None:
    """Do one of `STAGES`, or go on with it."""
    training.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(training.threads)
    torch.manual_seed(training.seed)
    STAGES[stage](training)
