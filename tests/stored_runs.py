"""Run folders made by hand: each prediction's mask is given, so that what a table must say is known."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from masks import box

from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Sample
from amodal_bench.runner.identity import Identity
from amodal_bench.runner.predicting import failed_row
from amodal_bench.runner.run_json import write_facts
from amodal_bench.runner.store import Row, Store, prediction_row

SHAPE = (24, 20)


@dataclass(frozen=True)
class Things:
    """A dataset of given masks: an instance is (id, image, video, category, A, V)."""

    name: str
    instances: Mapping[str, tuple[str, str, str, Mask, Mask]] = field(default_factory=dict)

    def records(self) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "id": id, "image_id": image, "video_id": video, "category": category,
                "amodal_pixels": float(amodal.sum()), "occlusion_rate": 1 - visible.sum() / amodal.sum(),
                "stuff": False, "crowd": False, "truncated": False, "hidden": not visible.any(),
            } for id, (image, video, category, amodal, visible) in self.instances.items()
        )  # fmt: skip

    def sample(self, id: str) -> Sample:
        _, _, _, amodal, visible = self.instances[id]
        return Sample(id, np.zeros((*amodal.shape, 3), np.uint8), visible, amodal, np.zeros_like(amodal))

    def fingerprint(self) -> str:
        told = [(id, *texts, a.tobytes(), v.tobytes()) for id, (*texts, a, v) in sorted(self.instances.items())]
        return hashlib.sha256(repr((self.name, told)).encode()).hexdigest()

    def check(self) -> Sequence[Any]:
        return []


def things(count: int, per_image: int = 2, videos: bool = False, name: str = "things", seed: int = 0) -> Things:
    """So many boxes of random sizes, of which a random part is hidden; categories are a, b and c, c being rare."""
    rng = np.random.default_rng(seed)
    found = {}
    for number in range(count):
        height, width = (int(side) for side in rng.integers(6, 14, 2))
        amodal = box(SHAPE, 4, 3, height, width)
        visible = amodal.copy()
        visible[: 4 + int(rng.integers(0, height - 1))] = False
        image = f"image-{number // per_image}"
        video = f"video-{number // per_image // 2}" if videos else ""
        found[f"id-{number:03d}"] = (image, video, "c" if number % 10 == 9 else "ab"[number % 2], amodal, visible)
    return Things(name, found)


def shifted(mask: Mask, by: int) -> Mask:
    """A mask moved down by so many rows, cut off at the frame."""
    return np.roll(mask, by, axis=0) if by else mask.copy()


def store_run(
    folder: Path,
    name: str,
    data: Things | Any,
    predicted: Mapping[str, Sequence[Mask | str]],
    dataset: Mapping[str, Any] | None = None,
    deterministic: bool = False,
    target: str = "",
    seed: int = 0,
) -> Path:
    """Make the folder of a run; returns it.

    Args:
        folder: where it lies.
        name: of the model.
        data: the dataset.
        predicted: by id the masks of all draws; a text is the error of a draw that failed.
        dataset: how the dataset is opened again.
        deterministic: whether the model says that it needs no seed.
        target: the dotted path of the model's class; one of its name where it is empty.
        seed: of the run.
    """
    folder.mkdir(parents=True)
    rows: list[Row] = []
    for id, draws in predicted.items():
        sample = data.sample(id)
        for draw, mask in enumerate(draws):
            if isinstance(mask, str):
                rows.append(failed_row(sample, mask, draw))
            else:
                masks = mask, sample.amodal, sample.visible, sample.others
                rows.append(prediction_row(id, *masks, 0.25, 0.5, draw))
    with Store(folder / "store.sqlite") as store:
        store.write_records(data.records())
        store.write(rows)
    ran = {"name": data.name, "fingerprint": data.fingerprint()}
    identity = Identity({"dataset": ran, "model": {"target": target or f"own.{name}"}, "seed": seed})
    write_facts(folder, name, f"seed={seed}" if seed else "", identity, dataset, {}, deterministic=deterministic)
    return folder
