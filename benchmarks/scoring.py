"""Time scoring a stored run of 100,000 instances under every protocol that needs counts alone, with intervals.

python benchmarks/scoring.py [--instances 100000]

The store is a real one, of made-up counts: three videos' frames and images, three instances in each. "Plain" draws
images anew in a Python loop and computes each number of `instance` from the rows that were drawn.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import history
import numpy as np
import pandas as pd

from amodal_bench.api.load import load_protocol
from amodal_bench.api.runs import Run, open_run
from amodal_bench.api.score import scored_run
from amodal_bench.config.settings import config_folder
from amodal_bench.core.types import Integers
from amodal_bench.metrics.protocols import ScoringProtocol, occlusion_rate
from amodal_bench.metrics.statistics import RESAMPLES
from amodal_bench.runner.identity import Identity
from amodal_bench.runner.run_json import write_facts
from amodal_bench.runner.store import COUNTS, Row, Store

TO_AN_IMAGE = 3
PLAIN = 20
"""Resamples that the plain way is timed for; the others would take as long each."""


def made_up(instances: int) -> tuple[Integers, pd.DataFrame]:
    """Joint counts (N, 16) of predictions that are mostly right, and the records that they belong to."""
    rng = np.random.default_rng(0)
    counts = np.zeros((instances, 16), np.int64)
    visible = rng.integers(200, 20_000, instances)
    hidden = (visible * rng.uniform(0, 1.5, instances) * (rng.random(instances) < 0.6)).astype(np.int64)
    found = (hidden * rng.uniform(0, 1, instances)).astype(np.int64)
    wrong = (visible * rng.uniform(0, 0.3, instances)).astype(np.int64)
    # Bits: predicted 1, amodal 2, visible 4, covered by another 8.
    counts[:, 7], counts[:, 11], counts[:, 10], counts[:, 1] = visible, found, hidden - found, wrong
    counts[:, 0] = 640 * 480 - counts.sum(axis=1)
    number = np.arange(instances)
    records = pd.DataFrame(
        {
            "id": [f"instance-{n:07d}" for n in number],
            "image_id": [f"image-{n // TO_AN_IMAGE:07d}" for n in number],
            "category": [f"category-{n % 20}" for n in number],
            "video_id": [f"video-{n // 300}" if n % 2 else "" for n in number],
            "object_id": [f"object-{n % 9}" for n in number],
            "frame": number // TO_AN_IMAGE % 30,
            "occlusion_rate": occlusion_rate(counts),
            **dict.fromkeys(("stuff", "crowd", "hidden", "truncated"), False),
        }
    )
    return counts, records


def written(folder: Path, instances: int) -> Run:
    """A run with such a store."""
    counts, records = made_up(instances)
    facts = {"dataset": {"name": "made-up", "fingerprint": "0" * 64}, "model": {"target": "none"}, "seed": 0}
    write_facts(folder, "made-up", "", Identity(facts), None, {})
    with Store(folder / "store.sqlite") as store:
        store.write([Row(id, None, (480, 640), b"", row) for id, row in zip(records["id"], counts, strict=True)])
        store.write_records(records)
    return open_run(folder)


def countable() -> list[ScoringProtocol]:
    """The shipped protocols that need no masks; `draws` is one of several predictions and left out."""
    names = sorted(file.stem for file in (config_folder() / "protocol").glob("*.yaml"))
    protocols = [load_protocol(name) for name in names if name != "draws"]
    return [protocol for protocol in protocols if not protocol.regions]


def plain(run: Run, resamples: int) -> float:
    """Seconds that a loop over resamples takes for the two numbers of `instance`."""
    rows, records = run.instances(), run.records()
    table = records.merge(rows, on="id")
    counts = table[COUNTS].to_numpy(np.int64)
    bits = np.arange(16)
    p, a, v = bits & 1 > 0, bits & 2 > 0, bits & 4 > 0
    begun = time.perf_counter()
    rng = np.random.default_rng(0)
    images = table.groupby("image_id").indices
    names = list(images)
    for _ in range(resamples):
        drawn = np.concatenate([images[names[k]] for k in rng.integers(0, len(names), len(names))])
        some = counts[drawn]
        iou = some[:, p & a].sum(axis=1) / some[:, p | a].sum(axis=1)
        beyond = some[:, (p | a) & ~v].sum(axis=1)
        occluded = np.divide(some[:, p & a & ~v].sum(axis=1), beyond, out=np.zeros(len(some)), where=beyond > 0)
        iou.mean(), occluded[some[:, a & ~v].sum(axis=1) > 0].mean()
    return time.perf_counter() - begun


def main() -> None:
    """Print seconds for each protocol, for all, and for the plain way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=100_000)
    history.add_option(parser)
    args = parser.parse_args()
    wanted = args.instances
    with tempfile.TemporaryDirectory() as folder:
        run = written(Path(folder), wanted)
        print(f"{wanted} instances, {RESAMPLES} resamples\n\n| protocol | numbers | s |\n|---|---|---|")
        took: dict[str, float] = {}
        for protocol in countable():
            begun = time.perf_counter()
            scored, _ = scored_run(run, protocol)
            scored.summary()
            took[protocol.name] = time.perf_counter() - begun
            print(f"| {protocol.name} | {len(protocol.numbers)} | {took[protocol.name]:.2f} |")
        begun = time.perf_counter()
        first, *others = countable()
        scored, _ = scored_run(run, first, others=others)
        rows = scored.summary()
        assert len(rows) == len(countable())
        print(
            f"| all of them at once | {sum(len(each.numbers) for each in countable())} | "
            f"{time.perf_counter() - begun:.2f} |"
        )
        slow = plain(run, PLAIN) / PLAIN * RESAMPLES
        print(f"| plain loop for `instance` (from {PLAIN} resamples) | 2 | {slow:.0f} |")
        print(f"\n`instance`: {slow / took['instance']:.0f} times faster than the plain loop")
    history.keep(args.history, "scoring", {f"instance, {wanted}": slow / took["instance"]})


if __name__ == "__main__":
    main()
