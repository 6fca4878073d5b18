"""What the tests of backbones share: inputs, all strategies, and a run of the loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from amodal_bench.backbones.base import Backbone
from amodal_bench.core.stages import Stages
from amodal_bench.core.types import Floats, Image, Mask
from amodal_bench.method.inpaint import Denoising, Inpainter
from amodal_bench.method.leakage import Blend, Conditioning, Leakage, NoLeakage, Soft, Strength

STRATEGIES: dict[str, Leakage] = {
    "blend": Blend(s=0.3),
    "blend until 0.5": Blend(s=0.5, until=0.5),
    "strength": Strength(s=0.6),
    "soft": Soft(s=0.3),
    "conditioning": Conditioning(),
    "none": NoLeakage(),
}


SMALL: dict[str, Any] = {"native": 64, "precision": "float32", "device": "cpu", "micro_batch": 3, "vae_batch": 2}
"""Settings of a backbone of small random networks."""

Made = TypeVar("Made")


def opened(family: Callable[..., Made], folder: Path, **options: Any) -> Made:
    """A backbone of small random networks, with the usual settings where `options` has no others."""
    return family(str(folder), **(SMALL | options))


def inpaint(
    backbone: Backbone, conditions: Sequence[Floats], areas: Sequence[Mask], seeds: Sequence[int], how: Denoising
) -> list[Image]:
    """One run of the loop, with a clock of its own."""
    return Inpainter(backbone, how, Stages()).inpaint(conditions, areas, seeds)


def inputs(count: int, side: int) -> tuple[list[Floats], list[Mask], list[int]]:
    """Condition images of noise, areas that differ, and seeds."""
    rng = np.random.default_rng(1)
    conditions = [rng.random((side, side, 3), dtype=np.float32) for _ in range(count)]
    areas = []
    for index in range(count):
        area = np.zeros((side, side), bool)
        area[side // 8 + index : 3 * side // 4, 3 * side // 16 : 13 * side // 16] = True
        areas.append(area)
    return conditions, areas, [11 + index for index in range(count)]
