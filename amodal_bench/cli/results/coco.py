"""A run's predictions as COCO results, and the amodal masks they are compared with as COCO ground truth.

Both are made from the same table of instances, so that their ids agree:

- images keep the dataset's ids, as whole numbers where all of the run's are such, else as text;
- categories are numbered from 1 in the alphabetical order of their names in this run;
- `annotation_id` is the harness's own id in both (FiftyOne refuses labels with an `instance_id`, a name it keeps for
  itself). A ground truth's `id` is a number from 1 on, since pycocotools takes 0 for "none".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from amodal_bench.core import native
from amodal_bench.core.errors import BenchError
from amodal_bench.core.plain import number_in
from amodal_bench.core.progress import follow
from amodal_bench.core.rle import Rle, encode, united
from amodal_bench.datasets.base import Sample


class CocoIds:
    """COCO's ids for the instances of a run.

    Args:
        instances: has the columns image_id and category, as text.
    """

    def __init__(self, instances: pd.DataFrame) -> None:
        self._whole = all(_is_whole(id) for id in instances["image_id"])
        names = sorted(set(instances["category"]))
        self.categories = {name: number for number, name in enumerate(names, start=1)}

    def image(self, id: str) -> int | str:
        return int(id) if self._whole else id


def results(instances: pd.DataFrame, ids: CocoIds, rle: Callable[[str], Rle]) -> list[dict[str, Any]]:
    """COCO results, one entry per row of `instances` (id, image_id, category), in their order."""
    rows = follow(instances.itertuples(), "exporting masks", "inst", len(instances))
    return [_placed(row, ids) | _shape(rle(str(row.id))) | {"score": 1.0} for row in rows]


def ground_truth(
    instances: pd.DataFrame, ids: CocoIds, sample: Callable[[str], Sample]
) -> tuple[dict[str, Any], list[str]]:
    """COCO ground truth: images, categories and the amodal mask of each row; and what `sample` said of the others.

    `file_name` of an image is its id, since datasets do not tell the names of files.
    """
    images: dict[str, dict[str, Any]] = {}
    annotations: list[dict[str, Any]] = []
    unreadable: list[str] = []
    for row in follow(instances.itertuples(), "exporting ground truth", "inst", len(instances)):
        try:
            whole = encode(sample(str(row.id)).amodal)
        except BenchError as error:  # a bad record costs itself alone
            unreadable.append(str(error))
            continue
        image_id, (height, width) = str(row.image_id), whole["size"]
        images[image_id] = {"id": ids.image(image_id), "file_name": image_id, "height": height, "width": width}
        annotations.append({"id": len(annotations) + 1, **_placed(row, ids), **_shape(whole), "iscrowd": 0})
    categories = [{"id": number, "name": name} for name, number in ids.categories.items()]
    return {"images": list(images.values()), "categories": categories, "annotations": annotations}, unreadable


def _placed(row: Any, ids: CocoIds) -> dict[str, Any]:
    return {
        "image_id": ids.image(str(row.image_id)),
        "category_id": ids.categories[row.category],
        "annotation_id": str(row.id),
    }


def _shape(rle: Rle) -> dict[str, Any]:
    """Mask, box [left, top, width, height] and pixels."""
    checked = united(rle, *rle["size"])
    return {"segmentation": rle, "bbox": native.box(checked), "area": native.area(checked)}


def _is_whole(id: str) -> bool:
    return id.isascii() and str(number_in(id)) == id
