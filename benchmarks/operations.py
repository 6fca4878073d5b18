"""Operations of the baselines' networks at their published sizes, counted on tensors without data.

    python benchmarks/operations.py

Counted are matrix products, convolutions and attention, 2 for a multiplication and an addition. `paper TABLE
--dry-run` makes seconds of them for models that were not measured on a GPU: see `COUNTED` in
`amodal_bench/paper/estimate.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}


def tflop(work: Callable[[], object]) -> float:
    """TFLOP of a computation on the meta device."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counted:
        work()
    return float(counted.get_total_flops()) / 1e12


def sam() -> float:
    """TFLOP of SAM's image encoder, ViT-H at 1024; prompts and masks take next to nothing."""
    from transformers import SamVisionConfig
    from transformers.models.sam.modeling_sam import SamVisionEncoder

    size: dict[str, Any] = {"hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 16, "mlp_dim": 5120}
    with torch.device("meta"):
        encoder: Any = SamVisionEncoder(SamVisionConfig(**size, global_attn_indexes=[7, 15, 23, 31]))
        encoder.eval()
        return tflop(lambda: encoder(torch.empty(1, 3, 1024, 1024)))


def sam2() -> float:
    """TFLOP of SAM 2.1's image encoder, Hiera-L at 1024."""
    from transformers import Sam2HieraDetConfig, Sam2VisionConfig
    from transformers.models.sam2.modeling_sam2 import Sam2VisionModel

    widths, heads = [144, 288, 576, 1152], [2, 4, 8, 16]
    hiera = Sam2HieraDetConfig(
        hidden_size=widths[0],
        num_attention_heads=heads[0],
        blocks_per_stage=[2, 6, 36, 4],
        embed_dim_per_stage=widths,
        num_attention_heads_per_stage=heads,
        window_size_per_stage=[8, 4, 16, 8],
        global_attention_blocks=[23, 33, 43],
    )
    with torch.device("meta"):
        config = Sam2VisionConfig(backbone_config=hiera, backbone_channel_list=widths[::-1])
        encoder: Any = Sam2VisionModel(config)
        encoder.eval()
        return tflop(lambda: encoder(torch.empty(1, 3, 1024, 1024)))


def pix2gestalt() -> tuple[float, float, float]:
    """TFLOP of a pass of pix2gestalt's denoiser at 256, of an encoding and of a decoding."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    size: dict[str, Any] = {"in_channels": 12, "cross_attention_dim": 768, "attention_head_dim": 8}
    with torch.device("meta"):
        unet = UNet2DConditionModel(**size, block_out_channels=(320, 640, 1280, 1280)).eval()
        vae = AutoencoderKL(**VAE).eval()
        latent, step = torch.empty(1, 12, 32, 32), torch.zeros((), dtype=torch.long)
        return (
            tflop(lambda: unet(latent, step, torch.empty(1, 1, 768))),
            tflop(lambda: vae.encode(torch.empty(1, 3, 256, 256))),
            tflop(lambda: vae.decode(torch.empty(1, 4, 32, 32))),
        )


def main() -> None:
    """Print the counts."""
    one_pass, encode, decode = pix2gestalt()
    print(f"SAM, ViT-H, image encoder at 1024: {sam():.2f} TFLOP")
    print(f"SAM 2.1, Hiera-L, image encoder at 1024: {sam2():.2f} TFLOP")
    print(f"pix2gestalt at 256: {one_pass:.3f} a pass, {encode:.2f} an encoding, {decode:.2f} a decoding, TFLOP")


if __name__ == "__main__":
    main()
