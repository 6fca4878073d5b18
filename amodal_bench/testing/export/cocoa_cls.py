"""The toy aquarium in the format of COCOA-cls, as `dataset=cocoa_cls` reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from amodal_bench.core.rle import encode
from amodal_bench.datasets.coco_a.cocoa_cls import TREE
from amodal_bench.testing.export._tree import box, coco_names, write_scenes, write_tables
from amodal_bench.toy.scene import Instance

CATEGORIES = {"fish": 1, "plant": 64}
"""Ids with a gap, as COCO's have."""


def export(folder: Path, split: str = "val", images: int = 160, seed: int = 0) -> Path:
    """Draw a split and write it as a COCOA-cls tree, with PNG pictures.

    Args:
        folder: the tree's root; `annotations/COCO_amodal_{split}2014_with_classes.json` and `{split}2014/` are
            written in it.
        split: "train" or "val".
        images: number of scenes.
        seed: of the drawing.

    Returns:
        The annotation file. Its annotations are numbered from 1, scene by scene, front to back.
    """
    tables: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}
    drawn = write_scenes(folder / f"{split}2014", coco_names(split, images), split, seed)
    for image_id, (scene, entry) in enumerate(drawn, start=1):
        tables["images"].append({"id": image_id} | entry)
        for instance in scene.instances:
            tables["annotations"].append(_annotation(instance, len(tables["annotations"]) + 1, image_id))
    tables["categories"] = [{"id": id, "name": name, "supercategory": ""} for name, id in CATEGORIES.items()]
    return write_tables(folder / "annotations" / TREE.file.format(split=split), tables)


def _annotation(instance: Instance, id: int, image_id: int) -> dict[str, Any]:
    """One object; `iscrowd` is absent, as it often is."""
    area, hidden = int(instance.amodal.sum()), instance.amodal & ~instance.visible
    written: dict[str, Any] = {
        "id": id,
        "image_id": image_id,
        "category_id": CATEGORIES[instance.kind],
        "segmentation": encode(instance.amodal),
        "visible_mask": encode(instance.visible),
        "bbox": box(instance.amodal),
        "area": area,
        "occlude_rate": int(hidden.sum()) / area,
    }
    return written | ({"invisible_mask": encode(hidden)} if hidden.any() else {})
