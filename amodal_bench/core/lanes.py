"""Lanes: pieces of work on the CPU side by side, each with its share of torch's threads.

A small network is too small for several threads to be worth their waiting for each other: two batches at once, each
on one core, are done sooner than one after the other on both.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from amodal_bench.core import aside

Result = TypeVar("Result")

LOOK = 0.2
"""Seconds between looks at whether the work was interrupted, while it is waited for."""

_own = threading.local()


class Unwanted(BaseException):
    """Nobody waits any more for what a lane computes."""


def heed() -> None:
    """Raise `Unwanted` in a lane whose jobs have been interrupted, and nothing anywhere else."""
    interrupted: threading.Event | None = getattr(_own, "interrupted", None)
    if interrupted is not None and interrupted.is_set():
        raise Unwanted


@contextmanager
def share_of_threads(lanes: int) -> Iterator[int]:
    """Let torch compute with a lane's share of its threads, one at least, however many lanes are in use.

    The number of threads decides in which order sums are formed, so the last bits of a result: they must not depend
    on whether other work is there to go beside it.

    Yields:
        How many lanes there are threads for.
    """
    import torch

    if lanes == 1:
        yield 1
        return
    threads = torch.get_num_threads()
    share = max(1, threads // lanes)
    torch.set_num_threads(share)
    try:
        yield min(lanes, threads)
    finally:
        torch.set_num_threads(threads)


def side_by_side(jobs: Sequence[Callable[[], Result]]) -> list[Result]:
    """The results of jobs that are done at once, each in a thread of its own; one alone is done in this thread.

    Whoever interrupts this thread is heeded at once: what is being done then ends unseen when it calls `heed`, or is
    done. As the process ends it waits for that, see `core.aside`.

    Args:
        jobs: each computes with torch, under this thread's mode of gradients and number of threads.

    Raises what the first of the jobs that fail raises, when all have ended.
    """
    import torch

    if len(jobs) == 1:
        return [jobs[0]()]
    threads, inference = torch.get_num_threads(), torch.is_inference_mode_enabled()
    interrupted = threading.Event()

    def lane(job: Callable[[], Result]) -> Result:
        _own.interrupted = interrupted
        torch.set_num_threads(threads)  # OpenMP has a number for each thread
        with torch.inference_mode(inference):
            return job()

    futures: list[Future[Result]] = []
    try:
        for job in jobs:
            futures.append(aside.begin(partial(lane, job), "lane"))
        while wait(futures, LOOK).not_done:
            pass  # between two looks this thread can be interrupted
    except BaseException:
        interrupted.set()
        raise
    return [future.result() for future in futures]
