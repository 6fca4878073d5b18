"""Segment Anything (Kirillov et al., ICCV 2023): facebook/sam-vit-{base,large,huge}."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amodal_bench.core.batches import Tensors
from amodal_bench.segmenters.framing import Framing
from amodal_bench.segmenters.promptable import Promptable

if TYPE_CHECKING:
    from torch import Tensor


class Sam(Promptable):
    """SAM: an image keeps its proportions, and the square is padded."""

    FAMILY = "sam"

    def kind(self) -> Any:
        from transformers import SamModel

        return SamModel

    def inner(self, shape: tuple[int, int], side: int) -> tuple[int, int]:
        scale = side / max(shape)
        return max(int(shape[0] * scale + 0.5), 1), max(int(shape[1] * scale + 0.5), 1)

    def embed(self, pixels: Tensor) -> Tensors:
        return {"image_embeddings": self.model.vision_encoder(pixels).last_hidden_state.float()}

    def shown(self, embeddings: Tensors) -> dict[str, Any]:
        return dict(embeddings)

    def enlarge(self, logits: Tensor, framing: Framing) -> Tensor:
        """In two steps, as published: the padding's edge is no whole number of the logits' cells."""
        from torch.nn.functional import interpolate

        square = interpolate(logits, (framing.side, framing.side), mode="bilinear", align_corners=False)
        image = square[..., : framing.inner[0], : framing.inner[1]]
        return interpolate(image, framing.shape, mode="bilinear", align_corners=False)
