"""Time the tiny model's micro-batches side by side, and one after the other on all of torch's threads, in turns.

python benchmarks/lanes.py [--rounds 5] [--busy 2]

--busy N does so beside N processes that do nothing but count, as on a machine that others use, too.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from contextlib import ExitStack
from statistics import median

import history
import numpy as np
import torch

from amodal_bench.api.load import load_dataset, load_model
from amodal_bench.core.types import Mask

INSTANCES, STEPS = 32, 5
COUNTING = "while True: pass"


def measure(rounds: int) -> dict[int, list[float]]:
    """Milliseconds an instance of every round, by the number of lanes.

    Raises:
        SystemExit: more than the last bits of the numbers behind the masks must have differed.
    """
    models = {n: load_model("tiny", f"model.steps={STEPS}", f"model.backbone.lanes={n}") for n in (1, 2)}
    dataset = load_dataset("toy", "dataset.images=16")
    samples = [dataset.sample(str(id)) for id in dataset.records()["id"][:INSTANCES]]
    queries, seeds = [sample.query for sample in samples], list(range(len(samples)))
    took: dict[int, list[float]] = {1: [], 2: []}
    found: dict[int, list[Mask]] = {}
    for model in models.values():
        model.predict(queries[:1], seeds[:1])  # loads the networks
    for turn in range(2 * rounds):
        for lanes in ((1, 2), (2, 1))[turn % 2]:
            start = time.perf_counter()
            found[lanes] = models[lanes].predict(queries, seeds)
            took[lanes].append((time.perf_counter() - start) / len(samples) * 1e3)
    pixels = sum(int(np.count_nonzero(one ^ two)) for one, two in zip(found[1], found[2], strict=True))
    if pixels > 4 * len(samples):
        raise SystemExit(f"the masks differ in {pixels} pixels")
    print(f"the masks differ in {pixels} pixels of {sum(mask.size for mask in found[1])}")
    return took


def main() -> None:
    """Parse the command line, do the work and print it."""
    parser = argparse.ArgumentParser(description="Time micro-batches side by side against one after the other.")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of timings of each way (default: 5)")
    parser.add_argument("--busy", type=int, default=0, help="processes that count beside it (default: 0)")
    history.add_option(parser)
    args = parser.parse_args()
    with ExitStack() as stack:
        for _ in range(args.busy):
            counting = subprocess.Popen([sys.executable, "-c", COUNTING])
            stack.callback(counting.wait)
            stack.callback(counting.kill)
        took = measure(max(args.rounds, 1))
    ratio = median(one / two for one, two in zip(took[1], took[2], strict=True))
    beside = f"{torch.get_num_threads()} threads, {args.busy} processes busy beside it"
    print(f"{history.machine()}, torch {torch.__version__}, {beside}")
    for lanes, all in took.items():
        print(f"{lanes} at once: {median(all):.1f} ms an instance of {STEPS} steps (median of {len(all)})")
    print(f"side by side is {ratio:.2f} times as fast")
    what = "side by side" if not args.busy else f"side by side, {args.busy} busy beside it"
    history.keep(args.history, "lanes", {what: ratio})


if __name__ == "__main__":
    main()
