"""PCNet's protocol on two small COCO-A files gives what the authors' own script gives on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from masks import box
from one_picture import SIZE, write_tree

from amodal_bench.core.rle import encode
from amodal_bench.core.types import Mask
from amodal_bench.report.outcome import Outcome

FRONT, BACK, HIDDEN = box(SIZE, 20, 30, 30, 40), box(SIZE, 10, 10, 30, 40), box(SIZE, 22, 32, 8, 8)


def region(amodal: Mask, occluder: Mask) -> dict[str, Any]:
    return {
        "segmentation": encode(amodal),
        "area": int(amodal.sum()),
        "isStuff": 0,
        "visible_mask": encode(amodal & ~occluder),
        "invisible_mask": encode(amodal & occluder),
    }


def score(bench: Callable[..., Outcome], folder: Path, amodal: list[Mask], predicted: list[Mask]) -> Any:
    """The numbers of masks that another method left."""
    nothing: Mask = np.zeros(SIZE, bool)
    regions = [region(mask, FRONT if n else nothing) for n, mask in enumerate(amodal)]
    image = {"id": 7, "file_name": "7.png", "height": SIZE[0], "width": SIZE[1]}
    tree = {"images": [image], "annotations": [{"id": 3, "image_id": 7, "regions": regions}]}
    write_tree(folder / "tree", "cocoa", tree)
    entries = [{"annotation_id": f"3-{n}", "segmentation": encode(mask)} for n, mask in enumerate(predicted, start=1)]
    (folder / "pred.json").write_text(json.dumps(entries))
    files = (f"dataset.root={folder / 'tree'}", f"model.path={folder / 'pred.json'}")
    outcome = bench("dataset=cocoa", "model=predictions", "protocol=pcnet", *files)
    return outcome.main.summary().query("protocol == 'pcnet@2'").iloc[0]


@pytest.mark.slow
def test_a_fully_hidden_region_is_scored(bench: Callable[..., Outcome], tmp_path: Path) -> None:
    predicted = [FRONT | box(SIZE, 20, 25, 10, 5), BACK, box(SIZE, 22, 32, 12, 8)]
    found = score(bench, tmp_path, [FRONT, BACK, HIDDEN], predicted)
    assert found["instances"] == 3 and found["miou"] == pytest.approx(0.9677926158679903, abs=1e-12)


@pytest.mark.slow
def test_masks_that_miss_a_part_of_v_are_scored_as_they_are(bench: Callable[..., Outcome], tmp_path: Path) -> None:
    predicted = [np.roll(FRONT, 6, axis=1), np.roll(BACK, -7, axis=0)]
    found = score(bench, tmp_path, [FRONT, BACK], predicted)
    assert found["instances"] == 2 and found["miou"] == pytest.approx(0.6783216783216783, abs=1e-12)
