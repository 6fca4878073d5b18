"""A tiny FLUX.1 Fill: the published repository's parts, kinds of blocks and input channels, with random weights."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

TEXT_WIDTH = 16
"""Width of both text encoders' states; the published ones have 768 (CLIP) and 4096 (T5)."""


def save(folder: Path) -> None:
    """Save the pipeline in the layout of `black-forest-labs/FLUX.1-Fill-dev`; `native` may be 16, 32, 48, ..."""
    import torch
    from diffusers import FluxFillPipeline

    torch.manual_seed(0)
    tokenizer, text_encoder = _clip()
    tokenizer_2, text_encoder_2 = _t5()
    FluxFillPipeline(
        transformer=_transformer(),
        vae=_vae(),
        scheduler=_scheduler(),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        text_encoder_2=text_encoder_2,
        tokenizer_2=tokenizer_2,
    ).save_pretrained(folder)


def _transformer() -> Any:
    """Both kinds of blocks; 384 input channels: packed latents (64), packed image (64), packed 8x8 mask (256)."""
    from diffusers import FluxTransformer2DModel

    return FluxTransformer2DModel(
        in_channels=384,
        out_channels=64,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=TEXT_WIDTH,
        pooled_projection_dim=TEXT_WIDTH,
        guidance_embeds=True,
        axes_dims_rope=(4, 6, 6),
    )


def _vae() -> Any:
    """16 latent channels at an eighth of the side, scaled and shifted as published."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=16,
        norm_num_groups=4,
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def _scheduler() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(
        shift=3.0,
        use_dynamic_shifting=True,
        base_shift=0.5,
        max_shift=1.15,
        base_image_seq_len=256,
        max_image_seq_len=4096,
    )


def _clip() -> tuple[Any, Any]:
    """A tokenizer of single letters, and its encoder."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    letters = [*string.ascii_lowercase, *(f"{letter}</w>" for letter in string.ascii_lowercase)]
    words = [*letters, "<|startoftext|>", "<|endoftext|>"]
    tokenizer: Any = CLIPTokenizer(
        vocab={word: index for index, word in enumerate(words)}, merges=[], model_max_length=77
    )
    config = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=TEXT_WIDTH,
        projection_dim=TEXT_WIDTH,
        intermediate_size=2 * TEXT_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=len(words) - 2,
        eos_token_id=len(words) - 1,
    )
    return tokenizer, CLIPTextModel(config)


def _t5() -> tuple[Any, Any]:
    """A Unigram tokenizer of single letters, without a SentencePiece file, and its encoder."""
    from transformers import T5Config, T5EncoderModel, T5TokenizerFast  # type: ignore[attr-defined] # an alias in 5

    special = ["<pad>", "</s>", "<unk>"]
    scores = [*((token, 0.0) for token in special), *((token, -2.0) for token in ("▁", *string.ascii_lowercase))]
    tokenizer: Any = T5TokenizerFast(vocab=scores, extra_ids=0, model_max_length=512)
    config = T5Config(
        vocab_size=len(scores),
        d_model=TEXT_WIDTH,
        d_kv=8,
        d_ff=2 * TEXT_WIDTH,
        num_layers=2,
        num_heads=2,
        feed_forward_proj="gated-gelu",
    )
    return tokenizer, T5EncoderModel(config)
