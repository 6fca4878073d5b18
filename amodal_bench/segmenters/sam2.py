"""SAM 2 (Ravi et al., ICLR 2025) on single images: facebook/sam2.1-hiera-{tiny,small,base-plus,large}."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amodal_bench.segmenters.framing import Framing
from amodal_bench.segmenters.promptable import Promptable

if TYPE_CHECKING:
    from torch import Tensor


class Sam2(Promptable):
    """SAM 2: an image is squeezed into the square."""

    FAMILY = "sam2"

    def kind(self) -> Any:
        from transformers import Sam2Model

        return Sam2Model

    def inner(self, shape: tuple[int, int], side: int) -> tuple[int, int]:
        return side, side

    def embed(self, pixels: Tensor) -> list[Tensor]:
        """Three levels, as `Sam2Model` makes them; its own method would need one precision for all its parts."""
        encoded = self.model.vision_encoder(pixels, return_dict=True)
        fine, middle, coarse = (level.float() for level in encoded.fpn_hidden_states)
        decoder = self.model.mask_decoder
        memory = self.model.no_memory_embedding.view(1, -1, 1, 1)  # "no earlier frame"
        return [decoder.conv_s0(fine), decoder.conv_s1(middle), coarse + memory]

    def enlarge(self, logits: Tensor, framing: Framing) -> Tensor:
        from torch.nn.functional import interpolate

        return interpolate(logits, framing.shape, mode="bilinear", align_corners=False)
