"""Digests of files: what a fingerprint and a run's identity are made of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from amodal_bench.core.cache import cache_folder, keep_sealed, kept_sealed
from amodal_bench.core.errors import InputError, unreadable
from amodal_bench.core.files import open_regular
from amodal_bench.core.progress import follow

SHOW_PROGRESS = 10**9
"""Bytes of files from which on reading them is worth being shown."""

_digested: dict[str, tuple[str | None, str, tuple[Path, ...]]] = {}
"""By absolute path: what `stat_of` said as a digest was last asked for, the digest, and of which files it is."""


def sha256(path: Path | str) -> str:
    """Hex SHA-256 of a file's bytes. Raises `InputError` if it cannot be read."""
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


def files_digest(paths: Iterable[Path]) -> str:
    """Hex SHA-256 over the bytes of files; files that have not changed since the last time are not read again.

    "Not changed" means that nothing that the file system says of them has, see `stat_of`. Raises `InputError` for a
    missing file.
    """
    listed = tuple(sorted(paths))
    stats = {str(path.absolute()): stat_of(path) for path in listed}
    memo = cache_folder() / "digests" / stat_digest(listed)
    kept = kept_sealed(memo)
    digest = _content_digest(listed) if kept is None else kept.decode("ascii")
    if kept is None:
        keep_sealed(memo, digest.encode("ascii"))
    _digested.update({name: (stat, digest, listed) for name, stat in stats.items()})
    return digest


def require_unchanged(path: Path) -> None:
    """Raise `InputError` where a file is not as it was when this process last asked for its digest.

    What is read of it then is not what a fingerprint or an identity stands for. A file of which no digest was asked
    for passes; so does one of the same content to which a backup has made a link.
    """
    stat, name = stat_of(path), str(path.absolute())
    if stat is None or name not in _digested:
        return
    before, digest, listed = _digested[name]
    if stat == before:
        return
    if not is_only_touched(before, stat) or _content_digest(listed) != digest:
        raise InputError(path, "changed while it was in use", "start the command again")
    _digested.update({str(each.absolute()): (stat_of(each), digest, listed) for each in listed})


def _content_digest(listed: Iterable[Path]) -> str:
    files = list(listed)
    large = sum(path.stat().st_size for path in files if path.is_file()) >= SHOW_PROGRESS
    read = (
        sha256(path)
        for path in follow(files, "reading files for their digest", "file", show=None if large else False)
    )
    return hashlib.sha256("\n".join(read).encode()).hexdigest()


def stat_of(path: Path) -> str | None:
    """What the file system says of a file, as text, by which a change is noticed; None where it is missing.

    Size and time of modification alone can be made equal, by `cp -p` or `touch -r`; the number of the file and the
    time of its last change cannot.
    """
    try:
        stat = path.stat()
    except OSError:
        return None
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ino} {stat.st_ctime_ns}"


def is_only_touched(before: str | None, now: str | None) -> bool:
    """Whether what `stat_of` says has changed in nothing but the time of the last change."""
    return before is not None and now is not None and before.rpartition(" ")[0] == now.rpartition(" ")[0]


def stat_digest(paths: Iterable[Path]) -> str:
    """Hex SHA-256 over absolute paths and what `stat_of` says; a file that is missing counts as such."""
    lines = [f"{path.absolute()}\t{stat_of(path) or 'missing'}" for path in paths]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def sizes_digest(sizes: Mapping[str, int]) -> str:
    """Hex SHA-256 over names, relative to a root that may move, and sizes: for trees too large to be read whole."""
    lines = [f"{name}\t{sizes[name]}" for name in sorted(sizes)]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()
