"""What `gpu.py` measures: the harness by its stages, and the library pipeline."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import torch
from gpu_models import Family
from gpu_networks import backbone, build, operations, parameters, plain_loop
from PIL import Image

from amodal_bench.core.seeds import sample_seed
from amodal_bench.core.stages import Stages
from amodal_bench.core.types import Floats, Mask
from amodal_bench.core.types import Image as Picture
from amodal_bench.method.area import Area
from amodal_bench.method.condition import Condition
from amodal_bench.method.inpaint import Denoising, Inpainter
from amodal_bench.method.leakage import Blend
from amodal_bench.segmenters.base import Prompt
from amodal_bench.segmenters.grabcut import GrabCut
from amodal_bench.views.points import draw_points

GPU_STAGES = ("encode", "denoise", "decode")


@dataclass(frozen=True)
class Options:
    """What is measured, and how often.

    Attributes:
        device, precision, compile: of the backbone.
        instances, repeats: instances in one measurement of the harness, and measurements of it.
        naive_instances: instances of the plain loop, one by one.
        host_instances: scenes that are made, and that the stages on the CPU are measured with.
        steps, guidance: of the denoising.
        micro_batch, vae_batch, native: None for the family's own.
        peak_tflops: the device's dense peak, where it is known.
    """

    device: str
    precision: str
    compile: bool
    instances: int
    repeats: int
    naive_instances: int
    host_instances: int
    steps: int
    guidance: float
    micro_batch: int | None
    vae_batch: int | None
    native: int | None
    peak_tflops: float | None


@dataclass
class Stage:
    """One row of a family's table; `seconds` per instance, one number for each measurement."""

    seconds: list[float] = field(default_factory=list)
    tflop: float = 0.0
    batch: int = 0
    peak: int = 0

    @property
    def typical(self) -> float:
        """The median of the measurements."""
        return median(self.seconds)


@dataclass
class Measured:
    """All that is known of a family; `stages` are in the order of work, `inpaint` and `naive` are totals."""

    family: Family
    parameters: dict[str, int]
    tflop_per_pass: float
    stages: dict[str, Stage]
    inpaint: Stage
    naive: Stage


def measure(family: Family, options: Options, folder: Path) -> Measured:
    """Measure a family. The plain loop goes first: the harness lays the networks out anew, and may compile them."""
    how = Denoising(Blend(), options.steps, options.guidance)
    networks: dict[str, Any] = {}
    settings = {"device": options.device, "precision": options.precision, "compile": options.compile}
    sizes = {"micro_batch": family.micro_batch, "vae_batch": family.vae_batch}
    model = backbone(family, networks, folder / "weights", **settings, **sizes)
    tflop = operations(family, folder / "meta", how)
    networks |= build(family, model.device, model.dtype)
    scenes = [scene(family.native, index) for index in range(options.host_instances)]
    prepare, conditions, areas, seeds = prepared(scenes)
    naive = plain(family, networks, options, conditions, areas)
    stages, inpaint = harness(Inpainter(model, how, Stages()), options, conditions, areas)
    for name in GPU_STAGES:
        stages[name].tflop = tflop[name]
    inpaint.tflop = sum(tflop[name] for name in GPU_STAGES)
    segment = segmented(scenes, conditions, areas, seeds)
    counts = {part: parameters(network) for part, network in networks.items()}
    stages = {"prepare (CPU)": prepare, **stages, "segment (GrabCut, CPU)": segment}
    return Measured(family, counts, tflop["pass"], stages, inpaint, naive)


def scene(side: int, index: int) -> tuple[Picture, Mask]:
    """A picture, (side, side, 3) uint8, and V of a mottled ellipse that a disc covers in part."""
    rng = np.random.default_rng(index)
    y, x = np.indices((side, side), np.float32) / side
    (cy, cx), (ry, rx) = rng.uniform(0.45, 0.55, 2), rng.uniform(0.2, 0.35, 2)
    whole = ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1
    before = np.hypot(y - cy - 0.8 * ry, x - cx - 0.6 * rx) < 0.5 * min(ry, rx)
    inside, outside = rng.uniform(40, 215, (2, 3)).astype(np.float32)
    colours = np.where(whole[..., None], inside, outside)
    mottled = colours + cv2.GaussianBlur(rng.normal(0, 40, (side, side, 3)).astype(np.float32), (0, 0), 2)
    return np.clip(mottled, 0, 255).astype(np.uint8), whole & ~before


