"""M on the latent grid: what is covered, what the library's way loses, and what is said where nothing is left."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import inpainting
import numpy as np
import pytest
import torch
from inpainting import inpaint, inputs
from masks import box
from params import mostly_slow

from amodal_bench.backbones.flux import Flux
from amodal_bench.backbones.grid import GRIDS, Grid, on_grid
from amodal_bench.backbones.kandinsky import Kandinsky
from amodal_bench.backbones.stable_diffusion import StableDiffusion
from amodal_bench.backbones.stable_diffusion_xl import StableDiffusionXL
from amodal_bench.core.errors import ConfigError, PredictionError
from amodal_bench.core.types import Mask
from amodal_bench.method.area import convex_hull
from amodal_bench.method.inpaint import Denoising
from amodal_bench.method.leakage import NoLeakage, Strength
from amodal_bench.views.window import View

SCRIPT = Path(__file__).parents[1] / "scripts" / "grid.py"
CELL = 8
FAMILIES = {
    "stable_diffusion": StableDiffusion,
    "stable_diffusion_xl": StableDiffusionXL,
    "kandinsky": Kandinsky,
    "flux": Flux,
}


def painted(area: Mask, grid: Grid) -> Mask:
    """The painted cells, as pixels."""
    cells = on_grid(torch.from_numpy(area)[None, None].float(), CELL, grid)
    assert cells.dtype == torch.float32 and bool(((cells == 0) | (cells == 1)).all())
    return np.asarray(cells[0, 0].numpy().repeat(CELL, 0).repeat(CELL, 1) > 0)


def shapes(count: int, side: int = 128) -> list[Mask]:
    """Visible masks of a few pixels in general position."""
    rng = np.random.default_rng(3)
    found = np.zeros((count, side, side), bool)
    for mask in found:
        mask[tuple(rng.integers(20, side - 20, (2, 6)))] = True
    return list(found)


def test_every_pixel_of_m_and_of_v_is_covered_and_no_cell_without_one() -> None:
    for visible in shapes(40):
        area = convex_hull(visible)
        cells = painted(area, "cover")
        assert cells[area].all() and cells[visible].all()
        touched = area.reshape(16, CELL, 16, CELL).any((1, 3))
        assert np.array_equal(cells[::CELL, ::CELL], touched)


def test_the_nearest_pixel_moves_m_and_leaves_v_outside() -> None:
    moved: dict[str, list[np.ndarray]] = {grid: [] for grid in GRIDS}
    outside: dict[str, list[float]] = {grid: [] for grid in GRIDS}
    for visible in shapes(60):
        area = convex_hull(visible)
        for grid in GRIDS:
            cells = painted(area, grid)
            moved[grid].append(np.argwhere(cells).mean(0) - np.argwhere(area).mean(0))
            outside[grid].append(float((visible & ~cells).sum() / visible.sum()))
    # Half a cell less half a pixel; 60 objects leave a standard error of 0.15.
    assert np.mean(moved["nearest"], axis=0) == pytest.approx([3.5, 3.5], abs=0.6)
    assert np.abs(np.mean(moved["cover"], axis=0)).max() < 0.6
    assert max(outside["cover"]) == 0 < np.mean(outside["nearest"])


def test_what_is_kept_where_v_is_not_painted_lies_wholly_in_v() -> None:
    visible = box((64, 64), 13, 10, 30, 25)
    kept = ~painted(~visible, "cover")
    assert np.array_equal(kept, box((64, 64), 16, 16, 24, 16))


@pytest.mark.parametrize("name", mostly_slow(FAMILIES))
def test_an_object_between_the_samples_of_the_grid_is_painted_or_an_error(
    small: Callable[[str], Path], name: str
) -> None:
    """375x1242 px in a square: a small object falls between the pixels that speak for their cells."""
    frame = box((375, 1242), 100, 612, 8, 8)
    area = convex_hull(View("frame").window(frame, 64).mask(frame))
    assert 0 < area.sum() < 12 and not painted(area, "nearest").any()
    (condition,), _, (seed,) = inputs(1, 64)
    options: dict[str, Any] = {"prior": str(small(name) / "prior")} if name == "kandinsky" else {}
    options |= {"text_tokens": 24} if name == "flux" else {}
    how = Denoising(NoLeakage(), 2, 0.0)
    nearest = inpainting.opened(FAMILIES[name], small(name), grid="nearest", **options)
    line = rf"has {area.sum()} pixels, but none is left on the model's 8x8 grid.* model.backbone.grid=cover"
    with pytest.raises(PredictionError, match=line) as caught:
        inpaint(nearest, [condition], [area], [seed], how)
    assert "\n" not in str(caught.value)
    cover = inpainting.opened(FAMILIES[name], small(name), **options)
    with_area = inpaint(cover, [condition], [area], [seed], how)[0]
    elsewhere = inpaint(cover, [condition], [np.roll(area, 32, axis=0)], [seed], how)[0]
    assert not np.array_equal(with_area, elsewhere)


def test_an_empty_area_is_an_error_of_its_own(small: Callable[[str], Path]) -> None:
    backbone = inpainting.opened(StableDiffusion, small("stable_diffusion"))
    (condition,), _, (seed,) = inputs(1, 64)
    with pytest.raises(PredictionError, match="the inpainting area is empty: nothing is to be painted"):
        inpaint(backbone, [condition], [np.zeros((64, 64), bool)], [seed], Denoising(Strength(), 2, 0.75))


def test_the_grid_is_part_of_what_identifies_a_model_and_others_are_refused(small: Callable[[str], Path]) -> None:
    folder = small("stable_diffusion")
    described = [inpainting.opened(StableDiffusion, folder, grid=grid).describe()["grid"] for grid in GRIDS]
    assert described == ["cover", "nearest"] == list(GRIDS)
    with pytest.raises(ConfigError, match=r"model.backbone.grid: 'any' is not one of 'cover', 'nearest'"):
        inpainting.opened(StableDiffusion, folder, grid="any")


@pytest.mark.slow
def test_the_script_prints_what_the_page_of_backbones_says(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(SCRIPT), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("cover  : M moves by +0.0, -0.0 px; of V 0.0 % outside on average, 0.0 % at most; 0 %")
    assert lines[1].startswith(
        "nearest: M moves by +3.5, +3.5 px; of V 7.4 % outside on average, 23.3 % at most; 62 %"
    )
