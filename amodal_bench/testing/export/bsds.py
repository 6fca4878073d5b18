"""The toy aquarium in BSDS-A's format, as `dataset=bsds` reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from amodal_bench.testing.export._tree import write_scenes, write_tables
from amodal_bench.testing.export.cocoa import annotation

FIRST_NUMBER = 100001
AUTHORS = ("ahead", "behind")
"""The annotators: the first lists the instances from front to back, the second from back to front."""
UNKNOWN = {"license": "?", "date_captured": "?", "flickr_url": "", "bsds_url": ""}
"""What an entry of "images" has beside COCO-A's fields: what is not known is a question mark."""


def export(folder: Path, split: str = "test", images: int = 160, seed: int = 0) -> Path:
    """Draw a split and write it as an official BSDS-A tree, with PNG pictures.

    Args:
        folder: the tree's root; `annotations/BSDS_amodal_{split}.json` and `BSR/BSDS500/data/images/{split}/` are
            written in it.
        split: "train", "val" or "test".
        images: number of scenes.
        seed: of the drawing.

    Returns:
        The annotation file. Scene `n` is image `FIRST_NUMBER + n`; its passes are annotations `2n + 1` and `2n + 2`.
    """
    tables: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}
    pictures = folder / "BSR" / "BSDS500" / "data" / "images" / split
    names = [f"{FIRST_NUMBER + index}.png" for index in range(images)]
    for index, (scene, entry) in enumerate(write_scenes(pictures, names, split, seed)):
        number = FIRST_NUMBER + index
        tables["images"].append({"id": number} | entry | UNKNOWN)
        front_to_back = range(len(scene.instances))
        for place, (author, listed) in enumerate(zip(AUTHORS, (front_to_back, front_to_back[::-1]), strict=True)):
            written = annotation(scene, 2 * index + place + 1, number, author, listed)
            for region in written["regions"]:
                region["isStuff"] = False  # whatever it shows
            tables["annotations"].append(written)
    return write_tables(folder / "annotations" / f"BSDS_amodal_{split}.json", tables)
