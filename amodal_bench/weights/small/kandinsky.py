"""Kandinsky 2.2 inpainting in small, random: the decoder in a folder, its prior's image encoder in `prior/`."""

from __future__ import annotations

from pathlib import Path

EMBEDDING = 16
"""Numbers in the embedding of a picture; 1280 in the published model."""


def save(folder: Path) -> None:
    """Save the decoder's pipeline and the part of the prior that the null prompt follows from; images of 64 px."""
    import torch
    from diffusers import DDPMScheduler, KandinskyV22InpaintPipeline, UNet2DConditionModel, VQModel
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=9,
        out_channels=8,
        layers_per_block=1,
        block_out_channels=(32, 32),
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        addition_embed_type="image",
        encoder_hid_dim_type="image_proj",
        encoder_hid_dim=EMBEDDING,
        cross_attention_dim=16,
        attention_head_dim=4,
        resnet_time_scale_shift="scale_shift",
    )
    movq = VQModel(
        block_out_channels=(32, 32, 32, 32),  # no fewer: the library norms "spatial" blocks in 32 groups
        down_block_types=("DownEncoderBlock2D",) * 3 + ("AttnDownEncoderBlock2D",),
        up_block_types=("AttnUpDecoderBlock2D",) + ("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=4,
        vq_embed_dim=4,
        num_vq_embeddings=12,
        norm_num_groups=4,
        norm_type="spatial",
    )
    scheduler = DDPMScheduler(
        beta_schedule="linear",
        beta_start=0.00085,
        beta_end=0.012,
        variance_type="learned_range",
        clip_sample=True,
        clip_sample_range=2.0,
    )
    KandinskyV22InpaintPipeline(unet=unet, scheduler=scheduler, movq=movq).save_pretrained(folder)
    encoder = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_attention_heads=2,
        num_hidden_layers=1,
        image_size=28,
        patch_size=14,
        projection_dim=EMBEDDING,
    )
    CLIPVisionModelWithProjection(encoder).save_pretrained(folder / "prior" / "image_encoder")
