"""The denoising loop: leakage (Eq. 7) and mask guidance (Eq. 11) over any backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from amodal_bench.backbones.base import Backbone
from amodal_bench.method.leakage import Leakage
from amodal_bench.seeds import stream_seed
from amodal_bench.types import Floats, Image, Mask

if TYPE_CHECKING:
    from torch import Tensor


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


def inpaint(
    backbone: Backbone,
    conditions: Sequence[Floats],
    areas: Sequence[Mask],
    seeds: Sequence[int],
    how: Denoising,
) -> list[Image]:
    """Inpaint condition images, each with its own noise.

    Args:
        backbone: the model.
        conditions: condition images, each (S, S, 3) float32 in [0, 1] with S the backbone's native side.
        areas: the inpainting areas, each (S, S) bool.
        seeds: the instances' seeds.
        how: leakage, steps and guidance.

    Returns:
        One (S, S, 3) uint8 image for each; it depends on its own inputs only.
    """
    import torch

    results: list[Image] = []
    size = backbone.micro_batch
    for start in range(0, len(seeds), size):
        count = min(size, len(seeds) - start)
        # Always the same shape: a short batch repeats its last sample, and drops the copies afterwards.
        index = [start + min(i, count - 1) for i in range(size)]
        with torch.inference_mode():
            images = torch.from_numpy(np.stack([conditions[i] for i in index])).permute(0, 3, 1, 2) * 2 - 1
            masks = torch.from_numpy(np.stack([areas[i] for i in index]))[:, None].float()
            painted = _inpaint(backbone, images, masks, [seeds[i] for i in index], how)
            pixels = (painted * 255).round().to("cpu", torch.uint8).permute(0, 2, 3, 1).numpy()
        results.extend(pixels[:count])
    return results


def _inpaint(backbone: Backbone, images: Tensor, masks: Tensor, seeds: Sequence[int], how: Denoising) -> Tensor:
    import torch

    schedule, leakage = backbone.schedule(how.steps), how.leakage
    clean = backbone.encode(images)
    images, masks = images.to(clean.device), masks.to(clean.device)
    # Noise is drawn on the CPU in float32, one generator per instance: the same on every device, in any batch.
    eps = torch.cat(
        [
            torch.randn((1, *clean.shape[1:]), generator=torch.Generator().manual_seed(stream_seed(seed, "latents")))
            for seed in seeds
        ]
    ).to(clean.device)
    area = backbone.latent_area(masks)
    shown = backbone.prepare(images * (1 - masks) if leakage.erase else images, masks)
    # Eq. 11's empty mask: nothing to paint, the whole condition image is shown.
    shown_empty = backbone.prepare(images, torch.zeros_like(masks)) if how.guidance else None
    first = how.steps - max(1, round(how.steps * leakage.start)) if leakage.start < 1 else 0
    x = schedule.known(clean, eps, first) if first else schedule.initial * eps
    for step in range(first, how.steps):
        output = backbone.denoise(x, schedule, step, shown)
        if shown_empty is not None:
            empty = backbone.denoise(x, schedule, step, shown_empty)
            output = (1 + how.guidance) * output - how.guidance * empty
        x = backbone.advance(output, schedule, step, x)
        known = schedule.known(clean, eps, step + 1)
        x = leakage.mix(x, known, area, (step + 1) / how.steps)
    return backbone.decode(x)
