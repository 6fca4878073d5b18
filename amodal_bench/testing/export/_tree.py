"""What the exporters share: pictures of drawn scenes, annotation files, boxes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from amodal_bench.core.masks import extent
from amodal_bench.core.progress import follow
from amodal_bench.core.types import Mask
from amodal_bench.toy.scene import Scene, draw_scene


def write_scenes(folder: Path, names: list[str], split: str, seed: int) -> Iterator[tuple[Scene, dict[str, Any]]]:
    """Draw a scene for each name and write its picture, as PNG so that no pixel changes.

    Yields the scene with the fields "file_name", "height" and "width" of its entry of "images".
    """
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(follow(names, "drawing scenes", "scene")):
        scene = draw_scene(seed, split, index)
        Pillow.fromarray(scene.image).save(folder / name)
        height, width = scene.image.shape[:2]
        yield scene, {"file_name": name, "height": height, "width": width}


def write_tables(file: Path, tables: dict[str, list[dict[str, Any]]]) -> Path:
    """Write an annotation file, its folder included; returns it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(tables), encoding="utf-8")
    return file


def coco_names(split: str, images: int) -> list[str]:
    """Names of pictures as COCO 2014 has them, but for the ending; picture `n` has the id `n + 1`."""
    return [f"COCO_{split}2014_{index + 1:012d}.png" for index in range(images)]


def box(mask: Mask) -> list[int]:
    """Left, top, width and height, all 0 where the mask is empty."""
    top, bottom, left, right = extent(mask) or (0, 0, 0, 0)
    return [left, top, right - left, bottom - top]
