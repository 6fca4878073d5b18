"""The diffusion model of pix2gestalt in the parts of a `Backbone`: what it is shown is the image and V."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from amodal_bench.backbones.base import Schedule, Shown
from amodal_bench.backbones.grid import COVER
from amodal_bench.backbones.latent import KLBackbone
from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.models.pix2gestalt import networks
from amodal_bench.models.pix2gestalt.checkpoint import REMEDY, read_state
from amodal_bench.models.pix2gestalt.contents import Contents, sorted_out
from amodal_bench.models.pix2gestalt.ddim import advance, schedule
from amodal_bench.weights.loaded import loaded_once
from amodal_bench.weights.loading import exact_float32
from amodal_bench.weights.source import is_file

if TYPE_CHECKING:
    from torch import Generator, Tensor

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Mean and deviation of the pixels that CLIP was trained with, in [0, 1]."""


class Pix2GestaltBackbone(KLBackbone):
    """A denoiser of 12 channels (sample, image, V), told CLIP's embedding of the image.

    Of the `Backbone`'s terms, `areas` are V here, as shares of pixels, and `latents` are scaled as in Stable
    Diffusion; what the denoiser is shown is not scaled.

    Args:
        weights: a checkpoint (`*.ckpt`), the folder that holds it, or a hub id.
        file: the checkpoint's name there.
        native: side in pixels; the authors' model was trained at 256.
        eta: of DDIM: 1 draws as much noise at every step as there is to draw, 0 none.
        options: the others of `LatentBackbone`; no `variant`, and no `grid`, since V is shown as shares of pixels.
    """

    FAMILY = "pix2gestalt"
    PARTS: ClassVar[tuple[str, ...]] = ("epoch=000005.ckpt",)
    MULTIPLE = 64

    def __init__(
        self,
        weights: str,
        file: str = PARTS[0],
        native: int = 256,
        eta: float = 1.0,
        micro_batch: int = 12,
        **options: Any,
    ) -> None:
        super().__init__(weights, native, micro_batch, **options)
        if self.source.variant is not None:
            raise ConfigError("model.backbone.variant: must be null, since a checkpoint is a single file")
        if self.grid != COVER:
            raise ConfigError("model.backbone.grid: pix2gestalt has no inpainting area; leave the setting out")
        if not is_file(file):
            raise ConfigError(f"model.backbone.file: {file!r} is not the name of a checkpoint (*.ckpt)")
        if not 0 <= eta <= 1:
            raise ConfigError(f"model.backbone.eta: {eta} must be between 0 and 1")
        self.file = Path(weights).name if is_file(str(weights)) else file
        self.eta = eta

    def describe(self) -> dict[str, Any]:
        facts = super().describe()
        del facts["grid"]  # it has no mask
        return {**facts, "eta": self.eta}

    def libraries(self) -> tuple[str, ...]:
        return "torch", "diffusers", "transformers"

    @property
    def parts(self) -> tuple[str, ...]:
        return (self.file,)

    @cached_property
    def _path(self) -> Path:
        return self.folder / self.file

    @loaded_once
    def _contents(self) -> Contents:
        return sorted_out(read_state(self._path), self._path)

    @loaded_once
    def unet(self) -> Any:
        network, tensors = networks.make_unet(self._contents.unet, self._path)
        latents = self.vae.config.latent_channels
        self.check_channels(network.config.in_channels, 3 * latents)
        if (found := network.config.cross_attention_dim) != self.projection.out_features:
            told = self.projection.out_features
            raise InputError(self._path, f"its UNet is told {found} numbers, and its projection gives {told}", REMEDY)
        return self.tuned(self._ready(network, tensors))

    @loaded_once
    def vae(self) -> Any:
        return self.tuned_autoencoder(self._ready(*networks.make_vae(self._contents.vae, self._path)))

    @loaded_once
    def clip(self) -> Any:
        """CLIP's image encoder."""
        return self._ready(*networks.make_clip(self._contents.clip, self._path))

    @loaded_once
    def projection(self) -> Any:
        """From CLIP's embedding to what the UNet is told."""
        return self._ready(*networks.make_projection(self._contents.projection, self._path))

    def _ready(self, network: Any, tensors: Any) -> Any:
        import torch

        exact_float32()
        ready = networks.filled(network, tensors, self.device, self.dtype)
        if self.device.startswith("cuda") and self.channels_last:
            return ready.to(memory_format=torch.channels_last)
        return ready

    def schedule(self, steps: int) -> Schedule:
        """DDIM's levels; the last one is that of timestep 0, which is not quite clean."""
        return schedule([float(share) for share in self._contents.kept.double()], steps)

    def prepare(self, images: Tensor, clean: Tensor, areas: Tensor, erase: bool) -> Shown:  # noqa: ARG002
        """The image, V as a picture of its own, and CLIP's embedding; `clean` and `erase` mean nothing here."""
        return {
            "image": self._unscaled(images),
            "visible": self._unscaled((areas * 2 - 1).expand(-1, 3, -1, -1)),
            "embedding": self.embed(images),
        }

    def embed(self, images: Tensor) -> Tensor:
        """What the UNet is told of images (B, 3, S, S) in [-1, 1]: one token each, (B, 1, D) float32."""
        import torch.nn.functional as F

        side = self.clip.config.image_size
        small = F.interpolate(images, (side, side), mode="bicubic", align_corners=True, antialias=False)
        mean, std = (images.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
        pixels = (small / 2 + 0.5 - mean) / std
        embeddings = self.clip(pixel_values=pixels.to(self.dtype)).image_embeds
        token: Tensor = self.projection(embeddings)[:, None].float()
        return token

    def denoise(self, x: Tensor, schedule: Schedule, step: int, shown: Shown) -> Tensor:
        import torch

        inputs = torch.cat([x, shown["image"], shown["visible"]], dim=1).to(self.dtype)
        times = x.new_full((len(x),), schedule.times[step])
        output: Tensor = self.unet(inputs, times, encoder_hidden_states=shown["embedding"].to(self.dtype)).sample
        return output.float()

    def advance(
        self, output: Tensor, schedule: Schedule, step: int, x: Tensor, generators: Sequence[Generator]
    ) -> Tensor:
        return advance(output, schedule, step, x, self.eta, generators)

    def _unscaled(self, images: Tensor) -> Tensor:
        """Latents by the posterior's mode, as they are: the authors do not scale what they show the denoiser."""
        latents: Tensor = self.vae.encode(images.to(self.dtype)).latent_dist.mode().float()
        return latents
