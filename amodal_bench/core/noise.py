"""Noise for samples: drawn on the CPU in float32, one generator for each, so that it is the same on every device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from amodal_bench.core.seeds import stream_seed

if TYPE_CHECKING:
    from torch import Generator, Tensor


def generator(seed: int, purpose: str) -> Generator:
    """The torch generator of one purpose (such as "latents") of one instance, on the CPU."""
    import torch

    return torch.Generator().manual_seed(stream_seed(seed, purpose))


def draw(like: Tensor, generators: Sequence[Generator]) -> Tensor:
    """Standard normal noise, a sample from each generator, of the sample shape and on the device of `like`."""
    import torch

    return torch.cat([torch.randn((1, *like.shape[1:]), generator=each) for each in generators]).to(like.device)
