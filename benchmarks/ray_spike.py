"""Ray Data against hand-made Ray actors on a run's job: rows, overhead, order, and what a killed actor costs.

python benchmarks/ray_spike.py [--model sleep|visible|tiny] [--instances 64] [--actors 2] [--poison [--retries N]]

Each way reads, predicts and counts the same instances of the toy aquarium, and hands rows to one writer. `--poison`
lets one instance end its process each time that it is predicted, which is what no retry cures.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from amodal_bench.api.load import load_model
from amodal_bench.core.seeds import sample_seed
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Query
from amodal_bench.datasets.toy import Toy
from amodal_bench.models.base import Model
from amodal_bench.runner.loop import run
from amodal_bench.runner.store import Row, Store, prediction_row
from amodal_bench.runner.work import Work

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
TINY = ("model.steps=2",)
Rows = Iterator[Sequence[Row]]


class Sleeps:
    """Predicts V in 30 ms an instance, as a GPU would: the processor is free meanwhile."""

    def __init__(self, poison: str = "") -> None:
        self.poison = poison

    def describe(self) -> dict[str, Any]:
        return {}

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
        del seeds
        time.sleep(0.03 * len(queries))
        if any(query.id == self.poison for query in queries):
            os._exit(3)
        return [query.visible for query in queries]


def made(kind: str, poison: str) -> Model:
    """The model of one process."""
    import torch

    torch.set_num_threads(1)
    if kind == "sleep":
        return Sleeps(poison)
    return load_model("tiny", *TINY) if kind == "tiny" else load_model(kind)


class Worker:
    """What an actor has: the dataset and the model."""

    def __init__(self, kind: str, images: int, poison: str) -> None:
        self.dataset, self.model = Toy(images=images), made(kind, poison)

    def pid(self) -> int:
        """The process's number; to ask for it waits until all is built."""
        return os.getpid()

    def rows(self, ids: Sequence[str]) -> list[Row]:
        """Read, predict and count one batch."""
        samples = [self.dataset.sample(id) for id in ids]
        seeds = [sample_seed(0, id) for id in ids]
        masks = self.model.predict([sample.query for sample in samples], seeds)
        return [
            prediction_row(sample.id, mask, sample.amodal, sample.visible, sample.others, 0.0, 0.0)
            for sample, mask in zip(samples, masks, strict=True)
        ]


