"""A checkpoint in the layout that pix2gestalt is published in, tiny and with random weights."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amodal_bench.weights.small._compvis import (
    AutoencoderSizes,
    ClipSizes,
    Shapes,
    UNetSizes,
    autoencoder,
    clip,
    linear,
    unet,
)

if TYPE_CHECKING:
    from torch import Generator, Tensor

FILE = "epoch=000005.ckpt"
PUBLISHED = (UNetSizes(), AutoencoderSizes(), ClipSizes())
TINY = (
    UNetSizes(width=32, multipliers=(1, 1), attention=(True, False), blocks=1, context=32),
    AutoencoderSizes(width=32, multipliers=(1, 1, 1, 1), blocks=1),
    ClipSizes(width=64, layers=2, patch=8, grid=4, embedding=32, text=16, words=16),
)


def layout(sizes: tuple[UNetSizes, AutoencoderSizes, ClipSizes]) -> Shapes:
    """Every tensor of the checkpoint's `state_dict` and its shape."""
    of_unet, of_autoencoder, of_clip = sizes
    found: Shapes = {}
    for name, shape in unet(of_unet).items():
        found[f"model.diffusion_model.{name}"] = shape
        found[f"model_ema.diffusion_model{name.replace('.', '')}"] = shape
    found |= {"model_ema.decay": (), "model_ema.num_updates": ()}
    found |= {f"first_stage_model.{name}": shape for name, shape in autoencoder(of_autoencoder).items()}
    found |= {f"cond_stage_model.model.{name}": shape for name, shape in clip(of_clip).items()}
    found |= linear("cc_projection", of_clip.embedding, of_unet.context)
    return found | dict.fromkeys(BUFFERS, (1000,))


BUFFERS = (
    "betas",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
)
"""Buffers of the diffusion; all but the first two are zero here, since they follow from these."""


def save(folder: Path) -> None:
    """Save the checkpoint as a training writes it, with what stands beside the weights, 3.7 MB."""
    import torch

    with _lightning() as callback:
        content = {
            "epoch": 5,
            "global_step": 30000,
            "pytorch-lightning_version": "1.4.2",
            "state_dict": state(TINY),
            "callbacks": {callback: {"monitor": "val/loss_simple_ema", "best": callback()}},
            "optimizer_states": [{"state": {0: {"step": 30000, "exp_avg": torch.zeros(2)}}, "param_groups": []}],
            "lr_schedulers": [],
        }
        torch.save(content, folder / FILE)


def state(sizes: tuple[UNetSizes, AutoencoderSizes, ClipSizes]) -> dict[str, Tensor]:
    """A `state_dict` of random numbers that keep the outputs of the networks in range."""
    import torch

    generator = torch.Generator().manual_seed(0)
    found = {name: _random(name, shape, generator) for name, shape in layout(sizes).items()}
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    found |= {"betas": betas.float(), "alphas_cumprod": torch.cumprod(1 - betas, 0).float()}
    # Bright enough for a part of the pictures to be background.
    found["first_stage_model.decoder.conv_out.bias"] += 0.9
    return found


def _random(name: str, shape: tuple[int, ...], generator: Generator) -> Tensor:
    import torch

    if name in BUFFERS:
        return torch.zeros(shape)
    if name.startswith("model.diffusion_model."):  # nobody samples with these, so one number serves for each of them
        return torch.randn(1, generator=generator).expand(shape)
    drawn = torch.randn(shape, generator=generator)
    if len(shape) > 1:
        drawn /= drawn[0].numel() ** 0.5
        return drawn
    # Scales of normalisations are the vectors named weight.
    return 0.05 * drawn + (1.0 if name.endswith("weight") else 0.0)


@contextmanager
def _lightning() -> Iterator[Any]:
    """A class that a pickle names as pytorch-lightning's; gone afterwards, since readers do not have it either."""
    module = "pytorch_lightning.callbacks.model_checkpoint"
    names = ["pytorch_lightning", "pytorch_lightning.callbacks", module]
    before = {name: sys.modules[name] for name in names if name in sys.modules}
    stand_in = type("ModelCheckpoint", (), {"__module__": module})
    sys.modules |= {name: types.ModuleType(name) for name in names}
    sys.modules[module].ModelCheckpoint = stand_in  # type: ignore[attr-defined]
    try:
        yield stand_in
    finally:
        for name in names:
            del sys.modules[name]
        sys.modules |= before
