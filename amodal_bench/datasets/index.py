"""The index of a dataset, kept in a columnar file: built once, and rebuilt when its sources change."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from amodal_bench.datasets.base import RECORD_COLUMNS, Problem
from amodal_bench.datasets.files import sha256

CACHE_VARIABLE = "AMODAL_BENCH_CACHE"
INSTANCES, PROBLEMS = "instances", "problems"


@dataclass(frozen=True)
class Index:
    """What is known of a dataset without reading a pixel.

    Attributes:
        instances: one row per instance, in the source's order: `RECORD_COLUMNS`, and the loader's own columns,
            which say where to find the instance again.
        problems: one row per record that is no instance, with the fields of `Problem`.
        digest: hex SHA-256 over the sources.
    """

    instances: pd.DataFrame
    problems: pd.DataFrame
    digest: str

    def opened_from(self, file: Path) -> Index:
        """The same index with its problems in `file`: the cache knows bytes, which may have been elsewhere before."""
        return replace(self, problems=self.problems.assign(file=str(file)))


def make_index(rows: Sequence[dict[str, object]], problems: Sequence[Problem], own: dict[str, str]) -> Index:
    """An index from rows; `own` names the loader's columns with their dtypes. The digest is set by `cached_index`."""
    types = {**RECORD_COLUMNS, **own}
    instances = pd.DataFrame(list(rows), columns=list(types)).astype(types)
    fields = {"file": "str", "record": "str", "what": "str"}
    found = pd.DataFrame([vars(p) for p in problems], columns=list(fields)).astype(fields)
    return Index(instances, found, "")


def cached_index(name: str, version: int, digest: str, build: Callable[[], Index]) -> Index:
    """The index of sources with this digest, from the cache, or built and put there.

    Args:
        name: of the dataset.
        version: of the loader's columns; raised with any change of what `build` makes.
        digest: hex SHA-256 over the sources and over the settings that `build` depends on.
        build: reads the sources.

    A cache that cannot be written (a read-only home) costs time, not the run; one that cannot be read is rebuilt.
    """
    stem = cache_folder() / f"{name}-v{version}-{digest[:32]}"
    files = {table: stem.with_name(f"{stem.name}.{table}.parquet") for table in (INSTANCES, PROBLEMS)}
    if all(file.exists() for file in files.values()):
        try:
            return Index(pd.read_parquet(files[INSTANCES]), pd.read_parquet(files[PROBLEMS]), digest)
        except (OSError, ValueError):  # cut short by a full disk: build it again
            pass
    index = build()
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        for table, frame in ((PROBLEMS, index.problems), (INSTANCES, index.instances)):
            partial = files[table].with_suffix(f".{os.getpid()}.partial")
            frame.to_parquet(partial, index=False)
            partial.replace(files[table])
    except OSError:
        pass
    return Index(index.instances, index.problems, digest)


def files_digest(paths: Iterable[Path]) -> str:
    """Hex SHA-256 over the bytes of files; a file that has not changed since the last time is not read again.

    "Not changed" means the same path, size and time of modification. Raises `InputError` for a missing file.
    """
    listed = sorted(paths)
    stamp = stat_digest(listed)
    memo = cache_folder() / "digests" / stamp
    try:
        return memo.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        pass
    digest = hashlib.sha256("\n".join(sha256(path) for path in listed).encode()).hexdigest()
    try:
        memo.parent.mkdir(parents=True, exist_ok=True)
        partial = memo.with_suffix(f".{os.getpid()}.partial")
        partial.write_text(digest, encoding="ascii")
        partial.replace(memo)
    except OSError:
        pass
    return digest


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


def cache_folder() -> Path:
    """Where indexes are kept: $AMODAL_BENCH_CACHE, else the user's cache folder."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "amodal_bench"
