"""The layout of CompVis' and OpenAI's networks: which tensors there are, and their shapes, from the sizes alone.

It follows the networks from input to output, as their code builds them, and knows nothing of how we load them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class UNetSizes:
    """The sizes of CompVis' UNetModel; `attention` says of each level whether it attends.

    The defaults are pix2gestalt's.
    """

    inputs: int = 12
    outputs: int = 4
    width: int = 320
    multipliers: Sequence[int] = (1, 2, 4, 4)
    attention: Sequence[bool] = (True, True, True, False)
    blocks: int = 2
    context: int = 768


@dataclass(frozen=True)
class AutoencoderSizes:
    """The sizes of CompVis' AutoencoderKL. The defaults are Stable Diffusion's."""

    width: int = 128
    multipliers: Sequence[int] = (1, 2, 4, 4)
    blocks: int = 2
    latents: int = 4


@dataclass(frozen=True)
class ClipSizes:
    """The sizes of OpenAI's CLIP, text widths included. The defaults are those of ViT-L/14."""

    width: int = 1024
    layers: int = 24
    patch: int = 14
    grid: int = 16
    embedding: int = 768
    text: int = 768
    words: int = 49408


def linear(name: str, inputs: int, outputs: int, bias: bool = True) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), **({f"{name}.bias": (outputs,)} if bias else {})}


def conv(name: str, inputs: int, outputs: int, kernel: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs, kernel, kernel), f"{name}.bias": (outputs,)}


def norm(name: str, channels: int) -> Shapes:
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}


def unet(sizes: UNetSizes) -> Shapes:
    """UNetModel: what the way down leaves behind is taken up on the way up, last in first out."""
    time = 4 * sizes.width
    found = linear("time_embed.0", sizes.width, time) | linear("time_embed.2", time, time)
    found |= conv("input_blocks.0.0", sizes.inputs, sizes.width, 3)
    channels, left, number = sizes.width, [sizes.width], 1
    for level, (multiplier, attends) in enumerate(zip(sizes.multipliers, sizes.attention, strict=True)):
        for _ in range(sizes.blocks):
            found |= _residual(f"input_blocks.{number}.0", channels, multiplier * sizes.width, time)
            channels = multiplier * sizes.width
            if attends:
                found |= _transformer(f"input_blocks.{number}.1", channels, sizes.context)
            left.append(channels)
            number += 1
        if level + 1 < len(sizes.multipliers):
            found |= conv(f"input_blocks.{number}.0.op", channels, channels, 3)
            left.append(channels)
            number += 1
    found |= _residual("middle_block.0", channels, channels, time)
    found |= _transformer("middle_block.1", channels, sizes.context)
    found |= _residual("middle_block.2", channels, channels, time)
    number = 0
    for level in reversed(range(len(sizes.multipliers))):
        for block in range(sizes.blocks + 1):
            wide = sizes.multipliers[level] * sizes.width
            found |= _residual(f"output_blocks.{number}.0", channels + left.pop(), wide, time)
            channels, slot = wide, 1
            if sizes.attention[level]:
                found |= _transformer(f"output_blocks.{number}.{slot}", channels, sizes.context)
                slot += 1
            if level and block == sizes.blocks:
                found |= conv(f"output_blocks.{number}.{slot}.conv", channels, channels, 3)
            number += 1
    return found | norm("out.0", channels) | conv("out.2", channels, sizes.outputs, 3)


def _residual(name: str, inputs: int, outputs: int, time: int) -> Shapes:
    found = norm(f"{name}.in_layers.0", inputs) | conv(f"{name}.in_layers.2", inputs, outputs, 3)
    found |= linear(f"{name}.emb_layers.1", time, outputs)
    found |= norm(f"{name}.out_layers.0", outputs) | conv(f"{name}.out_layers.3", outputs, outputs, 3)
    return found | (conv(f"{name}.skip_connection", inputs, outputs, 1) if inputs != outputs else {})


