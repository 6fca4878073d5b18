"""Python's collector of cycles: put off where millions of objects have none, and called where a network is in one."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[None]:
    """Look for no cycles meanwhile: to go through all that has been made, again and again, is a tenth of the time."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def collect_models() -> None:
    """Give back the memory of networks that nobody has any more: they are in cycles, which Python looks for late."""
    if "torch" in sys.modules:
        gc.collect()
