"""What the two sources of SAIL-VOS share: the names of pictures and the order of a video's frames."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

PICTURE_ENDINGS = (".bmp", ".png", ".jpg")
"""Endings of the official pictures, then of what common tools convert them to; the first that is there counts."""


def find_picture(folder: Path, name: str) -> Path:
    """The picture of a name: as given, else with another ending; the name as given where there is none."""
    path = folder / name
    candidates = [path, *(path.with_suffix(ending) for ending in PICTURE_ENDINGS)]
    return next((candidate for candidate in candidates if candidate.is_file()), path)


def video_of(name: str) -> str:
    """The video of a picture: the first folder of its name, "" where it has none.

    Video ids of the annotation files are not unique, so they are not used.
    """
    video, slash, _ = name.partition("/")
    return video if slash else ""


def frame_ranks(stems: Iterable[str]) -> dict[str, int]:
    """The place of each frame in its video, from 0, by frame number; numbers have gaps, other names come last."""
    ordered = sorted(set(stems), key=lambda stem: (not stem.isdecimal(), int(stem) if stem.isdecimal() else 0, stem))
    return {stem: rank for rank, stem in enumerate(ordered)}