def _transformer(name: str, width: int, context: int) -> Shapes:
    block = f"{name}.transformer_blocks.0"
    found = norm(f"{name}.norm", width) | conv(f"{name}.proj_in", width, width, 1)
    for attention, source in (("attn1", width), ("attn2", context)):
        found |= linear(f"{block}.{attention}.to_q", width, width, bias=False)
        found |= linear(f"{block}.{attention}.to_k", source, width, bias=False)
        found |= linear(f"{block}.{attention}.to_v", source, width, bias=False)
        found |= linear(f"{block}.{attention}.to_out.0", width, width)
    found |= linear(f"{block}.ff.net.0.proj", width, 8 * width) | linear(f"{block}.ff.net.2", 4 * width, width)
    for n in (1, 2, 3):
        found |= norm(f"{block}.norm{n}", width)
    return found | conv(f"{name}.proj_out", width, width, 1)


def autoencoder(sizes: AutoencoderSizes) -> Shapes:
    """AutoencoderKL with twice the latents' channels between encoder and decoder: means and variances."""
    widest = sizes.multipliers[-1] * sizes.width
    found = conv("encoder.conv_in", 3, sizes.width, 3)
    channels = sizes.width
    for level, multiplier in enumerate(sizes.multipliers):
        for block in range(sizes.blocks):
            found |= _plain(f"encoder.down.{level}.block.{block}", channels, multiplier * sizes.width)
            channels = multiplier * sizes.width
        if level + 1 < len(sizes.multipliers):
            found |= conv(f"encoder.down.{level}.downsample.conv", channels, channels, 3)
    found |= _middle("encoder.mid", widest) | norm("encoder.norm_out", widest)
    found |= conv("encoder.conv_out", widest, 2 * sizes.latents, 3)
    found |= conv("quant_conv", 2 * sizes.latents, 2 * sizes.latents, 1)
    found |= conv("post_quant_conv", sizes.latents, sizes.latents, 1)
    found |= conv("decoder.conv_in", sizes.latents, widest, 3) | _middle("decoder.mid", widest)
    channels = widest
    for level in reversed(range(len(sizes.multipliers))):
        for block in range(sizes.blocks + 1):
            found |= _plain(f"decoder.up.{level}.block.{block}", channels, sizes.multipliers[level] * sizes.width)
            channels = sizes.multipliers[level] * sizes.width
        if level:
            found |= conv(f"decoder.up.{level}.upsample.conv", channels, channels, 3)
    return found | norm("decoder.norm_out", channels) | conv("decoder.conv_out", channels, 3, 3)


def _middle(name: str, width: int) -> Shapes:
    found = _plain(f"{name}.block_1", width, width) | norm(f"{name}.attn_1.norm", width)
    for part in ("q", "k", "v", "proj_out"):
        found |= conv(f"{name}.attn_1.{part}", width, width, 1)
    return found | _plain(f"{name}.block_2", width, width)


def _plain(name: str, inputs: int, outputs: int) -> Shapes:
    found = norm(f"{name}.norm1", inputs) | conv(f"{name}.conv1", inputs, outputs, 3)
    found |= norm(f"{name}.norm2", outputs) | conv(f"{name}.conv2", outputs, outputs, 3)
    return found | (conv(f"{name}.nin_shortcut", inputs, outputs, 1) if inputs != outputs else {})


def clip(sizes: ClipSizes) -> Shapes:
    """OpenAI's CLIP: the image half whole, and what is left of the text half without its transformer."""
    width = sizes.width
    found: Shapes = {
        "positional_embedding": (77, sizes.text),
        "text_projection": (sizes.text, sizes.embedding),
        "logit_scale": (),
        "token_embedding.weight": (sizes.words, sizes.text),
        **norm("ln_final", sizes.text),
        "visual.class_embedding": (width,),
        "visual.positional_embedding": (sizes.grid**2 + 1, width),
        "visual.proj": (width, sizes.embedding),
        "visual.conv1.weight": (width, 3, sizes.patch, sizes.patch),
        **norm("visual.ln_pre", width),
        **norm("visual.ln_post", width),
    }
    for layer in range(sizes.layers):
        block = f"visual.transformer.resblocks.{layer}"
        found |= {f"{block}.attn.in_proj_weight": (3 * width, width), f"{block}.attn.in_proj_bias": (3 * width,)}
        found |= linear(f"{block}.attn.out_proj", width, width)
        found |= norm(f"{block}.ln_1", width) | norm(f"{block}.ln_2", width)
        found |= linear(f"{block}.mlp.c_fc", width, 4 * width) | linear(f"{block}.mlp.c_proj", 4 * width, width)
    return found
