"""What a backbone is: the parts of an inpainting diffusion model that our own denoising loop needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from torch import Generator, Tensor

Shown: TypeAlias = "Mapping[str, Tensor]"
"""What the denoiser is shown beside the sample, by name; batch first, so that batches can be cut and joined."""


@dataclass(frozen=True)
class Schedule:
    """A sampling schedule of n steps (Eq. 1 at n + 1 levels, from the noisiest to the clean one).

    Attributes:
        times: the n timesteps that the denoiser is told, noisiest first.
        signal, noise: n + 1 factors each; the known sample at level i is `signal[i] x_0 + noise[i] eps`,
            and the last level is (1, 0).
        initial: factor of pure noise at level 0.
    """

    times: tuple[float, ...]
    signal: tuple[float, ...]
    noise: tuple[float, ...]
    initial: float

    def known(self, clean: Tensor, eps: Tensor, level: int) -> Tensor:
        """`x_t` of a clean sample at a level of the schedule (Eq. 1)."""
        return self.signal[level] * clean + self.noise[level] * eps


class Backbone(Protocol):
    """An inpainting model in parts.

    Images are (B, 3, S, S) float32 in [-1, 1] with S = `native`, masks
    (B, 1, S, S) float32 with 1 where the model paints, latents (B, C, h, w) float32.

    Attributes:
        micro_batch, vae_batch: how many samples are denoised, and encoded or decoded, at once, always: a smaller
            last batch is padded, because the libraries choose other kernels for other shapes, and a result must
            not depend on its company.
    """

    micro_batch: int
    vae_batch: int

    @property
    def native(self) -> int:
        """Side of the images in pixels."""
        ...

    @property
    def device(self) -> str:
        """The torch device that the model computes on."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """What identifies the backbone in a run: weights' digest, precision, versions. Loads no weights."""
        ...

    def schedule(self, steps: int) -> Schedule: ...

    def encode(self, images: Tensor) -> Tensor:
        """Images to latents, by the posterior's mode."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to images in [0, 1]."""
        ...

    def latent_area(self, areas: Tensor) -> Tensor:
        """The cells that are painted, (B, 1, h, w) float32: 1 where a cell holds a pixel of the mask, 0 elsewhere.

        A mask without a pixel paints none. `grid.on_grid` does it, and says why a pixel suffices.
        """
        ...

    def prepare(self, images: Tensor, clean: Tensor, areas: Tensor, erase: bool) -> Shown:
        """All that the denoiser is shown beside the sample; nothing where it takes the sample alone.

        Args:
            images: the condition images.
            clean: their latents.
            areas: where the model paints; all zero for Eq. 11's empty mask.
            erase: whether the area is erased from what is shown, as the library's pipelines do.
        """
        ...

    def denoise(self, x: Tensor, schedule: Schedule, step: int, shown: Shown) -> Tensor:
        """The denoiser's output for samples at level `step`, in the scheduler's terms, float32."""
        ...

    def advance(
        self, output: Tensor, schedule: Schedule, step: int, x: Tensor, generators: Sequence[Generator]
    ) -> Tensor:
        """The sample at level `step + 1` from the denoiser's output (Eq. 4's x-tilde).

        `generators`, one CPU generator per sample, are for schedulers that draw noise at every step.
        """
        ...


@runtime_checkable
class InLanes(Protocol):
    """A backbone whose parts may be used by several threads at once.

    Attributes:
        lanes: batches that a CPU computes at once; 1 for one after the other.
    """

    lanes: int
