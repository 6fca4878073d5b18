"""SAM 2, tiny and with random weights: images of 64 px, masks of 16."""

from __future__ import annotations

from pathlib import Path

from amodal_bench.weights.small._sam import ENCODER_INITIAL, INITIAL, SIDE, WIDTH, mask_decoder, prompt_encoder


def save(folder: Path) -> None:
    """Save the model in the layout of the published repository, 0.2 MB; the processor's configs are not needed."""
    import torch
    from transformers import Sam2Config, Sam2Model

    torch.manual_seed(0)
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "image_size": [SIDE, SIDE],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 24, 32],
        "num_attention_heads_per_stage": [1, 1, 2, 2],
        "window_size_per_stage": [4, 4, 4, 2],
        "window_positional_embedding_background_size": [4, 4],
        "global_attention_blocks": [3],
        "initializer_range": ENCODER_INITIAL,
    }
    config = Sam2Config(
        vision_config={
            "model_type": "sam2_vision_model",
            "backbone_config": backbone,
            "backbone_channel_list": [32, 24, 16, 8],
            "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
            "fpn_hidden_size": WIDTH,
            "initializer_range": ENCODER_INITIAL,
        },
        prompt_encoder_config=prompt_encoder(),
        mask_decoder_config=mask_decoder(),
        initializer_range=INITIAL,
    )
    Sam2Model(config).save_pretrained(folder)
