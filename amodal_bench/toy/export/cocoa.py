"""The toy aquarium in COCO-A's format, as `dataset=cocoa` reads it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from amodal_bench.datasets.segmentation import encode
from amodal_bench.toy.scene import Instance, Scene, draw_scene


def export(folder: Path, split: str = "val", images: int = 160, seed: int = 0) -> Path:
    """Draw a split and write it as an official COCO-A tree, with PNG pictures so that no pixel changes.

    Args:
        folder: the tree's root; `annotations/COCO_amodal_{split}2014.json` and `{split}2014/` are written in it.
        split: "train", "val" or "test".
        images: number of scenes.
        seed: of the drawing.

    Returns:
        The annotation file. Annotation `n` is scene `n - 1`; its regions are the scene's instances in order.
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
        tables["annotations"].append(annotation(scene, index + 1, index + 1, "toy", range(len(scene.instances))))
    file = folder / "annotations" / f"COCO_amodal_{split}2014.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(tables), encoding="utf-8")
    return file


def annotation(scene: Scene, id: int, image_id: int, author: str, listed: Sequence[int]) -> dict[str, Any]:
    """One annotator's pass over a scene.

    Args:
        scene: what is annotated.
        id: of the pass.
        image_id: of the picture.
        author: the annotator's name.
        listed: the instances (0 is the front-most) in the order in which the regions name them.
    """
    regions = [_region(scene.instances[number], number + 1) for number in listed]
    pairs = [
        f"{front}-{back}"
        for front, a in enumerate(listed, start=1)
        for back, b in enumerate(listed, start=1)
        if a < b and _covers(scene, a, b)
    ]
    return {
        "id": id,
        "image_id": image_id,
        "author": author,
        "url": "",
        "size": len(regions),
        "depth_constraint": ",".join(pairs),
        "regions": regions,
    }


def _region(instance: Instance, order: int) -> dict[str, Any]:
    """`order` 1 is the front-most; the masks are there only where something is hidden."""
    area, hidden = int(instance.amodal.sum()), instance.amodal & ~instance.visible
    region: dict[str, Any] = {
        "name": instance.kind,
        "isStuff": int(instance.kind == "plant"),
        "order": order,
        "segmentation": [float(value) for value in instance.polygon.ravel()],
        "area": area,
        "occlude_rate": int(hidden.sum()) / area,
    }
    if hidden.any():
        region |= {"visible_mask": encode(instance.visible), "invisible_mask": encode(hidden)}
    return region


def _covers(scene: Scene, front: int, back: int) -> bool:
    return bool((scene.instances[front].amodal & scene.instances[back].amodal).any())
