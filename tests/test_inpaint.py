"""The denoising loop, whatever the backbone: what changes its result, and what must not.

That its result is what the equations say is tested with each family of backbones.
"""

from __future__ import annotations

import numpy as np
import pytest
from inpainting import STRATEGIES, inpaint, inputs

from amodal_bench.backbones.stable_diffusion import StableDiffusion
from amodal_bench.method.inpaint import Denoising
from amodal_bench.method.leakage import NoLeakage
from amodal_bench.weights.small.stable_diffusion import save

SIDE = 64


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusion:
    folder = tmp_path_factory.mktemp("sd")
    save(folder)
    return StableDiffusion(str(folder), native=SIDE, device="cpu", micro_batch=1, vae_batch=1)


@pytest.mark.slow
def test_strategies_give_different_images(backbone: StableDiffusion) -> None:
    conditions, areas, seeds = inputs(1, SIDE)
    images = [inpaint(backbone, conditions, areas, seeds, Denoising(each, 5, 0.0))[0] for each in STRATEGIES.values()]
    for i, one in enumerate(images):
        for other in images[i + 1 :]:
            assert (one != other).mean() > 0.02


@pytest.mark.slow
def test_guidance_on_the_mask_changes_the_image(backbone: StableDiffusion) -> None:
    case = inputs(1, SIDE)
    without, with_it = (inpaint(backbone, *case, Denoising(NoLeakage(), 3, w))[0] for w in (0.0, 0.75))
    assert (without != with_it).mean() > 0.02


def test_the_seed_matters(backbone: StableDiffusion) -> None:
    conditions, areas, _ = inputs(1, SIDE)
    how = Denoising(NoLeakage(), 3, 0.0)
    first, second = (inpaint(backbone, conditions, areas, [seed], how)[0] for seed in (1, 2))
    assert not np.array_equal(first, second)


def test_no_sample_gives_no_image(backbone: StableDiffusion) -> None:
    assert inpaint(backbone, [], [], [], Denoising(NoLeakage(), 3, 0.75)) == []
