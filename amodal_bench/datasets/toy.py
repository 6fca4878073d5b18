"""The toy aquarium as a dataset: no files needed. Its index is drawn once and kept; samples are drawn on demand."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import cv2
import numpy as np

import amodal_bench.toy
from amodal_bench.core.cache import CACHE_VARIABLE
from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.core.processes import in_processes
from amodal_bench.core.progress import follow
from amodal_bench.core.types import Image
from amodal_bench.datasets.reading.files import require_split
from amodal_bench.datasets.reading.index import Index, cached_index, make_index
from amodal_bench.datasets.reading.indexed import SCENE, IndexedDataset, Masks
from amodal_bench.datasets.reading.measures import of_masks
from amodal_bench.toy.scene import Instance, Scene, draw_scene

Split: TypeAlias = Literal["train", "val", "test"]
SPLITS = get_args(Split)

VERSION = 2
"""Raised when the same arguments would draw other scenes."""

INDEX_VERSION = 1
"""Raised with any change of the index's rows."""

OWN = {SCENE: "str", "number": "int64", "place": "int64", "picture": "str", "drawn": "str"}
"""The toy's own columns.

number: of the scene; place: of the instance in it, from the front; picture: hex SHA-256 of the scene's image;
drawn: the dataset's fingerprint, the same in each row.
"""

SCENES_KEPT = 200
"""Scenes at half a megabyte each; a set of no more than these, as the default one, is drawn once by a process."""

MOST = 1_000_000
"""Scenes: more would take days to draw, and a run's folder from anybody may ask for them."""

SHOW_PROGRESS = 100
"""Scenes from which on drawing the index is worth a progress bar, and a process for each core."""


class Toy(IndexedDataset):
    """Scenes of fish and plants with known amodal masks, deterministic by seed.

    Nothing is drawn until records or samples are asked for.

    Args:
        split: "train", "val" or "test"; each draws its own scenes. The tiny model was trained on none of them.
        images: number of scenes.
        seed: of the drawing.

    Raises:
        ConfigError: there is no such split, `images` is less than 1 or more than a million, or `seed` is negative.
    """

    name = "toy"
    libraries = ("opencv",)

    def __init__(self, split: Split = "test", images: int = 200, seed: int = 0) -> None:
        if not 1 <= images <= MOST:
            raise ConfigError(f"dataset.images: {images} must be between 1 and {MOST}")
        if seed < 0:
            raise ConfigError(f"dataset.seed: {seed} must be >= 0")
        require_split("the toy aquarium", split, SPLITS)
        self.split, self.images, self.seed = split, images, seed

    @cached_property
    def index(self) -> Index:
        """All instances, from the cache or drawn; changed drawing code or libraries draw them again."""
        settings = [self._arguments, drawing_digest()]
        digest = hashlib.sha256("\n".join(settings).encode()).hexdigest()
        return cached_index(self.name, INDEX_VERSION, digest, self._draw_index)

    def read_image(self, row: Any) -> Image:
        """The image of a scene, (H, W, 3) uint8. Raises `InputError` where it is not the one that was indexed."""
        image = self._drawn(int(row["number"])).image
        if _digest(image) != row["picture"]:
            problem = "the scene is drawn otherwise than when it was indexed, on another kind of machine"
            remedy = f"set {CACHE_VARIABLE} to a folder that only machines of one kind use"
            raise InputError(self.name, problem, remedy, f"scene {row[SCENE]}")
        return image

    def read_masks(self, row: Any, height: int, width: int) -> Masks:  # noqa: ARG002 (the scene knows its size)
        """V and A of an instance, both (height, width) bool."""
        instance = self._drawn(int(row["number"])).instances[int(row["place"])]
        return Masks(instance.visible, instance.amodal)

    def fingerprint(self) -> str:
        """Hex SHA-256 over the version of the drawing, its arguments and the pixels of all images."""
        return str(self.index.instances["drawn"].iat[0])

    @property
    def _arguments(self) -> str:
        return f"toy@{VERSION}/{self.split}/{self.images}/{self.seed}"

    @cached_property
    def _drawn(self) -> Callable[[int], Scene]:
        draw, there = partial(draw_scene, self.seed, self.split), self._fresh
        return lru_cache(maxsize=SCENES_KEPT)(lambda number: there.pop(number, None) or draw(number))

    @cached_property
    def _fresh(self) -> dict[int, Scene]:
        """Scenes that another process has drawn, until they are asked for."""
        return {}

    def _all(self) -> Iterator[Scene]:
        """All scenes, in order; drawn by a process for each core where they are many."""
        numbers = range(self.images)
        draw = partial(draw_scene, self.seed, self.split)
        drawn = in_processes(draw, numbers, None if self.images >= SHOW_PROGRESS else 1)
        for number, scene in zip(numbers, drawn, strict=True):
            if isinstance(scene, Scene):
                self._fresh[number] = scene
            yield self._drawn(number)
            self._fresh.clear()

    def _draw_index(self) -> Index:
        rows: list[dict[str, object]] = []
        fingerprint = hashlib.sha256(self._arguments.encode())
        many = self.images >= SHOW_PROGRESS
        for number, scene in enumerate(follow(self._all(), "drawing toy", "scene", self.images, show=many)):
            fingerprint.update(scene.image.tobytes())
            here = {SCENE: f"{self.split}-{number:05d}", "number": number, "picture": _digest(scene.image)}
            rows += [here | _row(here[SCENE], place, instance) for place, instance in enumerate(scene.instances)]
        drawn = {"drawn": fingerprint.hexdigest()}
        return make_index([row | drawn for row in rows], [], OWN)


def drawing_digest() -> str:
    """Hex SHA-256 over what decides how a scene looks: the source of the drawing, libraries and kind of machine."""
    libraries = (np.__version__, cv2.__version__, version("pycocotools"), platform.machine())
    digest = hashlib.sha256("\n".join(libraries).encode())
    for file in sorted(Path(amodal_bench.toy.__path__[0]).glob("*.py")):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _row(scene: object, place: int, instance: Instance) -> dict[str, object]:
    return {
        "id": f"{scene}-{place}",
        "image_id": scene,
        "video_id": "",
        "category": instance.kind,
        "stuff": instance.kind == "plant",
        "crowd": False,
        "place": place,
        **vars(of_masks(instance.amodal, instance.visible)),
    }


def _digest(image: Image) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()
