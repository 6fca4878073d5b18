"""The toy aquarium in the format of COCOA-cls, as `dataset=cocoa_cls` reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from amodal_bench.datasets.segmentation import encode
from amodal_bench.masks import extent
from amodal_bench.toy.scene import Instance, draw_scene
from amodal_bench.types import Mask

CATEGORIES = {"fish": 1, "plant": 64}
"""Ids with a gap, as COCO's have."""


def export(folder: Path, split: str = "val", images: int = 160, seed: int = 0) -> Path:
    """Draw a split and write it as a COCOA-cls tree, with PNG pictures so that no pixel changes.

    Args:
        folder: the tree's root; `annotations/COCO_amodal_{split}2014_with_classes.json` and `{split}2014/` are
            written in it.
        split: "train" or "val".
        images: number of scenes.
        seed: of the drawing.

    Returns:
        The annotation file. Its annotations are numbered from 1, scene by scene, front to back.
    """
    pictures = folder / f"{split}2014"
    pictures.mkdir(parents=True, exist_ok=True)
    tables: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}
    for index in range(images):
        scene = draw_scene(seed, split, index)
        name = f"COCO_{split}2014_{index + 1:012d}.png"
        Pillow.fromarray(scene.image).save(pictures / name)
        height, width = scene.image.shape[:2]
        tables["images"].append({"id": index + 1, "file_name": name, "height": height, "width": width})
        for instance in scene.instances:
            tables["annotations"].append(_annotation(instance, len(tables["annotations"]) + 1, index + 1))
    tables["categories"] = [{"id": id, "name": name, "supercategory": ""} for name, id in CATEGORIES.items()]
    file = folder / "annotations" / f"COCO_amodal_{split}2014_with_classes.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(tables), encoding="utf-8")
    return file


def _annotation(instance: Instance, id: int, image_id: int) -> dict[str, Any]:
    """One object; `iscrowd` is absent, as it often is."""
    area, hidden = int(instance.amodal.sum()), instance.amodal & ~instance.visible
    written: dict[str, Any] = {
        "id": id,
        "image_id": image_id,
        "category_id": CATEGORIES[instance.kind],
        "segmentation": encode(instance.amodal),
        "visible_mask": encode(instance.visible),
        "bbox": _box(instance.amodal),
        "area": area,
        "occlude_rate": int(hidden.sum()) / area,
    }
    return written | ({"invisible_mask": encode(hidden)} if hidden.any() else {})


def _box(mask: Mask) -> list[int]:
    """Left, top, width and height."""
    box = extent(mask)
    if box is None:
        return [0, 0, 0, 0]
    top, bottom, left, right = box
    return [left, top, right - left, bottom - top]
