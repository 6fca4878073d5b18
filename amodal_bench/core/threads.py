"""Work on the CPU that many samples need alike, spread over its cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from amodal_bench.core.cores import cores

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(work: Callable[[Item], Result], items: Iterable[Item], most: int | None = None) -> list[Result]:
    """`work` of each item, in the items' order; OpenCV and NumPy let other threads go on while they compute.

    Args:
        work: what is done with each item.
        items: all of them.
        most: threads at the same time, at most; as many as there are cores for this process unless it is given.

    Raises what `work` raises.
    """
    listed = list(items)
    workers = min(most or cores(), len(listed))
    if workers < 2:
        return [work(item) for item in listed]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, listed))
