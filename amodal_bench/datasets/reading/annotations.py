"""The annotations of a COCO-like file, looked at in lots that know nothing of each other, and joined afterwards.

What needs the others is an annotation's id, which may be taken, and its number in the list; all else is known of it
alone, once the pictures are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from amodal_bench.core.rle import is_object
from amodal_bench.datasets.reading.fields import claimed_id
from amodal_bench.datasets.reading.index import Report
from amodal_bench.datasets.reading.lots import Aside
from amodal_bench.datasets.reading.pictures import Pictures
from amodal_bench.datasets.reading.records import faults, read_entries, read_records
from amodal_bench.datasets.reading.scan import Record

ARRAY = "annotations"

Columns: TypeAlias = dict[str, list[Any]]
"""Values of annotations, in the file's order, by what they are."""

Look: TypeAlias = Callable[[Iterator[Record]], Iterator[tuple[tuple[Any, ...], Iterable[str]]]]
"""Gives for each record what is known of it alone, its id as stated first, and what to report of it.

It runs in another process where the file is large.
"""

Fault: TypeAlias = tuple[int, str]
"""The number of an element, from 0, and what is wrong with it."""


class _Lot(NamedTuple):
    """Elements in a row.

    Attributes:
        elements: how many these are.
        faults: of elements, whether they are annotations or not.
        numbers: of those that are annotations.
        values: of the annotations: a sequence for each thing that is known.
        remarks: on annotations.
    """

    elements: int
    faults: list[Fault]
    numbers: list[int]
    values: list[tuple[Any, ...]]
    remarks: list[Fault]


def read_annotations(
    file: Path,
    kind: tuple[str, str],
    pictures: Pictures,
    others: Mapping[str, Callable[[dict[str, Any], str], None]],
    names: Sequence[str],
    look: Look,
    report: Report,
    late: Callable[[Columns], Iterable[Fault]] = lambda _: (),
) -> Columns:
    """What a file says of each annotation, with an id that is its own.

    Args:
        file: the annotation file.
        kind: what it should be, and what to do where it is not, as in `read_records`.
        pictures: takes the entries of "images".
        others: by the key of another array, what takes an entry of it and its name.
        names: what `look` gives of an annotation; the first is "id".
        look: see `Look`; it may use `pictures`. Annotations are read again where others were listed behind them.
        report: takes the problems: those of the entries first, then those of the annotations, in the file's order.
        late: what else to report, by row, once everything is read.

    Raises:
        InputError: as `read_records`.
    """
    lots: list[_Lot] = []
    known: list[int] = []

    def take(lot: _Lot) -> None:
        known.append(len(pictures.by_id))
        lots.append(lot)

    aside = Aside(ARRAY, partial(_looked, look), take)
    takers = {"images": pictures.add, **others}

    def records() -> Iterator[Record]:
        return read_records(file, ("images", ARRAY), *kind, aside=aside)

    for record, label in read_entries(records(), list(takers), report):
        takers[record.array](record.value, label)
    if known and known[0] < len(pictures.by_id):
        lots.clear()
        for _ in records():
            pass
    return _joined(lots, names, report, late)


def _looked(look: Look, records: Iterator[Record]) -> _Lot:
    """A lot of these elements."""
    found: list[Fault] = []
    numbers: list[int] = []
    elements = 0

    def annotations() -> Iterator[Record]:
        nonlocal elements
        for record in records:
            found.extend((elements, fault) for fault in faults(record))
            if is_object(record.value):
                numbers.append(elements)
                yield record
            elements += 1

    rows: list[tuple[Any, ...]] = []
    remarks: list[Fault] = []
    for row, odd in look(annotations()):
        remarks += ((len(rows), what) for what in odd)
        rows.append(row)
    return _Lot(elements, found, numbers, list(zip(*rows, strict=True)), remarks)


def _joined(
    lots: Sequence[_Lot], names: Sequence[str], report: Report, late: Callable[[Columns], Iterable[Fault]]
) -> Columns:
    """The columns of all lots; reports what is wrong with their elements."""
    full = [lot.values for lot in lots if lot.values]
    columns: Columns = {
        name: list(chain.from_iterable(values[place] for values in full)) for place, name in enumerate(names)
    }
    elements: list[int] = []  # the number of each row's element in the list
    told: list[tuple[int, int, str, str]] = []
    remarks: list[Fault] = []
    before = 0
    for lot in lots:
        told += ((before + number, 0, _entry(before + number), what) for number, what in lot.faults)
        remarks += ((len(elements) + row, what) for row, what in lot.remarks)
        elements += (before + number for number in lot.numbers)
        before += lot.elements
    ids = columns["id"]
    if "" in ids or len(set(ids)) < len(ids):
        taken: set[str] = set()
        for row, stated in enumerate(ids):
            ids[row], problem = claimed_id(stated, _entry(elements[row]), taken)
            if problem:
                told.append((elements[row], 1, f"annotation {ids[row]}", problem))
    told += ((elements[row], 2, f"annotation {ids[row]}", what) for row, what in chain(remarks, late(columns)))
    for _, _, record, what in sorted(told, key=lambda each: each[:2]):
        report(record, what)
    return columns


def _entry(number: int) -> str:
    return f"entry {number + 1} of {ARRAY}"
