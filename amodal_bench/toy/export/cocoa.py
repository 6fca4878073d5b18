"""Write the toy aquarium in COCO-A's format: `python -m amodal_bench.toy.export FOLDER`.

The result is what `dataset=cocoa dataset.root=FOLDER` reads, mask for mask the same as `dataset=toy`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from amodal_bench.datasets.segmentation import encode
from amodal_bench.toy.scene import Scene, draw_scene


def export_cocoa(folder: Path, split: str, images: int, seed: int) -> Path:
    """Draw a split and write it as an official COCO-A tree.

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
        tables["annotations"].append(_annotation(scene, index + 1))
    file = folder / "annotations" / f"COCO_amodal_{split}2014.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(tables))
    return file


def _annotation(scene: Scene, number: int) -> dict[str, Any]:
    """One annotator's pass over a scene; `order` 1 is the front-most region."""
    regions = []
    for order, instance in enumerate(scene.instances, start=1):
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
        regions.append(region)
    fronts = range(1, len(regions) + 1)
    pairs = [f"{a}-{b}" for a in fronts for b in fronts if a < b and _covers(scene, a - 1, b - 1)]
    return {
        "id": number,
        "image_id": number,
        "author": "toy",
        "url": "",
        "size": len(regions),
        "depth_constraint": ",".join(pairs),
        "regions": regions,
    }


def _covers(scene: Scene, front: int, back: int) -> bool:
    return bool((scene.instances[front].amodal & scene.instances[back].amodal).any())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", default="val", choices=["train", "val", "test"])
    parser.add_argument("--images", type=int, default=160)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(export_cocoa(args.folder, args.split, args.images, args.seed))


if __name__ == "__main__":
    main()
