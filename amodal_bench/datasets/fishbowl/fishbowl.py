"""FishBowl (Tangemann et al., "Unsupervised Object Learning via Common Fate", 2021): videos of an aquarium.

V of a fish comes from the objects.json of its video, A from the objects.json of the same fish rendered alone, so
scenery hides too: what covers a fish need not be another listed fish. A fish may be hidden in whole (V empty).
`test_data.pkl` of the SaVos release is never opened, for unpickling a downloaded file can run any code in it; its
masks are those of the objects.json files. Recordings, backgrounds and optical flow are not needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from amodal_bench.core.digests import files_digest
from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.core.rle import decode, is_object
from amodal_bench.core.types import Image, Mask
from amodal_bench.datasets.base import Problem
from amodal_bench.datasets.fishbowl.frames import Frames, PictureFrames
from amodal_bench.datasets.fishbowl.index import VERSION, build_index, masks_of, read_objects
from amodal_bench.datasets.fishbowl.layouts import AUTO, Layout, find_layout
from amodal_bench.datasets.fishbowl.rows import read_subset
from amodal_bench.datasets.reading.index import Index, cached_index
from amodal_bench.datasets.reading.indexed import SCENE, IndexedDataset, Masks, ScenePixels
from amodal_bench.datasets.reading.pairs import DENSE, RUNS, Form, Form_, Pair

FILES_KEPT = 64
"""Parsed objects.json files that are kept: one video's, at less than a megabyte each."""


@dataclass(frozen=True)
class FishScene(ScenePixels):
    """A frame; `unindexed` is the union of V over the listed fish that are no instances here, (H, W) bool."""

    unindexed: Mask

    def others(self, row: int) -> Mask:
        return super().others(row) | self.unindexed


