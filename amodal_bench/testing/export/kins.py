"""The toy aquarium in the format of KINS, as `dataset=kins` reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from amodal_bench.core.rle import encode
from amodal_bench.core.types import Mask
from amodal_bench.datasets.kins.kins import FILES, FOLDERS, canonical_release, canonical_split
from amodal_bench.testing.export._tree import box, write_scenes, write_tables
from amodal_bench.toy.scene import Scene

CATEGORIES = {"2019": {"fish": 2, "plant": 4}, "2020": {"fish": 1, "plant": 3}}
"""By release: the ids of the real files differ too, and have gaps."""


def export(folder: Path, split: str = "test", images: int = 160, seed: int = 0, release: str = "2020") -> Path:
    """Draw a split and write it as an official KINS tree.

    Args:
        folder: the tree's root; the annotation file and `training/image_2/` or `testing/image_2/` are written in it.
        split: "train" or "test"; "val" is written as "test". Each name draws its own scenes.
        images: number of scenes.
        seed: of the drawing.
        release: "2019" (A as a polygon, V as an RLE) or "2020" (both as polygons, with an occlusion order).

    Returns:
        The annotation file. Its annotations are numbered from 1, scene by scene, each scene's front-most first;
        image `n` is scene `n - 1`, with the file name that KITTI gives it.
    """
    release, official = canonical_release(release), canonical_split(split)
    tables: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": [], "categories": []}
    for name, number in CATEGORIES[release].items():
        tables["categories"].append({"id": number, "name": name, "supercategory": "living"})
    names = [f"{index:06d}.png" for index in range(images)]
    drawn = write_scenes(folder / FOLDERS[official], names, split, seed)
    for image_id, (scene, entry) in enumerate(drawn, start=1):
        tables["images"].append({"id": image_id} | entry)
        for fields in (_records_2019 if release == "2019" else _records_2020)(scene):
            ids = {"id": len(tables["annotations"]) + 1, "image_id": image_id}
            tables["annotations"].append(fields | ids)
    return write_tables(folder / FILES[release][official], tables)


def _records_2019(scene: Scene) -> list[dict[str, Any]]:
    return [
        {
            "segmentation": [instance.polygon.ravel().tolist()],
            "area": int(instance.amodal.sum()),
            "inmodal_seg": encode(instance.visible),
            "iscrowd": 0,
            "bbox": box(instance.amodal),
            "inmodal_bbox": box(instance.visible),
            "category_id": CATEGORIES["2019"][instance.kind],
        }
        for instance in scene.instances
    ]


def _records_2020(scene: Scene) -> list[dict[str, Any]]:
    return [
        {
            "a_segm": [instance.polygon.ravel().tolist()],
            "a_area": int(instance.amodal.sum()),
            "a_bbox": box(instance.amodal),
            "i_segm": outlines(instance.visible),
            "i_area": int(instance.visible.sum()),
            "i_bbox": box(instance.visible),
            "oco_id": cluster,
            "ico_id": order,
            "category_id": CATEGORIES["2020"][instance.kind],
        }
        for instance, (cluster, order) in zip(scene.instances, _occlusion_order(scene), strict=True)
    ]


def outlines(mask: Mask) -> list[list[float]]:
    """Polygons that pycocotools rasterises to exactly this mask.

    They run along the pixels' edges. A polygon has no holes, so a mask is cut wherever the number of runs changes
    from one column to the next.
    """
    strips: list[tuple[int, list[tuple[int, int]]]] = []
    open_strips: list[list[tuple[int, int]]] = []
    for x, column in enumerate(mask.T):
        ends = np.flatnonzero(np.diff(column.astype(np.int8), prepend=0, append=0)).tolist()
        runs = list(zip(ends[::2], ends[1::2], strict=True))
        if len(runs) != len(open_strips):
            open_strips = [[] for _ in runs]
            strips += [(x, strip) for strip in open_strips]
        for strip, run in zip(open_strips, runs, strict=True):
            strip.append(run)
    return [_staircase(left, strip) for left, strip in strips]


def _staircase(left: int, runs: list[tuple[int, int]]) -> list[float]:
    """The outline of one run [top, bottom) per column, from column `left` on, as x, y, x, y, ..."""
    upper = [(x + side, top) for x, (top, _) in enumerate(runs, start=left) for side in (0, 1)]
    lower = [(x + side, bottom) for x, (_, bottom) in enumerate(runs, start=left) for side in (0, 1)]
    return [float(value) for point in upper + lower[::-1] for value in point]


def _occlusion_order(scene: Scene) -> list[tuple[int, int]]:
    """For each instance its cluster, from 1, and its order in it: 0 where it is alone, else from 1 at the front."""
    clusters: list[set[int]] = []
    orders: list[int] = []
    for number, instance in enumerate(scene.instances):
        before = [n for n in range(number) if (scene.instances[n].amodal & instance.amodal).any()]
        orders.append(1 + max((orders[n] for n in before), default=0))
        joined = [cluster for cluster in clusters if cluster & set(before)]
        clusters = [cluster for cluster in clusters if cluster not in joined] + [{number}.union(*joined)]
    found = [
        next((c, members) for c, members in enumerate(clusters, start=1) if n in members) for n in range(len(orders))
    ]
    return [(c, orders[n] if len(members) > 1 else 0) for n, (c, members) in enumerate(found)]
