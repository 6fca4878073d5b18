"""Schedules: the levels of noise of diffusers' schedulers, as plain numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from amodal_bench.backbones.base import Schedule


def variance_preserving(scheduler: Any, steps: int) -> Schedule:
    """The schedule of DDIM and DDPM, `sqrt(abar) x_0 + sqrt(1 - abar) eps`; sets the scheduler to `steps`."""
    scheduler.set_timesteps(steps)
    times = [int(t) for t in scheduler.timesteps]
    kept = [float(scheduler.alphas_cumprod[t]) for t in times]
    return Schedule(
        times=tuple(float(t) for t in times),
        signal=(*(share**0.5 for share in kept), 1.0),
        noise=(*((1 - share) ** 0.5 for share in kept), 0.0),
        initial=1.0,
    )


def flow_matching(scheduler: Any, steps: int, tokens: int) -> Schedule:
    """The schedule of FlowMatchEuler, `(1 - sigma) x_0 + sigma eps`; sets the scheduler to `steps`.

    Args:
        scheduler: Flux's, or one that is configured alike.
        steps: of the schedule.
        tokens: of the packed picture; more of them shift the schedule towards noise where the scheduler says so.
    """
    config = scheduler.config
    few, many = config.base_image_seq_len, config.max_image_seq_len
    slope = (config.max_shift - config.base_shift) / (many - few)
    # As the pipeline spaces them before the shift; left to itself the scheduler would choose other levels.
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=config.base_shift + slope * (tokens - few))
    sigmas = [float(sigma) for sigma in scheduler.sigmas]
    return Schedule(
        times=tuple(float(t) for t in scheduler.timesteps),
        signal=tuple(1 - sigma for sigma in sigmas),
        noise=tuple(sigmas),
        initial=1.0,
    )
