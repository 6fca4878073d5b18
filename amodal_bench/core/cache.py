"""Where results that can be computed again are kept between runs.

A cache saves time and decides nothing: one that cannot be used is gone without, with one warning, and what is not as
it was put there is made again.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

from amodal_bench.core.files import home_folder, read_bytes, write_whole

log = logging.getLogger(__name__)

CACHE_VARIABLE = "AMODAL_BENCH_CACHE"

NOWHERE = Path(os.devnull) / "amodal_bench"
"""A folder that cannot be: where nothing says which one to use, nothing is found and nothing is kept."""

_warned: set[str] = set()
"""The folders of which this process has said that they cannot be used."""


def cache_folder() -> Path:
    """The folder: $AMODAL_BENCH_CACHE, else one in the user's cache folder; `NOWHERE` for a user without a home."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "amodal_bench"
    if (home := home_folder()) is None:  # as in a container under a number
        _warn(NOWHERE, "this user has no home folder")
        return NOWHERE
    return home / ".cache" / "amodal_bench"


def is_gone_without() -> bool:
    """Whether this process has said that the cache cannot be used: what is made for it is made for nothing."""
    return str(cache_folder()) in _warned


def keep(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a file, which appears under `path` as a whole or not at all.

    A cache that cannot be written (a full disk, a read-only home) costs time later, not the run now: there is one
    warning.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, write)
    except OSError as error:
        _warn(path, error.strerror or str(error))


def keep_sealed(path: Path, content: bytes) -> None:
    """Keep bytes under a seal, by which `kept_sealed` knows them again."""
    keep(path, lambda partial: partial.write_bytes(content + _seal(path, content)))


def kept_sealed(path: Path) -> bytes | None:
    """The bytes that `keep_sealed` has put there; None where there are none, or others."""
    try:
        found = read_bytes(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        _warn(path, error.strerror or str(error))
        return None
    size = hashlib.sha256().digest_size
    content, seal = found[:-size], found[-size:]
    return content if len(found) >= size and seal == _seal(path, content) else None


def _seal(path: Path, content: bytes) -> bytes:
    """The SHA-256 over the name and the content: a file under another one's name is not believed."""
    return hashlib.sha256(os.fsencode(path.name) + b"\0" + content).digest()


def _warn(path: Path, reason: str) -> None:
    """Say once of a cache that it is gone without."""
    if path != NOWHERE and NOWHERE in path.parents:
        return
    folder = str(path if path == NOWHERE else cache_folder())
    if folder not in _warned:
        _warned.add(folder)
        where = "no cache" if path == NOWHERE else f"the cache {folder} cannot be used"
        log.warning(
            "%s (%s): going on without it, which takes longer; set %s to a folder that you can write to",
            where,
            reason,
            CACHE_VARIABLE,
        )
