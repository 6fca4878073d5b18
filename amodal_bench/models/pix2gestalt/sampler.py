"""From views to pictures of whole objects: encode once, denoise and decode each sample."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from amodal_bench.backbones.base import Backbone, Schedule
from amodal_bench.core.batches import Batches, Tensors
from amodal_bench.core.seeds import stream_seed
from amodal_bench.core.stages import Stages
from amodal_bench.core.types import Floats, Image

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Sampler:
    """A backbone, driven as its authors do: classifier-free guidance, several samples of each instance.

    Args:
        backbone: see `Pix2GestaltBackbone`.
        steps: of DDIM.
        guidance: `g` of `uncond + g (cond - uncond)`; 1 saves the pass without condition.
        samples: pictures of each instance.
        stages: the clocks; "denoise" and "decode" count samples.
    """

    def __init__(self, backbone: Backbone, steps: int, guidance: float, samples: int, stages: Stages) -> None:
        self.backbone, self.stages = backbone, stages
        self.steps, self.guidance, self.samples = steps, guidance, samples

    def paint(self, images: Sequence[Image], visible: Sequence[Floats], seeds: Sequence[int]) -> list[list[Image]]:
        """Paint the whole objects.

        Args:
            images: views, each (S, S, 3) uint8 with S the backbone's native side.
            visible: V's share of each pixel, each (S, S) float32 in [0, 1].
            seeds: the instances' seeds; each sample has noise of its own, whatever their number.

        Returns:
            For each instance its samples, (S, S, 3) uint8 each.

        Raises:
            BenchError: weights are absent or cannot be used, or the device's memory does not suffice.
        """
        import torch

        backbone, samples, batches = self.backbone, self.samples, self._batches
        count = samples * len(seeds)

        def encode(index: Sequence[int]) -> Tensors:
            pixels = torch.from_numpy(np.stack([images[i] for i in index])).to(backbone.device).permute(0, 3, 1, 2)
            shares = torch.from_numpy(np.stack([visible[i] for i in index])).to(backbone.device)[:, None]
            shown = pixels.float() / 255 * 2 - 1
            # This denoiser takes no latents of its input but those that it is shown.
            return dict(backbone.prepare(shown, shown, shares, erase=False))

        def denoise(index: Sequence[int]) -> Tensors:
            of_batch = {name: value[[i // samples for i in index]] for name, value in encoded.items()}
            streams = [(seeds[i // samples], i % samples) for i in index]
            return {"x": self._denoise(of_batch, streams)}

        def decode(index: Sequence[int]) -> Tensors:
            painted = backbone.decode(latents[list(index)])
            # Cut off and not rounded, as published: next to the threshold it matters.
            return {"pixels": (painted * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu()}

        if not count:
            return []
        with torch.inference_mode():
            encoded = batches.run("encode", len(seeds), encode)
            latents = batches.run("denoise", count, denoise)["x"]
            pixels = batches.run("decode", count, decode)["pixels"].numpy()
        return [list(pixels[start : start + samples]) for start in range(0, count, samples)]

    @cached_property
    def _batches(self) -> Batches:
        backbone = self.backbone
        sizes = {"encode": backbone.vae_batch, "denoise": backbone.micro_batch, "decode": backbone.vae_batch}
        remedy = "set model.backbone.precision=bfloat16, or use a device that has more"
        return Batches(sizes, self.stages, backbone.device, remedy)

    def _denoise(self, shown: Tensors, streams: Sequence[tuple[int, int]]) -> Tensor:
        """The latents of a batch; `streams` are the instance's seed and the sample's number."""
        import torch

        schedule, like = self.backbone.schedule(self.steps), shown["image"]
        generators = [_generator(seed, f"steps/{number}") for seed, number in streams]
        starts = [_generator(seed, f"latents/{number}") for seed, number in streams]
        x = torch.cat([torch.randn((1, *like.shape[1:]), generator=each) for each in starts]).to(like.device)
        told = self._told(shown)
        for step in range(self.steps):
            x = self.backbone.advance(self._predicted(x, schedule, step, told), schedule, step, x, generators)
        return x

    def _told(self, shown: Tensors) -> Tensors:
        """What the denoiser is shown for both passes: without condition all of it is zero."""
        import torch

        if self.guidance == 1:
            return shown
        return {name: torch.cat([torch.zeros_like(value), value]) for name, value in shown.items()}

    def _predicted(self, x: Tensor, schedule: Schedule, step: int, told: Tensors) -> Tensor:
        import torch

        if self.guidance == 1:
            return self.backbone.denoise(x, schedule, step, told)
        without, given = self.backbone.denoise(torch.cat([x, x]), schedule, step, told).chunk(2)
        return without + self.guidance * (given - without)


def _generator(seed: int, purpose: str) -> Generator:
    import torch

    return torch.Generator().manual_seed(stream_seed(seed, purpose))
