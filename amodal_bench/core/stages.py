"""Clocks: what each stage of a model's work costs in time and in memory of the device."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class StageCost:
    """What a stage has cost so far.

    Attributes:
        seconds: of wall time, without loading; work that failed counts too.
        instances: that went through.
        batch: instances computed at once, the smallest number where it varied; 0 for one after the other.
        peak: the most bytes that were allocated on a GPU while the stage ran; 0 on the CPU, where nobody counts them.
    """

    seconds: float = 0.0
    instances: int = 0
    batch: int = 0
    peak: int = 0

    def __add__(self, other: StageCost) -> StageCost:
        batches = [cost.batch for cost in (self, other) if cost.batch]
        return StageCost(
            self.seconds + other.seconds,
            self.instances + other.instances,
            min(batches, default=0),
            max(self.peak, other.peak),
        )


class _Uncharged(threading.local):
    depth = 0
    seconds = 0.0


_uncharged = _Uncharged()


@contextmanager
def uncharged() -> Iterator[None]:
    """Keep the body's time off the clocks of this thread, as that of loading, paid once and not per instance."""
    started = time.perf_counter()
    _uncharged.depth += 1
    try:
        yield
    finally:
        _uncharged.depth -= 1
        if not _uncharged.depth:
            _uncharged.seconds += time.perf_counter() - started


def uncharged_seconds() -> float:
    """The seconds of this thread that were kept off clocks so far."""
    return _uncharged.seconds


class Stages:
    """The clocks of one model, by stage, in the order in which the stages first ran; threads may share them.

    Args:
        all: whether the clocks count what is `uncharged`, too.
    """

    def __init__(self, all: bool = False) -> None:
        self._costs: dict[str, StageCost] = {}
        self._all, self._lock = all, threading.Lock()

    @contextmanager
    def clock(self, stage: str, instances: int, batch: int = 0, device: str = "cpu") -> Iterator[None]:
        """Charge the body's time to a stage; on a GPU the clock waits until the work is done, not just queued."""
        done, started, apart = 0, _begin(device), _uncharged.seconds
        try:
            yield
            done = instances
        finally:
            seconds, peak = _end(device, started)
            seconds -= 0.0 if self._all else _uncharged.seconds - apart
            self.charge(stage, StageCost(seconds, done, batch, peak))

    def charge(self, stage: str, cost: StageCost) -> None:
        """Add to what a stage has cost."""
        with self._lock:
            self._costs[stage] = self._costs.get(stage, StageCost()) + cost

    def take(self) -> dict[str, StageCost]:
        """The costs since the last call."""
        with self._lock:
            costs, self._costs = self._costs, {}
        return costs


def _begin(device: str) -> float:
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    return time.perf_counter()


def _end(device: str, started: float) -> tuple[float, int]:
    peak = 0
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)
        peak = torch.cuda.max_memory_allocated(device)
    return time.perf_counter() - started, peak
