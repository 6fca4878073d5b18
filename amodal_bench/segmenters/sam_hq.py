"""SAM-HQ (Ke et al., NeurIPS 2023): syscv-community/sam-hq-vit-{base,large,huge}."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amodal_bench.core.batches import Tensors
from amodal_bench.segmenters.sam import Sam

if TYPE_CHECKING:
    from torch import Tensor


class SamHQ(Sam):
    """SAM with one more mask that also sees the encoder's early features, where outlines are sharper.

    Args:
        hq_token_only: take that mask alone, so that `choose` has nothing to choose from; false adds its logits to
            those of each of SAM's masks, whose predicted scores stay as they are.
        options: those of `Promptable`.
    """

    FAMILY = "sam_hq"

    def __init__(self, weights: str, hq_token_only: bool = False, **options: Any) -> None:
        super().__init__(weights, **options)
        self.hq_token_only = hq_token_only

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "hq_token_only": self.hq_token_only}

    def kind(self) -> Any:
        from transformers import SamHQModel

        return SamHQModel

    def embed(self, pixels: Tensor) -> Tensors:
        """Encode pictures; the decoder reads the features after the first global attention and no later ones."""
        encoded = self.model.vision_encoder(pixels)
        return {"coarse": encoded.last_hidden_state.float(), "early": encoded.intermediate_embeddings[0].float()}

    def shown(self, embeddings: Tensors) -> dict[str, Any]:
        return {
            "image_embeddings": embeddings["coarse"],
            "intermediate_embeddings": [embeddings["early"]],
            "hq_token_only": self.hq_token_only,
        }
