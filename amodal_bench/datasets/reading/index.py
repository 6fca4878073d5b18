"""The index of a dataset, kept in a columnar file: built once, and rebuilt when its sources change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from amodal_bench.core.cache import cache_folder, is_gone_without, keep_sealed, kept_sealed
from amodal_bench.core.collector import without_collector
from amodal_bench.core.shown import shown
from amodal_bench.datasets.base import RECORD_COLUMNS, Problem

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
        """A copy whose problems lie in `file`: the cache knows bytes, which may have been elsewhere before."""
        return replace(self, problems=self.problems.assign(file=str(file)))


class Report(list[Problem]):
    """Problems of an annotation file, as they are found; where the file lies is for `Index.opened_from` to say."""

    def __call__(self, record: str, what: str) -> None:
        self.append(Problem("", record, what))


def make_index(rows: Sequence[dict[str, object]], problems: Sequence[Problem], own: dict[str, str]) -> Index:
    """An index from rows; `own` names the loader's columns with their dtypes. The digest is set by `cached_index`."""
    types = {**RECORD_COLUMNS, **own}
    return index_of({name: [row[name] for row in rows] for name in types}, problems, own)


def index_of(columns: Mapping[str, Any], problems: Sequence[Problem], own: Mapping[str, str]) -> Index:
    """An index from lists or arrays, one for each column; else as `make_index`."""
    # A file may name a record by half a surrogate pair, and so may a folder name a file: no table takes one.
    told = [{name: shown(value) for name, value in vars(problem).items()} for problem in problems]
    found = {name: [problem[name] for problem in told] for name in ("file", "record", "what")}
    return Index(_table(columns, {**RECORD_COLUMNS, **own}), _table(found, dict.fromkeys(found, "str")), "")


def _table(columns: Mapping[str, Any], types: Mapping[str, str]) -> pd.DataFrame:
    """A table, made column by column: of a few rows that takes a quarter of the time of one cast for all."""
    return pd.DataFrame({name: _column(columns[name], kind) for name, kind in types.items()})


def _column(values: Any, kind: str) -> Any:
    return pd.array(values, dtype="str") if kind == "str" else np.array(values, dtype=kind)


def cached_index(name: str, version: int, digest: str, build: Callable[[], Index]) -> Index:
    """The index of sources with this digest, from the cache, or built and put there.

    Args:
        name: of the dataset.
        version: of the loader's columns; raised with any change of what `build` makes.
        digest: hex SHA-256 over the sources and over the settings that `build` depends on.
        build: reads the sources.

    A cache that cannot be written (a read-only home) costs time, not the run; what is not as it was put there is
    built again.
    """
    stem = cache_folder() / f"{name}-v{version}-{digest[:32]}"
    files = {table: stem.with_name(f"{stem.name}.{table}.parquet") for table in (INSTANCES, PROBLEMS)}
    found = {table: _kept(file) for table, file in files.items()}
    instances, problems = found[INSTANCES], found[PROBLEMS]
    if instances is not None and problems is not None:
        return Index(instances, problems, digest)
    with without_collector():
        index = build()
    for table, frame in ((PROBLEMS, index.problems), (INSTANCES, index.instances)):
        if is_gone_without():
            break
        keep_sealed(files[table], frame.to_parquet(index=False))
    return Index(index.instances, index.problems, digest)


def _kept(file: Path) -> pd.DataFrame | None:
    """A table of the cache; None where there is none that can be believed."""
    content = kept_sealed(file)
    if content is None:
        return None
    from pyarrow import BufferReader, parquet

    try:
        # Arrow's threads may abort or hold up the process as it leaves (apache/arrow 34314, 50482): it starts none.
        table = parquet.read_table(BufferReader(content), use_threads=False, pre_buffer=False)
        found: pd.DataFrame = table.to_pandas(use_threads=False)
        return found
    except (OSError, ValueError):  # another version of the library has written it
        return None
