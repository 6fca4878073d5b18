"""A Stable Diffusion XL inpainting pipeline, tiny and with random weights."""

from __future__ import annotations

from pathlib import Path

from amodal_bench.weights.small.stable_diffusion import NOISE, WIDTH, autoencoder, clip_tokenizer, text_config

WIDTH_2, POOLED, SIZE_WIDTH = 12, 10, 4
"""Channels of the second text encoder's states, of its pooled vector, and of each of the six sizes' embedding."""


def save(folder: Path) -> None:
    """Save the pipeline in the layout of the published repository, 0.4 MB."""
    import torch
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLInpaintPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=9,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(8, 8, 16),
        layers_per_block=1,
        transformer_layers_per_block=(1, 1, 2),
        attention_head_dim=(1, 2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=SIZE_WIDTH,
        projection_class_embeddings_input_dim=6 * SIZE_WIDTH + POOLED,
        cross_attention_dim=WIDTH + WIDTH_2,
        norm_num_groups=4,
    )
    pipeline = StableDiffusionXLInpaintPipeline(
        vae=autoencoder(scaling_factor=0.13025, force_upcast=True),
        text_encoder=CLIPTextModel(text_config("quick_gelu")),
        text_encoder_2=CLIPTextModelWithProjection(text_config("gelu", WIDTH_2, POOLED)),
        tokenizer=clip_tokenizer(folder / "tokenizer", pad="<|endoftext|>"),
        tokenizer_2=clip_tokenizer(folder / "tokenizer_2", pad="!"),
        unet=unet,
        scheduler=EulerDiscreteScheduler.from_config(NOISE | {"timestep_spacing": "leading"}),
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    )
    pipeline.save_pretrained(folder)
