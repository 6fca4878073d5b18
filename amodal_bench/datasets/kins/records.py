"""The annotation file of KINS: which key holds what in either release, and the index of a file.

The 2019 release names its masks `segmentation` (A, polygons) and `inmodal_seg` (V, an RLE), the 2020 release `a_segm`
and `i_segm` (polygons). Files with mixed names exist, so the keys that a record has decide, not the release; where it
has neither, V is read from the keys of other formats (`reading.keys`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from amodal_bench.datasets.reading.annotations import Columns, Fault, read_annotations
from amodal_bench.datasets.reading.fields import is_set, odd_flags, odd_numbers, pixels, text
from amodal_bench.datasets.reading.index import Index, Report, index_of
from amodal_bench.datasets.reading.indexed import SCENE
from amodal_bench.datasets.reading.keys import (
    HIDDEN,
    VISIBLE_KEY,
    first,
    says_nothing,
    visible_key,
    visible_mask,
    visible_part,
)
from amodal_bench.datasets.reading.measures import Segmentations
from amodal_bench.datasets.reading.pairs import Form, Form_
from amodal_bench.datasets.reading.pictures import PICTURE, Pictures
from amodal_bench.datasets.reading.scan import Record

AMODAL = ("a_segm", "segmentation")
VISIBLE = ("i_segm", "inmodal_seg")
AREA = ("a_area", "area")
INDEX_VERSION = 7
COLUMNS = {
    SCENE: "str",
    **PICTURE,
    "start": "int64",
    "length": "int64",
    VISIBLE_KEY: "str",
    "visible_pixels": "float64",
    "visible_outside": "float64",
}

ALONE = (
    "id",
    "image_id",
    "category",
    "crowd",
    "start",
    "length",
    VISIBLE_KEY,
    "visible_pixels",
    "visible_outside",
    "amodal_pixels",
    "occlusion_rate",
    "truncated",
    "hidden",
)
"""What an annotation says without the others."""

KIND = "a KINS file", "use the authors' annotation file of either release"


def segmentations(record: dict[str, Any], size: tuple[int, int] | None) -> Segmentations:
    """A and V of an annotation whose picture has this size, None for an unknown one; no mask is made."""
    amodal, key = first(record, AMODAL)[1], visible_key(record, VISIBLE)
    visible = visible_part(record, key, amodal, size) if key else amodal
    if key and key != HIDDEN and says_nothing(visible) and size is not None:
        visible = {"size": list(size), "counts": [size[0] * size[1]]}
    return Segmentations(amodal, visible, size)


def masks_of(record: dict[str, Any], height: int, width: int, form: Form[Form_]) -> tuple[Form_, Form_]:
    """V and A of an annotation, for an image of this height and width; V may reach beyond A.

    Without a visible mask V = A, with an empty one V is empty: the object is hidden.

    Raises:
        ValueError: with the key and a short reason, where a mask cannot be read.
    """
    amodal = form.read_field(*first(record, AMODAL), height, width)
    key = visible_key(record, VISIBLE)
    if not key:
        return amodal, amodal
    if key != HIDDEN and says_nothing(record[key]):
        return form.empty(height, width), amodal
    return visible_mask(record, key, amodal, form), amodal


def build_index(file: Path) -> Index:
    """One row per annotation, and the problems of all records. Raises `InputError` if the file is not one of KINS."""
    return _Builder().index(file)


class _Builder:
    """What the annotations of a file are joined with, and what is wrong so far."""

    def __init__(self) -> None:
        self.report = Report()
        self.pictures = Pictures(self.report, "its occlusion rates are unknown")
        self.categories: dict[str, str] = {}

    def index(self, file: Path) -> Index:
        others = {"categories": self.add_category}
        found = read_annotations(file, KIND, self.pictures, others, ALONE, self.look, self.report, self.uncategorised)
        count = len(found["id"])
        columns = {
            **found,
            **self.pictures.columns(found["image_id"]),
            "video_id": [""] * count,
            # Names differ between the releases as ids do, and the 2019 file lacks id 3.
            "category": [self.categories.get(id, id) for id in found["category"]],
            "stuff": [False] * count,
            SCENE: [self.scene(*ids) for ids in zip(found["image_id"], found["id"], strict=True)],
        }
        return index_of(columns, self.report, COLUMNS)

    def add_category(self, entry: dict[str, Any], label: str) -> None:
        id, name = text(entry.get("id")), text(entry.get("name"))
        if not id or not name:
            self.report(label, "it has no id or no name")
        else:
            self.categories.setdefault(id, name)

    def uncategorised(self, found: Columns) -> Iterator[Fault]:
        """Annotations whose category has no name."""
        for row, id in enumerate(found["category"]):
            if id not in self.categories:
                yield row, f'category_id {id or "(none)"} is not in "categories"'

    def scene(self, image_id: str, id: str) -> str:
        """The scene of an annotation; one whose picture is not in the file is a scene of its own."""
        return f"image {image_id}" if image_id in self.pictures.by_id else f"annotation {id}"

    def look(self, records: Iterator[Record]) -> Iterator[tuple[tuple[Any, ...], Iterable[str]]]:
        """See `Look`."""
        for record in records:
            fields: dict[str, Any] = record.value
            image_id, key = text(fields.get("image_id")), visible_key(fields, VISIBLE)
            masks = segmentations(fields, self.pictures.get(image_id).size)
            measured = masks.measures(stated_pixels=pixels(first(fields, AREA)[1])).of_record()
            without = () if key else (f"it has no visible mask ({' or '.join(VISIBLE)}): V = A is assumed",)
            row = (
                text(fields.get("id")),
                image_id,
                text(fields.get("category_id")),
                is_set(fields.get("iscrowd")),  # the 2020 release has no such key
                record.start,
                record.length,
                key,
                pixels(fields.get("i_area")),
                masks.visible_outside,
                measured.amodal_pixels,
                measured.occlusion_rate,
                measured.truncated,
                measured.hidden,
            )
            yield row, chain(without, odd_numbers(fields, (*AREA, "i_area")), odd_flags(fields, ("iscrowd",)))
