"""The denoising loop: leakage (Eq. 7) and mask guidance (Eq. 11) over any backbone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from amodal_bench.backbones.base import Backbone, Schedule, Shown
from amodal_bench.backbones.stages import DECODE, DENOISE, ENCODE, batch_sizes, lanes_of
from amodal_bench.core.batches import Batches, Tensors
from amodal_bench.core.errors import ConfigError, PredictionError
from amodal_bench.core.lanes import heed
from amodal_bench.core.noise import draw, generator
from amodal_bench.core.progress import stage
from amodal_bench.core.stages import Stages, uncharged
from amodal_bench.core.tensors import require_finite, stacked, to_bytes
from amodal_bench.core.types import Floats, Image, Mask
from amodal_bench.method.leakage import Leakage

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class Denoising:
    """How the backbone is driven.

    Attributes:
        leakage: the strategy.
        steps: of the schedule (the paper: 20); a leakage that starts late runs only its share of them.
        guidance: `w` of Eq. 11; 0 saves the second pass of the denoiser.
    """

    leakage: Leakage
    steps: int
    guidance: float


@dataclass(frozen=True)
class DenoisingStep:
    """One denoising step of a batch, as an observer sees it; latents are (B, C, h, w) float32.

    Attributes:
        step: its number, from 0 on.
        schedule: that it belongs to.
        before: the samples that it started from.
        advanced: what the solver made of them.
        after: the same, with what the leakage mixed in.
        generators: of the solver's noise, one for each sample.
    """

    step: int
    schedule: Schedule
    before: Tensor
    advanced: Tensor
    after: Tensor
    generators: Sequence[Generator]


Watch: TypeAlias = Callable[[DenoisingStep], None]
"""Is told of each step; a batch that runs out of memory starts over, with its first step."""


class Inpainter:
    """A backbone, driven: encodes, denoises and decodes, each stage in batches of its own size and on its own clock.

    Args:
        backbone: the model.
        how: leakage, steps and guidance.
        stages: the clocks.
    """

    def __init__(self, backbone: Backbone, how: Denoising, stages: Stages) -> None:
        self.backbone, self.how, self.stages = backbone, how, stages

    def inpaint(
        self,
        conditions: Sequence[Floats],
        areas: Sequence[Mask],
        seeds: Sequence[int],
        watch: Watch | None = None,
    ) -> list[Image]:
        """Inpaint condition images, each with its own noise.

        Args:
            conditions: condition images, each (S, S, 3) float32 in [0, 1] with S the backbone's native side.
            areas: the inpainting areas, each (S, S) bool.
            seeds: the instances' seeds.
            watch: an observer of the denoising; it changes nothing.

        Returns:
            One (S, S, 3) uint8 image for each; it depends on its own inputs only.

        Raises:
            BenchError: weights are absent or cannot be used, or the device's memory does not suffice.
            PredictionError: nothing of an area is left to paint on the latent grid, or numbers are not finite.
        """
        if "torch" not in sys.modules:
            with stage("loading torch"), uncharged():
                import torch
        import torch

        batches, count = self._batches, len(seeds)

        def encode(index: Sequence[int]) -> Tensors:
            device = self.backbone.device
            images, masks = stacked(conditions, index, device), stacked(areas, index, device)
            return self._encode(images * 2 - 1, masks.float())

        def denoise(index: Sequence[int]) -> Tensors:
            of_batch = {name: value[list(index)] for name, value in encoded.items()}
            return {"x": self._denoise(of_batch, [seeds[i] for i in index], watch)}

        with torch.inference_mode():
            encoded = batches.run(ENCODE, count, encode)
            latents = batches.run(DENOISE, count, denoise)["x"] if count else torch.empty(0)
            return self.decode(latents)

    def decode(self, latents: Tensor) -> list[Image]:
        """Latents (N, C, h, w) to images, each (S, S, 3) uint8."""
        import torch

        def decode(index: Sequence[int]) -> Tensors:
            pictures = self.backbone.decode(latents[list(index)])
            require_finite(pictures, "decode: the pixels")
            return {"pixels": to_bytes((pictures * 255).round())}

        with torch.inference_mode():
            made = self._batches.run(DECODE, len(latents), decode)
        return list(made["pixels"].numpy()) if made else []

    @cached_property
    def _batches(self) -> Batches:
        backbone = self.backbone
        return Batches(batch_sizes(backbone), self.stages, backbone.device, lanes=lanes_of(backbone))

    def _encode(self, images: Tensor, masks: Tensor) -> Tensors:
        import torch

        clean = self.backbone.encode(images)
        require_finite(clean, "encode: the latents of the condition image")
        shown = self.backbone.prepare(images, clean, masks, self.how.leakage.erase)
        if not shown and (self.how.guidance or not self.how.leakage.erase):
            raise ConfigError(
                "model: this backbone's denoiser is shown neither mask nor image, so Eq. 11 and what is erased mean "
                "nothing to it; set model.guidance=0 and a leakage that erases (not conditioning)"
            )
        area = self.backbone.latent_area(masks)
        _require_painted(area, masks)
        made = {"clean": clean, "area": area, **_prefixed("shown", shown)}
        if self.how.guidance:
            # Eq. 11's empty mask: nothing to paint, the whole condition image is shown.
            empty = self.backbone.prepare(images, clean, torch.zeros_like(masks), erase=False)
            made |= _prefixed("empty", empty)
        return made

    def _denoise(self, encoded: Tensors, seeds: Sequence[int], watch: Watch | None) -> Tensor:
        backbone, leakage, steps = self.backbone, self.how.leakage, self.how.steps
        schedule, clean, area = backbone.schedule(steps), encoded["clean"], encoded["area"]
        eps = draw_noise(clean, seeds)
        generators = [step_generator(seed) for seed in seeds]
        first = first_step(leakage, steps)
        x = schedule.known(clean, eps, first) if first else schedule.initial * eps
        for step in range(first, steps):
            heed()
            output = self._output(x, schedule, step, encoded)
            advanced = backbone.advance(output, schedule, step, x, generators)
            known = schedule.known(clean, eps, step + 1)
            mixed = leakage.mix(advanced, known, area, (step + 1) / steps)
            require_finite(mixed, f"denoise: the latents after step {step + 1} of {steps}")
            if watch is not None:
                watch(DenoisingStep(step, schedule, x, advanced, mixed, generators))
            x = mixed
        return x

    def _output(self, x: Tensor, schedule: Schedule, step: int, encoded: Tensors) -> Tensor:
        """The denoiser's output, under Eq. 11 from one pass over both masks."""
        import torch

        w, shown = self.how.guidance, _without_prefix("shown", encoded)
        if not w:
            return self.backbone.denoise(x, schedule, step, shown)
        empty = _without_prefix("empty", encoded)
        both = {name: torch.cat([shown[name], empty[name]]) for name in shown}
        with_mask, without = self.backbone.denoise(torch.cat([x, x]), schedule, step, both).chunk(2)
        # Channels after the sample's are a variance (Kandinsky); libraries never guide it, and neither do we.
        channels = x.shape[1]
        guided = (1 + w) * with_mask[:, :channels] - w * without[:, :channels]
        return torch.cat([guided, with_mask[:, channels:]], dim=1)