class FishBowl(IndexedDataset):
    """FishBowl in any of its layouts; an instance is one fish in one frame in which it has amodal pixels.

    Expects in `root` one of
        generator: `<video>/{video.mp4,objects.json}` and `<video>_object<fish id>/objects.json`;
        postprocessed: `<video>/{video.mp4,objects.json}` and `<video>/object<position>/objects.json`;
        savos: `test_data/{test/<video>,test_objects/<video>_object<fish id>}/objects.json` and
        `test_data/test_frames/<video>/<frame>.png`.

    Args:
        root: folder of the dataset.
        split: "test" for the SaVos release. Videos of one's own lie in `root/<split>`, or all in `root`, which is the
            split then.
        layout: "auto", "generator", "postprocessed" or "savos".
        images: folder with `<video>/<frame in five digits>.png` that the frames are read from instead.
        stride: only every n-th frame of each video, from frame 0 on.
        rows: `test_subtest.csv` of the SaVos release: only the instances that it counts (`test` = 1), with the
            occlusion rates that it states.

    Raises:
        InputError: a folder or the CSV is missing, no layout fits, or no video can be used.
        ConfigError: the split or the layout is unknown, or the stride is not positive.
    """

    name = "fishbowl"
    libraries = ("opencv", "pillow", "pycocotools")
    files_by = SCENE

    def __init__(
        self,
        root: str,
        split: str = "test",
        layout: str = AUTO,
        images: str | None = None,
        stride: int = 1,
        rows: str | None = None,
    ) -> None:
        if stride < 1:
            raise ConfigError(f"dataset.stride: {stride} must be >= 1")
        self.layout = find_layout(Path(root), layout, split)
        self.frames = _frames(self.layout, images)
        super().__init__(_index(self.layout, stride, Path(rows) if rows else None), f"{split}\nstride={stride}")

    @cached_property
    def _objects(self) -> Callable[[Path], list[Any]]:
        return lru_cache(maxsize=FILES_KEPT)(read_objects)

    def read_image(self, row: Any) -> Image:
        """A frame, (H, W, 3) uint8 RGB. Raises `InputError`."""
        return self.frames.read(row["video_id"], int(row["frame"]))

    def read_masks(self, row: Any, height: int, width: int) -> Masks:
        """V and A of a fish in a frame, both (height, width) bool. Raises `InputError` that names the instance."""
        return Masks(*self._masks(row, height, width, DENSE))

    def read_pair(self, row: Any, height: int, width: int) -> Pair:
        return Pair(*self._masks(row, height, width, RUNS))

    def _masks(self, row: Any, height: int, width: int, form: Form[Form_]) -> tuple[Form_, Form_]:
        visible = self._mask(self.layout.scene_file(row["video_id"]), row["position"], row, (height, width), form)
        return visible, self._mask(Path(self.source(row)), 0, row, (height, width), form)

    def files(self, row: Any) -> tuple[Path, ...]:
        return (self.frames.file(row["video_id"], int(row["frame"])),)

    def lots(self) -> list[list[str]]:
        """Whole videos: their frames are decoded one after the other."""
        of_videos: dict[str, list[str]] = {}
        for scene in self._scenes:
            of_videos.setdefault(scene.partition("/")[0], []).append(scene)
        return list(of_videos.values())

    def source(self, row: Any) -> str:
        """The file of the amodal masks."""
        return str(self.layout.fish_file(row["video_id"], row["fish"], row["position"]))

    def check(self) -> Sequence[Problem]:
        """Decode every frame and mask, compare them with each other, and count the frames of every video."""
        videos = self.index.instances["video_id"].unique()
        return [*super().check(), *(problem for video in videos for problem in self._count(video))]

    def _count(self, video: str) -> Iterator[Problem]:
        """Whether a video has as many frames as masks: else all its masks may belong to other frames."""
        try:
            numbers = self.frames.numbers(video)
            counts = {len(masks_of(entry)) for entry in self._objects(self.layout.scene_file(video))}
        except InputError as error:
            yield Problem(error.file, f"video {video}", error.problem)
            return
        for count in sorted(counts - {0}):  # 0: no list of masks, which the index reports
            if numbers != list(range(count)):
                first, last = (numbers[0], numbers[-1]) if numbers else ("none", "none")
                what = f"{len(numbers)} frames, first {first} and last {last}, but there are {count} masks from 0"
                yield Problem(str(self.frames.place(video)), f"video {video}", what)

    def _mask(self, file: Path, position: int, row: Any, size: tuple[int, int], form: Form[Form_]) -> Form_:
        record, again = f"instance {row['id']}", "render the video again, or download it again"
        try:
            return form.read(masks_of(self._objects(file)[position])[row["frame"]], *size)
        except ValueError as error:
            raise InputError(file, str(error), again, record) from error
        except IndexError as error:
            raise InputError(file, "changed while it was in use", "start the command again", record) from error

    def _read_scene(self, scene: str) -> ScenePixels:
        """A frame with its masks, and with what the index lacks: fish that `rows` leaves out or that have no A."""
        found = super()._read_scene(scene)
        video, _, number = scene.partition("/")
        frame = int(number)
        height, width = found.image.shape[:2]
        unindexed = np.zeros((height, width), dtype=np.bool_)
        indexed = self.index.instances["fish"].iloc[list(found.masks)].tolist()
        for entry in self._objects(self.layout.scene_file(video)):
            # By id, not by position: a fish that is listed twice must not count as another than itself.
            if is_object(entry) and entry.get("id") in indexed:
                continue
            for mask in masks_of(entry)[frame : frame + 1]:
                try:
                    unindexed |= decode(mask, height, width)
                except ValueError:  # one that cannot be decoded covers nothing
                    continue
        return FishScene(found.image, found.masks, unindexed)


def _frames(layout: Layout, images: str | None) -> Frames:
    frames = layout.frames() if images is None else PictureFrames(Path(images))
    if isinstance(frames, PictureFrames) and not frames.folder.is_dir():
        remedy = "unpack all of FISHBOWL_test_data.zip, or set dataset.images to the folder of the frames"
        raise InputError(frames.folder, "the folder of the frames does not exist", remedy)
    return frames


def _index(layout: Layout, stride: int, rows: Path | None) -> Index:
    """The index from the cache, or built. Raises `InputError` where no video can be used."""
    subset = read_subset(rows, stride) if rows else None
    sources = layout.sources()
    # The names as well: files_digest does not tell which file has which content.
    names = "\n".join(file.relative_to(layout.base).as_posix() for file in sources)
    listed = files_digest([rows]) if rows else ""
    settings = "\n".join([layout.name, str(stride), listed, files_digest(sources), names, *layout.videos()])
    # The cache also depends on the place, because the problems in it name files; the fingerprint does not.
    place = f"{settings}\n{layout.base}\n{rows}"
    index = cached_index(FishBowl.name, VERSION, _hash(place), lambda: build_index(layout, stride, subset))
    if index.instances.empty and len(index.problems):
        first = index.problems.iloc[0]
        problem = f"{first['what']}; no instance can be used ({len(index.problems)} problems, this is the first)"
        raise InputError(first["file"], problem, "check that the whole dataset is there", first["record"])
    return replace(index, digest=_hash(settings))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
