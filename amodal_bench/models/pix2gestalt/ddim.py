"""DDIM (Song et al., ICLR 2021) with noise at every step, as the code of latent diffusion models runs it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from amodal_bench.backbones.base import Schedule
from amodal_bench.core.errors import ConfigError
from amodal_bench.core.noise import draw

if TYPE_CHECKING:
    from torch import Generator, Tensor


def schedule(kept: Sequence[float], steps: int) -> Schedule:
    """Evenly spaced timesteps, each one above its multiple, and the levels of noise there.

    Args:
        kept: `abar_t` of every timestep of the training.
        steps: n.

    Returns:
        Of n steps; unlike other schedules' the last level is not (1, 0) but that of timestep 0.

    Raises:
        ConfigError: there are not so many timesteps.
    """
    if not 1 <= steps < len(kept):
        raise ConfigError(f"model.steps: {steps} must be between 1 and {len(kept) - 1}")
    times = [n * (len(kept) // steps) + 1 for n in reversed(range(steps))]
    shares = [*(kept[time] for time in times), kept[0]]
    return Schedule(
        times=tuple(float(time) for time in times),
        signal=tuple(math.sqrt(share) for share in shares),
        noise=tuple(math.sqrt(1 - share) for share in shares),
        initial=1.0,
    )


def advance(
    predicted: Tensor, schedule: Schedule, step: int, x: Tensor, eta: float, generators: Sequence[Generator]
) -> Tensor:
    """The samples at level `step + 1` from the noise that the denoiser sees in those at level `step`.

    Args:
        predicted: the noise, (B, C, h, w) float32.
        schedule: see `schedule`.
        step: 0 is the noisiest.
        x: the samples at level `step`, (B, C, h, w) float32.
        eta: share of the posterior's deviation that is drawn anew.
        generators: one for each sample, of the CPU.
    """
    signal, noise = schedule.signal[step], schedule.noise[step]
    signal_next, noise_next = schedule.signal[step + 1], schedule.noise[step + 1]
    sigma = eta * noise_next / noise * math.sqrt(1 - (signal / signal_next) ** 2)
    clean = (x - noise * predicted) / signal
    following = signal_next * clean + math.sqrt(max(noise_next**2 - sigma**2, 0.0)) * predicted
    if not sigma:
        return following
    return following + sigma * draw(x, generators)
