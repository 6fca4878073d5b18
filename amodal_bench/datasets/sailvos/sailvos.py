"""SAIL-VOS (Hu et al., "SAIL-VOS: Semantic Amodal Instance Level Video Object Segmentation", CVPR 2019).

Frames of a video game, from the annotation files (`source=json`) or from the raw folders (`source=folders`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from amodal_bench.core.digests import sizes_digest, stat_of
from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.core.rle import Segmentation, object_or_empty
from amodal_bench.core.types import Image
from amodal_bench.datasets.base import Problem
from amodal_bench.datasets.reading.files import MEND, annotation_digest, read_image, require_root, require_split
from amodal_bench.datasets.reading.index import Index, cached_index, make_index
from amodal_bench.datasets.reading.indexed import IndexedDataset, Masks
from amodal_bench.datasets.reading.pairs import DENSE, RUNS, Form, Form_, Pair
from amodal_bench.datasets.reading.pictures import read_picture, sound_size
from amodal_bench.datasets.reading.records import read_record
from amodal_bench.datasets.reading.sound import sound_png
from amodal_bench.datasets.sailvos import json_file, raw_folders
from amodal_bench.datasets.sailvos.frames import find_picture

FILES = {"train": "train.json", "val": "valid.json"}
SOURCES = ("json", "folders")
HOMEPAGE = "sailvos.web.illinois.edu"


class InstanceSource(Protocol):
    """Where instances come from: an index, and for a row of it the image and the masks."""

    def index(self) -> Index:
        """Read the index, from the cache where it is there."""
        ...

    def files(self, row: Any) -> tuple[Path, ...]: ...

    def read_image(self, row: Any) -> Image: ...

    def sound_size(self, row: Any) -> tuple[int, int] | None:
        """Height and width of the image where it is sure to be read; None where it may not."""
        ...

    def read_masks(self, row: Any, height: int, width: int) -> Masks: ...

    def read_pair(self, row: Any, height: int, width: int) -> Pair: ...

    def file(self, row: Any) -> str:
        """The file that holds an instance, for messages about it."""
        ...

    def outline(self, row: Any) -> Segmentation: ...

    def disagreements(self, row: Any, pair: Pair) -> Iterator[str]: ...


class SailVos(IndexedDataset):
    """SAIL-VOS, one split; each frame counts on its own.

    Expects `root/train.json` or `root/valid.json`, and the pictures as `root/<video>/images/<frame>.bmp` (or .png or
    .jpg). The raw folders are expected there too, as `raw_folders` describes them; they do not say which split a
    video belongs to, so the annotation file does, unless `images` names a folder with that split's videos alone.
    From them the index knows no area, occlusion rate, truncation or hidden object, since it reads no pixel: an
    object that is fully hidden gives a sample with an empty V, which a run counts as an error.

    Args:
        root: folder of the dataset.
        split: "train" or "val".
        source: "json" or "folders".
        annotations: annotation file, if it lies elsewhere.
        images: folder of the videos, if it lies elsewhere.
        stride: keep every n-th frame of a video, by order of frame number and from the first one on.

    Raises:
        ConfigError: there is no such split or source, or the stride is not positive.
        InputError: a folder or the annotation file is missing, or cannot be used as a whole.
    """

    name = "sailvos"
    rate_field = "occlude_rate"
    visible_keys = (*json_file.VISIBLE, json_file.PAIR)
    visible_everywhere = True

    def __init__(
        self,
        root: str,
        split: str = "val",
        source: str = "json",
        annotations: str | None = None,
        images: str | None = None,
        stride: int = 1,
    ) -> None:
        require_split("SAIL-VOS", split, tuple(FILES))
        if source not in SOURCES:
            raise ConfigError(f"dataset.source: {source!r} is not one of {', '.join(SOURCES)}")
        if stride < 1:
            raise ConfigError(f"dataset.stride: {stride} must be >= 1")
        self.split, self.stride = split, stride
        self.files_by = "picture" if source == "json" else ""
        self.annotations, self.folder = Path(annotations or Path(root, FILES[split])), Path(images or root)
        needs_file = source == "json" or images is None
        self._require_folders(Path(root), images is None or (needs_file and annotations is None))
        if source == "json":
            self.source_files: InstanceSource = self._annotation_file("or set dataset.annotations to it")
        elif images is not None:
            self.source_files = RawFolders(self.folder, raw_folders.list_videos(self.folder))
        else:
            remedy = "or set dataset.images to a folder that has the videos of this split alone"
            listed = self._annotation_file(remedy).index().instances["video_id"].unique()
            self.source_files = RawFolders(self.folder, sorted(str(video) for video in listed if video))
        index = self.source_files.index()
        if stride > 1:
            kept = index.instances[index.instances["frame"] % stride == 0].reset_index(drop=True)
            index = replace(index, instances=kept)
        super().__init__(index, f"{split}\n{source}\nstride {stride}")

    def read_image(self, row: Any) -> Image:
        """The frame of an instance, (H, W, 3) uint8. Raises `InputError`."""
        try:
            return self.source_files.read_image(row)
        except InputError as error:
            raise InputError(error.file, error.problem, error.remedy, f"image {row['image_id']}") from error

    def read_size(self, row: Any) -> tuple[int, int]:
        return self.source_files.sound_size(row) or super().read_size(row)

    def read_masks(self, row: Any, height: int, width: int) -> Masks:
        """V and A of an instance, both (height, width) bool. Raises `InputError` that names the instance."""
        with _named(row):
            return self.source_files.read_masks(row, height, width)

    def read_pair(self, row: Any, height: int, width: int) -> Pair:
        with _named(row):
            return self.source_files.read_pair(row, height, width)

    def files(self, row: Any) -> tuple[Path, ...]:
        return self.source_files.files(row)

    def source(self, row: Any) -> str:
        """The annotation file, or the file of the amodal mask."""
        return self.source_files.file(row)

    def outline(self, row: Any) -> Segmentation:
        return self.source_files.outline(row)

    def disagreements(self, row: Any, pair: Pair) -> Iterator[str]:
        """What every dataset reports, and what only this source states."""
        yield from super().disagreements(row, pair)
        yield from self.source_files.disagreements(row, pair)

    def _annotation_file(self, otherwise: str) -> AnnotationFile:
        if not self.annotations.is_file():
            remedy = f"get {FILES[self.split]} from {HOMEPAGE} and put it there, {otherwise}"
            raise InputError(self.annotations, f"the annotations of split {self.split!r} are missing", remedy)
        return AnnotationFile(self.annotations, self.folder)

    def _require_folders(self, root: Path, needs_root: bool) -> None:
        if needs_root:
            require_root("sailvos", "SAIL-VOS", root)
        if not self.folder.is_dir():
            remedy = f"get the videos from {HOMEPAGE} and put them there, or set dataset.images to their folder"
            raise InputError(self.folder, "the folder of the videos does not exist", remedy)


class AnnotationFile:
    """The source `json`: an annotation file, and the folder that its picture names start from."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self.folder = path, folder

    def index(self) -> Index:
        version, digest = json_file.JSON_VERSION, annotation_digest(self.path)
        index = cached_index("sailvos", version, digest, lambda: json_file.build_index(self.path))
        # The same bytes may have been indexed in another place.
        return index.opened_from(self.path)

    def files(self, row: Any) -> tuple[Path, ...]:
        return (find_picture(self.folder, row["picture"]),) if row["picture"] else ()

    def read_image(self, row: Any) -> Image:
        find = partial(find_picture, self.folder)
        return read_picture(row, self.path, find, "use the picture in its original size")

    def sound_size(self, row: Any) -> tuple[int, int] | None:
        return sound_size(row, partial(find_picture, self.folder))

    def read_masks(self, row: Any, height: int, width: int) -> Masks:
        return Masks(*self._masks(row, height, width, DENSE))

    def read_pair(self, row: Any, height: int, width: int) -> Pair:
        return Pair(*self._masks(row, height, width, RUNS))

    def _masks(self, row: Any, height: int, width: int, form: Form[Form_]) -> tuple[Form_, Form_]:
        try:
            return json_file.masks_of(self._record(row), height, width, form)
        except ValueError as error:
            raise InputError(self.path, str(error), MEND) from error

    def file(self, row: Any) -> str:  # noqa: ARG002
        return str(self.path)

    def outline(self, row: Any) -> Segmentation:
        return json_file.amodal_part(self._record(row))

    def disagreements(self, row: Any, pair: Pair) -> Iterator[str]:
        return json_file.disagreements(self._record(row), pair)

    def _record(self, row: Any) -> dict[str, Any]:
        return self._record_at(int(row["start"]), int(row["length"]))

    @cached_property
    def _record_at(self) -> Callable[[int, int], dict[str, Any]]:
        """The record at a place of the file; the last one is kept, as `check` asks for it several times."""
        return lru_cache(maxsize=1)(lambda start, length: object_or_empty(read_record(self.path, start, length)))

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "folder": self.folder}  # a cache cannot be pickled


