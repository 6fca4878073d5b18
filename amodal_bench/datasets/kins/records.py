"""The annotation file of KINS: which key holds what in either release, and the index of a file.

The 2019 release names its masks `segmentation` (A, polygons) and `inmodal_seg` (V, an RLE), the 2020 release `a_segm`
and `i_segm` (polygons). Files with mixed names exist, so the keys that a record has decide, not the release; where it
has neither, V is read from the keys of other formats (`reading.keys`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from amodal_bench.datasets.reading.fields import claimed_id, is_set, odd_flags, odd_numbers, pixels, text
from amodal_bench.datasets.reading.index import Index, Report, make_index
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
from amodal_bench.datasets.reading.records import Record, read_entries, read_records

AMODAL = ("a_segm", "segmentation")
VISIBLE = ("i_segm", "inmodal_seg")
AREA = ("a_area", "area")
INDEX_VERSION = 6
COLUMNS = {
    SCENE: "str",
    **PICTURE,
    "start": "int64",
    "length": "int64",
    VISIBLE_KEY: "str",
    "visible_pixels": "float64",
    "visible_outside": "float64",
}


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
    builder = _Builder()
    # "images" and "categories" may stand behind "annotations": they are read first, in a pass of their own.
    for record, label in builder.entries(file, "images", "categories"):
        (builder.pictures.add if record.array == "images" else builder.add_category)(record.value, label)
    rows = [builder.row(record, label) for record, label in builder.entries(file, "annotations")]
    return make_index(rows, builder.report, COLUMNS)


class _Builder:
    """What the annotations of a file are joined with, and what is wrong so far."""

    def __init__(self) -> None:
        self.report = Report()
        self.pictures = Pictures(self.report, "its occlusion rates are unknown")
        self.categories: dict[str, str] = {}
        self.taken: set[str] = set()

    def entries(self, file: Path, *arrays: str) -> Iterator[tuple[Record, str]]:
        """The objects of some arrays, each with a name for messages."""
        remedy = "use the authors' annotation file of either release"
        return read_entries(read_records(file, ("images", "annotations"), "a KINS file", remedy), arrays, self.report)

    def add_category(self, entry: dict[str, Any], label: str) -> None:
        id, name = text(entry.get("id")), text(entry.get("name"))
        if not id or not name:
            self.report(label, "it has no id or no name")
        else:
            self.categories.setdefault(id, name)

    def row(self, record: Record, label: str) -> dict[str, object]:
        """The row of an annotation; one whose picture is not in the file is a scene of its own."""
        fields: dict[str, Any] = record.value
        id, image_id = self.unused_id(fields, label), text(fields.get("image_id"))
        picture = self.pictures.get(image_id)
        masks = segmentations(fields, picture.size)
        if not (key := visible_key(fields, VISIBLE)):
            self.report(f"annotation {id}", f"it has no visible mask ({' or '.join(VISIBLE)}): V = A is assumed")
        for what in chain(odd_numbers(fields, (*AREA, "i_area")), odd_flags(fields, ("iscrowd",))):
            self.report(f"annotation {id}", what)
        return {
            "id": id,
            "image_id": image_id,
            "video_id": "",
            "category": self.category(fields, id),
            "stuff": False,
            "crowd": is_set(fields.get("iscrowd")),  # the 2020 release has no such key
            SCENE: f"image {image_id}" if image_id in self.pictures.by_id else f"annotation {id}",
            "start": record.start,
            "length": record.length,
            VISIBLE_KEY: key,
            "visible_pixels": pixels(fields.get("i_area")),
            "visible_outside": masks.visible_outside,
            **vars(picture),
            **vars(masks.measures(stated_pixels=pixels(first(fields, AREA)[1])).of_record()),
        }

    def unused_id(self, fields: dict[str, Any], label: str) -> str:
        """The annotation's id, or where it is missing or taken one that is made up; takes it."""
        id, problem = claimed_id(text(fields.get("id")), label, self.taken)
        if problem:
            self.report(f"annotation {id}", problem)
        return id

    def category(self, fields: dict[str, Any], id: str) -> str:
        """The category's name, else its id: both differ between the releases, and the 2019 file lacks id 3."""
        category_id = text(fields.get("category_id"))
        if category_id not in self.categories:
            self.report(f"annotation {id}", f'category_id {category_id or "(none)"} is not in "categories"')
        return self.categories.get(category_id, category_id)
