"""What all families share: where weights lie, how their networks are loaded, and on which hardware they compute."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from amodal_bench.backbones.grid import COVER, GRIDS, Grid, on_grid
from amodal_bench.backbones.scripted import script
from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.core.versions import versions
from amodal_bench.weights.loaded import Loaded
from amodal_bench.weights.loading import check_whole, exact_float32, named_errors
from amodal_bench.weights.null_prompt import is_shipped, prompt_digest
from amodal_bench.weights.source import variant_in

if TYPE_CHECKING:
    from torch import Tensor


class LatentBackbone(Loaded):
    """A latent diffusion model in diffusers' folder layout; a family says how its parts work together.

    Args:
        weights: see `Loaded`.
        native: side in pixels of the images that the model works on; None for what the weights' configs say.
        micro_batch, vae_batch: see `Backbone`.
        channels_last: lay convolutions out as GPUs compute them fastest; the CPU ignores it.
        compile: let `torch.compile` make kernels for the networks; the first batch then takes minutes.
        fuse: compute a self-attention's query, key and value in one product.
        scripted: on a CPU, run the denoiser as TorchScript where it is not compiled: that spares small networks
            Python's time. It changes no bit, and is in no identity; a GPU ignores it.
        grid: how M comes onto the latent grid: `cover` paints each cell that holds a pixel of it, `nearest` is the
            library's pipelines' way; see `backbones.grid`.
        lanes: on a CPU, batches that are computed at once, each with its share of torch's threads: faster for small
            networks. Like the number of threads it may change a result's last bits, and is in no identity.
        loading: the others of `Loaded`; `precision` is that of the networks, and latents stay in float32.
    """

    KEY = "model.backbone"
    FAMILY: ClassVar[str]
    PARTS: ClassVar[tuple[str, ...]]
    """Sub-folders that are needed, those of text encoders included; see `parts`."""

    MULTIPLE: ClassVar[int] = 8
    """What `native` has to be a multiple of."""

    def __init__(
        self,
        weights: str,
        native: int | None = None,
        micro_batch: int = 8,
        vae_batch: int = 8,
        channels_last: bool = True,
        compile: bool = False,
        fuse: bool = False,
        scripted: bool = False,
        grid: Grid = COVER,
        lanes: int = 1,
        **loading: Any,
    ) -> None:
        super().__init__(weights, **loading)
        numbers = {"micro_batch": micro_batch, "vae_batch": vae_batch, "native": native, "lanes": lanes}
        for name, value in numbers.items():
            if value is not None and value < 1:
                raise ConfigError(f"model.backbone.{name}: {value} must be >= 1")
        if native is not None and native % self.MULTIPLE:
            raise ConfigError(f"model.backbone.native: {native} is not a multiple of {self.MULTIPLE}")
        if grid not in GRIDS:
            raise ConfigError(f"model.backbone.grid: {grid!r} is not one of {', '.join(map(repr, GRIDS))}")
        self.grid: Grid = grid
        self.micro_batch, self.vae_batch, self.lanes = micro_batch, vae_batch, lanes
        self.channels_last, self.compile, self.fuse, self.scripted = channels_last, compile, fuse, scripted
        self._native = native

    def describe(self) -> dict[str, Any]:
        """What identifies the model; reads the weights' bytes once, and never loads them."""
        return {
            "family": self.FAMILY,
            **self.origin(),
            "native": self.native,
            "grid": self.grid,
            **self.numerics(),
            "micro_batch": self.micro_batch,
            "vae_batch": self.vae_batch,
            "kernels": {"channels_last": self.channels_last, "compile": self.compile, "fuse": self.fuse},
            **self._described_prompt(),
            "versions": versions(*self.libraries()),
        }

    def prompt_source(self) -> str | None:
        """Digest of the files that the null prompt follows from; None where no prompt is encoded."""
        return None

    @property
    def prompt_device(self) -> str:
        """The torch device that encodes the null prompt."""
        return self.device

    def libraries(self) -> tuple[str, ...]:
        """The libraries that compute a result."""
        encoded = self.prompt_source() is not None and not is_shipped(self.folder)
        return ("torch", "diffusers", "transformers") if encoded else ("torch", "diffusers")

    def _described_prompt(self) -> dict[str, str]:
        source = self.prompt_source()
        return (
            {} if source is None else {"null_prompt_digest": prompt_digest(self.folder, source, self.prompt_device)}
        )

    @property
    def parts(self) -> tuple[str, ...]:
        """The sub-folders that this instance needs: `PARTS`, unless a family's settings ask for others."""
        return self.PARTS

    @cached_property
    def native(self) -> int:
        """Side of the images in pixels."""
        return self._native or self.configured_side()

    def configured_side(self) -> int:
        """The side that the networks' configs stand for, as the library's pipelines take it.

        Raises:
            InputError: the family's configs do not say it.
        """
        raise InputError(self.folder, "its configs name no size of pictures", "set model.backbone.native")

    def load(self, kind: Any, part: str, dtype: Any = None) -> Any:
        """A network of the class `kind` from the sub-folder `part`, ready to compute."""
        import torch

        exact_float32()
        with self.loading():
            network, report = kind.from_pretrained(
                self.folder,
                subfolder=part,
                local_files_only=True,
                use_safetensors=True,  # else a pickle is read where there are none
                variant=variant_in(self.folder / part, self.source.variant),
                torch_dtype=dtype or self.dtype,
                low_cpu_mem_usage=True,  # else it is filled with random numbers first: minutes for Flux
                output_loading_info=True,
            )
            check_whole(report, f"{part}/")
        network.requires_grad_(False).eval()
        if self.device.startswith("cuda") and self.channels_last:
            return network.to(self.device, memory_format=torch.channels_last)
        return network.to(self.device)

    def loading(self) -> AbstractContextManager[None]:
        """Turns the library's errors of loading into one line that names the folder and what it needs."""
        needs = ", ".join(f"{part}/" for part in self.parts)
        return named_errors(self.folder, self.FAMILY, f"it needs {needs} as diffusers saves them")

    def check_channels(self, found: int, wanted: int) -> None:
        """Raise `InputError` where a denoiser has not the input channels of an inpainting model."""
        if found != wanted:
            raise InputError(
                self.folder,
                f"its denoiser has {found} input channels, not the {wanted} of an inpainting model",
                "use an inpainting checkpoint",
            )

    def tuned(self, network: Any) -> Any:
        """A denoiser with the options that make it faster."""
        if self.fuse:
            network.fuse_qkv_projections()
        if self.compile:
            self.compile_denoiser(network)
        elif self.scripted and self.device == "cpu":
            script(network)
        return network

    def compile_denoiser(self, network: Any) -> None:
        """Let kernels be made for the denoiser, at its first call."""
        network.compile(dynamic=False)

    def tuned_autoencoder(self, autoencoder: Any) -> Any:
        """An autoencoder with these options: its two halves are called apart, so they are compiled apart."""
        if self.compile:
            for half in (autoencoder.encoder, autoencoder.decoder):
                half.compile(dynamic=False)
        return autoencoder


