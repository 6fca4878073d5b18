"""What is known of a cell's run: where it lies, what it cost, or why there is none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from amodal_bench.config.settings import config_folder
from amodal_bench.core.files import read_text, write_whole

FOLDER = "paper"
"""Where tables and the records of their cells lie, in the folder of results."""


@dataclass(frozen=True)
class Record:
    """What has become of a cell.

    Attributes:
        words: the settings of its run.
        run: the run's folder, below the folder of results; "" where there is none.
        failed: why there is none, in one line; "" where there is one.
        instances, predicted: how many are scored, and how many predictions this run has made itself.
        errors: predictions that failed.
        seconds: of one instance, reading included; None where none was made.
        code, inputs: digests of the package that made it, and of what it was made from; see `inputs.digests`.
        plans: those that were noted before it ran, by the first digits of their seals.
    """

    words: list[str]
    run: str
    failed: str
    instances: int = 0
    errors: int = 0
    seconds: float | None = None
    code: str = ""
    inputs: str = ""
    plans: list[str] = field(default_factory=list)


def place(results: Path, key: str) -> Path:
    """The file of a cell's record."""
    return results / FOLDER / "cells" / f"{key}.json"


def read(results: Path, key: str) -> Record | None:
    """A cell's record, or None where there is none that can be read."""
    try:
        said: Mapping[str, Any] = json.loads(read_text(place(results, key)))
        return Record(**said)
    except (OSError, ValueError, TypeError):
        return None


def write(results: Path, key: str, record: Record) -> None:
    """Keep a cell's record."""
    file = place(results, key)
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(record), indent=2) + "\n"
    write_whole(file, lambda partial: partial.write_text(text, encoding="utf-8"))


def is_done(results: Path, record: Record | None, inputs: str | None = None) -> bool:
    """Whether a cell need not be run again: it did not fail, its run is there, and package and inputs are the same.

    Args:
        results: the folder of results.
        record: the cell's.
        inputs: their digest now; None where nobody has looked.
    """
    if record is None or record.failed or record.code != code_digest():
        return False
    if inputs is not None and record.inputs != inputs:
        return False
    return (results / record.run / "store.sqlite").is_file()


@cache
def code_digest() -> str:
    """Twelve hex digits over the package's code and configurations: after a change a cell's command is given again.

    Where the change cannot change a prediction, that command finds all of them and predicts nothing.
    """
    digest = hashlib.sha256()
    for file in [*sorted(Path(__file__).parent.parent.rglob("*.py")), *sorted(config_folder().rglob("*.yaml"))]:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def all_records(results: Path) -> list[Record]:
    """Every record in a folder of results; those that cannot be read are left out."""
    found = [read(results, file.stem) for file in sorted((results / FOLDER / "cells").glob("*.json"))]
    return [record for record in found if record is not None]
