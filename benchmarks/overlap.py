"""How much of its time a model on a device works: stages one after the other, and beside each other.

python benchmarks/overlap.py [--ms 30] [--instances 320] [--side 512] [--family sd2 --device cuda]

By default the device is a model that sleeps, which takes no core as a GPU takes none: `--ms` an instance, after its
condition image and area were made at `--side` as the method makes them. Its ideal rate is that of sleeping alone.
`--family` puts networks of a published size on a real device instead; their ideal is the loop without a run around
it. Pictures are JPEG files of COCO's size with an annotation file as COCO-A has it, read through the real loader, and
every prediction is counted, compressed and committed. `--tiny` compares a run of the shipped model with a bare loop
that reads and predicts the same batches in turn: what the store, the counts, the record of what is in flight and the
clocks cost.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import history
import numpy as np

from amodal_bench.core.stages import StageCost, Stages
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Dataset, Query
from amodal_bench.datasets.coco_a.cocoa import Cocoa
from amodal_bench.datasets.toy import Toy
from amodal_bench.method.area import Area
from amodal_bench.method.condition import Condition
from amodal_bench.models.preparing import Preparing
from amodal_bench.runner.loop import run
from amodal_bench.runner.store import Store
from amodal_bench.runner.work import Work
from amodal_bench.views.window import View

SIZE = 480, 640
"""(H, W) of COCO's usual picture."""

REGIONS = 8
"""Annotated objects of a picture; COCO-A has 7 to 9."""


