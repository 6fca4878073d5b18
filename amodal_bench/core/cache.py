"""Where results that can be computed again are kept between runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

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
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
