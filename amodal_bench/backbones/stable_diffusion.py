"""Stable Diffusion's inpainting family: a UNet over latents, mask and masked image.

The loading code is diffusers' own; the weights are a folder in diffusers' layout (`unet/`, `vae/`, `scheduler/`)
plus `null_prompt.safetensors`, the empty prompt's embedding, so that no text encoder is ever loaded.
"""

from __future__ import annotations

from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from amodal_bench.backbones.base import Schedule
from amodal_bench.backbones.weights import weights_digest, weights_folder
from amodal_bench.errors import ConfigError, InputError

if TYPE_CHECKING:
    from torch import Tensor

PRECISIONS = ("float32", "bfloat16", "float16")


class StableDiffusion:
    """The inpainting parts of one Stable Diffusion model.

    Args:
        weights: folder in diffusers' layout, or `package://...`.
        native: side in pixels of the images that the model works on.
        precision: of the networks; latents and their mixing stay in float32.
        device: a torch device.
        micro_batch: see `Backbone`.
    """

    def __init__(
        self,
        weights: str,
        native: int,
        precision: str = "float32",
        device: str = "cpu",
        micro_batch: int = 8,
    ) -> None:
        if precision not in PRECISIONS:
            raise ConfigError(f"model.backbone.precision: {precision!r} is not one of {', '.join(PRECISIONS)}")
        if micro_batch < 1:
            raise ConfigError(f"model.backbone.micro_batch: {micro_batch} is not a positive number")
        self.folder = weights_folder(weights)
        self.native, self.precision, self.device, self.micro_batch = native, precision, device, micro_batch

    def describe(self) -> dict[str, Any]:
        return {
            "family": "stable-diffusion",
            "weights": weights_digest(self.folder),
            "native": self.native,
            "precision": self.precision,
            "micro_batch": self.micro_batch,
            "versions": {name: version(name) for name in ("torch", "diffusers")},
        }

    @cached_property
    def _parts(self) -> tuple[Any, Any, Any, Any]:
        """UNet, autoencoder, scheduler and null prompt, loaded when first needed."""
        import torch
        from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
        from safetensors.torch import load_file

        dtype = getattr(torch, self.precision)
        try:
            unet: Any = UNet2DConditionModel.from_pretrained(
                self.folder, subfolder="unet", local_files_only=True, torch_dtype=dtype, low_cpu_mem_usage=False
            )
            vae: Any = AutoencoderKL.from_pretrained(
                self.folder, subfolder="vae", local_files_only=True, torch_dtype=dtype, low_cpu_mem_usage=False
            )
            # One single-step solver for all: others undo part of what leakage does to the sample.
            scheduler: Any = DDIMScheduler.from_pretrained(
                self.folder, subfolder="scheduler", local_files_only=True, clip_sample=False
            )
            prompt = load_file(self.folder / "null_prompt.safetensors")["null_prompt"]
        except (OSError, KeyError, ValueError) as error:
            raise InputError(
                self.folder,
                f"cannot be loaded as Stable Diffusion ({_first_line(error)})",
                "it needs unet/, vae/, scheduler/ and null_prompt.safetensors",
            ) from error
        wanted = 2 * vae.config.latent_channels + 1
        if unet.config.in_channels != wanted:
            raise InputError(
                self.folder,
                f"its UNet has {unet.config.in_channels} input channels, not the {wanted} of an inpainting model",
                "use an inpainting checkpoint",
            )
        for part in (unet, vae):
            part.requires_grad_(False).eval().to(self.device)
        return unet, vae, scheduler, prompt.to(self.device, dtype)

    def schedule(self, steps: int) -> Schedule:
        scheduler = self._parts[2]
        scheduler.set_timesteps(steps)
        times = [int(t) for t in scheduler.timesteps]
        kept = [float(scheduler.alphas_cumprod[t]) for t in times]
        return Schedule(
            times=tuple(float(t) for t in times),
            signal=(*(share**0.5 for share in kept), 1.0),
            noise=(*((1 - share) ** 0.5 for share in kept), 0.0),
            initial=1.0,
        )

    def encode(self, images: Tensor) -> Tensor:
        _, vae, _, prompt = self._parts
        latents = vae.encode(images.to(prompt)).latent_dist.mode()
        scaled: Tensor = latents.float() * vae.config.scaling_factor
        return scaled

    def decode(self, latents: Tensor) -> Tensor:
        _, vae, _, prompt = self._parts
        images: Tensor = vae.decode((latents / vae.config.scaling_factor).to(prompt)).sample
        return (images.float() / 2 + 0.5).clamp(0, 1)

    def latent_area(self, areas: Tensor) -> Tensor:
        import torch.nn.functional as F

        stride = 2 ** (len(self._parts[1].config.block_out_channels) - 1)
        return F.interpolate(areas, size=(areas.shape[-2] // stride, areas.shape[-1] // stride))

    def prepare(self, images: Tensor, areas: Tensor) -> Tensor:
        """The mask and the latents of the shown image: the channels that stay the same over the steps."""
        import torch

        return torch.cat([self.latent_area(areas), self.encode(images)], dim=1)

    def denoise(self, x: Tensor, schedule: Schedule, step: int, shown: Tensor) -> Tensor:
        import torch

        unet, _, _, prompt = self._parts
        inputs = torch.cat([x, shown], dim=1).to(prompt)
        hidden = prompt.expand(len(x), -1, -1)
        output: Tensor = unet(inputs, schedule.times[step], encoder_hidden_states=hidden).sample
        return output.float()

    def advance(self, output: Tensor, schedule: Schedule, step: int, x: Tensor) -> Tensor:
        following: Tensor = self._parts[2].step(output, int(schedule.times[step]), x).prev_sample
        return following


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
