"""The toy aquarium as a dataset: drawn when it is opened, no files needed."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.core.masks import touches_border
from amodal_bench.datasets.base import RECORD_COLUMNS, Problem, Sample
from amodal_bench.toy.scene import Scene, draw_scene

VERSION = 2
"""Raised when the same arguments would draw other scenes."""


class Toy:
    """Scenes of fish and plants with known amodal masks, deterministic by seed.

    Args:
        split: any name; each draws its own scenes. The tiny model was trained on none of them.
        images: number of scenes.
        seed: of the drawing.
    """

    name = "toy"

    def __init__(self, split: str = "test", images: int = 200, seed: int = 0) -> None:
        if images < 1:
            raise ConfigError(f"dataset.images: {images} is not a positive number")
        self.split, self.images, self.seed = split, images, seed
        self.scenes: list[Scene] = [draw_scene(seed, split, index) for index in range(images)]
        self._places = {
            f"{split}-{index:05d}-{number}": (scene, instance)
            for index, scene in enumerate(self.scenes)
            for number, instance in enumerate(scene.instances)
        }

    def records(self) -> pd.DataFrame:
        rows = []
        for index, scene in enumerate(self.scenes):
            for number, instance in enumerate(scene.instances):
                area, visible = int(instance.amodal.sum()), int(instance.visible.sum())
                rows.append(
                    {
                        "id": f"{self.split}-{index:05d}-{number}",
                        "image_id": f"{self.split}-{index:05d}",
                        "video_id": "",
                        "category": instance.kind,
                        "area": area,
                        "occlusion_rate": 1 - visible / area,
                        "stuff": instance.kind == "plant",
                        "crowd": False,
                        "truncated": touches_border(instance.amodal),
                        "hidden": visible == 0,
                    }
                )
        return pd.DataFrame(rows, columns=list(RECORD_COLUMNS)).astype(RECORD_COLUMNS)

    def sample(self, id: str) -> Sample:
        if id not in self._places:
            raise InputError(self.name, "no such instance", "take ids from records()", f"instance {id}")
        scene, chosen = self._places[id]
        others = np.zeros_like(chosen.visible)
        for instance in scene.instances:
            if instance is not chosen:
                others |= instance.visible
        return Sample(id, scene.image, chosen.visible, chosen.amodal, others)

    def fingerprint(self) -> str:
        digest = hashlib.sha256(f"toy@{VERSION}/{self.split}/{self.images}/{self.seed}".encode())
        for scene in self.scenes:
            digest.update(scene.image.tobytes())
        return digest.hexdigest()

    def check(self) -> list[Problem]:
        problems = []
        for record in self.records().itertuples():
            sample = self.sample(str(record.id))
            if not sample.visible.any() or (sample.visible & ~sample.amodal).any():
                problems.append(Problem("(drawn)", sample.id, "V is empty or reaches beyond A"))
        return problems
