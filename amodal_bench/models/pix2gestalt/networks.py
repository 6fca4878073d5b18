"""The networks of a checkpoint: their sizes follow from the tensors' shapes, their kind is pix2gestalt's."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amodal_bench.core.errors import InputError, first_line
from amodal_bench.models.pix2gestalt.checkpoint import REMEDY
from amodal_bench.models.pix2gestalt.contents import refuse_gaps, refuse_surplus
from amodal_bench.models.pix2gestalt.key_mapping import clip_tensors, unet_levels, unet_tensors, vae_tensors

if TYPE_CHECKING:
    from torch import Tensor

SCALE = 0.18215
"""The factor that latents are multiplied with, as in all Stable Diffusion 1 models."""

HEADS = 8
"""Heads of every attention of the UNet; no shape tells their number."""

HEAD_WIDTH = 64
"""Channels of a head of CLIP's image encoder, at all of OpenAI's sizes."""

Tensors = Mapping[str, "Tensor"]


def unet_config(unet: Tensors) -> dict[str, Any]:
    """The arguments of diffusers' UNet2DConditionModel for a UNet in CompVis' layout.

    Raises:
        KeyError, IndexError: a tensor that tells a size is absent.
    """
    levels = unet_levels(unet)
    firsts = [blocks[0] for blocks in levels]
    attends = [f"input_blocks.{block}.1.norm.weight" in unet for block in firsts]
    spatial = "middle_block.1"
    return {
        "in_channels": unet["input_blocks.0.0.weight"].shape[1],
        "out_channels": unet["out.2.weight"].shape[0],
        "block_out_channels": [unet[f"input_blocks.{block}.0.out_layers.3.weight"].shape[0] for block in firsts],
        "layers_per_block": len(levels[0]),
        "down_block_types": ["CrossAttnDownBlock2D" if attend else "DownBlock2D" for attend in attends],
        "up_block_types": ["CrossAttnUpBlock2D" if attend else "UpBlock2D" for attend in reversed(attends)],
        "cross_attention_dim": unet[f"{spatial}.transformer_blocks.0.attn2.to_k.weight"].shape[1],
        "use_linear_projection": unet[f"{spatial}.proj_in.weight"].ndim == 2,
        "attention_head_dim": HEADS,  # the library's name for the number of heads
    }


def vae_config(vae: Tensors) -> dict[str, Any]:
    """The arguments of diffusers' AutoencoderKL for an autoencoder in CompVis' layout. Raises as `unet_config`."""
    levels = len({name.split(".")[2] for name in vae if name.startswith("encoder.down.")})
    blocks = len({name.split(".")[4] for name in vae if name.startswith("encoder.down.0.block.")})
    return {
        "in_channels": vae["encoder.conv_in.weight"].shape[1],
        "out_channels": vae["decoder.conv_out.weight"].shape[0],
        "block_out_channels": [vae[f"encoder.down.{n}.block.0.conv2.weight"].shape[0] for n in range(levels)],
        "layers_per_block": blocks,
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "latent_channels": vae["post_quant_conv.weight"].shape[1],
        "scaling_factor": SCALE,
    }


def clip_config(clip: Tensors) -> dict[str, Any]:
    """The arguments of transformers' CLIPVisionConfig for OpenAI's image encoder. Raises as `unet_config`."""
    width, _, patch, _ = clip["conv1.weight"].shape
    side = math.isqrt(clip["positional_embedding"].shape[0] - 1)
    return {
        "hidden_size": width,
        "intermediate_size": clip["transformer.resblocks.0.mlp.c_fc.weight"].shape[0],
        "projection_dim": clip["proj"].shape[1],
        "num_hidden_layers": len({name.split(".")[2] for name in clip if name.startswith("transformer.resblocks.")}),
        "num_attention_heads": width // HEAD_WIDTH,
        "image_size": side * patch,
        "patch_size": patch,
        "hidden_act": "quick_gelu",
    }


def make_unet(unet: Tensors, file: Path) -> tuple[Any, dict[str, Tensor]]:
    """The UNet without memory for its weights, and these by the library's names. Raises `InputError`."""
    from diffusers import UNet2DConditionModel

    return _made(lambda: UNet2DConditionModel(**unet_config(unet)), lambda: unet_tensors(unet), file, "UNet")


def make_vae(vae: Tensors, file: Path) -> tuple[Any, dict[str, Tensor]]:
    """The autoencoder without memory for its weights, and these by the library's names. Raises `InputError`."""
    from diffusers import AutoencoderKL

    return _made(lambda: AutoencoderKL(**vae_config(vae)), lambda: vae_tensors(vae), file, "autoencoder")


def make_clip(clip: Tensors, file: Path) -> tuple[Any, dict[str, Tensor]]:
    """CLIP's image encoder without memory for its weights, and these by the library's names. Raises `InputError`."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    def network() -> Any:
        return CLIPVisionModelWithProjection(CLIPVisionConfig(**clip_config(clip)))

    return _made(network, lambda: clip_tensors(clip), file, "image encoder")


def make_projection(projection: Tensors, file: Path) -> tuple[Any, dict[str, Tensor]]:
    """The linear layer from CLIP's space to the UNet's without memory for its weights, and these by name.

    Raises:
        InputError: the checkpoint has no such layer.
    """
    from torch import nn

    def network() -> Any:
        return nn.Linear(projection["weight"].shape[1], projection["weight"].shape[0])

    return _made(network, lambda: (dict(projection), []), file, "projection")


def _made(
    network: Callable[[], Any], move: Callable[[], tuple[dict[str, Tensor], list[str]]], file: Path, part: str
) -> tuple[Any, dict[str, Tensor]]:
    """A network on the meta device and its tensors, which are checked to be all that it needs, and of its shapes."""
    from accelerate import init_empty_weights

    try:
        with init_empty_weights(include_buffers=False):  # the few buffers are no part of a checkpoint
            empty = network()
        tensors, surplus = move()
    except KeyError as error:  # of a tensor that tells a size
        raise InputError(file, f"lacks {error.args[0]} of the {part}", REMEDY) from error
    except (IndexError, ValueError, TypeError, ZeroDivisionError) as error:
        raise InputError(file, f"its {part} is not pix2gestalt's ({first_line(error)})", REMEDY) from error
    expected = {name: tuple(value.shape) for name, value in empty.state_dict().items()}
    refuse_surplus(file, (f"{name} of the {part}" for name in surplus))
    refuse_gaps(file, (f"{name} of the {part}" for name in expected if name not in tensors))
    refuse_surplus(file, (f"{name} of the {part}" for name in tensors if name not in expected))
    if wrong := sorted(name for name, shape in expected.items() if tuple(tensors[name].shape) != shape):
        first = f"{wrong[0]} of the {part}"
        found, shape = ("x".join(map(str, size)) for size in (tensors[wrong[0]].shape, expected[wrong[0]]))
        problem = f"has tensors of another shape ({len(wrong)}), such as {first}: {found}, not {shape}"
        raise InputError(file, problem, REMEDY)
    return empty, tensors


def filled(network: Any, tensors: Tensors, device: str, dtype: Any) -> Any:
    """The network with copies of its tensors, ready to compute: a file that changes later changes nothing."""
    copies = {name: value.to(device, dtype, copy=True).contiguous() for name, value in tensors.items()}
    network.load_state_dict(copies, assign=True, strict=True)
    return network.to(device).requires_grad_(False).eval()
