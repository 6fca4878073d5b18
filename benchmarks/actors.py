"""Instances a second of Ray's actors, one of them and more, against the loop in this process.

python benchmarks/actors.py [--history] [--model tiny|sleep] [--actors 1 2] [--images 40] [--batch 8] [--rounds 2]

Each actor has one thread. A clock runs from the moment at which each actor has done its first batch, so starting and
loading are not in it, to the last row; the ways take turns. `sleep` is a model of 30 ms an instance that leaves the
processor alone, as one on a GPU does. The processor's seconds of actors and of the driver stand beside the rate: on a
machine with other work they say more than the clock does.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import history

from amodal_bench.config.build import build
from amodal_bench.config.compose import compose
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Query
from amodal_bench.runner.actors.cluster import RayPool, Wanted, connected
from amodal_bench.runner.actors.driver import run_in
from amodal_bench.runner.actors.pool import Done, Event, Task
from amodal_bench.runner.actors.worker import Recipe
from amodal_bench.runner.identity import identify
from amodal_bench.runner.in_flight import Key
from amodal_bench.runner.loop import run
from amodal_bench.runner.store import Row, Store
from amodal_bench.runner.work import Work


class Sleeps:
    """Predicts V in 30 ms an instance."""

    def describe(self) -> dict[str, Any]:
        return {}

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
        del seeds
        time.sleep(0.03 * len(queries))
        return [query.visible for query in queries]


@dataclass
class Clocked:
    """A pool, and when what was done."""

    pool: RayPool
    actors: int
    done: list[tuple[float, int, int]] = field(default_factory=list)
    before: tuple[float, float] | None = None

    def give(self, worker: int, task: Task, then: Sequence[Key]) -> None:
        self.pool.give(worker, task, then)

    def wait(self) -> Event:
        event = self.pool.wait()
        if isinstance(event, Done):
            self.done.append((time.perf_counter(), event.worker, len(event.answer.rows)))
            if self.before is None and len({worker for _, worker, _ in self.done}) == self.actors:
                self.before, self.done = self._cpu(), self.done[-1:]
        return event

    def found(self) -> tuple[float, float, float]:
        """Instances a second with all actors at work, and the processor's seconds an instance: actors', driver's."""
        if self.before is None:
            raise SystemExit("not every actor got a batch: take more images")
        count = sum(count for _, _, count in self.done[1:])
        actors, driver = (after - before for after, before in zip(self._cpu(), self.before, strict=True))
        return count / (self.done[-1][0] - self.done[0][0]), actors / count, driver / count

    def _cpu(self) -> tuple[float, float]:
        pids = [actor.pid for actor in self.pool._actors.values()]
        return sum(cpu_of(pid) for pid in pids if pid is not None), time.process_time()


def cpu_of(pid: int) -> float:
    """The processor's seconds of a process; 0 where the system does not say."""
    with suppress(OSError):
        words = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def here(work: Work) -> float:
    """Instances a second of this process, its first batch left out."""
    came: list[tuple[float, int]] = []

    def report(rows: Sequence[Row]) -> None:
        came.append((time.perf_counter(), len(rows)))

    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "store.sqlite") as store:
        run(work, store, report)
    return sum(count for _, count in came[1:]) / (came[-1][0] - came[0][0])


def main() -> None:
    """Print the rate of each way, and how they compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="tiny", choices=["tiny", "sleep"])
    parser.add_argument("--actors", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    history.add_option(parser)
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    settings = compose(["dataset=toy", f"dataset.images={args.images}", "model=tiny"], [])
    dataset = build(settings.dataset, "dataset")
    spec: Any = Sleeps() if args.model == "sleep" else settings.model
    model = spec if args.model == "sleep" else build(spec, "model")
    target = "benchmark.Sleeps" if args.model == "sleep" else str(spec["_target_"])
    recipe = Recipe(settings.dataset, spec, target, identify(dataset, model, target, 0), 0, False, None)
    ids = [str(id) for id in dataset.records()["id"]]
    work = Work(dataset, model, ids, 0, args.batch, tolerant=True)
    found: dict[int, list[tuple[float, float, float]]] = {count: [] for count in (0, *args.actors)}
    for _ in range(args.rounds):
        before = time.process_time()
        found[0].append((here(work), 0.0, 0.0))
        found[0][-1] = found[0][-1][0], (time.process_time() - before) / len(ids), 0.0
        for count in args.actors:
            with (
                connected(Wanted(count)) as pool,
                tempfile.TemporaryDirectory() as folder,
                Store(Path(folder) / "store.sqlite") as store,
            ):
                clocked = Clocked(pool, count)
                pool.take_up(recipe, len(ids))
                run_in(clocked, work, store, lambda rows: None)
                found[count].append(clocked.found())
    load = ""
    with suppress(OSError):
        load = f", load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    print(f"{args.model}, {len(ids)} instances in batches of {args.batch}{load}; the best of {args.rounds} rounds")
    base = max(rate for rate, _, _ in found[args.actors[0]])
    print(f"{'':<14}{'instances/s':>12}{'of ' + str(args.actors[0]):>8}{'CPU ms each':>13}{'driver, ms':>12}")
    for count, ways in found.items():
        name = f"{count} actor{'s' * (count > 1)}" if count else "this process"
        rate, actors, driver = max(way[0] for way in ways), min(way[1] for way in ways), min(way[2] for way in ways)
        if count not in (0, args.actors[0]):
            history.keep(args.history, "actors", {f"{args.model}, {count} to {args.actors[0]}": rate / base})
        print(f"{name:<14}{rate:>12.2f}{rate / base:>8.2f}{1000 * actors:>13.1f}{1000 * driver:>12.1f}")


if __name__ == "__main__":
    main()
