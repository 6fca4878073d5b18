"""The raw folders of SAIL-VOS: pictures, maps of the visible object, and one amodal mask per object and frame.

<video>/images/000003.bmp            the frame
<video>/visible/000003.npy           (H, W) whole numbers: the object that is visible at each pixel
<video>/<object>_<Class>/000003.png  A of an object, 0 or 255; absent where the object is not in the frame
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from amodal_bench.core.errors import InputError, first_line, unreadable
from amodal_bench.core.files import require_regular
from amodal_bench.core.native import MOST_PIXELS
from amodal_bench.core.progress import follow
from amodal_bench.core.rgb import is_deep
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Problem
from amodal_bench.datasets.reading.fields import is_text, text
from amodal_bench.datasets.reading.files import COPY_AGAIN, read_pixels
from amodal_bench.datasets.reading.index import Index, make_index
from amodal_bench.datasets.reading.indexed import SCENE
from amodal_bench.datasets.reading.measures import Measures
from amodal_bench.datasets.sailvos.frames import PICTURE_ENDINGS, frame_ranks

RAW_VERSION = 3
COLUMNS = {
    SCENE: "str",
    "object_id": "str",
    "frame": "int64",
    "picture": "str",
    "map": "str",
    "mask": "str",
    "object": "int64",
}
UNKNOWN = vars(Measures())
"""What only pixels tell, before they are read."""
IMAGES, VISIBLE = "images", "visible"
MAP_ENDINGS = (".npy", ".npz")
MAP_KEY = "visible_ids"
ENDINGS = {IMAGES: PICTURE_ENDINGS, VISIBLE: MAP_ENDINGS}
OBJECT_FOLDER = re.compile(r"([0-9]{1,18})_(.+)")
CLASS = re.compile(r"[A-Za-z](?:[A-Za-z_]*[A-Za-z])?")


MOST_BYTES = 8 * MOST_PIXELS
"""Bytes of a map: its numbers have 64 bits at most."""


def list_videos(folder: Path) -> list[str]:
    """The folders that hold frames, sorted. Raises `InputError` if the folder cannot be read."""
    parts = (IMAGES, VISIBLE)
    return [name for name in _folders(folder) if any((folder / name / part).is_dir() for part in parts)]


def list_files(folder: Path, videos: Sequence[str]) -> dict[str, int]:
    """Names, relative to `folder`, and sizes in bytes of all pictures, maps and masks. Raises `InputError`."""
    # There may be millions of files.
    listed = follow(videos, f"listing {folder.name}", "video", show=True)
    return {name: size for video in listed for name, size in _video_files(folder, video)}


def build_index(files: Iterable[str]) -> Index:
    """One row per object and frame from the names of the files; no pixel is read.

    Files of a frame belong together by their stem: their counts differ, so their order says nothing.
    """
    videos: dict[str, list[tuple[str, str]]] = defaultdict(list)
    problems: list[Problem] = []
    for name in files:
        if not is_text(name):
            problems.append(Problem(text(name), "", "its name is not UTF-8: rename it"))
            continue
        video, folder, file = name.split("/")
        videos[video].append((folder, file))
    rows: list[dict[str, object]] = []
    for video in sorted(videos):
        rows += _video_rows(video, videos[video])
        problems += _shared_numbers(video, {folder for folder, _ in videos[video]})
    return make_index(rows, problems, COLUMNS)


def read_map(path: Path) -> NDArray[np.integer[Any]]:
    """The map of visible objects, (H, W) of any whole-number type. Raises `InputError`."""
    try:
        require_regular(path)
        # Arrays of Python objects could run code of whoever made the file.
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            with loaded:
                if MAP_KEY not in loaded.files:
                    raise InputError(path, f"it has no array {MAP_KEY!r}", COPY_AGAIN)
                assert loaded.zip is not None
                if max(info.file_size for info in loaded.zip.infolist()) > MOST_BYTES:
                    raise InputError(path, "it is larger than any picture's map", COPY_AGAIN)
                loaded = loaded[MAP_KEY]
            if not isinstance(loaded, np.ndarray):  # a member of an archive that is not an array
                raise ValueError("it holds something else")
    except FileNotFoundError as error:
        raise unreadable(path, error) from error
    except InputError:
        raise
    except Exception as error:  # NumPy reads a header by Python's own parser, which fails in many ways
        reason = getattr(error, "strerror", None) or first_line(error)
        raise InputError(path, f"cannot be read as an array of numbers ({reason})", COPY_AGAIN) from error
    if loaded.dtype.kind not in "iu":
        raise InputError(path, f"object numbers are {loaded.dtype}, not whole numbers", COPY_AGAIN)
    if loaded.nbytes > MOST_BYTES:
        raise InputError(path, "it is larger than any picture's map", COPY_AGAIN)
    return np.array(loaded)


def read_mask(path: Path) -> Mask:
    """A of an object, (H, W) bool. Raises `InputError`."""
    # Some masks are stored with three channels that say the same: one is read, for their sum is three times A.
    return read_pixels(path, _marked)


def _marked(picture: pillow.Image) -> Mask:
    colours = np.asarray(picture if is_deep(picture) else picture.convert("RGB"))
    return np.ascontiguousarray((colours if colours.ndim == 2 else colours[..., 0]) > 0)


def _folders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except OSError as error:
        raise unreadable(folder, error) from error


def _video_files(folder: Path, video: str) -> Iterator[tuple[str, int]]:
    """Depth, cameras and the meshes inside the folders of objects are passed over."""
    for part in _folders(folder / video):
        endings = ENDINGS.get(part, (".png",))
        if part not in ENDINGS and not OBJECT_FOLDER.fullmatch(part):
            continue
        try:
            with os.scandir(folder / video / part) as entries:
                for entry in entries:
                    if entry.name.endswith(endings) and entry.is_file():
                        yield f"{video}/{part}/{entry.name}", entry.stat().st_size
        except OSError as error:
            raise unreadable(folder / video / part, error) from error


def _video_rows(video: str, files: Sequence[tuple[str, str]]) -> list[dict[str, object]]:
    """Rows of a video by frame, then by object."""
    pictures, maps = (_by_stem(video, part, files) for part in (IMAGES, VISIBLE))
    masks = [(PurePosixPath(file).stem, folder) for folder, file in files if folder not in ENDINGS]
    ranks = frame_ranks([*pictures, *maps, *(stem for stem, _ in masks)])
    rows = []
    for stem, folder in sorted(masks, key=lambda mask: (ranks[mask[0]], _number(mask[1]), mask[1])):
        found = CLASS.search(folder)
        rows.append(
            {
                "id": f"{video}/{stem}/{folder}",
                "image_id": f"{video}/{stem}",
                "video_id": video,
                "category": found.group() if found else "",
                **UNKNOWN,
                "stuff": False,
                "crowd": False,
                SCENE: f"{video}/{stem}",
                "object_id": folder,
                "frame": ranks[stem],
                # A frame without a picture or a map keeps its instances: they fail when they are read.
                "picture": pictures.get(stem, f"{video}/{IMAGES}/{stem}{PICTURE_ENDINGS[0]}"),
                "map": maps.get(stem, f"{video}/{VISIBLE}/{stem}{MAP_ENDINGS[0]}"),
                "mask": f"{video}/{folder}/{stem}.png",
                "object": _number(folder),
            }
        )
    return rows


def _by_stem(video: str, part: str, files: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Names of the files of a folder by stem; of two with the same stem, the ending that is listed first."""
    names = [PurePosixPath(file) for folder, file in files if folder == part]
    names.sort(key=lambda name: ENDINGS[part].index(name.suffix), reverse=True)
    return {name.stem: f"{video}/{part}/{name}" for name in names}


def _number(folder: str) -> int:
    return int(folder.partition("_")[0])


def _shared_numbers(video: str, folders: Iterable[str]) -> Iterator[Problem]:
    """Folders that share an object number share V as well, so that one of them is wrong."""
    named: dict[int, list[str]] = defaultdict(list)
    for folder in sorted(folders):
        if folder not in ENDINGS:
            named[_number(folder)].append(folder)
    for number, same in named.items():
        if len(same) > 1:
            yield Problem(video, f"object {number}", f"{' and '.join(same)} have the same number")
