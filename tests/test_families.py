"""All five families through all five strategies, from the command's configuration to rows, on tiny random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import MethodType

import numpy as np
import pytest
from conftest import composed
from inpainting import STRATEGIES, inpaint, inputs
from params import mostly_slow

from amodal_bench.config.build import build
from amodal_bench.config.settings import config_folder
from amodal_bench.core.stages import Stages
from amodal_bench.core.types import Floats
from amodal_bench.method.inpaint import Denoising, Inpainter
from amodal_bench.report.outcome import Outcome

FAMILIES = {
    "sd15": "stable_diffusion",
    "sd2": "stable_diffusion",
    "sdxl": "stable_diffusion_xl",
    "kandinsky": "kandinsky",
    "flux": "flux",
}
SIDE = 64


@pytest.fixture(scope="module")
def folders(tiny_by_command: Callable[[str], Path]) -> Callable[[str], Path]:
    """The folder of a model's tiny pipeline."""
    return lambda model: tiny_by_command(FAMILIES[model])


def overrides(model: str, folder: Path) -> list[str]:
    prior = [f"model.backbone.prior={folder / 'prior'}"] if model == "kandinsky" else []
    small = ["model.backbone.micro_batch=2", "model.backbone.vae_batch=2"]
    return [
        f"model={model}",
        f"model.weights={folder}",
        f"model.backbone.native={SIDE}",
        "model.steps=3",
        "segmenter=grabcut",
        *prior,
        *small,
    ]


@pytest.mark.parametrize(
    "leakage", mostly_slow(sorted(file.stem for file in (config_folder() / "leakage").glob("*.yaml")))
)
@pytest.mark.parametrize(
    "model", [pytest.param(name, marks=pytest.mark.slow if name != "sd15" else ()) for name in FAMILIES]
)
def test_every_family_runs_under_every_strategy(
    bench: Callable[..., Outcome], folders: Callable[[str], Path], model: str, leakage: str
) -> None:
    outcome = bench(
        *overrides(model, folders(model)),
        f"leakage={leakage}",
        "dataset.images=1",
        "limit=2",
        "sheet=1",
        "baselines=null",
    )
    main = outcome.main
    assert len(main.counted) == 2 and main.errors().empty
    assert f"leakage={leakage}" in main.settings
    assert "random weights" in main.settings  # such numbers must never be taken for a model's
    assert main.facts["model"]["guidance"] > 0  # Eq. 11's second pass ran, too
    timing = main.timing().set_index("stage")["seconds_per_instance"]
    assert (timing[["encode", "denoise", "decode", "segment"]] > 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("model", FAMILIES)
def test_guidance_and_strategies_change_the_picture(folders: Callable[[str], Path], model: str) -> None:
    backbone = build(composed(*overrides(model, folders(model))).model["backbone"], "model.backbone")
    conditions, areas, seeds = inputs(1, SIDE)
    hows = [Denoising(leakage, 4, w) for leakage in STRATEGIES.values() for w in (0.0, 1.5)]
    pictures = [inpaint(backbone, conditions, areas, seeds, how)[0] for how in hows]
    for i, one in enumerate(pictures):
        for j in range(i):
            assert (one != pictures[j]).mean() > 0.001, (hows[i], hows[j])


@pytest.mark.slow
@pytest.mark.parametrize("model", FAMILIES)
def test_half_precision_stays_near_single_precision(folders: Callable[[str], Path], model: str) -> None:
    """bfloat16 keeps 8 bits of a number: a grey level or two on average, over a few steps of random networks."""
    pictures = {}
    for precision in ("float32", "bfloat16"):
        spec = composed(*overrides(model, folders(model)), f"model.backbone.precision={precision}").model["backbone"]
        conditions, areas, seeds = inputs(2, SIDE)
        painter = Inpainter(build(spec, "model.backbone"), Denoising(STRATEGIES["conditioning"], 4, 0.75), Stages())
        pictures[precision] = np.stack(painter.inpaint(conditions, areas, seeds)).astype(float)
    difference = np.abs(pictures["float32"] - pictures["bfloat16"])
    assert 0 < difference.mean() < 3


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("model", ["sd15", "sdxl", "kandinsky", "flux"])
def test_company_changes_nothing_and_the_batch_size_only_the_last_bits(
    folders: Callable[[str], Path], model: str, precision: str
) -> None:
    """Batches of one size give the same bits whatever they hold.

    With another size the libraries choose other kernels: at most one grey level in single precision, two on average
    over random networks in bfloat16.
    """
    conditions, areas, seeds = inputs(3, SIDE)
    how = Denoising(STRATEGIES["conditioning"], 3, 0.75)

    def pictures(size: int, *groups: list[int]) -> Floats:
        sizes = [f"model.backbone.{name}={size}" for name in ("micro_batch", "vae_batch")]
        spec = composed(*overrides(model, folders(model)), *sizes, f"model.backbone.precision={precision}").model
        painter = Inpainter(build(spec["backbone"], "model.backbone"), how, Stages())
        made = []
        for group in groups:
            chosen = [[values[i] for i in group] for values in (conditions, areas, seeds)]
            made += painter.inpaint(*chosen)  # type: ignore[arg-type]
        return np.stack(made).astype(np.float32)

    together = pictures(2, [0, 1, 2])
    assert np.array_equal(together, pictures(2, [0], [1], [2]))
    assert np.array_equal(together, pictures(2, [2, 1, 0])[::-1])
    other = np.abs(together - pictures(3, [0, 1, 2]))
    assert other.max() <= 1 if precision == "float32" else other.mean() < 2


@pytest.mark.parametrize("model", mostly_slow([*FAMILIES, "tiny"], 1))
def test_a_scripted_denoiser_gives_the_same_bits(folders: Callable[[str], Path], model: str) -> None:
    """With guidance and without, for one batch and for several, the last of which is padded."""
    small = ["model=tiny", "model.backbone.micro_batch=2"] if model == "tiny" else overrides(model, folders(model))
    plain, scripted = (
        build(
            composed(*small, f"model.backbone.scripted={on}").model["backbone"],
            "model.backbone",
        )
        for on in ("false", "true")
    )
    for count in (1, 5):
        conditions, areas, seeds = inputs(count, SIDE)
        for how in (Denoising(STRATEGIES["none"], 2, 0.75), Denoising(STRATEGIES["conditioning"], 2, 0.0)):
            expected = inpaint(plain, conditions, areas, seeds, how)
            assert np.array_equal(expected, inpaint(scripted, conditions, areas, seeds, how))
    assert plain.describe() == scripted.describe()
    name = "transformer" if model == "flux" else "unet"
    is_scripted = [isinstance(getattr(each, name).forward, MethodType) for each in (plain, scripted)]
    assert is_scripted == [True, False]
