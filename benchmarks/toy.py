"""Time opening the toy aquarium: drawing and keeping every scene, against its index, made first and opened again.

python benchmarks/toy.py [--images 2000]

Each step opens the dataset and asks for its records and its fingerprint, in a process of its own, so that its peak
memory is its own (where others draw, that of the first), and with a cache that was empty before the first. Ratios are
of wall seconds, as scenes are drawn by a process for each core, and of peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import history
import used


def draw_everything(images: int) -> tuple[int, str]:
    """Hold all scenes in memory; the fingerprint is not computed."""
    from amodal_bench.toy.scene import draw_scene

    scenes = [draw_scene(0, "test", number) for number in range(images)]
    return sum(len(scene.instances) for scene in scenes), ""


def open_toy(images: int) -> tuple[int, str]:
    """Open the dataset, whose index is in the cache or not."""
    from amodal_bench.datasets.toy import Toy

    dataset = Toy("test", images)
    return len(dataset.records()), dataset.fingerprint()


JOBS: dict[str, Callable[[int], tuple[int, str]]] = {
    "draw and keep everything": draw_everything,
    "first opening": open_toy,
    "second opening": open_toy,
}


def measured(job: str, images: int) -> dict[str, float | str]:
    """Run a job in this process; imports count."""
    instances, fingerprint = JOBS[job](images)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return {"instances": instances, "fingerprint": fingerprint, "cpu": used.cpu_seconds(), "peak": peak}


def main() -> None:
    """Run the benchmark, or one step of it."""
    parser = argparse.ArgumentParser(description="Time opening the toy aquarium.")
    parser.add_argument("--images", type=int, default=2000, help="scenes (default: 2000)")
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    history.add_option(parser)
    args = parser.parse_args()
    if args.job:
        print(json.dumps(measured(args.job, args.images)))
        return
    with tempfile.TemporaryDirectory() as cache:
        ratios = report(args.images, cache)
    history.keep(args.history, "toy", ratios)


def report(images: int, cache: str) -> dict[str, float]:
    """Run every step, print the table, and return how many times faster each is than drawing everything."""
    found = {}
    for job in JOBS:
        command, start = [sys.executable, __file__, "--job", job, "--images", str(images)], time.perf_counter()
        environment = {**os.environ, "AMODAL_BENCH_CACHE": cache}
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
        found[job] = {**json.loads(output), "wall": time.perf_counter() - start}
    plain, first, second = found.values()
    if first["fingerprint"] != second["fingerprint"] or len({step["instances"] for step in found.values()}) > 1:
        raise SystemExit("the steps found different datasets")
    print(f"{images} scenes, {plain['instances']} instances\n")
    print(f"{'step':<26}{'wall s':>9}{'CPU s':>9}{'peak MB':>10}{'x faster':>10}{'x less memory':>15}")
    for job, step in found.items():
        faster, less = plain["wall"] / step["wall"], plain["peak"] / step["peak"]
        print(f"{job:<26}{step['wall']:>9.2f}{step['cpu']:>9.2f}{step['peak']:>10.0f}{faster:>10.2f}{less:>15.2f}")
    return {f"{job}, wall": plain["wall"] / step["wall"] for job, step in list(found.items())[1:]}


if __name__ == "__main__":
    main()
