"""Time the tiny model's micro-batches side by side, one after the other on all of torch's threads, and unscripted.

python benchmarks/lanes.py [--rounds 5] [--busy 2]

The networks are loaded and the script is written before. --busy N does so beside N processes that do nothing but
count, as on a machine that others use, too.
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
SIDE_BY_SIDE, IN_TURN, UNSCRIPTED = "side by side", "one after the other", "side by side, not scripted"
WAYS = {
    SIDE_BY_SIDE: {"lanes": 2, "scripted": True},
    IN_TURN: {"lanes": 1, "scripted": True},
    UNSCRIPTED: {"lanes": 2, "scripted": False},
}


def measure(rounds: int) -> dict[str, list[float]]:
    """Milliseconds an instance of every round, by the way.

    Raises:
        SystemExit: more than the last bits of the numbers behind the masks must have differed, or any where scripts
            are all that differs.
    """
    models = {
        way: load_model(
            "tiny", f"model.steps={STEPS}", *(f"model.backbone.{name}={value}" for name, value in settings.items())
        )
        for way, settings in WAYS.items()
    }
    dataset = load_dataset("toy", "dataset.images=16")
    samples = [dataset.sample(str(id)) for id in dataset.records()["id"][:INSTANCES]]
    queries, seeds = [sample.query for sample in samples], list(range(len(samples)))
    took: dict[str, list[float]] = {way: [] for way in WAYS}
    found: dict[str, list[Mask]] = {}
    for model in models.values():
        model.predict(queries, seeds)  # loads the networks
    for turn in range(2 * rounds):
        for way in list(WAYS)[:: (1, -1)[turn % 2]]:
            start = time.perf_counter()
            found[way] = models[way].predict(queries, seeds)
            took[way].append((time.perf_counter() - start) / len(samples) * 1e3)
    for way, allowed in ((IN_TURN, 4 * len(samples)), (UNSCRIPTED, 0)):
        pixels = sum(
            int(np.count_nonzero(one ^ two)) for one, two in zip(found[SIDE_BY_SIDE], found[way], strict=True)
        )
        print(f"{way}: {pixels} of {sum(mask.size for mask in found[way])} pixels differ")
        if pixels > allowed:
            raise SystemExit("these are too many")
    return took


def main() -> None:
    """Parse the command line, do the work and print it."""
    parser = argparse.ArgumentParser(description="Time micro-batches side by side against two other ways.")
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
    beside = f"{torch.get_num_threads()} threads, {args.busy} processes busy beside it"
    print(f"{history.machine()}, torch {torch.__version__}, {beside}")
    ratios = {}
    for way, all in took.items():
        print(f"{way}: {median(all):.1f} ms an instance of {STEPS} steps (median of {len(all)})")
        if way != SIDE_BY_SIDE:
            ratios[way] = median(other / ours for other, ours in zip(all, took[SIDE_BY_SIDE], strict=True))
            print(f"{SIDE_BY_SIDE} is {ratios[way]:.2f} times as fast as {way}")
    busy = f", {args.busy} busy beside it" if args.busy else ""
    kept = {f"side by side, scripted{busy}": ratios[IN_TURN], f"scripted{busy}": ratios[UNSCRIPTED]}
    history.keep(args.history, "lanes", kept)


if __name__ == "__main__":
    main()
