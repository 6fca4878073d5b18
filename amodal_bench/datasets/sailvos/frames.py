"""What the two sources of SAIL-VOS share: the names of pictures and the order of a video's frames."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from amodal_bench.core.files import is_regular
from amodal_bench.core.plain import number_in
from amodal_bench.datasets.reading.names import found_in, posix

PICTURE_ENDINGS = (".bmp", ".png", ".jpg")
"""Endings of the official pictures, then of what common tools convert them to; the first that is there counts."""


def find_picture(folder: Path, name: str) -> Path:
    """The picture of a name: as given, else with another ending; where there would be one if there is none."""
    path = folder / name
    if is_regular(path):
        return path
    candidates = [path, *(path.with_suffix(ending) for ending in PICTURE_ENDINGS)]
    if exact := next((candidate for candidate in candidates if is_regular(candidate)), None):
        return exact
    written = PurePosixPath(posix(name))
    names = [written, *(written.with_suffix(ending) for ending in PICTURE_ENDINGS if written.name)]
    return next((found for each in names if (found := found_in(folder, str(each)))), folder / written)


def video_of(name: str) -> str:
    """The video of a picture: the first folder of its name, "" where it has none.

    Video ids of the annotation files are not unique, so they are not used.
    """
    video, slash, _ = posix(name).partition("/")
    return video if slash else ""


def frame_ranks(stems: Iterable[str]) -> dict[str, int]:
    """The place of each frame in its video, from 0, by frame number; numbers have gaps, other names come last."""
    ordered = sorted(set(stems), key=lambda stem: (number_in(stem) is None, number_in(stem) or 0, stem))
    return {stem: rank for rank, stem in enumerate(ordered)}