def prepared(scenes: Sequence[tuple[Picture, Mask]]) -> tuple[Stage, list[Floats], list[Mask], list[int]]:
    """Condition images (Eq. 8, 9), areas (Eq. 10) and seeds of all scenes, and what they cost."""
    stage, condition, area = Stage(), Condition(), Area()
    conditions, areas = [], []
    seeds = [sample_seed(0, f"benchmarks/{index}") for index in range(len(scenes))]
    for (picture, visible), seed in zip(scenes, seeds, strict=True):
        started = time.perf_counter()
        areas.append(area(visible))
        conditions.append(condition(picture, visible, seed))
        stage.seconds.append(time.perf_counter() - started)
    return stage, conditions, areas, seeds


def segmented(
    scenes: Sequence[tuple[Picture, Mask]], conditions: list[Floats], areas: list[Mask], seeds: list[int]
) -> Stage:
    """What GrabCut costs where the inpainting model put the object back into the area.

    Its time depends on the picture. What random networks paint is no picture, so the scene's own pixels stand in.
    """
    stage, segmenter = Stage(), GrabCut()
    for (picture, visible), condition, area, seed in zip(scenes, conditions, areas, seeds, strict=True):
        before = pixels(condition)
        painted = np.where(area[..., None], picture, before)
        started = time.perf_counter()
        segmenter.segment([painted], [Prompt(visible, area, draw_points(visible, 9, seed), seed, before=before)])
        stage.seconds.append(time.perf_counter() - started)
    return stage


def harness(
    inpainter: Inpainter, options: Options, conditions: list[Floats], areas: list[Mask]
) -> tuple[dict[str, Stage], Stage]:
    """The stages of the loop by its own clocks, and all of it by the clock on the wall; the scenes take turns."""
    seeds = list(range(options.instances))
    conditions, areas = [conditions[n % len(conditions)] for n in seeds], [areas[n % len(areas)] for n in seeds]
    stages, whole = {name: Stage() for name in GPU_STAGES}, Stage()
    batch = max(inpainter.backbone.micro_batch, inpainter.backbone.vae_batch)
    # Batches have one shape, so one of each is all that has to be warmed up.
    inpainter.inpaint(conditions[:batch], areas[:batch], seeds[:batch])
    inpainter.stages.take()
    for _ in range(options.repeats):
        started = time.perf_counter()
        inpainter.inpaint(conditions, areas, seeds)
        whole.seconds.append((time.perf_counter() - started) / len(seeds))
        for name, cost in inpainter.stages.take().items():
            stage = stages[name]
            stage.seconds.append(cost.seconds / cost.instances)
            stage.batch, stage.peak = cost.batch, max(stage.peak, cost.peak)
    whole.peak = max(stage.peak for stage in stages.values())
    return stages, whole


def plain(
    family: Family, networks: dict[str, Any], options: Options, conditions: list[Floats], areas: list[Mask]
) -> Stage:
    """The library's pipeline called for one instance after the other."""
    loop = plain_loop(family, networks, options.steps)
    stage = Stage(batch=1)
    pictures = [Image.fromarray(pixels(condition)) for condition in conditions]
    masks = [Image.fromarray(area) for area in areas]
    loop(pictures[0], masks[0])
    if options.device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(options.device)
    for index in range(options.naive_instances):
        started = time.perf_counter()
        loop(pictures[index % len(pictures)], masks[index % len(masks)])  # a picture on the CPU: nothing to wait for
        stage.seconds.append(time.perf_counter() - started)
    if options.device.startswith("cuda"):
        stage.peak = torch.cuda.max_memory_allocated(options.device)
    return stage


def pixels(picture: Floats) -> Picture:
    """(H, W, 3) float32 in [0, 1] as uint8."""
    return np.round(picture * 255).astype(np.uint8)


def release(device: str) -> None:
    """Give back the memory of networks that nobody needs any more."""
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