@contextmanager
def _named(row: Any) -> Iterator[None]:
    """Name the instance in an `InputError` of the body."""
    try:
        yield
    except InputError as error:
        raise InputError(error.file, error.problem, error.remedy, f"instance {row['id']}") from error


class RawFolders:
    """The source `folders`: the folders of some videos."""

    def __init__(self, folder: Path, videos: list[str]) -> None:
        self.folder, self.videos = folder, videos

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "videos": self.videos}  # a cache cannot be pickled

    def index(self) -> Index:
        there = [video for video in self.videos if (self.folder / video).is_dir()]
        files = raw_folders.list_files(self.folder, there)
        if not files:
            missing = f"none of the split's {len(self.videos)} videos" if self.videos else "no folder of a video"
            remedy = "a video is a folder with folders `images` and `visible`; set dataset.images to where they are"
            raise InputError(self.folder, f"it has {missing}", remedy)
        version, digest = raw_folders.RAW_VERSION, sizes_digest(files)
        index = cached_index("sailvos-folders", version, digest, lambda: raw_folders.build_index(files))
        absent = sorted(set(self.videos) - set(there))
        problems = make_index([], [Problem(video, "", "the folder of this video is missing") for video in absent], {})
        found = pd.concat([problems.problems, index.problems], ignore_index=True)
        # The same files may have been indexed in another place.
        return replace(index, problems=found.assign(file=[str(self.folder / name) for name in found["file"]]))

    @cached_property
    def read_map(self) -> Callable[[Path, object], NDArray[np.integer[Any]]]:
        """`raw_folders.read_map`: the objects of a frame are read one after the other, and share their map."""
        return lru_cache(maxsize=1)(lambda place, _: raw_folders.read_map(place))

    def files(self, row: Any) -> tuple[Path, ...]:
        """Picture, map and mask: the fingerprint knows no more than their sizes."""
        return self.folder / row["picture"], self.folder / row["map"], self.folder / row["mask"]

    def read_image(self, row: Any) -> Image:
        return read_image(self.folder / row["picture"])

    def sound_size(self, row: Any) -> tuple[int, int] | None:
        return sound_png(self.folder / row["picture"])

    def read_masks(self, row: Any, height: int, width: int) -> Masks:
        place, path = self.folder / row["map"], self.folder / row["mask"]
        visible, amodal = self.read_map(place, stat_of(place)), raw_folders.read_mask(path)
        for file, shape in ((place, visible.shape), (path, amodal.shape)):
            if shape != (height, width):
                sizes = f"its shape is {shape} but that of the picture is {(height, width)} (height, width)"
                raise InputError(file, sizes, "use picture, map and mask of the same release")
        # What a map holds where no object is, is not documented: only equality says anything.
        return Masks(np.asarray(visible == row["object"]), amodal)

    def read_pair(self, row: Any, height: int, width: int) -> Pair:
        masks = self.read_masks(row, height, width)
        return Pair.of_masks(masks.visible, masks.amodal)

    def file(self, row: Any) -> str:
        return str(self.folder / row["mask"])

    def outline(self, row: Any) -> Segmentation:  # noqa: ARG002
        return None

    def disagreements(self, row: Any, pair: Pair) -> Iterator[str]:  # noqa: ARG002
        return iter(())
