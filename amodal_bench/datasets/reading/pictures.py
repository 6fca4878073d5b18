"""The entries of "images" in COCO-like annotation files: what an index keeps of a picture, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amodal_bench.core.errors import InputError
from amodal_bench.core.types import Image
from amodal_bench.datasets.reading.fields import (
    LEADS_OUT,
    NO_NAME,
    file_name,
    leads_out,
    odd_sides,
    side,
    text,
)
from amodal_bench.datasets.reading.files import MEND, read_image, require_size
from amodal_bench.datasets.reading.names import namesake
from amodal_bench.datasets.reading.sound import sound_png

PICTURE = {"picture": "str", "height": "int64", "width": "int64", "fault": "str"}
"""Columns of an index: the picture's name, "" where there is none, and the size that is stated, 0 where none is.

fault: why an entry of the picture has no name; its problem is reported once, and not for each of its instances.
"""

NO_FILE_NAME = "it has no file_name"


@dataclass(frozen=True)
class Picture:
    """The columns `PICTURE` of an entry."""

    picture: str = ""
    height: int = 0
    width: int = 0
    fault: str = ""

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width, None where they are not both stated."""
        return (self.height, self.width) if self.height and self.width else None


class Pictures:
    """Pictures by id: annotations belong to them by it, never by their place in the file.

    Args:
        report: takes a record and what is wrong with it.
        without_size: what a missing size leads to, for the report; None where it leads to nothing.
    """

    def __init__(self, report: Callable[[str, str], None], without_size: str | None = None) -> None:
        self.by_id: dict[str, Picture] = {}
        self._report, self._without_size = report, without_size

    def add(self, entry: dict[str, Any], label: str) -> None:
        """Add an entry; `label` names it as long as it has no id of its own."""
        id, name = text(entry.get("id")), file_name(entry.get("file_name"))
        if not id:
            self._report(label, "it has no id")
            return
        if id in self.by_id:
            self._report(label, f"image {id} is listed twice; the first one is used")
            return
        fault = "" if name else _nameless(entry.get("file_name"))
        self.by_id[id] = picture = Picture(name, side(entry.get("height")), side(entry.get("width")), fault)
        for what in (*([fault] if fault else []), *odd_sides(entry)):
            self._report(f"image {id}", what)
        if self._without_size and picture.size is None:
            self._report(f"image {id}", f"it has no height and width: {self._without_size}")

    def get(self, image_id: str) -> Picture:
        """The picture of this id, one without name and size where there is none."""
        return self.by_id.get(image_id) or Picture()

    def columns(self, image_ids: Sequence[str]) -> dict[str, list[Any]]:
        """The columns `PICTURE` of instances whose pictures have these ids."""
        pictures = [self.get(id) for id in image_ids]
        return {name: [getattr(picture, name) for picture in pictures] for name in PICTURE}


def _nameless(stated: Any) -> str:
    """Why a `file_name` is none."""
    if not text(stated):
        return NO_FILE_NAME
    return LEADS_OUT if leads_out(text(stated)) else NO_NAME


def sound_size(row: Any, find: Callable[[str], Path]) -> tuple[int, int] | None:
    """Height and width of a row's picture where `read_picture` is sure to read it; None where it may not."""
    if not row["picture"] or leads_out(row["picture"]):
        return None
    try:
        size = sound_png(find(row["picture"]))
    except InputError:
        return None
    return size if Picture(row["picture"], row["height"], row["width"]).size in (None, size) else None


def read_picture(row: Any, file: Path, find: Callable[[str], Path], remedy: str) -> Image:
    """The picture of a row of an index with the columns `PICTURE`, (H, W, 3) uint8.

    Args:
        row: the row.
        file: the annotation file.
        find: the path of a picture by its name; may raise `InputError`.
        remedy: what to do where its size is not the one that is stated.

    Raises:
        InputError: there is no such picture, it cannot be read, or it has another size.
    """
    if not row["picture"] and row["fault"]:
        raise InputError(file, f'its picture has a bad entry in "images" ({row["fault"]})', MEND)
    if not row["picture"]:
        problem = f'image_id {row["image_id"] or "(none)"} has no entry with a file_name in "images"'
        raise InputError(file, problem, MEND)
    if leads_out(row["picture"]):  # somebody may have written the index
        raise InputError(file, f"{LEADS_OUT} ({row['picture'][:100]})", MEND)
    path = find(row["picture"])
    try:
        image = read_image(path)
    except InputError as error:
        if not isinstance(error.__cause__, FileNotFoundError) or not (folder := namesake(path)):
            raise
        problem = f"no such file, but {folder} has one of this name"
        raise InputError(path, problem, "if it is the picture, correct the file_name", error.record) from error
    stated = Picture(row["picture"], row["height"], row["width"]).size
    if stated is not None:
        require_size(path, image, stated, remedy)
    return image
