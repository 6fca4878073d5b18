"""The denoising, step by step: each sample, and the picture that the denoiser sees in it (the paper's Figure 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amodal_bench.backbones.base import Schedule
from amodal_bench.core.types import Floats, Image, Mask
from amodal_bench.method.inpaint import DenoisingStep, Inpainter, step_generator

if TYPE_CHECKING:
    from torch import Tensor


def every_step(
    inpainter: Inpainter, condition: Floats, area: Mask, seed: int
) -> list[tuple[int, Image, Image | None]]:
    """Inpaint one condition image (S, S, 3) and decode what the loop held before the first step and after each.

    Returns:
        Number of steps done, the decoded sample and the decoded estimate of `x_0` that the next step takes from it
        (the last sample is its own); (S, S, 3) uint8. There are no estimates where the solver draws noise at its
        steps; where it clips what it estimates, as Kandinsky's DDIM does, the first ones are off.
    """
    import torch

    steps: list[DenoisingStep] = []

    def watch(step: DenoisingStep) -> None:
        if steps and step.step <= steps[-1].step:  # memory ran out, and the batch starts over
            steps.clear()
        steps.append(step)

    inpainter.inpaint([condition], [area], [seed], watch)
    last = steps[-1]
    numbers = [step.step for step in steps] + [last.step + 1]
    # The batch is padded with copies: its first sample is the one.
    samples = inpainter.decode(torch.cat([*(step.before[:1] for step in steps), last.after[:1]]))
    if not torch.equal(last.generators[0].get_state(), step_generator(seed).get_state()):
        return [(number, sample, None) for number, sample in zip(numbers, samples, strict=True)]
    found = [estimate(step.schedule, step.step, step.before[:1], step.advanced[:1]) for step in steps]
    estimates = [*inpainter.decode(torch.cat(found)), samples[-1]]
    return list(zip(numbers, samples, estimates, strict=True))


def estimate(schedule: Schedule, step: int, before: Tensor, advanced: Tensor) -> Tensor:
    """The `x_0` of a step of a solver without noise, such as DDIM or Euler on a flow.

    Such a solver sees Eq. 1 with one `x_0` and one noise at both ends of a step: two equations with two unknowns.
    """
    (signal, following_signal), (noise, following_noise) = (
        factors[step : step + 2] for factors in (schedule.signal, schedule.noise)
    )
    return (following_noise * before - noise * advanced) / (following_noise * signal - noise * following_signal)
