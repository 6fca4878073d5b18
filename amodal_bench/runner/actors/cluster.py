"""Ray: a cluster that is started here or joined, and an actor for each worker, one on a machine before its others."""

from __future__ import annotations

import importlib.util
import logging
import os
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from amodal_bench.core.cores import cores
from amodal_bench.core.errors import BenchError, ConfigError, first_line, one_line
from amodal_bench.runner.actors.life import Life
from amodal_bench.runner.actors.pool import Done, Event, Lost, Ready, Task
from amodal_bench.runner.actors.worker import Packed, Recipe, Worker, last_of
from amodal_bench.runner.in_flight import Key

log = logging.getLogger(__name__)

STILLBORN = 3
"""Actors that may end one after the other before any of them is ready."""

PATIENCE = 60.0
"""Seconds after which it is said that no actor has got a place yet."""

_MEMORY = 256 * 2**20
"""Bytes of the object store of a cluster that is started here: rows are small."""


def require_ray() -> None:
    """Raise `ConfigError` where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise ConfigError("engine=ray: Ray is not installed; pip install 'amodal-bench[ray]', or use engine=local")


@dataclass(frozen=True)
class Wanted:
    """What is asked of a cluster.

    Attributes:
        actors: at most so many; None for as many as there is room for.
        cpus, gpus: what each of them has; None for one GPU where the cluster has any, and none where it has not.
        address: of the cluster, as Ray has it; None to start one on this machine.
    """

    actors: int | None = None
    cpus: int = 1
    gpus: float | None = None
    address: str | None = None


@contextmanager
def connected(wanted: Wanted) -> Iterator[RayPool]:
    """A pool on a cluster; one that was started here ends with it, whatever happens.

    Raises:
        ConfigError: there is no such cluster, or it cannot be started.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if wanted.address is None:
        cpus = max(cores(), (wanted.actors or 1) * wanted.cpus)
        options |= {"address": "local", "num_cpus": cpus, "include_dashboard": False, "object_store_memory": _MEMORY}
    else:
        options |= {"address": wanted.address, "namespace": "amodal_bench"}
    life = None if ray.is_initialized() else Life(ray, options)
    try:
        if life is not None:
            _begin(life, wanted)
        with tempfile.TemporaryDirectory(prefix="amodal_bench-", ignore_cleanup_errors=True) as base:
            pool = RayPool(ray, wanted, base if wanted.address is None and life is not None else None)
            try:
                yield pool
            finally:
                pool.close()
    finally:
        if life is not None:
            life.end()


def _begin(life: Life, wanted: Wanted) -> None:
    try:
        life.begin()
    except Exception as error:
        what = "no cluster can be started here" if wanted.address is None else f"engine.address={wanted.address}"
        raise ConfigError(f"engine=ray: {what} ({first_line(error)})") from error
    _quiet()


def _quiet() -> None:
    """Keep Ray from printing a paragraph among tables where an actor ends; the driver says it in a line."""
    with suppress(ImportError, AttributeError):  # it is Ray's own business, and has no setting
        from ray._private import worker

        assert worker.print_to_stdstream
        worker.print_to_stdstream = lambda data, ignore_prefix=False: log.debug("Ray: %s", data.get("lines"))


@dataclass
class _Actor:
    """An actor as its pool sees it.

    Attributes:
        handle: Ray's.
        node: the machine that it was started for.
        calls: what was asked of it and not answered yet, in order: what, and Ray's reference.
        folder, pid: its own, once it has said so.
        begun: whether it was told of the present run.
        ready: whether it has built what that run needs.
        since: when it was asked for, by the monotonic clock.
    """

    handle: Any
    node: str
    calls: deque[tuple[str, Any]] = field(default_factory=deque)
    folder: str | None = None
    pid: int | None = None
    begun: bool = False
    ready: bool = False
    since: float = field(default_factory=time.monotonic)


