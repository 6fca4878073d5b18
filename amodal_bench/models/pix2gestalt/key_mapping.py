"""From the names of CompVis' and OpenAI's code to those of diffusers and transformers.

Tables name modules, not tensors: a tensor goes where the longest part of its name that is in the table goes, and
one without any such part is a surplus.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_UNET_OUTER = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
_UNET_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_VAE_RESNET = {
    "norm1": "norm1",
    "conv1": "conv1",
    "norm2": "norm2",
    "conv2": "conv2",
    "nin_shortcut": "conv_shortcut",
}
_VAE_ATTENTION = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}
_CLIP_OUTER = {
    "conv1": "vision_model.embeddings.patch_embedding",
    "class_embedding": "vision_model.embeddings.class_embedding",
    "positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "ln_pre": "vision_model.pre_layrnorm",
    "ln_post": "vision_model.post_layernorm",
    "proj": "visual_projection.weight",
}
_CLIP_LAYER = {
    "ln_1": "layer_norm1",
    "attn.out_proj": "self_attn.out_proj",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


def unet_levels(names: Collection[str]) -> list[list[int]]:
    """The input blocks that hold a residual block, by number, for each level of the UNet, finest first."""
    levels: list[list[int]] = [[]]
    for block in range(1, _count(names, "input_blocks.")):
        if f"input_blocks.{block}.0.op.weight" in names:
            levels.append([])
        else:
            levels[-1].append(block)
    return levels


def unet_table(names: Collection[str]) -> dict[str, str]:
    """Where the modules of a UNet with these tensors go in diffusers' UNet2DConditionModel."""
    table = dict(_UNET_OUTER)
    levels = unet_levels(names)
    for level, blocks in enumerate(levels):
        for place, block in enumerate(blocks):
            table |= _inside(f"input_blocks.{block}.0", f"down_blocks.{level}.resnets.{place}", _UNET_RESNET)
            table[f"input_blocks.{block}.1"] = f"down_blocks.{level}.attentions.{place}"
        if level + 1 < len(levels) and blocks:
            table[f"input_blocks.{blocks[-1] + 1}.0.op"] = f"down_blocks.{level}.downsamplers.0.conv"
    for old, new in (("0", "resnets.0"), ("2", "resnets.1")):
        table |= _inside(f"middle_block.{old}", f"mid_block.{new}", _UNET_RESNET)
    table["middle_block.1"] = "mid_block.attentions.0"
    level = place = 0
    for block in range(_count(names, "output_blocks.")):
        old, new = f"output_blocks.{block}", f"up_blocks.{level}"
        table |= _inside(f"{old}.0", f"{new}.resnets.{place}", _UNET_RESNET)
        # What follows the residual block is an attention, an upsampling, or both in this order.
        upsampling = [n for n in (1, 2) if f"{old}.{n}.conv.weight" in names]
        if upsampling != [1]:
            table[f"{old}.1"] = f"{new}.attentions.{place}"
        for n in upsampling:
            table[f"{old}.{n}.conv"] = f"{new}.upsamplers.0.conv"
        level, place = (level + 1, 0) if upsampling else (level, place + 1)
    return table


def vae_table(names: Collection[str]) -> dict[str, str]:
    """Where the modules of an autoencoder with these tensors go in diffusers' AutoencoderKL."""
    table = {"quant_conv": "quant_conv", "post_quant_conv": "post_quant_conv"}
    for half, way in (("encoder", "down"), ("decoder", "up")):
        table |= {f"{half}.{name}": f"{half}.{name}" for name in ("conv_in", "conv_out")}
        table[f"{half}.norm_out"] = f"{half}.conv_norm_out"
        for n in (1, 2):
            table |= _inside(f"{half}.mid.block_{n}", f"{half}.mid_block.resnets.{n - 1}", _VAE_RESNET)
        table |= _inside(f"{half}.mid.attn_1", f"{half}.mid_block.attentions.0", _VAE_ATTENTION)
        levels = _count(names, f"{half}.{way}.")
        for level in range(levels):
            # CompVis numbers the decoder's levels from the finest, diffusers in the order of their work.
            target = level if half == "encoder" else levels - 1 - level
            old, new = f"{half}.{way}.{level}", f"{half}.{way}_blocks.{target}"
            for block in range(_count(names, f"{old}.block.")):
                table |= _inside(f"{old}.block.{block}", f"{new}.resnets.{block}", _VAE_RESNET)
            table[f"{old}.{way}sample.conv"] = f"{new}.{way}samplers.0.conv"
    return table


def clip_table(names: Collection[str]) -> dict[str, str]:
    """Where the modules of OpenAI's image encoder go in transformers' CLIPVisionModelWithProjection."""
    table = dict(_CLIP_OUTER)
    for layer in range(_count(names, "transformer.resblocks.")):
        table |= _inside(f"transformer.resblocks.{layer}", f"vision_model.encoder.layers.{layer}", _CLIP_LAYER)
    return table


def unet_tensors(unet: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Rename a UNet's tensors to diffusers' names; also tell the names in the checkpoint that have no place there."""
    return _moved(unet, unet_table(unet))


def vae_tensors(vae: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Rename an autoencoder's tensors; CompVis' attention is made of 1x1 convolutions, diffusers' of matrices."""
    moved, surplus = _moved(vae, vae_table(vae))
    for name, value in moved.items():
        if ".attentions." in name and tuple(value.shape[2:]) == (1, 1):
            moved[name] = value[:, :, 0, 0]
    return moved, surplus


def clip_tensors(clip: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Rename the tensors of CLIP's image encoder; OpenAI stacks query, key and value, and projects from the right."""
    split: dict[str, Tensor] = {}
    rest: dict[str, Tensor] = {}
    for name, value in clip.items():
        layer, _, kind = name.rpartition(".attn.in_proj_")
        if layer.startswith("transformer.resblocks.") and kind in ("weight", "bias"):
            number = layer.rpartition(".")[2]
            for part, third in zip("qkv", value.chunk(3), strict=True):
                split[f"vision_model.encoder.layers.{number}.self_attn.{part}_proj.{kind}"] = third
        else:
            rest[name] = value.T if name == "proj" else value
    moved, surplus = _moved(rest, clip_table(clip))
    return split | moved, surplus


def _inside(old: str, new: str, table: Mapping[str, str]) -> dict[str, str]:
    return {f"{old}.{inner}": f"{new}.{outer}" for inner, outer in table.items()}


def _count(names: Collection[str], prefix: str) -> int:
    """How many numbers follow a prefix."""
    return len({name.removeprefix(prefix).split(".")[0] for name in names if name.startswith(prefix)})


def _moved(tensors: Mapping[str, Tensor], table: Mapping[str, str]) -> tuple[dict[str, Tensor], list[str]]:
    moved: dict[str, Tensor] = {}
    surplus: list[str] = []
    for name, value in tensors.items():
        words = name.split(".")
        starts = (".".join(words[:n]) for n in range(len(words), 0, -1))
        if (start := next((start for start in starts if start in table), None)) is None:
            surplus.append(name)
        else:
            moved[table[start] + name.removeprefix(start)] = value
    return moved, surplus
