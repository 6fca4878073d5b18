"""A Stable Diffusion 1.5 inpainting pipeline, tiny and with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffusers import AutoencoderKL
    from transformers import CLIPTextConfig, CLIPTokenizer

NOISE: dict[str, Any] = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "num_train_timesteps": 1000,
    "trained_betas": None,
    "clip_sample": False,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
}
"""What the scheduler configs of the published repositories of all generations have in common."""

WIDTH = 8
"""Channels of the text encoder, and so of the embeddings of a prompt."""


def save(folder: Path) -> None:
    """Save the pipeline in the layout of the published repository, 0.3 MB."""
    import torch
    from diffusers import PNDMScheduler, StableDiffusionInpaintPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=9,
        out_channels=4,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        block_out_channels=(8, 8, 16, 16),
        layers_per_block=1,
        attention_head_dim=2,
        cross_attention_dim=WIDTH,
        norm_num_groups=4,
    )
    pipeline = StableDiffusionInpaintPipeline(
        vae=autoencoder(),
        text_encoder=CLIPTextModel(text_config("quick_gelu")),
        tokenizer=clip_tokenizer(folder / "tokenizer", pad="<|endoftext|>"),
        unet=unet,
        scheduler=PNDMScheduler.from_config(NOISE),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)


def autoencoder(**config: Any) -> AutoencoderKL:
    """An autoencoder of the four levels (cells of 8 pixels) and four latent channels that all generations have."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(4, 4, 8, 8),
        norm_num_groups=4,
        sample_size=64,
        **config,
    )


def text_config(activation: str, width: int = WIDTH, projection: int = WIDTH) -> CLIPTextConfig:
    """The config of a text encoder of two layers; its special tokens have the published configs' numbers."""
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        vocab_size=len(_vocabulary()),
        hidden_size=width,
        intermediate_size=2 * width,
        projection_dim=projection,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        hidden_act=activation,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )


def clip_tokenizer(folder: Path, pad: str) -> CLIPTokenizer:
    """CLIP's tokenizer without merges; writes its files as the published repositories have them."""
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    special = {"bos_token": BEGIN, "eos_token": END, "unk_token": END, "pad_token": pad}
    files: dict[str, Any] = {
        "vocab.json": _vocabulary(),
        "special_tokens_map.json": special,
        "tokenizer_config.json": {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, **special},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    tokenizer: CLIPTokenizer = CLIPTokenizer.from_pretrained(folder)
    return tokenizer


BEGIN, END = "<|startoftext|>", "<|endoftext|>"


def _vocabulary() -> dict[str, int]:
    """Every byte inside a word and at its end, then the special tokens: "!" is number 0, as in CLIP's own."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    characters = [chr(byte) for byte in printable] + [chr(0x100 + i) for i in range(256 - len(printable))]
    words = [*characters, *(f"{each}</w>" for each in characters), BEGIN, END]
    return {word: number for number, word in enumerate(words)}
