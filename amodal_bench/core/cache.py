"""Where results that can be computed again are kept between runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from amodal_bench.core.files import write_whole

CACHE_VARIABLE = "AMODAL_BENCH_CACHE"


def cache_folder() -> Path:
    """The folder: $AMODAL_BENCH_CACHE, else one in the user's cache folder."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "amodal_bench"


def keep(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a file, which appears under `path` as a whole or not at all.

    A cache that cannot be written (a full disk, a read-only home) costs time later, not the run now.
    """
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, write)
