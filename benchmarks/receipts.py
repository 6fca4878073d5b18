"""What each fast option of a backbone changes: the IoU of every mask with that of the plain way, one by one.

python benchmarks/receipts.py [--device cuda] [--instances 32] [--families sd2,sdxl] [--json results.json]

The tiny model, which has learned, is compared with itself in float32, one sample at a time, with kernels as the
library has them. `--families` adds networks of the published sizes with random numbers, compared with themselves in
half precision: what they paint is no picture, so GrabCut's masks of it say how far two paintings agree, and no more.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu import environment
from gpu_measure import prepared, release, scene
from gpu_models import FAMILIES, Family, small
from gpu_networks import backbone, build

from amodal_bench.api.composing import composed
from amodal_bench.config import build as components
from amodal_bench.core.errors import BenchError, first_line
from amodal_bench.core.stages import Stages
from amodal_bench.core.types import Image, Mask
from amodal_bench.datasets.toy import Toy
from amodal_bench.method.inpaint import Denoising, Inpainter
from amodal_bench.method.leakage import Blend
from amodal_bench.segmenters.base import Prompt
from amodal_bench.segmenters.grabcut import GrabCut
from amodal_bench.views.points import draw_points

Options = dict[str, Any]

PLAIN: Options = {"channels_last": False, "compile": False, "fuse": False, "micro_batch": 1, "vae_batch": 1}
"""The plain way: kernels and layout as the library has them, one sample at a time."""

FAST: dict[str, Options] = {
    "batches of 8": {"micro_batch": 8, "vae_batch": 8},
    "channels_last": {"channels_last": True},
    "fuse": {"fuse": True},
    "compile": {"compile": True},
    "bfloat16": {"precision": "bfloat16"},
    "float16": {"precision": "float16"},
    "all, bfloat16": {
        "precision": "bfloat16",
        "channels_last": True,
        "fuse": True,
        "compile": True,
        "micro_batch": 8,
        "vae_batch": 8,
    },
}


@dataclass(frozen=True)
class Receipt:
    """How masks under an option agree with the plain ones.

    Attributes:
        model, option: what was compared.
        mean, least: of the IoU, over instances.
        equal: share of the instances whose masks are equal, bit for bit.
        instances: compared.
        failed: why there are no masks; empty where there are.
    """

    model: str
    option: str
    mean: float = float("nan")
    least: float = float("nan")
    equal: float = float("nan")
    instances: int = 0
    failed: str = ""


def receipt(model: str, option: str, masks: Sequence[Mask], plain: Sequence[Mask]) -> Receipt:
    """Compare masks with the plain ones, in their order; two empty masks agree."""
    ious = [(a & b).sum() / (a | b).sum() if (a | b).any() else 1.0 for a, b in zip(masks, plain, strict=True)]
    equal = [bool(np.array_equal(a, b)) for a, b in zip(masks, plain, strict=True)]
    return Receipt(model, option, float(np.mean(ious)), float(min(ious)), float(np.mean(equal)), len(ious))


def tiny(device: str, instances: int, options: Options) -> list[Mask]:
    """The shipped model's masks of the first instances of the toy aquarium."""
    dataset = Toy(images=instances)
    queries = [dataset.sample(id).query for id in list(dataset.records()["id"])[:instances]]
    given = [f"++model.backbone.{name}={value}" for name, value in options.items()]
    model = components.build(composed(["model=tiny", f"model.backbone.device={device}", *given], []).model, "model")
    masks: list[Mask] = model.predict(queries, list(range(len(queries))))
    return masks


