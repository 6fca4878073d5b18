"""Sampling with a Stable Diffusion UNet, one sample, from the equations and with none of the harness's code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from amodal_bench.core.seeds import stream_seed
from amodal_bench.core.types import Floats, Mask
from amodal_bench.method.leakage import Blend, Leakage, Soft, Strength

ABAR = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2, 0)
"""The shares of signal of every generation of Stable Diffusion: "scaled_linear"."""


@dataclass(frozen=True)
class Sampling:
    """Which levels of noise are visited: `abar` at `times`, then `last`; and what the network predicts."""

    times: list[int]
    abar: Tensor
    last: Tensor
    velocity: bool = False


def published(steps: int) -> Sampling:
    """The published configs' times: evenly spaced from the clean end, one off, and never quite clean."""
    return Sampling([i * (1000 // steps) + 1 for i in reversed(range(steps))], ABAR, ABAR[0])


@dataclass(frozen=True)
class Networks:
    """`predict(inputs, time)` and the autoencoder."""

    predict: Callable[[Tensor, int], Tensor]
    vae: Any

    def encode(self, image: Tensor) -> Tensor:
        latents: Tensor = self.vae.encode(image).latent_dist.mode() * self.vae.config.scaling_factor
        return latents

    def decode(self, latents: Tensor) -> np.ndarray:
        image = self.vae.decode(latents / self.vae.config.scaling_factor).sample
        return np.asarray(((image / 2 + 0.5).clamp(0, 1)[0].permute(1, 2, 0) * 255).round())


def covering(mask: Tensor, cell: int) -> Tensor:
    """The cells that hold a pixel of a mask (1, 1, S, S)."""
    found: Tensor = mask.unfold(2, cell, cell).unfold(3, cell, cell).sum((4, 5)) > 0
    return found.float()


def start_noise(seed: int, *shape: int) -> Tensor:
    """What a sample starts from."""
    return torch.randn(1, *shape, generator=torch.Generator().manual_seed(stream_seed(seed, "latents")))


def reference(
    nets: Networks, how: Sampling, condition: Floats, area: Mask, seed: int, leakage: Leakage, w: float
) -> np.ndarray:
    """The inpainted image, (S, S, 3) in 0..255."""
    steps = len(how.times)
    image = torch.from_numpy(condition).permute(2, 0, 1)[None] * 2 - 1
    mask = torch.from_numpy(area)[None, None].float()
    with torch.no_grad():
        z0 = nets.encode(image)
        shown = nets.encode(image * (1 - mask)) if leakage.erase else z0
        cell = image.shape[-1] // z0.shape[-1]
        small = covering(mask, cell)
        eps = start_noise(seed, *z0.shape[1:])
        levels = [*(how.abar[t] for t in how.times), how.last]
        x, first = eps.clone(), 0
        if isinstance(leakage, Strength):
            first = steps - round(steps * leakage.s)
            x = levels[first].sqrt() * z0 + (1 - levels[first]).sqrt() * eps if first else x
        for i in range(first, steps):
            out = nets.predict(torch.cat([x, small, shown], 1), how.times[i])
            if w:
                empty = nets.predict(torch.cat([x, torch.zeros_like(small), z0], 1), how.times[i])
                out = (1 + w) * out - w * empty
            a, b = levels[i], levels[i + 1]
            if how.velocity:
                clean, noise = a.sqrt() * x - (1 - a).sqrt() * out, a.sqrt() * out + (1 - a).sqrt() * x
            else:
                clean, noise = (x - (1 - a).sqrt() * out) / a.sqrt(), out
            tilde = b.sqrt() * clean + (1 - b).sqrt() * noise
            # Eq. 1; after the last step the known latents are clean.
            known = z0 if i + 1 == steps else b.sqrt() * z0 + (1 - b).sqrt() * eps
            x = _mixed(leakage, tilde, known, small, (i + 1) / steps)
        return nets.decode(x)


def _mixed(leakage: Leakage, tilde: Tensor, known: Tensor, area: Tensor, progress: float) -> Tensor:
    eq5 = area * tilde + (1 - area) * known
    if isinstance(leakage, Blend) and progress <= leakage.until:
        return leakage.s * eq5 + (1 - leakage.s) * known
    if isinstance(leakage, Strength):
        return tilde
    return leakage.s * eq5 + (1 - leakage.s) * tilde if isinstance(leakage, Soft) else eq5