def first_step(leakage: Leakage, steps: int) -> int:
    """The step that a leakage starts with: 0, unless it runs a share of the schedule only, one step at least."""
    return steps - max(1, round(steps * leakage.start)) if leakage.start < 1 else 0


def draw_noise(like: Tensor, seeds: Sequence[int]) -> Tensor:
    """The noise that samples start from, of the shape and on the device of `like`.

    It is drawn on the CPU in float32, one generator per instance: the same on every device, in any batch.
    """
    return draw(like, [generator(seed, "latents") for seed in seeds])


def step_generator(seed: int) -> Generator:
    """The generator of the noise that a solver draws at its steps for one instance, before the first."""
    return generator(seed, "steps")


def _require_painted(area: Tensor, masks: Tensor) -> None:
    """Raise `PredictionError` where a latent area (B, 1, h, w) of masks (B, 1, S, S) has nothing to paint."""
    if area.device.type == "meta":  # there are no numbers
        return
    for cells, mask in zip(area, masks, strict=True):
        if bool(cells.any()):
            continue
        rows, columns = cells.shape[-2:]
        if not (pixels := int(mask.sum())):
            raise PredictionError("the inpainting area is empty: nothing is to be painted; choose another area=...")
        raise PredictionError(
            f"the inpainting area has {pixels} pixels, but none is left on the model's {rows}x{columns} grid, so "
            "nothing would be painted; set model.backbone.grid=cover, or view=crop to show the object larger"
        )


def _prefixed(prefix: str, shown: Shown) -> Tensors:
    return {f"{prefix}.{name}": value for name, value in shown.items()}


def _without_prefix(prefix: str, tensors: Tensors) -> Tensors:
    return {name.removeprefix(f"{prefix}."): v for name, v in tensors.items() if name.startswith(f"{prefix}.")}
