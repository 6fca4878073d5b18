"""The toy aquarium in COCO-A's format, as `dataset=cocoa` reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amodal_bench.core.rle import encode
from amodal_bench.datasets.coco_a.cocoa import TREE
from amodal_bench.testing.export._tree import coco_names, write_scenes, write_tables
from amodal_bench.toy.scene import Instance, Scene


def export(folder: Path, split: str = "val", images: int = 160, seed: int = 0) -> Path:
    """Draw a split and write it as an official COCO-A tree, with PNG pictures.

    Args:
        folder: the tree's root; `annotations/COCO_amodal_{split}2014.json` and `{split}2014/` are written in it.
        split: "train", "val" or "test".
        images: number of scenes.
        seed: of the drawing.

    Returns:
        The annotation file. Annotation `n` is scene `n - 1`; its regions are the scene's instances in order.
    """
    tables: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}
    drawn = write_scenes(folder / f"{split}2014", coco_names(split, images), split, seed)
    for id, (scene, entry) in enumerate(drawn, start=1):
        tables["images"].append({"id": id} | entry)
        tables["annotations"].append(annotation(scene, id, id, "toy", range(len(scene.instances))))
    return write_tables(folder / "annotations" / TREE.file.format(split=split), tables)


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