class KLBackbone(LatentBackbone):
    """A family whose autoencoder is an AutoencoderKL, its part `vae`."""

    vae: Any

    def encode(self, images: Tensor) -> Tensor:
        return encode_kl(self.vae, images)

    def decode(self, latents: Tensor) -> Tensor:
        return decode_kl(self.vae, latents)

    def latent_area(self, areas: Tensor) -> Tensor:
        return on_grid(areas, cell_of(self.vae), self.grid)


def encode_kl(vae: Any, images: Tensor) -> Tensor:
    """Images in [-1, 1] to the scaled latents of an AutoencoderKL, by the posterior's mode; float32."""
    latents = vae.encode(images.to(vae.device, vae.dtype)).latent_dist.mode().float()
    scaled: Tensor = (latents - (vae.config.get("shift_factor") or 0.0)) * vae.config.scaling_factor
    return scaled


def decode_kl(vae: Any, latents: Tensor) -> Tensor:
    """Scaled latents to images in [0, 1], float32."""
    raw = latents / vae.config.scaling_factor + (vae.config.get("shift_factor") or 0.0)
    images: Tensor = vae.decode(raw.to(vae.dtype)).sample
    return (images.float() / 2 + 0.5).clamp(0, 1)


def cell_of(autoencoder: Any) -> int:
    """The side of a latent cell in pixels."""
    return int(2 ** (len(autoencoder.config.block_out_channels) - 1))
