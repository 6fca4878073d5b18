"""COCOA-cls (Follmann et al., 2019): the objects of COCO-A that belong to one of COCO's 80 classes, in COCO's layout.

An entry of "annotations" is one object. `bbox` is not used: the masks say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from amodal_bench.core.progress import follow
from amodal_bench.core.rle import object_or_empty
from amodal_bench.datasets.coco_a.coco_tree import CocoTree
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
from amodal_bench.datasets.reading.names import place_in
from amodal_bench.datasets.reading.pictures import Picture, Pictures
from amodal_bench.datasets.reading.records import read_entries, read_record, read_records

VERSION = 6
"""Raised with any change of the rows that `_build` makes."""

ARRAYS = ("images", "annotations", "categories")
OWN_COLUMNS = {SCENE: "str", **PLACES}
REMEDY = "use COCO_amodal_*2014_with_classes.json; dataset=cocoa reads COCO-A's own files"
TREE = CocoTree(
    "cocoa_cls",
    "COCOA-cls",
    ("train", "val"),
    "COCO_amodal_{split}2014_with_classes.json",
    "get COCOA_annotations_detectron.tar.xz (the READMEs of Bayesian-Amodal and AISFormer link to it) and put the "
    "file into {folder}, or set dataset.annotations to it",
)


class CocoaCls(RegionDataset):
    """COCOA-cls, one split; an instance has the id of its annotation.

    Expects `root/annotations/COCO_amodal_{split}2014_with_classes.json` and the COCO 2014 pictures in
    `root/{split}2014/`.

    Args:
        root: folder of the dataset.
        split: "train" or "val".
        annotations: annotation file, if it lies elsewhere.
        images: folder of the pictures, if it lies elsewhere.

    Raises:
        ConfigError: there is no such split.
        InputError: a folder or the annotation file is missing, or the file is not one of COCOA-cls.
    """

    name: ClassVar[str] = "cocoa_cls"

    def __init__(
        self, root: str, split: str = "val", annotations: str | None = None, images: str | None = None
    ) -> None:
        file, self.folder = TREE.find(root, split, annotations, images)
        index = cached_index(self.name, VERSION, annotation_digest(file), lambda: _build(file))
        super().__init__(index, split, file)

    def fields(self, row: Any) -> dict[str, Any]:
        return object_or_empty(read_record(self.file, int(row["start"]), int(row["length"])))

    def picture(self, file_name: str) -> Path:
        return place_in(self.folder, file_name)

    def scene_name(self, row: Any) -> str:
        return f"image {row['image_id'] or '(none)'}"

    def record_name(self, row: Any) -> str:
        return f"annotation {row['id']}"


@dataclass(frozen=True)
class _Head:
    """What is known of an annotation before its masks are looked at."""

    label: str
    image_id: str
    category_id: str
    start: int
    length: int


def _build(file: Path) -> Index:
    report = Report()
    pictures, categories = Pictures(report), dict[str, str]()
    heads, taken = list[_Head](), set[str]()
    # COCO's files mostly end with the categories: no annotation is finished before all is read.
    records = read_records(file, ARRAYS, "a COCOA-cls file", REMEDY)
    for record, label in read_entries(records, ARRAYS, report):
        fields = record.value
        if record.array == "images":
            pictures.add(fields, label)
        elif record.array == "categories":
            categories[text(fields.get("id"))] = text(fields.get("name"))
        else:
            id, problem = claimed_id(text(fields.get("id")), label, taken)
            if problem:
                report(f"annotation {id}", problem)
            ids = text(fields.get("image_id")), text(fields.get("category_id"))
            heads.append(_Head(id, *ids, record.start, record.length))
    measured = follow(heads, f"measuring {file.name}", "object", show=True)
    rows = [_row(file, head, pictures.get(head.image_id), categories, report) for head in measured]
    return make_index(rows, report, OWN_COLUMNS)


def _row(file: Path, head: _Head, picture: Picture, categories: dict[str, str], report: Report) -> dict[str, object]:
    fields = object_or_empty(read_record(file, head.start, head.length))
    measured = measures(fields, picture.size or mask_size([fields]))
    for what in odd(fields, measured):
        report(f"annotation {head.label}", what)
    # An object without a category is an instance all the same: its masks do not depend on it.
    if head.category_id not in categories:
        what = f'category_id {head.category_id or "(none)"} has no entry in "categories"'
        report(f"annotation {head.label}", what)
    return {
        "id": head.label,
        "image_id": head.image_id,
        "video_id": "",
        "category": categories.get(head.category_id, ""),
        "stuff": False,
        "crowd": is_set(fields.get("iscrowd")),  # often missing, for no
        **vars(measured),
        SCENE: head.image_id,
        "start": head.start,
        "length": head.length,
        VISIBLE_KEY: visible_key(fields, VISIBLE),
        **vars(picture),
    }
