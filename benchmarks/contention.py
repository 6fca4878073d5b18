"""What host work beside a denoising loop costs it: none, in threads, or in processes of its own.

python benchmarks/contention.py [--family sd2] [--batches 4] [--device cuda] [--small]

A loop on a GPU is a Python thread that queues kernels; threads that read, prepare and count take turns with it.
The work beside it is what a run's pipeline does: condition image and area of a scene, and a mask's counts and RLE.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from gpu_measure import scene

from amodal_bench.core.rle import encode
from amodal_bench.core.types import Image, Mask
from amodal_bench.method.area import Area
from amodal_bench.method.condition import Condition
from amodal_bench.metrics.counts import joint_counts


def host_work(picture: Image, visible: Mask, seed: int) -> None:
    """What a pipeline does for one instance, but for reading files."""
    Area()(visible)
    Condition()(picture, visible, seed)
    joint_counts(visible, visible, visible, np.zeros_like(visible))
    encode(visible)


def worker(side: int, stop: Any, done: Any, index: int, pace: float) -> None:
    """Work until told to stop, `pace` seconds or more an instance, and tell how many instances that were."""
    cv2.setNumThreads(1)
    picture, visible = scene(side, index)
    count, due = 0, time.perf_counter()
    while not stop.is_set():
        host_work(picture, visible, count)
        count += 1
        due = max(due + pace, time.perf_counter())
        time.sleep(max(0.0, due - time.perf_counter()))
    done.put(count)


def beside(
    kind: Any, queue: Any, event: Any, count: int, side: int, pace: float, loop: Callable[[], float]
) -> tuple[float, float]:
    """Seconds of the loop with so many workers of a kind beside it, and instances a second that they did."""
    stop, done = event(), queue()
    workers = [kind(target=worker, args=(side, stop, done, index, pace)) for index in range(count)]
    for each in workers:
        each.start()
    if count:
        time.sleep(6.0 if kind is not threading.Thread else 0.5)  # a process has to import first
    began = time.perf_counter()
    seconds = loop()
    took = time.perf_counter() - began
    stop.set()
    finished = sum(done.get() for _ in workers)
    for each in workers:
        each.join()
    return seconds, finished / took


def main() -> int:
    """Print a row for each way."""
    import queue

    from gpu_measure import prepared
    from gpu_models import FAMILIES, small
    from gpu_networks import backbone, build

    from amodal_bench.core.stages import Stages
    from amodal_bench.method.inpaint import Denoising, Inpainter
    from amodal_bench.method.leakage import Blend

    parser = argparse.ArgumentParser()
    parser.add_argument("--family", default="sd2")
    parser.add_argument("--batches", type=int, default=4)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        family = small(FAMILIES[args.family], folder / "tiny") if args.small else FAMILIES[args.family]
        networks: dict[str, Any] = {}
        sizes = {"micro_batch": family.micro_batch, "vae_batch": family.vae_batch}
        model = backbone(family, networks, folder / "w", device=args.device, precision="auto", **sizes)
        networks |= build(family, model.device, model.dtype)
        inpainter = Inpainter(model, Denoising(Blend(), 20, 0.0), Stages())
        count = args.batches * family.micro_batch
        scenes = [scene(family.native, index % 4) for index in range(count)]
        _, conditions, areas, seeds = prepared(scenes)

        def loop() -> float:
            began = time.perf_counter()
            inpainter.inpaint(conditions, areas, seeds)
            return (time.perf_counter() - began) / count

        inpainter.inpaint(conditions[: family.micro_batch], areas[: family.micro_batch], seeds[: family.micro_batch])
        alone = median(loop() for _ in range(2))
        print(f"{args.family}: alone {1000 * alone:.1f} ms an instance", flush=True)
        spawn = multiprocessing.get_context("spawn")
        ways = [
            (kind, workers, paced, interval)
            for kind, interval in (("threads", 0.005), ("threads", 0.0005), ("processes", 0.005))
            for workers, paced in ((2, True), (1, False), (4, False))
        ]
        for kind, workers, paced, interval in ways:
            sys.setswitchinterval(interval)
            pace = workers * alone / 1.2 if paced else 0.0
            parts: Any = (threading.Thread, queue.Queue, threading.Event)
            if kind == "processes":
                parts = (spawn.Process, spawn.Queue, spawn.Event)
            seconds, rate = beside(*parts, workers, family.native, pace, loop)
            print(
                f"{workers} {kind}{' at 1.2 times its pace' * paced}, switching every {1000 * interval} ms: "
                f"{1000 * seconds:.1f} ms, {seconds / alone:.2f} of alone; {rate:.0f} instances/s beside",
                flush=True,
            )
        again = loop()
        print(f"alone again: {1000 * again:.1f} ms", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