class RayPool:
    """Actors of a cluster, for one run after the other.

    A machine's first actor does its first batch before others start there: so weights are fetched once, and are read
    from the disk once, since the others find them in the machine's cache of files.

    Args:
        ray: the module.
        wanted: what is asked of the cluster.
        base: a folder for those of all actors, where all of them are on this machine.
    """

    def __init__(self, ray: Any, wanted: Wanted, base: str | None) -> None:
        self._ray, self._wanted, self._base = ray, wanted, base
        gpus = wanted.gpus
        if gpus is None:
            gpus = 1.0 if ray.cluster_resources().get("GPU") else 0.0
        self._gpus = gpus
        if base is not None and not any(self._rooms().values()):
            has = ray.cluster_resources().get("GPU", 0)
            raise ConfigError(f"engine.gpus={gpus:g}: no actor has room; this machine has {has:g}, so set it to that")
        options = {"num_cpus": wanted.cpus, "num_gpus": gpus, "max_restarts": 0, "max_task_retries": 0}
        self._kind = ray.remote(**options)(Worker)
        self._actors: dict[int, _Actor] = {}
        self._count = self._stillborn = 0
        self._recipe: Any = None
        self._tasks = 0
        self._warm: set[str] = set()
        self._full: set[str] = set()
        self._patience = PATIENCE
        self._since = time.monotonic()
        self._told = False

    def take_up(self, recipe: Recipe, tasks: int) -> None:
        """Begin a run.

        Args:
            recipe: what it is; the cluster keeps it once for each machine.
            tasks: how many there are: more actors would have nothing to do.

        Raises:
            ConfigError: an object in it cannot be sent to another process.
        """
        model, dataset = self._packed("model", recipe.model), self._packed("dataset", recipe.dataset)
        self._recipe = self._ray.put(replace(recipe, model=model, dataset=dataset))
        self._tasks, self._warm, self._full, self._stillborn = tasks, set(), set(), 0
        self._since, self._told, self._patience = time.monotonic(), False, PATIENCE
        for actor in self._actors.values():
            actor.begun = actor.ready = False
        self._plan()

    def _packed(self, key: str, value: object) -> object:
        """A component as actors can be given it: as its settings, or as an object packed."""
        if isinstance(value, Mapping):
            return value
        try:
            return Packed(self._ray.cloudpickle.dumps(value), type(value).__name__)
        except Exception as error:  # of anybody's class
            raise ConfigError(
                f"{key}: an object of {type(value).__name__} cannot be sent to actors ({one_line(error)[:200]}); "
                "name its class in a YAML, or use engine=local"
            ) from error

    def give(self, worker: int, task: Task, then: Sequence[Key]) -> None:
        actor = self._actors[worker]
        if task.guilty is None:
            actor.calls.append(("task", actor.handle.predict.remote(list(task.keys), list(then))))
        else:
            actor.calls.append(("task", actor.handle.fail.remote(task.guilty)))

    def wait(self) -> Event:
        while True:
            self._plan()
            heads = {actor.calls[0][1]: number for number, actor in self._actors.items() if actor.calls}
            if not heads:
                time.sleep(1.0)  # every machine is gone; another may come
                self._complain()
                continue
            found, _ = self._ray.wait(list(heads), num_returns=1, timeout=1.0)
            if not found:
                self._complain()
                self._move_on()
            elif (event := self._heard(heads[found[0]])) is not None:
                return event

    def close(self) -> None:
        """End all actors: those that have nothing to do in good order."""
        idle = [actor.handle.end.remote() for actor in self._actors.values() if not actor.calls]
        with suppress(Exception):
            self._ray.wait(idle, num_returns=len(idle), timeout=5.0) if idle else None
        for actor in self._actors.values():
            with suppress(Exception):
                self._ray.kill(actor.handle)
        self._actors.clear()

    def _heard(self, number: int) -> Event | None:
        """What the oldest call of an actor has come to."""
        actor = self._actors[number]
        what, reference = actor.calls[0]
        try:
            found = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError:
            raise  # a fault of the worker's own code
        except self._ray.exceptions.RayError as error:
            return self._lost(number, error)
        actor.calls.popleft()
        if what == "where":
            actor.folder, actor.pid = found
            return None
        if what == "task":
            self._warm.add(actor.node)
            return Done(number, found)
        if not actor.begun or any(what == "begin" for what, _ in actor.calls):
            return None  # it was told of an earlier run, which is over; it has nothing of this one's yet
        other, stop = found
        if stop is not None:
            raise stop
        if other:
            raise ConfigError(
                f"engine=ray: an actor would make another run than this command: {other}; install the same versions "
                "on all machines, and give the command on one with the same kind of device"
            )
        actor.ready, self._stillborn = True, 0
        return Ready(number)

    def _lost(self, number: int, error: Exception) -> Event | None:
        actor = self._actors.pop(number)
        with suppress(Exception):
            self._ray.kill(actor.handle)
        if not actor.ready:
            self._stillborn += 1
            if self._stillborn >= STILLBORN:
                raise BenchError(
                    f"engine=ray: {STILLBORN} actors ended one after the other before they were ready "
                    f"({one_line(error)[:300]}); engine=local may show why"
                )
            return None
        if not isinstance(error, self._ray.exceptions.RayActorError):
            return Lost(number, blamed=False)  # it has answered, and the answer is gone with its machine
        try:
            why, stage = self._last_of(actor)
        except Exception:  # a machine that says nothing any more
            return Lost(number, blamed=False)
        return Lost(number, True, why, stage)

    def _last_of(self, actor: _Actor) -> Any:
        """What an actor has left on its machine. Raises anything where nobody answers there."""
        if actor.folder is None:
            raise LookupError
        if self._base is not None:
            return last_of(actor.folder)
        there = {"num_cpus": 0, "max_retries": 0, "scheduling_strategy": self._at(actor.node)}
        asked = self._ray.remote(**there)(last_of).remote(actor.folder)
        return self._ray.get(asked, timeout=PATIENCE)

    def _at(self, node: str) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(node, soft=False)

    def _plan(self) -> None:
        """Start and tell as many actors as there is room and work for."""
        if self._recipe is None or self._complete():
            return
        rooms = self._rooms()
        if all(node in self._full for node, room in rooms.items() if room):
            self._full.clear()  # the others are gone
        for node, room in rooms.items():
            if node in self._full:
                continue
            there = [actor for actor in self._actors.values() if actor.node == node]
            begun = sum(actor.begun for actor in there)
            limit = room if node in self._warm else min(room, 1)
            for actor in there:
                if not actor.begun and begun < limit and self._begun() < self._most():
                    self._begin(actor)
                    begun += 1
            while len(there) < room and begun < limit and self._begun() < self._most():
                there.append(self._start(node))
                begun += 1

    def _move_on(self) -> None:
        """Look elsewhere for an actor that has got no place for long: others may use its machine."""
        asked = time.monotonic() - self._patience
        for number in [n for n, actor in self._actors.items() if actor.pid is None and actor.since < asked]:
            node = self._actors[number].node
            ours = Counter(actor.node for actor in self._actors.values())
            others = {other for other, room in self._rooms().items() if other != node and room > ours[other]}
            if others:
                self._full = {node} if others <= self._full else {*self._full, node}
                self._patience *= 2  # an actor may be as long in coming everywhere
                with suppress(Exception):
                    self._ray.kill(self._actors.pop(number).handle)

    def _complete(self) -> bool:
        return self._begun() >= self._most()

    def _begun(self) -> int:
        return sum(actor.begun for actor in self._actors.values())

    def _most(self) -> int:
        return min(self._tasks, self._wanted.actors or self._tasks)

    def _start(self, node: str) -> _Actor:
        handle = self._kind.options(scheduling_strategy=self._at(node)).remote(self._base)
        actor = self._actors[self._count] = _Actor(handle, node)
        self._count += 1
        actor.calls.append(("where", handle.where.remote()))
        self._begin(actor)
        return actor

    def _begin(self, actor: _Actor) -> None:
        actor.begun = True
        actor.calls.append(("begin", actor.handle.begin.remote(self._recipe)))

    def _rooms(self) -> dict[str, int]:
        """How many actors each machine has room for, by its id."""
        rooms = {}
        for node in self._ray.nodes():
            if not node["Alive"]:
                continue
            has = node["Resources"]
            room = int(has.get("CPU", 0) // self._wanted.cpus)
            if self._gpus:
                per_gpu = int(1 / self._gpus) if self._gpus <= 1 else 1 / self._gpus
                room = min(room, int(has.get("GPU", 0) * per_gpu))
            rooms[node["NodeID"]] = room
        return rooms

    def _complain(self) -> None:
        """Say once that nothing has begun for long, and why."""
        waited = time.monotonic() - self._since
        if self._told or waited < PATIENCE or any(actor.ready for actor in self._actors.values()):
            return
        self._told = True
        rooms = self._rooms()
        log.warning(
            "no Ray actor is ready after %d s: %d machines have room, but for what others use there, for %d actors "
            "of %d cores and %g GPUs each",
            waited,
            len(rooms),
            sum(rooms.values()),
            self._wanted.cpus,
            self._gpus,
        )
