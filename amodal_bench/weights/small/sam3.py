"""SAM 3, tiny and with random weights: images of 56 px, masks of 16."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from amodal_bench.weights.small._sam import mask_decoder, prompt_encoder

SIDE = 56


def save(folder: Path) -> None:
    """Save the whole model, as the published repository holds it, 1.2 MB; the processor's configs are not needed."""
    import torch
    from transformers import Sam3VideoConfig, Sam3VideoModel

    torch.manual_seed(1)
    small = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}
    vision: dict[str, Any] = {
        "model_type": "sam3_vision_model",
        "backbone_config": {
            **small,
            "model_type": "sam3_vit_model",
            "num_hidden_layers": 2,
            "image_size": SIDE,
            "pretrain_image_size": SIDE,
            "window_size": 2,
            "global_attn_indexes": [1],
        },
        "fpn_hidden_size": 16,
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
    }
    config = Sam3VideoConfig(
        detector_config={
            "model_type": "sam3",
            "vision_config": vision,
            "text_config": {**small, "num_hidden_layers": 1, "vocab_size": 8, "projection_dim": 16},
            "geometry_encoder_config": {**small, "num_layers": 1},
            "detr_encoder_config": {**small, "num_layers": 1},
            "detr_decoder_config": {**small, "num_layers": 1, "num_queries": 2},
            "mask_decoder_config": {"hidden_size": 16, "num_attention_heads": 2},
        },
        tracker_config={
            "model_type": "sam3_tracker_video",
            "image_size": SIDE,
            "vision_config": vision,
            "prompt_encoder_config": prompt_encoder(SIDE),
            "mask_decoder_config": mask_decoder(),
            "memory_attention_hidden_size": 16,
            "memory_attention_num_layers": 1,
            "memory_attention_feed_forward_hidden_size": 32,
            "memory_encoder_hidden_size": 16,
            "memory_encoder_output_channels": 8,
            "memory_fuser_num_layers": 1,
            "memory_fuser_embed_dim": 16,
            "memory_fuser_intermediate_dim": 32,
            "mask_downsampler_embed_dim": 16,
        },
    )
    model = Sam3VideoModel(config)
    with torch.no_grad():
        for values in model.parameters():
            # The library's own range is so narrow that neither picture nor prompt would show in the masks.
            if values.ndim > 1:
                values.normal_(std=0.2)
    # The published names are those of the parts; written as the default is, the tracker's prefix would come twice.
    model.save_pretrained(folder, save_original_format=False)
