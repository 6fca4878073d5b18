"""SAM 2 (Ravi et al., ICLR 2025) on single images: facebook/sam2.1-hiera-{tiny,small,base-plus,large}."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amodal_bench.core.batches import Tensors
from amodal_bench.segmenters.framing import Framing
from amodal_bench.segmenters.promptable import Promptable

if TYPE_CHECKING:
    from torch import Tensor


LEVELS = 3
"""Levels of the encoder's pyramid that the decoder takes, the finest first."""


class Sam2(Promptable):
    """SAM 2: an image is squeezed into the square."""

    FAMILY = "sam2"

    def kind(self) -> Any:
        from transformers import Sam2Model

        return Sam2Model

    def inner(self, shape: tuple[int, int], side: int) -> tuple[int, int]:  # noqa: ARG002
        return side, side

    def embed(self, pixels: Tensor) -> Tensors:
        """Three levels, as `Sam2Model` makes them; its own method would need one precision for all its parts."""
        levels = self.model.vision_encoder(pixels, return_dict=True).fpn_hidden_states[:LEVELS]
        fine, middle, coarse = (level.float() for level in levels)
        decoder = self.model.mask_decoder
        memory = self.model.no_memory_embedding.view(1, -1, 1, 1)  # "no earlier frame"
        return {"fine": decoder.conv_s0(fine), "middle": decoder.conv_s1(middle), "coarse": coarse + memory}

    def shown(self, embeddings: Tensors) -> dict[str, Any]:
        return {"image_embeddings": [embeddings[level] for level in ("fine", "middle", "coarse")]}

    def enlarge(self, logits: Tensor, framing: Framing) -> Tensor:
        from torch.nn.functional import interpolate

        return interpolate(logits, framing.shape, mode="bilinear", align_corners=False)
