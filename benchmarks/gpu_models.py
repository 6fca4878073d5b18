"""What `gpu.py` measures: each family at its published size, as configs; and small ones to run the script with.

The configs are those of the published repositories (their `unet/config.json` and so on), of which only what differs
from the classes' defaults is written here. tests/test_bench_gpu.py holds them to the size of the published weights
and to known counts of operations.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

Config: TypeAlias = "dict[str, Any]"
Shapes: TypeAlias = "dict[str, tuple[int, ...]]"


@dataclass(frozen=True)
class Family:
    """One model.

    Attributes:
        title: for the tables.
        backbone: module and class in `amodal_bench.backbones`.
        native: side of its images in pixels.
        micro_batch, vae_batch: samples at once, as in conf/model, unless the command line says otherwise.
        networks: class in diffusers and config by part, the denoiser first.
        scheduler: its config, as the repository has it.
        null_prompt: shapes of the tensors in `null_prompt.safetensors`, from the denoiser's config.
        pipeline: class in diffusers that a plain loop would call.
        solver: class of the scheduler of that loop: one pass of the denoiser per step, as the backbone has.
        prompt: shapes of the embeddings that the pipeline is called with, from the denoiser's config.
        call: further arguments of the call, where a default would change how many steps are run.
        passes: of the denoiser per step by the pipeline's default guidance.
        guided: that default, in words.
    """

    title: str
    backbone: str
    native: int
    micro_batch: int
    vae_batch: int
    networks: Mapping[str, tuple[str, Config]]
    scheduler: Config
    null_prompt: Callable[[Config], Shapes]
    pipeline: str
    solver: str
    prompt: Callable[[Config], Shapes]
    passes: int
    guided: str
    call: Mapping[str, Any]

    @property
    def denoiser(self) -> str:
        """The part that is run at every step."""
        return next(iter(self.networks))


STABLE: Config = {
    "sample_size": 64,
    "in_channels": 9,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
}
"""UNet of both Stable Diffusion 1.5 and 2."""

XL: Config = {
    "sample_size": 128,
    "in_channels": 9,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}

KANDINSKY: Config = {
    "sample_size": 64,
    "in_channels": 9,
    "out_channels": 8,
    "block_out_channels": (384, 768, 1152, 1536),
    "layers_per_block": 3,
    "down_block_types": ("ResnetDownsampleBlock2D",) + ("SimpleCrossAttnDownBlock2D",) * 3,
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "up_block_types": ("SimpleCrossAttnUpBlock2D",) * 3 + ("ResnetUpsampleBlock2D",),
    "attention_head_dim": 64,
    "cross_attention_dim": 768,
    "encoder_hid_dim": 1280,
    "encoder_hid_dim_type": "image_proj",
    "addition_embed_type": "image",
    "resnet_time_scale_shift": "scale_shift",
}

FLUX: Config = {"in_channels": 384, "out_channels": 64, "guidance_embeds": True}

VAE: Config = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}

FLUX_VAE: Config = VAE | {
    "latent_channels": 16,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
    "scaling_factor": 0.3611,
    "shift_factor": 0.1159,
}

MOVQ: Config = {
    "block_out_channels": (128, 256, 256, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 3 + ("AttnDownEncoderBlock2D",),
    "up_block_types": ("AttnUpDecoderBlock2D",) + ("UpDecoderBlock2D",) * 3,
    "layers_per_block": 2,
    "latent_channels": 4,
    "norm_type": "spatial",
    "num_vq_embeddings": 16384,
    "vq_embed_dim": 4,
}

SCALED_LINEAR: Config = {
    "_class_name": "PNDMScheduler",
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


def _text(config: Config) -> tuple[int, ...]:
    return (1, 77, config["cross_attention_dim"])


def _pooled(config: Config) -> tuple[int, ...]:
    return (1, config["projection_class_embeddings_input_dim"] - 6 * config["addition_time_embed_dim"])


SD15 = Family(
    title="Stable Diffusion 1.5",
    backbone="stable_diffusion.StableDiffusion",
    native=512,
    micro_batch=16,
    vae_batch=8,
    networks={
        "unet": ("UNet2DConditionModel", STABLE | {"cross_attention_dim": 768, "attention_head_dim": 8}),
        "vae": ("AutoencoderKL", VAE),
    },
    scheduler=SCALED_LINEAR,
    null_prompt=lambda config: {"null_prompt": _text(config)},
    pipeline="StableDiffusionInpaintPipeline",
    solver="DDIMScheduler",
    prompt=lambda config: {name: _text(config) for name in ("prompt_embeds", "negative_prompt_embeds")},
    passes=2,
    guided="classifier-free guidance of 7.5, that is two passes of the UNet",
    call={},
)

SD2 = replace(
    SD15,
    title="Stable Diffusion 2",
    networks={
        "unet": (
            "UNet2DConditionModel",
            STABLE
            | {"cross_attention_dim": 1024, "attention_head_dim": (5, 10, 20, 20), "use_linear_projection": True},
        ),
        "vae": ("AutoencoderKL", VAE),
    },
)

SDXL = replace(
    SD15,
    title="Stable Diffusion XL",
    backbone="stable_diffusion_xl.StableDiffusionXL",
    native=1024,
    micro_batch=8,
    vae_batch=4,
    networks={
        "unet": ("UNet2DConditionModel", XL),
        "vae": ("AutoencoderKL", VAE | {"scaling_factor": 0.13025, "force_upcast": True}),
    },
    null_prompt=lambda config: {},
    pipeline="StableDiffusionXLInpaintPipeline",
    solver="EulerDiscreteScheduler",
    prompt=lambda config: {
        **dict.fromkeys(("prompt_embeds", "negative_prompt_embeds"), _text(config)),
        **dict.fromkeys(("pooled_prompt_embeds", "negative_pooled_prompt_embeds"), _pooled(config)),
    },
    call={"strength": 1.0},  # its default, 0.9999, runs a step less
)

K22 = Family(
    title="Kandinsky 2.2",
    backbone="kandinsky.Kandinsky",
    native=768,
    micro_batch=8,
    vae_batch=4,
    networks={"unet": ("UNet2DConditionModel", KANDINSKY), "movq": ("VQModel", MOVQ)},
    scheduler={
        "_class_name": "DDPMScheduler",
        "beta_schedule": "linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "clip_sample": True,
        "clip_sample_range": 2.0,
        "variance_type": "learned_range",
    },
    null_prompt=lambda config: {"null_prompt": (1, config["encoder_hid_dim"])},
    pipeline="KandinskyV22InpaintPipeline",
    solver="DDPMScheduler",
    prompt=lambda config: dict.fromkeys(("image_embeds", "negative_image_embeds"), (1, config["encoder_hid_dim"])),
    passes=2,
    guided="classifier-free guidance of 4, that is two passes of the UNet, a mask eroded cell by cell in Python",
    call={},
)

FILL = Family(
    title="FLUX.1 Fill",
    backbone="flux.Flux",
    native=1024,
    micro_batch=2,
    vae_batch=4,
    networks={"transformer": ("FluxTransformer2DModel", FLUX), "vae": ("AutoencoderKL", FLUX_VAE)},
    scheduler={
        "_class_name": "FlowMatchEulerDiscreteScheduler",
        "shift": 3.0,
        "use_dynamic_shifting": True,
        "base_shift": 0.5,
        "max_shift": 1.15,
        "base_image_seq_len": 256,
        "max_image_seq_len": 4096,
    },
    null_prompt=lambda config: {
        "encoder_hidden_states": (1, 512, config["joint_attention_dim"]),
        "pooled_projections": (1, config["pooled_projection_dim"]),
    },
    pipeline="FluxFillPipeline",
    solver="FlowMatchEulerDiscreteScheduler",
    prompt=lambda config: {
        "prompt_embeds": (1, 512, config["joint_attention_dim"]),
        "pooled_prompt_embeds": (1, config["pooled_projection_dim"]),
    },
    passes=1,
    guided="a guidance of 30, which is an input: one pass of the transformer",
    call={},
)

FAMILIES: dict[str, Family] = {"sd15": SD15, "sd2": SD2, "sdxl": SDXL, "kandinsky": K22, "flux": FILL}


def small(family: Family, folder: Path) -> Family:
    """The family with the configs of its tiny pipeline, which is saved to `folder`; images of 64 px."""
    module = importlib.import_module(f"amodal_bench.weights.small.{family.backbone.split('.')[0]}")
    module.save(folder)
    networks = {
        part: (kind, json.loads((folder / part / "config.json").read_text(encoding="utf-8")))
        for part, (kind, _) in family.networks.items()
    }
    return replace(family, networks=networks, native=64, micro_batch=2, vae_batch=2)
