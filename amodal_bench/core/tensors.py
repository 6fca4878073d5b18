"""From arrays of samples to a batch on the device, and from painted images to bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from amodal_bench.core.errors import NotFinite

if TYPE_CHECKING:
    from torch import Tensor


def stacked(arrays: Sequence[np.typing.NDArray[Any]], index: Sequence[int], device: str) -> Tensor:
    """Join the arrays of some samples on a device: (H, W, C) becomes (B, C, H, W), and (H, W) (B, 1, H, W)."""
    import torch

    batch = torch.from_numpy(np.stack([arrays[i] for i in index])).to(device)
    return batch[:, None] if batch.ndim == 3 else batch.permute(0, 3, 1, 2)


def to_bytes(images: Tensor) -> Tensor:
    """Images (B, 3, H, W) float32 of 0 to 255 to (B, H, W, 3) uint8 on the CPU, decimals cut off."""
    import torch

    # To bytes first: a quarter of the copy from the device.
    return images.to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu()


def require_finite(values: Tensor, what: str) -> None:
    """Raise `NotFinite` where a tensor holds NaN or infinity: no mask may be made of it.

    Args:
        values: of any shape.
        what: they are, and where they came about, such as "the latents after step 3 of 20".
    """
    import torch

    if values.device.type == "meta":  # there are no numbers
        return
    if not bool(torch.isfinite(values).all()):
        remedy = "check the weights, or set model.backbone.precision=float32"
        raise NotFinite(f"{what} are not finite (NaN or infinity); {remedy}")
