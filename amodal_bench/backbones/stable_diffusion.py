"""Stable Diffusion 1.5 and 2, inpainting: a UNet over the latents, the mask and the latents of what is shown.

`x_t` is DDIM's: `sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps`. The shipped tiny model is of this family, too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from amodal_bench.backbones.base import Schedule, Shown
from amodal_bench.backbones.latent import KLBackbone
from amodal_bench.backbones.schedules import variance_preserving
from amodal_bench.core.errors import InputError
from amodal_bench.core.files import read_text
from amodal_bench.weights.loaded import loaded_once
from amodal_bench.weights.null_prompt import null_prompt

if TYPE_CHECKING:
    from torch import Generator, Tensor


class StableDiffusion(KLBackbone):
    """The parts `unet`, `vae`, `scheduler`; `text_encoder` and `tokenizer` only until the null prompt is known."""

    FAMILY = "Stable Diffusion"
    PARTS: ClassVar[tuple[str, ...]] = ("unet", "vae", "scheduler", "text_encoder", "tokenizer")

    ADDED: ClassVar[str | None] = None
    """What the UNet takes beside the prompt, in the words of its config (`addition_embed_type`)."""

    def configured_side(self) -> int:
        """The UNet's `sample_size` in the pixels of the autoencoder: 512 or 1024 as published."""
        with self.loading():
            unet, vae = (json.loads(read_text(self.folder / part / "config.json")) for part in ("unet", "vae"))
            return int(unet["sample_size"] * 2 ** (len(vae["block_out_channels"]) - 1))

    @loaded_once
    def unet(self) -> Any:
        """The denoiser, loaded on first use."""
        from diffusers import UNet2DConditionModel

        unet = self.load(UNet2DConditionModel, "unet")
        self.check_channels(unet.config.in_channels, 2 * self.vae.config.latent_channels + 1)
        if unet.config.addition_embed_type != self.ADDED:
            raise InputError(
                self.folder,
                f"its UNet is not one of {self.FAMILY} (addition_embed_type is {unet.config.addition_embed_type})",
                "choose the model that belongs to these weights: sd15, sd2 or sdxl",
            )
        return self.tuned(unet)

    @loaded_once
    def vae(self) -> Any:
        """The autoencoder, loaded on first use."""
        from diffusers import AutoencoderKL

        return self.tuned_autoencoder(self.load(AutoencoderKL, "vae"))

    @loaded_once
    def scheduler(self) -> Any:
        """DDIM on the repository's noise schedule, spacing of timesteps and kind of prediction.

        The repositories name other solvers (PNDM, Euler), but one single-step solver has to serve all: those with
        a memory undo part of what leakage does to the sample, and Euler's `x_t` is not Eq. 1's.
        """
        from diffusers import DDIMScheduler

        with self.loading():
            return DDIMScheduler.from_pretrained(
                self.folder, subfolder="scheduler", local_files_only=True, clip_sample=False
            )

    @loaded_once
    def prompt(self) -> dict[str, Tensor]:
        """The null prompt's tensors by name, batch of one, as the UNet takes them."""
        with self.loading():
            return {name: value.to(self.device, self.dtype) for name, value in self.null_prompt_tensors().items()}

    def null_prompt_tensors(self) -> dict[str, Tensor]:
        """The null prompt from the folder or the cache, computed where it is in neither."""
        return null_prompt(self.folder, self.digest, self.prompt_device, self.encode_nothing)

    def prompt_source(self) -> str | None:
        return self.digest

    def encode_nothing(self) -> dict[str, Tensor]:
        """The text encoder's states for the empty prompt, (1, 77, D)."""
        from transformers import CLIPTextModel

        return {"null_prompt": self.text_states(CLIPTextModel, "text_encoder", "tokenizer")[0]}

    def text_states(self, kind: Any, encoder_part: str, tokenizer_part: str) -> Any:
        """What a text encoder makes of the empty prompt, padded as its own tokenizer says (SD2's: with "!").

        The encoder is gone from memory when this returns.
        """
        import torch
        from transformers import CLIPTokenizer

        tokenizer: Any = CLIPTokenizer.from_pretrained(self.folder / tokenizer_part, local_files_only=True)
        encoder = self.load(kind, encoder_part, torch.float32)
        length = min(tokenizer.model_max_length, encoder.config.max_position_embeddings)
        tokens = tokenizer("", padding="max_length", max_length=length, return_tensors="pt").input_ids
        with torch.inference_mode():
            return encoder(tokens.to(encoder.device), output_hidden_states=True)

    def schedule(self, steps: int) -> Schedule:
        return variance_preserving(self.scheduler, steps)

    def prepare(self, images: Tensor, clean: Tensor, areas: Tensor, erase: bool) -> Shown:
        return {
            "mask": self.latent_area(areas),
            "image": self.encode(images * (1 - areas)) if erase else clean,
        }

    def denoise(self, x: Tensor, schedule: Schedule, step: int, shown: Shown) -> Tensor:
        import torch

        told = self.told(len(x))
        inputs = torch.cat([x, shown["mask"], shown["image"]], dim=1).to(self.dtype)
        # As a tensor: torch.compile would make new kernels for each number.
        times = x.new_full((len(x),), schedule.times[step])
        output: Tensor = self.unet(inputs, times, **told).sample
        return output.float()

    def told(self, count: int) -> dict[str, Any]:
        """What the UNet is told beside sample, mask and time, the same for each of `count` samples."""
        return {"encoder_hidden_states": self.prompt["null_prompt"].expand(count, -1, -1)}

    def advance(
        self,
        output: Tensor,
        schedule: Schedule,
        step: int,
        x: Tensor,
        generators: Sequence[Generator],  # noqa: ARG002
    ) -> Tensor:
        following: Tensor = self.scheduler.step(output, int(schedule.times[step]), x).prev_sample
        return following
