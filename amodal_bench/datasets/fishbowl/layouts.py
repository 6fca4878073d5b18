"""The three trees in which FishBowl is found: where each file of a video lies."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.datasets.fishbowl.frames import Frames, PictureFrames, VideoFrames
from amodal_bench.datasets.reading.files import require_root, require_split

OBJECTS = "objects.json"
AUTO = "auto"


class Layout(ABC):
    """Where the files of a video lie.

    A video's own `objects.json` holds the visible masks; the one of each fish, rendered alone, its amodal masks.

    Attributes:
        name: as the option `layout` calls it.
        alone: the pattern of the name of a single fish's folder.
        base: the folder that all files lie in.
        scenes: the folder that holds one folder per video.
    """

    name: ClassVar[str]
    alone: ClassVar[re.Pattern[str]]

    def __init__(self, root: Path) -> None:
        self.base = self.scenes = root

    @abstractmethod
    def fish_file(self, video: str, fish: int, position: int) -> Path:
        """The `objects.json` with the amodal masks of the fish with this id, at this position in the video's list."""

    @abstractmethod
    def fish_folders(self) -> Iterator[Path]:
        """All single-fish folders; background folders and others are not among them."""

    def scene_file(self, video: str) -> Path:
        """The `objects.json` with a video's visible masks."""
        return self.scenes / video / OBJECTS

    def frames(self) -> Frames:
        """The frames of the videos."""
        return VideoFrames(self.video_file)

    def video_file(self, video: str) -> Path:
        """The file with a video's frames."""
        return self.scenes / video / "video.mp4"

    def videos(self) -> list[str]:
        """Ids of all videos, ascending: the folders whose names are numbers."""
        return sorted(path.name for path in _folders(self.scenes) if path.name.isdecimal())

    def sources(self) -> list[Path]:
        """All annotation files that there are, ascending."""
        scenes = (self.scene_file(video) for video in self.videos())
        fish = (folder / OBJECTS for folder in self.fish_folders())
        return sorted(file for files in (scenes, fish) for file in files if file.is_file())

    def fits(self) -> bool:
        """Whether the tree has this layout, judging by its single-fish folders."""
        return next(self.fish_folders(), None) is not None


class Generator(Layout):
    """The generator's own layout: `<id>/` and, beside it, `<id>_object<fish id>/`."""

    name = "generator"
    alone = re.compile(r"\d+_object\d+")

    def fish_file(self, video: str, fish: int, position: int) -> Path:  # noqa: ARG002
        return self.base / f"{video}_object{fish}" / OBJECTS

    def fish_folders(self) -> Iterator[Path]:
        return (path for path in _folders(self.base) if self.alone.fullmatch(path.name))


class Postprocessed(Layout):
    """After the authors' `postprocess_dataset.py`: `<id>/objectNNN/` in the folder of the video."""

    name = "postprocessed"
    alone = re.compile(r"object\d{3,}")

    def fish_file(self, video: str, fish: int, position: int) -> Path:  # noqa: ARG002
        # NNN is the position in the video's objects.json, not the id of the fish.
        return self.base / video / f"object{position:03d}" / OBJECTS

    def fish_folders(self) -> Iterator[Path]:
        for video in self.videos():
            yield from (path for path in _folders(self.base / video) if self.alone.fullmatch(path.name))


class Savos(Layout):
    """The layout of SaVos' test set: `test_data/{test,test_objects,test_frames}`, frames as pictures."""

    name = "savos"
    alone = re.compile(r"\d+_object\d+")

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        if (root / "test_data").is_dir():
            self.base = root / "test_data"
        self.scenes = self.base / "test"

    def fish_file(self, video: str, fish: int, position: int) -> Path:  # noqa: ARG002
        return self.base / "test_objects" / f"{video}_object{fish}" / OBJECTS

    def fish_folders(self) -> Iterator[Path]:
        return (path for path in _folders(self.base / "test_objects") if self.alone.fullmatch(path.name))

    def frames(self) -> Frames:
        return PictureFrames(self.base / "test_frames")

    def fits(self) -> bool:
        return self.scenes.is_dir() and (self.base / "test_objects").is_dir()


# In this order: an interrupted postprocess_dataset.py leaves a mixed tree, whose moved videos are then reported.
LAYOUTS: dict[str, type[Layout]] = {layout.name: layout for layout in (Savos, Generator, Postprocessed)}


def find_layout(root: Path, name: str, split: str) -> Layout:
    """The layout with this name, or ("auto") the one that the tree has.

    Videos of one's own lie in a folder of the split, or all in the root; the SaVos release is one split.

    Raises:
        ConfigError: there is no such layout, or no such split of the SaVos release.
        InputError: the folder is missing, has no video, or no layout fits it.
    """
    if name != AUTO and name not in LAYOUTS:
        raise ConfigError(f"dataset.layout: {name!r} is not one of {', '.join([AUTO, *LAYOUTS])}")
    require_root("fishbowl", "FishBowl", root)
    own = root / split if (root / split).is_dir() else root
    layouts: dict[str, Layout] = {key: made(root if made is Savos else own) for key, made in LAYOUTS.items()}
    if name != AUTO:
        layout = layouts[name]
    else:
        fitting = next((layout for layout in layouts.values() if layout.fits()), None)
        if fitting is None:
            remedy = (
                "unpack FISHBOWL_test_data.zip of the SaVos release there, or render videos, single fish included, "
                "with FishBowl's generator (github.com/amazon-science/common-fate-fishbowl)"
            )
            problem = "it has none of FishBowl's layouts: no videos with single-fish folders"
            raise InputError(root, problem, remedy)
        layout = fitting
    if isinstance(layout, Savos):
        require_split("SaVos's release of FishBowl", split, ("test",))
    if not layout.scenes.is_dir() or not layout.videos():
        remedy = "check dataset.root and dataset.layout, and that the archive was unpacked in full"
        raise InputError(layout.scenes, f"it holds no video of the layout {layout.name!r}", remedy)
    return layout


def _folders(folder: Path) -> Iterator[Path]:
    """Folders in a folder; none where it does not exist."""
    return (path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else iter(())
