"""Digests of files: what a fingerprint and a run's identity are made of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from amodal_bench.core.cache import cache_folder, keep
from amodal_bench.core.errors import InputError, unreadable
from amodal_bench.core.files import open_regular, read_text

_digested: dict[str, str | None] = {}
"""Size and time of modification of each file as its digest was last asked for, by absolute path."""


def sha256(path: Path | str) -> str:
    """Hex SHA-256 of a file's bytes. Raises `InputError` if it cannot be read."""
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


def files_digest(paths: Iterable[Path]) -> str:
    """Hex SHA-256 over the bytes of files; a file that has not changed since the last time is not read again.

    "Not changed" means the same path, size and time of modification. Raises `InputError` for a missing file.
    """
    listed = sorted(paths)
    _digested.update((str(path.absolute()), stat_of(path)) for path in listed)
    memo = cache_folder() / "digests" / stat_digest(listed)
    try:
        return read_text(memo, encoding="ascii")
    except (OSError, UnicodeDecodeError):
        pass
    digest = hashlib.sha256("\n".join(sha256(path) for path in listed).encode()).hexdigest()
    keep(memo, lambda file: file.write_text(digest, encoding="ascii"))
    return digest


def require_unchanged(path: Path) -> None:
    """Raise `InputError` where a file is not as it was when this process last asked for its digest.

    What is read of it then is not what a fingerprint or an identity stands for. A file of which no digest was asked
    for passes.
    """
    stat = stat_of(path)
    if stat is not None and _digested.get(str(path.absolute()), stat) != stat:
        raise InputError(path, "changed while it was in use", "start the command again")


def stat_of(path: Path) -> str | None:
    """Size and time of modification of a file as text, by which a change is noticed; None where it is missing."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return f"{stat.st_size} {stat.st_mtime_ns}"


def stat_digest(paths: Iterable[Path]) -> str:
    """Hex SHA-256 over absolute paths, sizes and times of modification; a file that is missing counts as such."""
    lines = []
    for path in paths:
        try:
            stat = path.stat()
            lines.append(f"{path.absolute()}\t{stat.st_size}\t{stat.st_mtime_ns}")
        except OSError:
            lines.append(f"{path.absolute()}\tmissing")
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def sizes_digest(sizes: Mapping[str, int]) -> str:
    """Hex SHA-256 over names, relative to a root that may move, and sizes: for trees too large to be read whole."""
    lines = [f"{name}\t{sizes[name]}" for name in sorted(sizes)]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()
