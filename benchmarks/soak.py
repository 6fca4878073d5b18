"""Run many instances in one process, and look whether its memory, its descriptors and its pace stay as they are.

python benchmarks/soak.py [--instances 100000] [--model visible] [--history]

The dataset is made up: pictures of 64x64 with an ellipse behind another, drawn as they are asked for. All of the loop
is real: reading in a thread, the record of what is in flight, counts, RLEs, checksums, commits.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import history
import numpy as np
import pandas as pd

from amodal_bench.api.load import load_model
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import RECORD_COLUMNS, Problem, Sample
from amodal_bench.runner.loop import run
from amodal_bench.runner.store import Row, Store
from amodal_bench.runner.work import Work

SIDE = 64
LOOKS = 20
"""How often the process is looked at."""


class MadeUp:
    """So many samples, each drawn from its number alone."""

    name = "made-up"
    read_ahead = True

    def __init__(self, instances: int) -> None:
        self.instances = instances
        self._y, self._x = np.indices((SIDE, SIDE)) / SIDE

    def records(self) -> pd.DataFrame:
        return pd.DataFrame({"id": [f"{n:07d}" for n in range(self.instances)]}, columns=list(RECORD_COLUMNS))

    def sample(self, id: str) -> Sample:
        rng = np.random.default_rng(int(id))
        amodal, before = self._ellipse(rng), self._ellipse(rng)
        visible = amodal & ~before
        visible[SIDE // 2, SIDE // 2] = amodal[SIDE // 2, SIDE // 2] = True
        return Sample(id, rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8), visible, amodal, before & ~visible)

    def fingerprint(self) -> str:
        return "0"

    def check(self) -> Sequence[Problem]:
        return []

    def _ellipse(self, rng: np.random.Generator) -> Mask:
        (cy, cx), (ry, rx) = rng.uniform(0.4, 0.6, 2), rng.uniform(0.1, 0.3, 2)
        return np.asarray(((self._y - cy) / ry) ** 2 + ((self._x - cx) / rx) ** 2 < 1)


@dataclass(frozen=True)
class Look:
    """The process after some instances: seconds, memory in MB, open descriptors, threads and objects of Python's."""

    done: int
    seconds: float
    memory: float
    descriptors: int
    threads: int
    objects: int


def look(done: int, began: float) -> Look:
    """Look at this process as it is now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (a path for each would be a descriptor's worth)
    return Look(
        done, time.perf_counter() - began, memory, descriptors, threading.active_count(), len(gc.get_objects())
    )


def soak(instances: int, model: Any, folder: Path) -> list[Look]:
    """Run so many instances; returns what was seen on the way."""
    dataset = MadeUp(instances)
    ids = [str(id) for id in dataset.records()["id"]]
    looks: list[Look] = []
    began, done = time.perf_counter(), 0

    def report(rows: Sequence[Row]) -> None:
        nonlocal done
        done += len(rows)
        if done >= instances * (len(looks) + 1) / LOOKS:
            looks.append(look(done, began))

    with Store(folder / "store.sqlite") as store:
        run(Work(dataset, model, ids, 0, 16), store, report)
        if len(store.done()) != instances:
            raise SystemExit(f"{len(store.done())} of {instances} instances are in the store")
    return looks


def main() -> int:
    """Print what was seen; 1 where something grew."""
    parser = argparse.ArgumentParser(description="Run many instances, and look whether anything grows.")
    parser.add_argument("--instances", type=int, default=100_000)
    parser.add_argument("--model", default="visible")
    history.add_option(parser)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        looks = soak(args.instances, load_model(args.model), Path(folder))
    print(f"{'done':>9}{'s':>9}{'per s':>9}{'MB':>9}{'files':>7}{'threads':>9}{'objects':>10}")
    before = Look(0, 0.0, 0.0, 0, 0, 0)
    for each in looks:
        pace = (each.done - before.done) / (each.seconds - before.seconds)
        print(f"{each.done:>9}{each.seconds:>9.1f}{pace:>9.0f}{each.memory:>9.1f}{each.descriptors:>7}"
              f"{each.threads:>9}{each.objects:>10}")  # fmt: skip
        before = each
    early, late = looks[len(looks) // 4], looks[-1]
    grown = late.memory - early.memory
    half = looks[len(looks) // 2 - 1]
    pace = (late.done - half.done) / (late.seconds - half.seconds) / (half.done / half.seconds)
    files, objects = late.descriptors - early.descriptors, late.objects - early.objects
    print(f"\nfrom {early.done} to {late.done}: {grown:+.1f} MB, {files:+d} files, {objects:+d} objects")
    print(f"the second half at {pace:.2f} of the first one's pace")
    history.keep(args.history, "soak", {"pace of the second half": pace})
    return int(grown > 20 or late.descriptors > early.descriptors or late.threads > early.threads)


if __name__ == "__main__":
    sys.exit(main())
