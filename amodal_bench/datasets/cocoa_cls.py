"""COCOA-cls (Follmann et al., 2019): the objects of COCO-A that belong to one of COCO's 80 classes, in COCO's layout.

An entry of "annotations" is one object. `bbox` is not used: the masks say the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from tqdm import tqdm

from amodal_bench.datasets.base import Problem
from amodal_bench.datasets.fields import is_set, unused
from amodal_bench.datasets.files import is_object
from amodal_bench.datasets.index import Index, cached_index, files_digest, make_index
from amodal_bench.datasets.indexed import SCENE
from amodal_bench.datasets.records import read_record, read_records
from amodal_bench.datasets.regions import (
    PLACES,
    ImageEntry,
    RegionDataset,
    facts,
    image_entry,
    mask_size,
    number,
    object_or_empty,
    places,
    require_files,
    text,
)
from amodal_bench.datasets.segmentation import hidden_share, measure

VERSION = 1
"""Raised with any change of the rows that `_build` makes."""

OWN_COLUMNS = {SCENE: "str", **PLACES}
REMEDY = "use COCO_amodal_*2014_with_classes.json; dataset=cocoa reads COCO-A's own files"


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
        InputError: a folder or the annotation file is missing, or the file is not one of COCOA-cls.
    """

    name: ClassVar[str] = "cocoa_cls"

    def __init__(
        self, root: str, split: str = "val", annotations: str | None = None, images: str | None = None
    ) -> None:
        self.split = split
        self.folder = Path(images or Path(root, f"{split}2014"))
        file = Path(annotations or Path(root, "annotations", f"COCO_amodal_{split}2014_with_classes.json"))
        self._require(Path(root), file, needs_root=annotations is None or images is None)
        index = cached_index(self.name, VERSION, files_digest([file]), lambda: _build(file))
        super().__init__(index, split, file)

    def fields(self, row: Any) -> dict[str, Any]:
        return object_or_empty(read_record(self.file, int(row["start"]), int(row["length"])))

    def picture(self, file_name: str) -> Path:
        return self.folder / file_name

    def scene_name(self, row: Any) -> str:
        return f"image {row['image_id'] or '(none)'}"

    def record_name(self, row: Any) -> str:
        return f"annotation {row['id']}"

    def _require(self, root: Path, file: Path, needs_root: bool) -> None:
        get_file = (
            "get COCOA_annotations_detectron.tar.xz (the READMEs of Bayesian-Amodal and AISFormer link to it) and "
            f"put the file into {root / 'annotations'}, or set `annotations` to it"
        )
        get_folder = (
            f"unpack {self.split}2014.zip of the COCO 2014 images (cocodataset.org) into {root}, "
            "or set `images` to the folder"
        )
        require_files(
            "COCOA-cls",
            root if needs_root else None,
            (file, f"the COCOA-cls annotations of split {self.split!r} are missing", get_file),
            (self.folder, "the folder of the COCO pictures does not exist", get_folder),
        )


@dataclass(frozen=True)
class _Head:
    """What is known of an annotation before its masks are looked at."""

    label: str
    image_id: str
    category_id: str
    start: int
    length: int


def _build(file: Path) -> Index:
    images: dict[str, ImageEntry] = {}
    categories: dict[str, str] = {}
    heads: list[_Head] = []
    problems: list[Problem] = []
    taken: set[str] = set()
    position = 0
    # COCO's files mostly end with the categories: no annotation is finished before all is read.
    for record in read_records(file, ("images", "annotations", "categories"), "a COCOA-cls file", REMEDY):
        value, known = object_or_empty(record.value), is_object(record.value)
        if record.array == "images" and known:
            images[text(value.get("id"))] = image_entry(record)
        elif record.array == "categories" and known:
            categories[text(value.get("id"))] = text(value.get("name"))
        elif record.array == "annotations":
            position += 1
            if not known:
                problems.append(Problem(str(file), f"entry {position} of annotations", "it is no object"))
                continue
            image_id, category_id = text(value.get("image_id")), text(value.get("category_id"))
            label = unused(text(value.get("id")) or f"image{image_id}", taken)
            heads.append(_Head(label, image_id, category_id, record.start, record.length))
    problems += _without_category(file, heads, categories)
    bar = tqdm(heads, desc=f"measuring {file.name}", unit="object", leave=False, disable=None)
    rows = [_row(file, head, images.get(head.image_id, ImageEntry()), categories) for head in bar]
    return make_index(rows, problems, OWN_COLUMNS)


def _without_category(file: Path, heads: list[_Head], categories: dict[str, str]) -> Iterator[Problem]:
    """Such an object is an instance all the same: its masks do not depend on its category."""
    for head in heads:
        if head.category_id not in categories:
            what = f'category_id {head.category_id or "(none)"} has no entry in "categories"'
            yield Problem(str(file), f"annotation {head.label}", what)


def _row(file: Path, head: _Head, image: ImageEntry, categories: dict[str, str]) -> dict[str, object]:
    fields = object_or_empty(read_record(file, head.start, head.length))
    size = image.size or mask_size([fields])
    return {
        "id": head.label,
        "image_id": head.image_id,
        "video_id": "",
        "category": categories.get(head.category_id, ""),
        "stuff": False,
        "crowd": is_set(fields.get("iscrowd")),  # often missing, for no
        **facts(fields, size),
        **_unstated(fields, size),
        SCENE: head.image_id,
        **places(head.start, head.length, image),
    }


def _unstated(fields: dict[str, Any], size: tuple[int, int] | None) -> dict[str, object]:
    """Area and occlusion rate where the file does not state them, from the masks if these can be read."""
    amodal, visible = fields.get("segmentation"), fields.get("visible_mask")
    found: dict[str, object] = {}
    if size is None:
        return found
    try:
        if math.isnan(number(fields.get("area"))):
            found["area"] = measure(amodal, *size)[0]
        if math.isnan(number(fields.get("occlude_rate"))):
            found["occlusion_rate"] = hidden_share(amodal, amodal if visible is None else visible, *size)
    except ValueError:  # `sample` tells
        pass
    return found
