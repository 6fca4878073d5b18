"""A tree of one picture in the layout of each dataset with an annotation file, its objects given by their fields."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from masks import box

from amodal_bench.core.rle import encode
from amodal_bench.datasets.coco_a.bsds import Bsds
from amodal_bench.datasets.coco_a.cocoa import Cocoa
from amodal_bench.datasets.coco_a.cocoa_cls import CocoaCls
from amodal_bench.datasets.kins.kins import Kins
from amodal_bench.datasets.reading.indexed import IndexedDataset
from amodal_bench.datasets.sailvos.sailvos import SailVos

SIZE = (60, 80)
AMODAL, VISIBLE = box(SIZE, 20, 30, 30, 40), box(SIZE, 20, 30, 30, 25)
FORMATS = ("visible_mask", "i_segm", "inmodal_seg", "invisible_mask")
PLACES: dict[str, tuple[str, str, type[IndexedDataset]]] = {
    "cocoa": ("annotations/COCO_amodal_val2014.json", "val2014/7.png", Cocoa),
    "cocoa_cls": ("annotations/COCO_amodal_val2014_with_classes.json", "val2014/7.png", CocoaCls),
    "bsds": ("annotations/BSDS_amodal_test.json", "BSR/BSDS500/data/images/test/7.png", Bsds),
    "kins": ("update_test_2020.json", "testing/image_2/7.png", Kins),
    "sailvos": ("valid.json", "video/images/000007.png", SailVos),
}
"""By dataset: the annotation file, the picture, and the class that reads them."""

DATASETS = tuple(PLACES)


def mask_under(key: str) -> dict[str, Any]:
    """V of the one object, under a key."""
    return {key: encode(AMODAL & ~VISIBLE if key == "invisible_mask" else VISIBLE)}


SOUND = {**mask_under("visible_mask"), **mask_under("i_segm")}
"""Fields of which no dataset complains."""


def tree_of(name: str, fields: list[dict[str, Any]], file_name: str | None = None) -> dict[str, Any]:
    """What the annotation file holds; the objects have these fields beside A."""
    objects = [{"segmentation": encode(AMODAL), "area": int(AMODAL.sum()), **each} for each in fields]
    own = "video/images/000007.png" if name == "sailvos" else "7.png"
    image = {"id": 7, "file_name": file_name or own, "height": SIZE[0], "width": SIZE[1]}
    listed = [{"id": n, "image_id": 7, "category_id": 1, **each} for n, each in enumerate(objects, start=1)]
    tree: dict[str, Any] = {"images": [image], "categories": [{"id": 1, "name": "car"}], "annotations": listed}
    if name in ("cocoa", "bsds"):
        tree["annotations"] = [{"id": 1, "image_id": 7, "regions": objects}]
    return tree


def write_tree(root: Path, name: str, tree: dict[str, Any] | bytes) -> Path:
    """Write the annotation file, and a grey picture; returns the picture's place."""
    file, picture, _ = PLACES[name]
    for path in (root / file, root / picture):
        path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(root / picture), np.full((*SIZE, 3), 90, np.uint8))
    (root / file).write_bytes(tree if isinstance(tree, bytes) else json.dumps(tree).encode())
    return root / picture


def opened(root: Path, name: str) -> IndexedDataset:
    """The dataset in a folder."""
    make: Any = PLACES[name][2]
    found: IndexedDataset = make(str(root))
    return found


def written(root: Path, name: str, fields: list[dict[str, Any]], file_name: str | None = None) -> IndexedDataset:
    """A tree of one picture whose objects have these fields beside A, opened."""
    write_tree(root, name, tree_of(name, fields, file_name))
    return opened(root, name)
