"""SAM, tiny and with random weights: images of 64 px, masks of 16."""

from __future__ import annotations

from pathlib import Path

from amodal_bench.weights.small._sam import INITIAL, mask_decoder, prompt_encoder, save_processor, vit


def save(folder: Path) -> None:
    """Save model and image processor in the layout of the published repository, 0.2 MB."""
    import torch
    from transformers import SamConfig, SamModel

    torch.manual_seed(0)
    config = SamConfig(
        vision_config=vit(2, [1]),
        prompt_encoder_config=prompt_encoder(),
        mask_decoder_config=mask_decoder(),
        initializer_range=INITIAL,
    )
    SamModel(config).save_pretrained(folder)
    save_processor(folder)
