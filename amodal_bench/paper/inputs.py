"""What a cell is made from beside its settings: where it has changed, the cell's command is given again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from amodal_bench.config.build import build
from amodal_bench.config.compose import compose
from amodal_bench.config.settings import Settings
from amodal_bench.core.digests import stat_of
from amodal_bench.core.errors import BenchError
from amodal_bench.paper.cells import Cell
from amodal_bench.paper.record import is_done, read

UNKNOWN = "unknown"
"""The fingerprint of a dataset that cannot be opened now."""


def digests(cells: Sequence[Cell], config_dirs: Sequence[Path]) -> dict[str, str]:
    """Sixteen hex digits by the keys of cells: over the dataset's fingerprint, and files that settings name.

    Of these files, such as `model.path=theirs.json` or `model.weights=FOLDER`, and of those in the user's folders of
    configurations, sizes and times of modification count. Each dataset is opened once. Pictures are not looked at
    here: the command of a run does.
    """
    fingerprints: dict[tuple[str, ...], str] = {}
    own = [stat for folder in config_dirs for stat in _stats(folder)]
    found = {}
    for cell in cells:
        about = tuple(word for word in cell.words if word.startswith("dataset"))
        if about not in fingerprints:
            fingerprints[about] = _fingerprint(about, config_dirs)
        values = [word.partition("=")[2].strip("\"'") for word in cell.words if word not in about]
        stats = [stat for value in values if value for stat in _stats(Path(value).expanduser())]
        told = "\n".join([fingerprints[about], *stats, *own])
        found[cell.key] = hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()[:16]
    return found


def to_run(cells: Sequence[Cell], results: Path, inputs: dict[str, str]) -> list[Cell]:
    """The cells that have not been run, failed, or were made by other code or from other inputs."""
    records = [(cell, read(results, cell.key)) for cell in cells]
    return [cell for cell, record in records if not is_done(results, record, inputs[cell.key])]


@cache
def composed_of(about: tuple[str, ...], config_dirs: tuple[Path, ...]) -> Settings:
    """The settings of a dataset's words; kept, since every table of one command asks for the same ones.

    Raises:
        UsageError: they cannot be composed.
    """
    return compose(about, config_dirs)


def _fingerprint(about: Sequence[str], config_dirs: Sequence[Path]) -> str:
    try:
        return str(build(composed_of(tuple(about), tuple(config_dirs)).dataset, "dataset").fingerprint())
    except BenchError:
        return UNKNOWN


def _stats(path: Path) -> Iterator[str]:
    """A file, or the files of a folder, with what the file system says of each."""
    try:
        files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
        for file in files:
            if "__pycache__" not in file.parts:
                yield f"{file} {stat_of(file)}"
    except (OSError, ValueError):
        return
