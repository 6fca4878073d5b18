"""From views to pictures of whole objects: encode once, denoise and decode each sample."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from amodal_bench.backbones.base import Backbone, Schedule
from amodal_bench.backbones.stages import DECODE, DENOISE, ENCODE, batch_sizes, lanes_of
from amodal_bench.core.batches import Batches, Tensors
from amodal_bench.core.lanes import heed
from amodal_bench.core.noise import draw, generator
from amodal_bench.core.stages import Stages
from amodal_bench.core.tensors import require_finite, stacked, to_bytes
from amodal_bench.core.types import Floats, Image

if TYPE_CHECKING:
    from torch import Tensor


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
            pixels, shares = stacked(images, index, backbone.device), stacked(visible, index, backbone.device)
            shown = pixels.float() / 255 * 2 - 1
            # This denoiser takes no latents of its input but those that it is shown.
            return dict(backbone.prepare(shown, shown, shares, erase=False))

        def denoise(index: Sequence[int]) -> Tensors:
            of_batch = {name: value[[i // samples for i in index]] for name, value in encoded.items()}
            streams = [(seeds[i // samples], i % samples) for i in index]
            return {"x": self._denoise(of_batch, streams)}

        def decode(index: Sequence[int]) -> Tensors:
            # Not rounded, as published: next to the threshold it matters.
            pictures = backbone.decode(latents[list(index)])
            require_finite(pictures, "decode: the pixels")
            return {"pixels": to_bytes(pictures * 255)}

        if not count:
            return []
        with torch.inference_mode():
            encoded = batches.run(ENCODE, len(seeds), encode)
            latents = batches.run(DENOISE, count, denoise)["x"]
            pixels = batches.run(DECODE, count, decode)["pixels"].numpy()
        return [list(pixels[start : start + samples]) for start in range(0, count, samples)]

    @cached_property
    def _batches(self) -> Batches:
        remedy = "set model.backbone.precision=bfloat16, or use a device that has more"
        backbone = self.backbone
        return Batches(batch_sizes(backbone), self.stages, backbone.device, remedy, lanes_of(backbone))

    def _denoise(self, shown: Tensors, streams: Sequence[tuple[int, int]]) -> Tensor:
        """The latents of a batch; `streams` are the instance's seed and the sample's number."""
        schedule, like = self.backbone.schedule(self.steps), shown["image"]
        generators = [generator(seed, f"steps/{number}") for seed, number in streams]
        x = draw(like, [generator(seed, f"latents/{number}") for seed, number in streams])
        told = self._told(shown)
        for step in range(self.steps):
            heed()
            x = self.backbone.advance(self._predicted(x, schedule, step, told), schedule, step, x, generators)
            require_finite(x, f"denoise: the latents after step {step + 1} of {self.steps}")
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
