"""What foreign code does to what all of a process shares is undone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


@contextmanager
def undisturbed(folder: str) -> Iterator[None]:
    """Come back to the working folder afterwards, and to NumPy's way with bad numbers.

    A process that foreign code has forked and that comes back here ends: two would do the run's work, and one has the
    lock.

    Args:
        folder: the run's working folder; not the one of this moment, in which another thread's code may be.
    """
    process = os.getpid()
    with np.errstate():
        try:
            yield
        finally:
            if os.getpid() != process:
                os.write(2, b"\nwarning: a process that a component has forked came back to the run; it is ended\n")
                os._exit(1)
            os.chdir(folder)
