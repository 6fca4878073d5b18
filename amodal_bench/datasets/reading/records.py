"""Records of a large JSON file: read once for the index, and later one at a time, by their place in the file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any

from amodal_bench.core.digests import require_unchanged
from amodal_bench.core.errors import InputError, unreadable
from amodal_bench.core.extents import extents
from amodal_bench.core.files import open_regular
from amodal_bench.core.progress import Progress
from amodal_bench.core.rle import Segmentation, is_object
from amodal_bench.datasets.reading.lots import Aside, ScanInLots
from amodal_bench.datasets.reading.scan import Record, Scan

SHOW_PROGRESS = 10_000_000
"""Bytes from which on reading a file is worth a progress bar."""

TOLD = 1 << 20
"""Bytes after which a bar moves: each record would cost as much as a third of its parsing."""

AHEAD = 256
"""Records that are measured together: so many RLEs fit a processor's cache."""


def read_records(
    path: Path, arrays: Sequence[str], kind: str, remedy: str, aside: Aside[Any] | None = None
) -> Iterator[Record]:
    """Every element of the file's top-level arrays, in the file's order.

    Args:
        path: the file; an object that holds arrays, or (with `arrays` empty) one array.
        arrays: keys whose value has to be an array.
        kind: what the file should be, for the error: "a COCO-A file".
        remedy: what to do where it is not.
        aside: an array whose elements are not given but put aside in lots.

    Raises:
        InputError: the file is missing, is not valid JSON (with line and column), or lacks one of the arrays.
    """
    scan = Scan(path) if aside is None else ScanInLots(path, aside)
    with Progress(f"indexing {path.name}", len(scan.text), "B", show=len(scan.text) >= SHOW_PROGRESS) as progress:
        found: set[str] = set()
        scan.reach = lambda place: progress.advance(place - progress.done)
        for record in scan.records(arrays, found):
            yield record
            if (place := record.start + record.length) - progress.done > TOLD:
                scan.reach(place)
        scan.reach(len(scan.text))
    if missing := [name for name in arrays if name not in found]:
        needs = _lists(missing) + (f" (of {_lists(arrays)})" if len(missing) < len(arrays) else "")
        raise InputError(path, f"not {kind}: it needs {needs}", remedy)


def read_entries(
    records: Iterator[Record], wanted: Sequence[str], report: Callable[[str, str], None]
) -> Iterator[tuple[Record, str]]:
    """The objects among the records of some arrays, each with a name for messages, "entry 3 of images".

    Other values are reported; `report` takes a record and what is wrong with it.
    """
    numbers = {array: count(1) for array in wanted}
    for record in records:
        if record.array not in numbers:
            continue
        label = f"entry {next(numbers[record.array])} of {record.array}"
        for fault in faults(record):
            report(label, fault)
        if is_object(record.value):
            yield record, label


def faults(record: Record) -> Iterator[str]:
    """What is wrong with a record whatever it should say: a key that stands twice, or that it is no object."""
    yield from record.remarks
    if not is_object(record.value):
        yield "it is not a JSON object"


def measured_ahead(records: Iterator[Record], amodal: Callable[[dict[str, Any]], Segmentation]) -> Iterator[Record]:
    """Annotations, in order, with what their amodal masks cover, measured many at once.

    Args:
        records: objects.
        amodal: the amodal mask of a record as it has it; whatever it may be.
    """
    while some := list(islice(records, AHEAD)):
        for record, extent in zip(some, extents([amodal(each.value) for each in some]), strict=True):
            record.extent = extent
            yield record


def read_record(path: Path, start: int, length: int) -> Any:
    """Parse one record again, from its place in the file.

    Raises:
        InputError: the file cannot be read, or has changed since it was indexed.
    """
    require_unchanged(path)
    try:
        with open_regular(path) as file:
            file.seek(start)
            return json.loads(file.read(length))
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:
        raise InputError(path, "changed while it was in use", "start the command again") from error


def _lists(names: Sequence[str]) -> str:
    return f"the list{'s' * (len(names) > 1)} " + " and ".join(f'"{name}"' for name in names)