class Table(Worker):
    """Ray Data calls it with a table of ids, and gets a table of rows."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        rows = self.rows([str(id) for id in batch["item"]])
        return {
            "id": np.array([row.id for row in rows]),
            "rle": np.array([row.rle for row in rows], object),
            "counts": np.stack([np.asarray(row.counts) for row in rows]),
            "shape": np.array([row.shape for row in rows]),
            "pid": np.full(len(rows), os.getpid()),
        }


def by_data(args: argparse.Namespace, ids: Sequence[str], poison: str, seen: set[int]) -> Rows:
    """Ray Data: a pool of actors that retries, by default for ever."""
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    items = ray.data.from_items(list(ids), override_num_blocks=-(-len(ids) // args.batch))
    mapped = items.map_batches(
        Table,
        fn_constructor_args=(args.model, args.images, poison),
        batch_size=args.batch,
        compute=ray.data.ActorPoolStrategy(size=args.actors),
        max_restarts=-1,
        max_task_retries=args.retries,
    )
    for batch in mapped.iter_batches(batch_size=None):
        seen.update(int(pid) for pid in batch["pid"])
        columns = zip(batch["id"], batch["shape"], batch["rle"], batch["counts"], strict=True)
        yield [Row(str(id), None, (int(h), int(w)), bytes(rle), counts) for id, (h, w), rle, counts in columns]


def by_actors(args: argparse.Namespace, ids: Sequence[str], poison: str, seen: set[int]) -> Rows:
    """Actors by hand: two batches in flight each; a lost batch is tried one by one, a second loss is an error."""
    import ray
    from ray.exceptions import RayActorError

    kind: Any = ray.remote(num_cpus=1)(Worker)
    queue = [list(ids[start : start + args.batch]) for start in range(0, len(ids), args.batch)]
    flying: dict[Any, tuple[Any, list[str]]] = {}
    pool = [kind.remote(args.model, args.images, poison) for _ in range(args.actors)]
    seen.update(ray.get([actor.pid.remote() for actor in pool]))
    while queue or flying:
        for actor in pool:
            while queue and sum(who is actor for who, _ in flying.values()) < 2:
                batch = queue.pop(0)
                flying[actor.rows.remote(batch)] = actor, batch
        (ready,), _ = ray.wait(list(flying), num_returns=1)
        actor, batch = flying.pop(ready)
        try:
            yield ray.get(ready)
        except RayActorError:
            first = actor in pool  # its second batch comes back, too, and is to blame for nothing
            if not first:
                queue.append(batch)
            elif len(batch) == 1:
                yield [Row(batch[0], error="took the process with it")]
            else:
                queue[:0] = [[id] for id in batch]
            if first:
                pool[pool.index(actor)] = kind.remote(args.model, args.images, poison)


def by_loop(args: argparse.Namespace, ids: Sequence[str]) -> tuple[float, list[Row]]:
    """The plain loop in this process; returns its seconds and rows."""
    rows: list[Row] = []
    model, dataset = made(args.model, ""), Toy(images=args.images)
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "store.sqlite") as store:
        began = time.perf_counter()
        run(Work(dataset, model, ids, 0, args.batch), store, rows.extend)
        return time.perf_counter() - began, rows


def timed(rows: Rows, came: list[Row], kill: Callable[[], object] | None = None, at: int = 0) -> tuple[float, float]:
    """Seconds until the first row, and seconds from there on; rows are added as they come, each batch committed."""
    began, first = time.perf_counter(), 0.0
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "store.sqlite") as store:
        for batch in rows:
            store.write(batch)
            first = first or time.perf_counter()
            if kill is not None and len(came) < at <= len(came) + len(batch):
                kill()
            came += batch
    return first - began, time.perf_counter() - first


def same(rows: Sequence[Row], wanted: Sequence[Row]) -> str:
    """How rows differ from those of the plain loop, in words."""
    found = {row.id: row for row in rows}
    equal = sum(
        row.id in found and found[row.id].rle == row.rle and np.array_equal(found[row.id].counts, row.counts)  # type: ignore[arg-type]
        for row in wanted
    )
    twice, order = len(rows) - len(found), [row.id for row in rows] == [row.id for row in wanted]
    return f"{equal} of {len(wanted)} equal, {twice} twice, {'in order' if order else 'in another order'}"


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="sleep", choices=["sleep", "visible", "tiny"])
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--instances", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--actors", type=int, default=2)
    parser.add_argument("--poison", action="store_true")
    parser.add_argument("--retries", type=int, default=-1, help="of a task of Ray Data's; for ever")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for Ray Data with --poison")
    args = parser.parse_args()
    ids = [str(id) for id in Toy(images=args.images).records()["id"]][: args.instances]
    seconds, wanted = by_loop(args, ids)
    print(f"plain loop: {seconds:.2f} s, {1000 * seconds / len(ids):.1f} ms an instance", flush=True)
    import ray

    began = time.perf_counter()
    options = {"include_dashboard": False, "object_store_memory": 200 * 2**20, "log_to_driver": False}
    ray.init("local", num_cpus=args.actors, **options)
    print(f"a local cluster starts in {time.perf_counter() - began:.1f} s", flush=True)
    for name, way in (("actors", by_actors), ("Ray Data", by_data)):
        for killing in [False] if args.poison else [False, True]:
            seen: set[int] = set()
            rows: list[Row] = []

            def kill(pids: set[int] = seen) -> None:
                os.kill(next(iter(pids)), signal.SIGKILL)

            if args.poison:  # what never ends is ended
                alarm = threading.Timer(args.limit, lambda: os.kill(os.getpid(), signal.SIGINT))
                alarm.start()
            try:
                poison = ids[len(ids) // 2] if args.poison else ""
                start, rest = timed(way(args, ids, poison, seen), rows, kill if killing else None, len(ids) // 3)
                failed = sum(row.error is not None for row in rows)
                print(
                    f"{name}{', an actor killed' * killing}: first row after {start:.1f} s, "
                    f"the others in {rest:.2f} s; {same(rows, wanted)}{f', {failed} with an error' * bool(failed)}",
                    flush=True,
                )
            except (Exception, KeyboardInterrupt) as error:
                text = str(error).strip().splitlines()
                print(
                    f"{name}{', an actor killed' * killing}: {type(error).__name__} {text[:1]}; {same(rows, wanted)}",
                    flush=True,
                )
            finally:
                if args.poison:
                    alarm.cancel()
    ray.shutdown()


if __name__ == "__main__":
    main()
