"""SAM-HQ, tiny and with random weights: images of 64 px, masks of 16."""

from __future__ import annotations

from pathlib import Path


def save(folder: Path) -> None:
    """Save model and image processor in the layout of the published repository, 0.3 MB."""
    import torch
    from transformers import SamHQConfig, SamHQModel
    from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

    torch.manual_seed(0)
    config = SamHQConfig(
        vision_config={
            "hidden_size": 16,
            "output_channels": 16,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "image_size": 64,
            "window_size": 2,
            "global_attn_indexes": [1, 2],
            "num_pos_feats": 8,
            "initializer_range": 0.3,
        },
        prompt_encoder_config={"hidden_size": 16, "image_size": 64, "mask_input_channels": 8},
        mask_decoder_config={
            "hidden_size": 16,
            "vit_dim": 16,
            "mlp_dim": 32,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
        initializer_range=0.1,  # so that picture and prompt both show in the masks
    )
    SamHQModel(config).save_pretrained(folder)
    SamImageProcessorPil(
        size={"longest_edge": 64},
        pad_size={"height": 64, "width": 64},
        mask_size={"longest_edge": 16},
        mask_pad_size={"height": 16, "width": 16},
    ).save_pretrained(folder)
