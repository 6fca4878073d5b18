"""The tiny latent diffusion inpainting model: its architecture, and where the shipped weights lie."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel

WEIGHTS = Path(__file__).parent / "weights"
LATENTS = 16
"""Channels of the latents; with four, the autoencoder blurred outlines so far that no mask could be right."""

PROMPT_SHAPE = (1, 1, 32)
"""Shape of the null prompt's embedding (batch, tokens, width); the tiny model saw only zeros."""


def build_autoencoder() -> AutoencoderKL:
    """A KL autoencoder: 64x64x3 to 16x16x16 and back, 0.7 M parameters."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 64),
        layers_per_block=1,
        latent_channels=LATENTS,
        norm_num_groups=8,
        sample_size=64,
        mid_block_add_attention=False,
    )


def build_denoiser() -> UNet2DConditionModel:
    """An inpainting UNet over latents, mask and masked image's latents, as in Stable Diffusion."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=16,
        in_channels=2 * LATENTS + 1,
        out_channels=LATENTS,
        layers_per_block=1,
        block_out_channels=(64, 128, 160),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        mid_block_type="UNetMidBlock2DCrossAttn",
        cross_attention_dim=PROMPT_SHAPE[-1],
        attention_head_dim=4,
        norm_num_groups=16,
    )


def build_scheduler() -> DDIMScheduler:
    """Stable Diffusion's noise schedule with zero terminal SNR and velocity prediction."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=True,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
    )
