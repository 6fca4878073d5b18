"""Kandinsky 2.2, inpainting: a UNet over the latents, the latents of what is shown, and a mask of what is kept.

It knows no text: the UNet is told the embedding of a picture, here of an empty one, which the image encoder of
another repository makes, the prior's. `x_t` is DDPM's: `sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps`. The area is erased
from the latents, not from the picture, together with a rim of one cell; latents beyond the rim may have seen it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from amodal_bench.backbones.base import Schedule, Shown
from amodal_bench.backbones.grid import on_grid
from amodal_bench.backbones.kandinsky_prior import Prior
from amodal_bench.backbones.latent import LatentBackbone, cell_of
from amodal_bench.backbones.schedules import variance_preserving
from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.weights.loaded import loaded_once
from amodal_bench.weights.null_prompt import is_shipped, null_prompt
from amodal_bench.weights.source import WeightsSource

if TYPE_CHECKING:
    from torch import Generator, Tensor

Solver: TypeAlias = Literal["ddpm", "ddim"]
SOLVERS = get_args(Solver)
STENCIL = ((0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 1), (2, 2))
"""Row and column in a 3x3 window: a cell, its four neighbours, and the two on its main diagonal."""


class Kandinsky(LatentBackbone):
    """The parts `unet`, `movq`, `scheduler`; the prior's `image_encoder` only until the null prompt is known.

    Args:
        prior: folder or hub id of the prior; not needed where the decoder's folder has a `null_prompt.safetensors`,
            nor where the embedding of the prior of that name is in the cache.
        prior_revision: branch, tag or commit of the prior's hub id.
        solver: `ddpm` as published, which draws noise at every step, or `ddim` (eta 0), which draws none.
        options: the others of `LatentBackbone`; no `fuse`.
    """

    FAMILY = "Kandinsky 2.2"
    PARTS = ("unet", "movq", "scheduler")
    MULTIPLE = 64

    def __init__(
        self,
        weights: str,
        native: int,
        prior: str | None = None,
        prior_revision: str | None = None,
        solver: Solver = "ddpm",
        **options: Any,
    ) -> None:
        if solver not in SOLVERS:
            raise ConfigError(f"model.backbone.solver: {solver!r} is not one of {', '.join(SOLVERS)}")
        super().__init__(weights, native, **options)
        if self.fuse:
            raise ConfigError(
                "model.backbone.fuse: must be false for Kandinsky, whose attention has keys of its own for the "
                "embedding, and these the library cannot fuse"
            )
        self.solver = solver
        self.prior = (
            Prior(WeightsSource(str(prior), prior_revision, None, self.source.local_files_only)) if prior else None
        )

    def describe(self) -> dict[str, Any]:
        """Describe the backbone, its solver and the encoder that makes the null prompt, by its digest.

        The encoder's, not the embedding's, whose last bits depend on the machine; None where the null prompt lies
        beside the weights and is in their digest.
        """
        return {
            **super().describe(),
            "solver": self.solver,
            "prior": None if self._has_null_prompt else self._prior.digest,
        }

    def absent(self) -> list[InputError]:
        found = super().absent()
        if self.prior is None or (not found and self._has_null_prompt):
            return found
        try:
            _ = self.prior.digest
        except InputError as error:
            found.append(error)
        return found

    @loaded_once
    def unet(self) -> Any:
        """The denoiser, loaded on first use."""
        from diffusers import UNet2DConditionModel

        unet = self.load(UNet2DConditionModel, "unet")
        self.check_channels(unet.config.in_channels, 2 * self.movq.config.latent_channels + 1)
        return self.tuned(unet)

    @loaded_once
    def movq(self) -> Any:
        """The autoencoder, loaded on first use."""
        from diffusers import VQModel

        return self.tuned_autoencoder(self.load(VQModel, "movq"))

    @loaded_once
    def scheduler(self) -> Any:
        from diffusers import DDIMScheduler, DDPMScheduler

        # Its config as it is, clipping of x_0 included: that was published for these latents.
        kind: Any = DDPMScheduler if self.solver == "ddpm" else DDIMScheduler
        with self.loading():
            return kind.from_pretrained(self.folder, subfolder="scheduler", local_files_only=True)

    @loaded_once
    def conditioning(self) -> Tensor:
        """The null prompt, the embedding of an empty picture: (1, D) in the networks' precision."""
        with self.loading():
            made = null_prompt(
                self.folder, self.prompt_source(), self.prompt_device, lambda: self._prior.embed_nothing()
            )
            if not self._has_null_prompt:
                self._prior.remember()
            embedding = made["null_prompt"]
        wanted = self.unet.config.encoder_hid_dim
        if embedding.shape != (1, wanted):
            raise InputError(
                self.folder,
                f"the null prompt has shape {tuple(embedding.shape)}, its UNet takes (1, {wanted})",
                "set model.backbone.prior to the prior that belongs to it",
            )
        return embedding.to(self.device, self.dtype)

    def prompt_source(self) -> str:
        return self.digest if self._has_null_prompt else self._prior.digest

    @property
    def prompt_device(self) -> str:
        """The CPU: see `Prior.embed_nothing`."""
        return "cpu"

    @property
    def _has_null_prompt(self) -> bool:
        return is_shipped(self.folder)

    @property
    def _prior(self) -> Prior:
        if self.prior is None:
            raise ConfigError(
                "model.backbone.prior: is not set, and there is no null_prompt.safetensors beside the weights; "
                "set it to the hub id or the folder of the prior"
            )
        return self.prior

    def schedule(self, steps: int) -> Schedule:
        return variance_preserving(self.scheduler, steps)

    def encode(self, images: Tensor) -> Tensor:
        latents: Tensor = self.movq.encode(images.to(self.device, self.dtype)).latents
        return latents.float()

    def decode(self, latents: Tensor) -> Tensor:
        # The decoder was trained on entries of the codebook; the library's pipeline gives it the latents themselves.
        images: Tensor = self.movq.decode(latents.to(self.dtype), force_not_quantize=True).sample
        return (images.float() / 2 + 0.5).clamp(0, 1)

    def latent_area(self, areas: Tensor) -> Tensor:
        """The cells that the denoiser is told to paint, M's rim of one cell included; see `Backbone.latent_area`."""
        return 1 - self._kept(areas)

    def _kept(self, areas: Tensor) -> Tensor:
        return eroded(1 - on_grid(areas, cell_of(self.movq), self.grid))

    def prepare(self, images: Tensor, clean: Tensor, areas: Tensor, erase: bool) -> Shown:  # noqa: ARG002
        kept = self._kept(areas)
        return {"image": clean * kept if erase else clean, "mask": kept}

    def denoise(self, x: Tensor, schedule: Schedule, step: int, shown: Shown) -> Tensor:
        """Denoise one step; the channels after the sample's are the variance that DDPM draws with."""
        import torch

        inputs = torch.cat([x, shown["image"], shown["mask"]], dim=1).to(self.dtype)
        embedding = {"image_embeds": self.conditioning.expand(len(x), -1)}
        # A tensor, since torch.compile would make new kernels for every other number.
        times = torch.full((len(x),), schedule.times[step], device=x.device)
        return self.unet(inputs, times, None, added_cond_kwargs=embedding).sample.float()  # type: ignore[no-any-return]

    def advance(
        self, output: Tensor, schedule: Schedule, step: int, x: Tensor, generators: Sequence[Generator]
    ) -> Tensor:
        time, channels = int(schedule.times[step]), x.shape[1]
        following: Tensor
        if self.solver == "ddim":
            following = self.scheduler.step(output[:, :channels], time, x).prev_sample
            return following
        if self.scheduler.config.variance_type not in ("learned", "learned_range"):
            output = output[:, :channels]
        # A list: then each sample's noise comes from its own generator, on the CPU, in the output's float32.
        following = self.scheduler.step(output, time, x, generator=list(generators)).prev_sample
        return following


def eroded(kept: Tensor) -> Tensor:
    """A mask (B, 1, h, w) of zeros and ones without the ones that have a zero in their `STENCIL`.

    The pipeline's `prepare_mask`, which loops over cells and changes the mask that it is given.
    """
    import torch
    import torch.nn.functional as F

    height, width = kept.shape[-2:]
    padded = F.pad(kept, (1, 1, 1, 1), value=1.0)
    return torch.stack([padded[..., i : i + height, j : j + width] for i, j in STENCIL]).amin(dim=0)
