"""Annotation files of Zhu et al. (CVPR 2017), COCO-A and BSDS-A: a record is an annotator's pass over an image.

It holds all regions of that pass, front and back; each region is an instance here. An image may have several passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from amodal_bench.core.errors import InputError
from amodal_bench.core.progress import follow
from amodal_bench.core.rle import is_list, object_or_empty
from amodal_bench.datasets.base import Sample
from amodal_bench.datasets.coco_a.regions import (
    PLACES,
    VISIBLE,
    RegionDataset,
    mask_size,
    measures,
    odd,
)
from amodal_bench.datasets.reading.fields import claimed_id, is_set, text
from amodal_bench.datasets.reading.files import annotation_digest
from amodal_bench.datasets.reading.index import Index, Report, cached_index, make_index
from amodal_bench.datasets.reading.indexed import SCENE
from amodal_bench.datasets.reading.keys import VISIBLE_KEY, visible_key
from amodal_bench.datasets.reading.pictures import Picture, Pictures
from amodal_bench.datasets.reading.records import read_entries, read_record, read_records

VERSION = 6
"""Raised with any change of the rows that `_build` makes."""

OWN_COLUMNS = {SCENE: "str", "author": "str", "region": "int64", **PLACES}
"""scene: the pass, by its label; author: its annotator; region: number in the pass, from 1."""


@dataclass(frozen=True)
class Pass:
    """One annotator's pass over one image.

    Attributes:
        label: the annotation's id as text, made unique.
        regions: as JSON gives them.
    """

    label: str
    regions: list[Any]


@dataclass(frozen=True)
class _Head:
    """What is known of a pass before its regions are looked at."""

    label: str
    image_id: str
    author: str
    start: int
    length: int


class PassDataset(RegionDataset):
    """A dataset over such a file; instance `{label}-{n}` is region n of pass `label`."""

    @property
    def passes(self) -> Iterator[Pass]:
        """The passes that have regions, one after the other, with all fields of the file."""
        for first in self.index.instances.drop_duplicates(SCENE).to_dict("records"):
            yield Pass(str(first[SCENE]), self._regions(first["start"], first["length"]))

    def sample(self, id: str) -> Sample:
        try:
            return super().sample(id)
        except InputError as error:
            label, _, number = id.rpartition("-")
            record = f"annotation {label}"
            if error.record != record:
                raise
            # The picture failed, for all regions of the pass: say which one was asked for.
            raise InputError(error.file, error.problem, error.remedy, f"{record}, region {number}") from error

    def fields(self, row: Any) -> dict[str, Any]:
        regions, number = self._regions(int(row["start"]), int(row["length"])), int(row["region"])
        if number > len(regions):
            raise _changed(self.file)
        return object_or_empty(regions[number - 1])

    def scene_name(self, row: Any) -> str:
        return f"annotation {row[SCENE]}"

    def record_name(self, row: Any) -> str:
        return f"annotation {row[SCENE]}, region {row['region']}"

    @cached_property
    def _regions(self) -> Callable[[int, int], list[Any]]:
        """The regions of the pass at a place of the file; the last pass is kept, as a scene asks region by region."""
        return lru_cache(maxsize=1)(lambda start, length: _regions_at(self.file, start, length))


def open_index(name: str, file: Path, kind: str, remedy: str) -> Index:
    """The index of all passes of an annotation file, from the cache or built.

    Args:
        name: of the dataset.
        file: the annotation file.
        kind: what it should be, for the error: "a COCO-A file".
        remedy: what to do where it is not.

    Raises:
        InputError: the file is missing, cut short or of another kind.
    """
    return cached_index(name, VERSION, annotation_digest(file), lambda: _build(file, kind, remedy))


def _build(file: Path, kind: str, remedy: str) -> Index:
    report = Report()
    pictures, heads = _scan(file, kind, remedy, report)
    rows: list[dict[str, object]] = []
    for head in follow(heads, f"measuring {file.name}", "pass", show=True):
        regions = _regions_at(file, head.start, head.length)
        rows += _rows(head, pictures.get(head.image_id), regions, report)
    return make_index(rows, report, OWN_COLUMNS)


def _scan(file: Path, kind: str, remedy: str, report: Report) -> tuple[Pictures, list[_Head]]:
    """Pictures and passes. "images" may come last: no region is measured here."""
    pictures, heads, taken = Pictures(report), list[_Head](), set[str]()
    records = read_records(file, ("images", "annotations"), kind, remedy)
    for record, label in read_entries(records, ("images", "annotations"), report):
        fields = record.value
        if record.array == "images":
            pictures.add(fields, label)
            continue
        # `size` is often not the number of regions: it is not looked at. Nor are `order`, which has gaps, and
        # `depth_constraint`, which may be empty or absent: what is visible is annotated.
        if not is_list(fields.get("regions")):
            report(label, 'it has no list "regions"')
            continue
        # Entries belong to images by id, never by position; several of one image are several annotators.
        id, problem = claimed_id(text(fields.get("id")), label, taken)
        if problem:
            report(f"annotation {id}", problem)
        author = text(fields.get("author"))
        heads.append(_Head(id, text(fields.get("image_id")), author, record.start, record.length))
    return pictures, heads


def _rows(head: _Head, picture: Picture, regions: list[Any], report: Report) -> Iterator[dict[str, object]]:
    size = picture.size or mask_size(regions)
    for region, fields in enumerate(map(object_or_empty, regions), start=1):
        measured = measures(fields, size)
        for what in odd(fields, measured):
            report(f"annotation {head.label}, region {region}", what)
        yield {
            "id": f"{head.label}-{region}",
            "image_id": head.image_id,
            "video_id": "",
            "category": text(fields.get("name")),  # free text, often with blanks at its end
            "stuff": is_set(fields.get("isStuff")),
            "crowd": False,
            **vars(measured),
            SCENE: head.label,
            "author": head.author,
            "region": region,
            "start": head.start,
            "length": head.length,
            VISIBLE_KEY: visible_key(fields, VISIBLE),
            **vars(picture),
        }


def _regions_at(file: Path, start: int, length: int) -> list[Any]:
    """Parse a pass from its place. Raises `InputError` where the file has changed since it was scanned."""
    regions = object_or_empty(read_record(file, start, length)).get("regions")
    if not is_list(regions):
        raise _changed(file)
    return regions


def _changed(file: Path) -> InputError:
    return InputError(file, "changed while it was in use", "start the command again")
