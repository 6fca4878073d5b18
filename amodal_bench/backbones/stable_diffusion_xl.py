"""Stable Diffusion XL, inpainting: a UNet that is also told the image's size and a prompt pooled to one vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from amodal_bench.backbones.stable_diffusion import StableDiffusion
from amodal_bench.core.errors import ConfigError
from amodal_bench.weights.loaded import loaded_once

if TYPE_CHECKING:
    from torch import Tensor

NullPrompt: TypeAlias = Literal["zeros", "encoded"]
ZEROS, ENCODED = get_args(NullPrompt)
_TOKENS = 77


class StableDiffusionXL(StableDiffusion):
    """The parts `unet`, `vae`, `scheduler`, and with `null_prompt=encoded` two text encoders and their tokenizers.

    DDIM is the solver instead of the repository's Euler: in exact arithmetic both take the same steps, but Euler's
    sample is `x_t / sqrt(abar_t)`, which Eq. 1 does not know. Only the last step differs: DDIM ends at the
    schedule's smallest noise where the repository says so (`set_alpha_to_one: false`), Euler at none.

    Args:
        weights, native: see `LatentBackbone`.
        null_prompt: `zeros`, the library's empty negative prompt for a repository that sets
            `force_zeros_for_empty_prompt`, as the published one does; or `encoded`, both text encoders' states for
            "", the library's empty positive prompt. They are different inputs, hence different results.
        options: the others of `LatentBackbone`.
    """

    FAMILY = "Stable Diffusion XL"
    PARTS = ("unet", "vae", "scheduler")
    ADDED = "text_time"

    def __init__(
        self, weights: str, native: int | None = None, null_prompt: NullPrompt = "zeros", **options: Any
    ) -> None:
        super().__init__(weights, native, **options)
        if null_prompt not in (ZEROS, ENCODED):
            raise ConfigError(f"model.backbone.null_prompt: {null_prompt!r} is not one of {ZEROS}, {ENCODED}")
        self.null_prompt = null_prompt

    @loaded_once
    def vae(self) -> Any:
        import torch

        # The published autoencoder's activations overflow in float16.
        return super().vae.to(torch.float32) if self.precision == "float16" else super().vae

    @property
    def parts(self) -> tuple[str, ...]:
        encoders = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
        return self.PARTS + (encoders if self.null_prompt == ENCODED else ())

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "null_prompt": self.null_prompt}

    def prompt_source(self) -> str | None:
        return self.digest if self.null_prompt == ENCODED else None

    def null_prompt_tensors(self) -> dict[str, Tensor]:
        """The null prompt and what the UNet is told of the size: the image was not scaled, and not cropped."""
        import torch

        tensors = self._zeros() if self.null_prompt == ZEROS else super().null_prompt_tensors()
        size, corner = (self.native, self.native), (0, 0)
        return {**tensors, "time_ids": torch.tensor([[*size, *corner, *size]])}

    def _zeros(self) -> dict[str, Tensor]:
        import torch

        config = self.unet.config
        pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        return {
            "null_prompt": torch.zeros(1, _TOKENS, config.cross_attention_dim),
            "null_pooled": torch.zeros(1, pooled),
        }

    def encode_nothing(self) -> dict[str, Tensor]:
        """Both text encoders' last states but one, (1, 77, D), and the second one's projection, (1, P)."""
        import torch
        from transformers import CLIPTextModel, CLIPTextModelWithProjection

        first = self.text_states(CLIPTextModel, "text_encoder", "tokenizer")
        second = self.text_states(CLIPTextModelWithProjection, "text_encoder_2", "tokenizer_2")
        states = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
        return {"null_prompt": states, "null_pooled": second.text_embeds}

    def told(self, count: int) -> dict[str, Any]:
        pooled, sizes = (self.prompt[name].expand(count, -1) for name in ("null_pooled", "time_ids"))
        return {**super().told(count), "added_cond_kwargs": {"text_embeds": pooled, "time_ids": sizes}}