def sized(family: Family, device: str, instances: int, options: Options) -> list[Mask]:
    """GrabCut's masks of what random networks of a family's size paint; the same numbers in each call."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        networks: dict[str, Any] = {}
        model = backbone(family, networks, Path(folder), device=device, **{"precision": "auto"} | options)
        networks |= build(family, model.device, model.dtype)
        inpainter = Inpainter(model, Denoising(Blend(), 20, 0.0), Stages())
        scenes = [scene(family.native, index) for index in range(instances)]
        _, conditions, areas, seeds = prepared(scenes)
        painted = inpainter.inpaint(conditions, areas, seeds)
    return segmented([visible for _, visible in scenes], conditions, areas, seeds, painted)


def segmented(
    visible: Sequence[Mask],
    conditions: Sequence[Any],
    areas: Sequence[Mask],
    seeds: Sequence[int],
    painted: list[Image],
) -> list[Mask]:
    """GrabCut's masks of painted pictures."""
    prompts = [
        Prompt(each, area | each, draw_points(each, 9, seed), seed, before=np.round(condition * 255).astype(np.uint8))
        for each, area, seed, condition in zip(visible, areas, seeds, conditions, strict=True)
    ]
    return GrabCut().segment(painted, prompts)


def compared(name: str, args: argparse.Namespace) -> Iterator[Receipt]:
    """The receipts of one model; an option that fails is one that says so."""

    def masks(options: Options) -> list[Mask]:
        torch._dynamo.reset()
        release(args.device)
        if name == "tiny":
            return tiny(args.device, args.instances, {"precision": "float32"} | PLAIN | options)
        with tempfile.TemporaryDirectory() as folder:
            family = small(FAMILIES[name], Path(folder)) if args.small else FAMILIES[name]
            return sized(family, args.device, args.instances, PLAIN | options)

    plain = masks({})
    yield receipt(name, "the plain way, again", masks({}), plain)
    if name == "tiny" and args.device != "cpu":
        yield receipt(name, f"on the CPU instead of {args.device}", on_cpu(args.instances), plain)
    for option, options in FAST.items():
        if name != "tiny" and "precision" in options and len(options) == 1:
            continue  # half precision is what these are compared with
        if option not in args.options:
            continue
        try:
            yield receipt(name, option, masks(options), plain)
        except (BenchError, RuntimeError) as error:
            yield Receipt(name, option, failed=first_line(error))


def on_cpu(instances: int) -> list[Mask]:
    """The tiny model's masks, computed in float32 on the processor."""
    return tiny("cpu", instances, {"precision": "float32"} | PLAIN)


def line(each: Receipt) -> str:
    """A row of the table in Markdown."""
    if each.failed:
        return f"| {each.model} | {each.option} | failed: {each.failed} | | | |"
    numbers = f"{each.mean:.4f} | {each.least:.4f} | {100 * each.equal:.0f} % | {each.instances}"
    return f"| {each.model} | {each.option} | {numbers} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare what the command line asks for, print the table and return the exit status."""
    args = parsed(arguments)
    about = environment(args.device)
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    print("\n| model | option | mean IoU | least | equal masks | instances |\n|---|---|---|---|---|---|", flush=True)
    found: list[Receipt] = []
    for name in ["tiny", *args.families]:
        if name == "sdxl" and args.device != "cpu":
            args = argparse.Namespace(**vars(args) | {"instances": min(args.instances, 8)})
        for each in compared(name, args):
            print(line(each), flush=True)
            found.append(each)
    if args.json:
        content = {"environment": about, "receipts": [asdict(each) for each in found]}
        args.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 1 if any(each.failed for each in found) else 0


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line, or `arguments` where they are given."""
    parser = argparse.ArgumentParser(description="Compare the masks of fast options with those of the plain way.")
    add = parser.add_argument
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--instances", type=int, default=32, help="compared (default: 32)")
    add("--families", type=lambda text: text.split(","), default=[], help=f"some of {','.join(FAMILIES)}")
    add("--options", type=lambda text: text.split(";"), default=list(FAST), help=f"some of {'; '.join(FAST)}")
    add("--small", action="store_true", help="tiny networks for the families: runs the script, measures nothing")
    add("--json", type=Path, metavar="FILE", help="write everything there, too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
