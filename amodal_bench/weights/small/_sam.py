"""What the SAM families have in common when they are small: a width of 16, masks of 16 px, images of 64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WIDTH, SIDE, MASK = 16, 64, 16

INITIAL = 0.1
"""The deviation of random weights outside of the encoder: so picture and prompt both show in the masks."""

ENCODER_INITIAL = 0.3


def prompt_encoder(side: int = SIDE) -> dict[str, Any]:
    """The config of a prompt encoder for images of `side` pixels."""
    return {"hidden_size": WIDTH, "image_size": side, "mask_input_channels": 8}


def mask_decoder() -> dict[str, Any]:
    """The config of a mask decoder."""
    return {"hidden_size": WIDTH, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16}


def vit(layers: int, attending: list[int]) -> dict[str, Any]:
    """The config of the plain encoder of SAM and SAM-HQ; the layers `attending` see the whole image."""
    return {
        "hidden_size": WIDTH,
        "output_channels": WIDTH,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "window_size": 2,
        "global_attn_indexes": attending,
        "num_pos_feats": 8,
        "initializer_range": ENCODER_INITIAL,
    }


def save_processor(folder: Path) -> None:
    """Save the image processor of SAM and SAM-HQ."""
    from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

    SamImageProcessorPil(
        size={"longest_edge": SIDE},
        pad_size={"height": SIDE, "width": SIDE},
        mask_size={"longest_edge": MASK},
        mask_pad_size={"height": MASK, "width": MASK},
    ).save_pretrained(folder)