def tree(root: Path, images: int) -> Path:
    """Write a COCO-A tree of mottled pictures with ellipses in depth order; returns its folder."""
    rng = np.random.default_rng(0)
    (root / "annotations").mkdir(parents=True)
    (root / "val2014").mkdir()
    listed, annotations = [], []
    for number in range(1, images + 1):
        name = f"COCO_val2014_{number:012d}.jpg"
        small = rng.integers(0, 255, (SIZE[0] // 8, SIZE[1] // 8, 3), dtype=np.uint8)
        cv2.imwrite(str(root / "val2014" / name), cv2.resize(small, SIZE[::-1], interpolation=cv2.INTER_CUBIC))
        listed.append({"id": number, "file_name": name, "height": SIZE[0], "width": SIZE[1]})
        regions = [_region(rng, order) for order in range(1, REGIONS + 1)]
        annotations.append({"id": number, "image_id": number, "size": len(regions), "depth_constraint": "",
                            "author": "made", "regions": regions})  # fmt: skip
    content = {"info": {}, "images": listed, "annotations": annotations}
    (root / "annotations" / "COCO_amodal_val2014.json").write_text(json.dumps(content), encoding="utf-8")
    return root


def _region(rng: np.random.Generator, order: int) -> dict[str, Any]:
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    across, down = rng.uniform(30, 150), rng.uniform(30, 120)
    x = rng.uniform(160, 480) + across * np.cos(angles)
    y = rng.uniform(130, 350) + down * np.sin(angles)
    outline = np.round(np.stack([x.clip(1, SIZE[1] - 1), y.clip(1, SIZE[0] - 1)], axis=1), 1)
    area = 0.5 * abs(
        np.dot(outline[:, 0], np.roll(outline[:, 1], 1)) - np.dot(outline[:, 1], np.roll(outline[:, 0], 1))
    )
    return {"segmentation": outline.reshape(-1).tolist(), "name": "object", "area": float(area), "isStuff": 0,
            "occlude_rate": 0.0, "order": order}  # fmt: skip


class Device:
    """A model whose network takes a time of its own and no core; the rest is the method's own work.

    Args:
        seconds: of an instance.
        side: of the view in pixels.
    """

    def __init__(self, seconds: float, side: int) -> None:
        self.seconds, self.side = seconds, side
        self.stages, self.view = Stages(), View()
        self._preparing = Preparing(self, self._prepare, self.stages)

    def describe(self) -> dict[str, Any]:
        return {"model": "device", "seconds": self.seconds, "side": self.side}

    def prepared(self, query: Query, seed: int) -> Query:
        """See `Prepares`."""
        return self._preparing.ahead(query, seed)

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
        areas = self._preparing.jobs(queries, seeds)
        with self.stages.clock("device", len(queries)):
            time.sleep(self.seconds * len(queries))
        return areas

    def costs(self) -> dict[str, StageCost]:
        return self.stages.take()

    def _prepare(self, query: Query, seed: int) -> Mask:
        window = self.view.window(query.visible, self.side)
        visible = window.mask(query.visible)
        area = Area()(visible)
        Condition()(window.image(query.image), visible, seed)
        return window.back(area, (query.visible.shape[0], query.visible.shape[1]))


@dataclass(frozen=True)
class Measured:
    """A run: seconds of wall time, and the seconds of its stages."""

    wall: float
    stages: Mapping[str, StageCost]


def measured(dataset: Dataset, model: Any, ids: Sequence[str], overlap: bool, batch: int) -> Measured:
    """Run a model on instances, into a store that is thrown away."""
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "store.sqlite") as store:
        began = time.perf_counter()
        run(Work(dataset, model, ids, 0, batch, overlap=overlap), store, lambda rows: None)
        wall = time.perf_counter() - began
        failed = store.table()["error"].dropna()
        if len(failed):
            raise SystemExit(f"{len(failed)} predictions failed: {failed.iloc[0]}")
        return Measured(wall, store.costs())


def report(title: str, found: Measured, ideal: float, count: int) -> float:
    """Print a row: rate, share of the ideal one, idle share, and what stages cost; returns the share."""
    idle = found.stages["idle"].seconds / found.wall
    cost = ", ".join(f"{name} {1000 * each.seconds / count:.1f}" for name, each in found.stages.items())
    share = f"{100 * ideal / found.wall:.1f} %"
    print(f"| {title} | {count / found.wall:.1f} | {share} | {100 * idle:.1f} % | {cost} |", flush=True)
    return ideal / found.wall


def sized(family: str, device: str, folder: Path, tiny: bool) -> Any:
    """The method with networks of a published size, or with tiny ones."""
    sys.path.insert(0, str(Path(__file__).parent))
    from gpu_models import FAMILIES, small
    from gpu_networks import backbone, build

    from amodal_bench.method.leakage import Blend
    from amodal_bench.models.tuning_free import TuningFree

    class Inside:
        """Takes what was painted for the object: a segmenter that costs nothing."""

        def describe(self) -> dict[str, str]:
            return {"segmenter": "inside"}

        def segment(self, images: Sequence[Any], prompts: Sequence[Any]) -> list[Mask]:
            return [prompt.area for prompt, _ in zip(prompts, images, strict=True)]

    chosen = small(FAMILIES[family], folder / "tiny") if tiny else FAMILIES[family]
    networks: dict[str, Any] = {}
    sizes = {"micro_batch": chosen.micro_batch, "vae_batch": chosen.vae_batch}
    made = backbone(chosen, networks, folder / "weights", device=device, precision="auto", **sizes)
    networks |= build(chosen, made.device, made.dtype)
    return TuningFree(made, Inside(), Condition(), Area(), Blend(), View())


def bare(model: Any, read: Callable[[Sequence[Any]], Sequence[Query]], given: Sequence[Any], batch: int) -> float:
    """Seconds of a loop that does nothing but read and predict; the model's clocks are put back."""
    began = time.perf_counter()
    for start in range(0, len(given), batch):
        queries = read(given[start : start + batch])
        model.predict(queries, [0] * len(queries))
    seconds = time.perf_counter() - began
    model.costs()
    return seconds


def bare_tiny(instances: int, batch: int) -> tuple[Dataset, Any, float, str]:
    """The toy aquarium, the shipped model with its weights in memory, and the seconds of a bare loop over them."""
    from amodal_bench.api.composing import composed
    from amodal_bench.config.build import build

    dataset = Toy(images=-(-instances // 3))
    model = build(composed(["model=tiny"], []).model, "model")
    ids = [str(id) for id in dataset.records()["id"]][:instances]
    if len(ids) < instances:
        raise SystemExit(f"{len(ids)} instances in {dataset.images} scenes, and not {instances}")

    def read(some: Sequence[str]) -> list[Query]:
        return [dataset.sample(id).query for id in some]

    model.predict(read(ids[:batch]), [0] * batch)
    return dataset, model, bare(model, read, ids, batch), "the tiny model on the toy aquarium"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure how much of its time a device works in a run.")
    add = parser.add_argument
    add("--ms", type=float, default=30.0, help="milliseconds that a sleeping device takes for an instance")
    add("--instances", type=int, default=320)
    add("--side", type=int, default=512, help="of the view in pixels")
    add("--batch", type=int, default=16)
    add("--family", help="networks of this family on a device, instead of a model that sleeps")
    add("--device", default="cuda")
    history.add_option(parser)
    add("--tiny", action="store_true", help="the shipped model on the toy aquarium")
    add("--small", action="store_true", help="tiny networks: runs the script, measures nothing")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["AMODAL_BENCH_CACHE"] = str(Path(temporary) / "cache")
        model: Any
        if args.tiny:
            dataset, model, ideal, what = bare_tiny(args.instances, args.batch)
            ids = [str(id) for id in dataset.records()["id"]][: args.instances]
        else:
            dataset = Cocoa(str(tree(Path(temporary) / "cocoa", -(-args.instances // REGIONS))))
            ids = [str(id) for id in dataset.records()["id"]][: args.instances]
            ids = [id for id in ids if dataset.sample(id).visible.any()]
            if args.family:
                model = sized(args.family, args.device, Path(temporary), args.small)
                queries = [model.prepared(dataset.sample(id).query, 0) for id in ids]
                model.predict(queries[: args.batch], [0] * args.batch)
                ideal, what = bare(model, lambda batch: batch, queries, args.batch), f"{args.family} on {args.device}"
            else:
                model = Device(args.ms / 1000, args.side)
                ideal = len(ids) * args.ms / 1000
                what = f"a model that sleeps {args.ms:g} ms, view of {args.side}"
        print(f"{what}; {len(ids)} instances, batches of {args.batch}")
        print(f"{history.machine()}; ideal {len(ids) / ideal:.1f} instances/s")
        print("\n| stages | instances/s | of the ideal | idle | ms an instance |\n|---|---|---|---|---|")
        shares = {}
        for title, overlap in (("one after the other", False), ("beside each other", True)):
            shares[title] = report(title, measured(dataset, model, ids, overlap, args.batch), ideal, len(ids))
        history.keep(args.history, "overlap", {f"share of the ideal, {what}": shares["beside each other"]})
    return 0


if __name__ == "__main__":
    sys.exit(main())
