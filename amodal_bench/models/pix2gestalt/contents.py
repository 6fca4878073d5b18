"""What is in a checkpoint of pix2gestalt: whose is which tensor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from amodal_bench.core.errors import InputError
from amodal_bench.models.pix2gestalt.checkpoint import REMEDY

if TYPE_CHECKING:
    from torch import Tensor

UNET, AVERAGE, VAE = "model.diffusion_model.", "model_ema.", "first_stage_model."
CLIP, PROJECTION = "cond_stage_model.model.visual.", "cc_projection."
KEPT = "alphas_cumprod"

_COUNTERS = {f"{AVERAGE}decay", f"{AVERAGE}num_updates"}
_SCHEDULE = {
    "betas",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
    "logvar",
}
_TEXT = ("positional_embedding", "text_projection", "logit_scale", "token_embedding.", "ln_final.", "transformer.")
_CONSTANTS = {"cond_stage_model.mean", "cond_stage_model.std"}


@dataclass(frozen=True)
class Contents:
    """The tensors that inference needs, by their names in the file without the network's prefix.

    Attributes:
        unet: the denoiser's weights, averaged over the training as the authors sample with them.
        vae: the autoencoder.
        clip: the image half of CLIP, in OpenAI's layout.
        projection: `weight` and `bias` of the map from CLIP's space to the denoiser's.
        kept: `abar_t` of every timestep, (T,) float32.
    """

    unet: Mapping[str, Tensor]
    vae: Mapping[str, Tensor]
    clip: Mapping[str, Tensor]
    projection: Mapping[str, Tensor]
    kept: Tensor


def sorted_out(state: Mapping[str, Tensor], file: Path) -> Contents:
    """Give each tensor of a checkpoint to its network.

    Raises:
        InputError: one belongs to nothing that is known, or one that is needed is absent.
    """
    # The average's names are the parameters' without dots, which cannot be undone: so the parameters name them.
    averages = {f"{AVERAGE}diffusion_model{name.replace('.', '')}": name for name in _part(UNET, state)}
    refuse_surplus(file, (name for name in state if name not in averages and not _known(name)))
    networks = (UNET, VAE, CLIP, PROJECTION)
    absent = [f"{prefix}*" for prefix in networks if not any(name.startswith(prefix) for name in state)]
    refuse_gaps(file, [*absent, *({KEPT, *averages} - set(state))])
    unet = {name: state[average] for average, name in averages.items()}
    return Contents(unet, _part(VAE, state), _part(CLIP, state), _part(PROJECTION, state), state[KEPT].clone())


def refuse_gaps(file: Path, names: Iterable[str]) -> None:
    """Raise `InputError` where there are names of tensors that the file lacks: how many, and one of them."""
    if gaps := sorted(names):
        raise InputError(file, f"lacks tensors of pix2gestalt ({len(gaps)}), such as {gaps[0]}", REMEDY)


def refuse_surplus(file: Path, names: Iterable[str]) -> None:
    """Raise `InputError` where there are names of tensors that have no place: how many, and one of them."""
    if surplus := sorted(names):
        raise InputError(file, f"has unknown tensors ({len(surplus)}), such as {surplus[0]}", REMEDY)


def _known(name: str) -> bool:
    """Whether a name is a network's or one that is known not to be needed.

    Not needed: counters, what follows from `alphas_cumprod`, CLIP's constants and the rest of its text half.
    """
    if name.startswith((UNET, VAE, CLIP, PROJECTION)) or name in {KEPT} | _COUNTERS | _SCHEDULE | _CONSTANTS:
        return True
    return name.startswith(tuple(f"cond_stage_model.model.{start}" for start in _TEXT))


def _part(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
