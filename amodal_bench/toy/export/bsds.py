"""The toy aquarium in BSDS-A's format, as `dataset=bsds` reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from amodal_bench.toy.export.cocoa import annotation
from amodal_bench.toy.scene import Scene, draw_scene

FIRST_NUMBER = 100001
AUTHORS = ("ahead", "behind")
"""The annotators: the first lists the instances from front to back, the second from back to front."""


def export(folder: Path, split: str = "test", images: int = 160, seed: int = 0) -> Path:
    """Draw a split and write it as an official BSDS-A tree, with PNG pictures so that no pixel changes.

    Args:
        folder: the tree's root; `annotations/BSDS_amodal_{split}.json` and `BSR/BSDS500/data/images/{split}/` are
            written in it.
        split: "train", "val" or "test".
        images: number of scenes.
        seed: of the drawing.

    Returns:
        The annotation file. Scene `n` is image `FIRST_NUMBER + n`; its passes are annotations `2n + 1` and `2n + 2`.
    """
    pictures = folder / "BSR" / "BSDS500" / "data" / "images" / split
    pictures.mkdir(parents=True, exist_ok=True)
    tables: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}
    for index in range(images):
        scene = draw_scene(seed, split, index)
        number = FIRST_NUMBER + index
        Pillow.fromarray(scene.image).save(pictures / f"{number}.png")
        tables["images"].append(_image(scene, number))
        front_to_back = range(len(scene.instances))
        for place, (author, listed) in enumerate(zip(AUTHORS, (front_to_back, front_to_back[::-1]), strict=True)):
            written = annotation(scene, 2 * index + place + 1, number, author, listed)
            for region in written["regions"]:
                region["isStuff"] = False  # whatever it shows
            tables["annotations"].append(written)
    file = folder / "annotations" / f"BSDS_amodal_{split}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(tables), encoding="utf-8")
    return file


def _image(scene: Scene, number: int) -> dict[str, Any]:
    """An entry of "images": unlike COCO-A's its name is a bare number, and unknown facts are a question mark."""
    height, width = scene.image.shape[:2]
    unknown = {"license": "?", "date_captured": "?", "flickr_url": "", "bsds_url": ""}
    return {"id": number, "file_name": f"{number}.png", "height": height, "width": width} | unknown
