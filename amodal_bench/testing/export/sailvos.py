"""The toy aquarium in SAIL-VOS's format, as `dataset=sailvos` reads it: annotation file and raw folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from amodal_bench.core.progress import follow
from amodal_bench.core.rle import encode
from amodal_bench.testing.export._tree import box, write_tables
from amodal_bench.toy.scene import Instance, Scene, draw_scene

FILES = {"train": "train.json", "val": "valid.json"}
CATEGORIES = {"fish": 17, "plant": 64}
"""Ids are sparse, as the official ones are."""
FRAMES = 4
"""Frames of a video."""
VARIANTS = ("official", "vatrack")


def export(folder: Path, split: str = "val", images: int = 160, seed: int = 0, variant: str = "official") -> Path:
    """Draw a split and write it as a SAIL-VOS tree.

    Args:
        folder: the tree's root; the annotation file and the folders of the videos are written in it.
        split: "train" or "val".
        images: number of scenes; each is a frame, and four make a video.
        seed: of the drawing.
        variant: form of the annotation file: "official", or "vatrack", what the tracker vatrack converts it to.

    Returns:
        The annotation file. Image `n` is scene `n - 1`; its annotations are the scene's instances in order.
    """
    if split not in FILES or variant not in VARIANTS:
        raise ValueError(f"split is one of {', '.join(FILES)}, variant one of {', '.join(VARIANTS)}")
    scenes = [draw_scene(seed, split, index) for index in follow(range(images), "drawing scenes", "scene")]
    tables: dict[str, list[dict[str, Any]]] = {
        "videos": [],
        "images": [],
        "categories": [{"id": id, "name": name} for name, id in CATEGORIES.items()],
        "models": [{"id": 0, "name": "toy"}],
        "annotations": [],
    }
    for first in range(0, images, FRAMES):
        _write_video(folder, f"toy_{split}_{first // FRAMES}", scenes[first : first + FRAMES], tables)
    if variant == "vatrack":
        tables = _converted(tables)
    return write_tables(folder / FILES[split], tables)


def _write_video(root: Path, name: str, scenes: list[Scene], tables: dict[str, list[dict[str, Any]]]) -> None:
    """Write the folders of a video, and add it to the tables. An object lives in one frame."""
    number, objects = len(tables["videos"]) + 1, 0
    for position, scene in enumerate(scenes):
        frame = 3 + 6 * position  # numbers have gaps
        height, width = scene.image.shape[:2]
        image: dict[str, Any] = {"id": len(tables["images"]) + 1, "video_id": number, "frame_id": position}
        image |= {"file_name": f"{name}/images/{frame:06d}.bmp", "height": height, "width": width}
        tables["images"].append(image)
        _save(scene.image, root / name / "images" / f"{frame:06d}.bmp")
        visible = np.zeros((height, width), np.int16)
        for instance in scene.instances:
            objects += 1
            tables["annotations"].append(_annotation(instance, len(tables["annotations"]) + 1, image["id"], objects))
            visible[instance.visible] = objects
            mask = instance.amodal.astype(np.uint8) * np.uint8(255)
            _save(mask, root / name / f"{objects}_{instance.kind}" / f"{frame:06d}.png")
        (root / name / "visible").mkdir(exist_ok=True)
        np.save(root / name / "visible" / f"{frame:06d}.npy", visible)
    tables["videos"].append({"id": number, "vid_name": name, "num_frames": len(scenes), "num_objs": objects})


def _annotation(instance: Instance, id: int, image_id: int, object_id: int) -> dict[str, Any]:
    area, seen = int(instance.amodal.sum()), int(instance.visible.sum())
    return {
        "id": id,
        "image_id": image_id,
        "category_id": CATEGORIES[instance.kind],
        "obj_id": object_id,
        "model_id": 0,
        "bbox": box(instance.amodal),
        "bbox_visible": box(instance.visible),
        "segmentation": encode(instance.amodal),
        "visible_mask": encode(instance.visible),
        "invisible_mask": encode(instance.amodal & ~instance.visible),
        "area": area,
        "area_visible": seen,
        "iscrowd": 0,
        "occlu_depth": 0,
        "occlude_rate": (area - seen) / area,
    }


def _converted(tables: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """The official tables in vatrack's form: both masks in `segmentation`, other names, no `models`."""
    videos = [
        {"id": v["id"], "name": v["vid_name"], "width": 1280, "height": 800, "num_frames": v["num_frames"]}
        for v in tables["videos"]
    ]
    of_image = {image["id"]: image["video_id"] for image in tables["images"]}
    annotations = []
    for official in tables["annotations"]:
        record = {key: value for key, value in official.items() if key not in ("area", "occlude_rate")}
        record["segmentation"] = [official["segmentation"], official["visible_mask"]]
        record["amodal_mask"] = official["segmentation"]
        record["area_amodal"] = official["area"]
        record["bbox"] = [record["bbox"], record.pop("bbox_visible")]
        record |= {"video_id": of_image[official["image_id"]], "instance_id": official["id"]}
        annotations.append(record)
    kept = {"categories": tables["categories"], "videos": videos, "images": tables["images"]}
    return kept | {"annotations": annotations}


def _save(pixels: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(pixels).save(path)
