"""Leakage (Eq. 7): how the condition image enters the denoising, in five readings.

Taken literally, Eq. 7 keeps all that lies outside M and 70 % of the noisy condition inside it, which neither the
paper's prose nor its figures show. So leakage is a choice, and the one that was used stands beside every result.

Notation: `x` is the sample after a denoising step (the paper's x-tilde), `known` the condition image noised to
the same level (the paper's x_t), `area` is M on the latent grid; all are (B, C, h, w), M is (B, 1, h, w).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from amodal_bench.core.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor


class Leakage(Protocol):
    """One strategy.

    Attributes:
        name: printed beside every result.
        erase: whether the denoiser is shown the condition image with M erased, as the library's pipelines do.
        start: share of the schedule that is run; below 1 it starts from the noised condition image.
    """

    @property
    def name(self) -> str: ...

    @property
    def erase(self) -> bool:
        """Whether the area's pixels are taken out of what the denoiser is shown."""
        ...

    @property
    def start(self) -> float:
        """The share of the schedule that is run, in (0, 1]: 1 starts from pure noise."""
        ...

    def mix(self, x: Tensor, known: Tensor, area: Tensor, progress: float) -> Tensor:
        """The sample to go on with after a step; `progress` in (0, 1] is the share of the schedule done."""
        ...


def composite(x: Tensor, known: Tensor, area: Tensor) -> Tensor:
    """Eq. 5: `M x + (1 - M) known`."""
    return area * x + (1 - area) * known


@dataclass(frozen=True)
class Blend:
    """Eq. 7 at each step: `s (M x + (1 - M) known) + (1 - s) known`, up to a share `until` of the schedule.

    `until=1` is the literal reading; below it the rest of the schedule follows Eq. 5.
    """

    name: ClassVar[str] = "blend"
    s: float = 0.3
    until: float = 1.0
    erase: bool = True
    start: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        _check_share("s", self.s)
        _check_share("until", self.until)

    def mix(self, x: Tensor, known: Tensor, area: Tensor, progress: float) -> Tensor:
        plain = composite(x, known, area)
        return self.s * plain + (1 - self.s) * known if progress <= self.until else plain


@dataclass(frozen=True)
class Strength:
    """Image-to-image of strength `s`: the last share `s` of the schedule, from the noised condition image.

    Nothing is pasted back, so pixels outside M can change, as the paper's prose says.
    """

    name: ClassVar[str] = "strength"
    s: float = 0.3
    erase: bool = True

    def __post_init__(self) -> None:
        _check_share("s", self.s)
        if self.s == 0:
            raise ConfigError("leakage.s: 0 runs no step; leakage=strength needs a value > 0")

    @property
    def start(self) -> float:
        return self.s

    def mix(self, x: Tensor, known: Tensor, area: Tensor, progress: float) -> Tensor:  # noqa: ARG002
        return x


@dataclass(frozen=True)
class Soft:
    """The known region is pulled in with weight `s` only: `s (M x + (1 - M) known) + (1 - s) x`."""

    name: ClassVar[str] = "soft"
    s: float = 0.3
    erase: bool = True
    start: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        _check_share("s", self.s)

    def mix(self, x: Tensor, known: Tensor, area: Tensor, progress: float) -> Tensor:  # noqa: ARG002
        return self.s * composite(x, known, area) + (1 - self.s) * x


@dataclass(frozen=True)
class Conditioning:
    """The denoiser is shown the condition image un-erased, M or not; the sample follows Eq. 5."""

    name: ClassVar[str] = "conditioning"
    erase: ClassVar[bool] = False
    start: ClassVar[float] = 1.0

    def mix(self, x: Tensor, known: Tensor, area: Tensor, progress: float) -> Tensor:  # noqa: ARG002
        return composite(x, known, area)


@dataclass(frozen=True)
class NoLeakage:
    """Eq. 5, plain inpainting: the ablation's row "without leakage"."""

    name: ClassVar[str] = "none"
    erase: bool = True
    start: ClassVar[float] = 1.0

    def mix(self, x: Tensor, known: Tensor, area: Tensor, progress: float) -> Tensor:  # noqa: ARG002
        return composite(x, known, area)


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ConfigError(f"leakage.{name}: {value} must be between 0 and 1")
