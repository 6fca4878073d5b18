"""SAM 2, tiny and with random weights: images of 64 px, masks of 16."""

from __future__ import annotations

from pathlib import Path


def save(folder: Path) -> None:
    """Save the model in the layout of the published repository, 0.2 MB; the processor's configs are not needed."""
    import torch
    from transformers import Sam2Config, Sam2Model

    torch.manual_seed(0)
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "image_size": [64, 64],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 24, 32],
        "num_attention_heads_per_stage": [1, 1, 2, 2],
        "window_size_per_stage": [4, 4, 4, 2],
        "window_positional_embedding_background_size": [4, 4],
        "global_attention_blocks": [3],
        "initializer_range": 0.3,
    }
    config = Sam2Config(
        vision_config={
            "model_type": "sam2_vision_model",
            "backbone_config": backbone,
            "backbone_channel_list": [32, 24, 16, 8],
            "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
            "fpn_hidden_size": 16,
            "initializer_range": 0.3,
        },
        prompt_encoder_config={"hidden_size": 16, "image_size": 64, "mask_input_channels": 8},
        mask_decoder_config={
            "hidden_size": 16,
            "mlp_dim": 32,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
        initializer_range=0.1,  # so that picture and prompt both show in the masks
    )
    Sam2Model(config).save_pretrained(folder)
