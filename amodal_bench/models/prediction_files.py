"""Predictions of other methods on disk: a COCO-results file, or a folder of PNGs; masks are decoded on demand."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol
from urllib.parse import quote, unquote

import numpy as np
from PIL import Image as Pillow

from amodal_bench.core.bombs import DAMAGED, require_plausible
from amodal_bench.core.digests import files_digest, require_unchanged, sizes_digest
from amodal_bench.core.errors import InputError, PredictionError, unreadable
from amodal_bench.core.files import require_regular
from amodal_bench.core.kinds import kind_of
from amodal_bench.core.plain import whole
from amodal_bench.core.rle import decode, is_list, is_object
from amodal_bench.core.types import Mask
from amodal_bench.datasets.reading.fields import is_text
from amodal_bench.datasets.reading.files import annotation_digest, instead_of, read_json

ID_KEYS = ("annotation_id", "instance_id", "id")
"""Where an entry states the instance it predicts; the first key that it has counts."""

MAKE_ENTRIES = 'write a list of {"annotation_id": ..., "segmentation": ...}'
REPLACE = "write this prediction again, on the grid of its image"


class PredictionSource(Protocol):
    """Masks by instance id.

    Attributes:
        LIBRARIES: what turns the files into pixels.
    """

    LIBRARIES: ClassVar[tuple[str, ...]]

    def digest(self) -> str:
        """Hex SHA-256 over everything that decides what `mask` returns, wherever it lies."""
        ...

    def ids(self) -> Collection[str]:
        """The instances that have a prediction. Raises `InputError` where what is there cannot be used."""
        ...

    def images(self) -> Mapping[str, str]:
        """The image that each prediction says it is of, where it says so."""
        ...

    def mask(self, id: str, height: int, width: int) -> Mask:
        """The mask of one of `ids`, (height, width) bool.

        Raises `PredictionError` where it cannot be read or has another size.
        """
        ...


def open_source(path: Path) -> PredictionSource:
    """The predictions at a path: of a folder its PNGs, of a file its entries. Nothing is read yet.

    Raises:
        InputError: there is nothing.
    """
    if path.is_dir():
        return PngFolder(path)
    if not path.exists():
        raise InputError(path, "no such file or folder of predictions", "set model.path to where they are")
    return ResultsFile(path)


def file_stem(id: str) -> str:
    """The name of an instance's PNG without its ending: percent-encoding (RFC 3986), so that `/` is `%2F`.

    Letters, digits and `_ . - ~` stand for themselves, but for a dot at the beginning (`%2E`), since systems leave
    hidden files of their own in folders, and those are passed over. `id_of` reverses it.
    """
    escaped = quote(id, safe="")
    return f"%2E{escaped[1:]}" if escaped.startswith(".") else escaped


def id_of(stem: str) -> str:
    """The instance that a PNG's name belongs to. What needs no escape may be escaped or not."""
    return unquote(stem, errors="strict")


@dataclass(frozen=True)
class _Entry:
    """One entry of a results file: its place in the list, its score (-inf where it has none), its mask and image."""

    place: int
    score: float
    segmentation: Any
    image_id: str | None


class ResultsFile:
    """A list of COCO results, each with the id of the instance that it predicts.

    Of several entries for one instance, the one with the best score counts, the first among equals; an entry
    without a score comes after all that have one.

    Args:
        path: a JSON file.
    """

    LIBRARIES: ClassVar[tuple[str, ...]] = ("pycocotools",)

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries: dict[str, _Entry] | None = None

    def digest(self) -> str:
        return annotation_digest(self.path)

    def ids(self) -> Collection[str]:
        if self._entries is None:
            self._entries = self._read()
        return self._entries.keys()

    def images(self) -> dict[str, str]:
        self.ids()
        assert self._entries is not None
        return {id: entry.image_id for id, entry in self._entries.items() if entry.image_id is not None}

    def mask(self, id: str, height: int, width: int) -> Mask:
        self.ids()
        assert self._entries is not None
        entry = self._entries[id]
        if entry.segmentation == []:  # no polygon is how an empty mask is written, which scores zero
            return np.zeros((height, width), bool)
        try:
            return decode(entry.segmentation, height, width)
        except ValueError as error:
            raise PredictionError(f"{self.path}: entry {entry.place} ({id}): {error}; {REPLACE}") from error

    def _read(self) -> dict[str, _Entry]:
        require_unchanged(self.path)
        listed = read_json(self.path, each_key_once=True)
        if not is_list(listed):
            raise InputError(self.path, f"must hold a list of COCO results, not {kind_of(listed)}", MAKE_ENTRIES)
        best: dict[str, _Entry] = {}
        for place, fields in enumerate(listed):
            id, entry = self._parsed(place, fields)
            if id not in best or entry.score > best[id].score:
                best[id] = entry
        return best

    def _parsed(self, place: int, fields: Any) -> tuple[str, _Entry]:
        """An entry that names no instance could be any of the missing ones: it stops the run."""
        record = f"entry {place}"
        if not is_object(fields):
            raise InputError(self.path, "is not an object", MAKE_ENTRIES, record)
        stated = next((fields[key] for key in ID_KEYS if fields.get(key) is not None), None)
        id = _id(stated)
        if id is None or not is_text(id):
            raise InputError(self.path, f"has no id ({', '.join(ID_KEYS)}) of an instance", MAKE_ENTRIES, record)
        score = fields.get("score")
        if score is not None and not _is_number(score):
            raise InputError(self.path, "its score is not a number", "correct it or leave it out", record)
        image_id = _id(fields.get("image_id"))
        if image_id is None and fields.get("image_id") is not None:
            what = "its image_id is not a number or a text"
            raise InputError(self.path, what, "correct it or leave it out", record)
        return id, _Entry(place, -math.inf if score is None else score, fields.get("segmentation"), image_id)


class PngFolder:
    """A folder with one picture per instance, `<file_stem(id)>.png`; pixels that are not zero are the object.

    A picture with a palette counts by its indices, one with colours by any of its channels but alpha.

    Args:
        path: the folder; folders in it are not looked into.
    """

    LIBRARIES: ClassVar[tuple[str, ...]] = ("pillow",)

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files: dict[str, Path] | None = None

    def digest(self) -> str:
        files = list(self._found().values())
        # The first is about bytes alone, the second about names: which prediction is whose.
        parts = [files_digest(files), sizes_digest({file.name: file.stat().st_size for file in files})]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def ids(self) -> Collection[str]:
        return self._found().keys()

    def images(self) -> dict[str, str]:
        return {}  # a name says which instance it is, and nothing more

    def mask(self, id: str, height: int, width: int) -> Mask:
        file = self._found()[id]
        require_unchanged(file)  # else the run would hold masks that its identity does not know
        try:
            require_regular(file)
            with Pillow.open(file) as picture:
                require_plausible(picture, file)
                pixels = np.asarray(picture)
                alpha = picture.mode in ("LA", "PA", "RGBA", "La", "RGBa")
        except DAMAGED as error:
            if found := instead_of(file):
                raise PredictionError(f"{file}: no picture: it is {found.what}; {found.remedy}") from error
            reason = getattr(error, "strerror", None) or error
            raise PredictionError(f"{file}: cannot be read as a picture ({reason}); {REPLACE}") from error
        if pixels.shape[:2] != (height, width):
            sizes = "mask is {}x{} but the image is {}x{} (height x width)".format(*pixels.shape[:2], height, width)
            raise PredictionError(f"{file}: {sizes}; {REPLACE}")
        return np.asarray((pixels[..., :-1] if alpha else pixels).reshape(height, width, -1).any(axis=2), bool)

    def _found(self) -> dict[str, Path]:
        if self._files is None:
            self._files = self._listed()
        return self._files

    def _listed(self) -> dict[str, Path]:
        try:
            pictures = sorted(file for file in self.path.iterdir() if _is_png(file.name))
        except OSError as error:
            raise unreadable(self.path, error) from error
        files: dict[str, Path] = {}
        for file in pictures:
            try:
                id = id_of(file.stem)
            except UnicodeDecodeError as error:
                raise InputError(file, "its escaped name is not UTF-8", "rename it") from error
            if not is_text(id):
                raise InputError(repr(str(file)), "its name is not UTF-8", "rename it")
            if id in files:
                raise InputError(file, f"is for the same instance as {files[id].name}", "remove one of them")
            files[id] = file
        if not files:
            raise InputError(self.path, "has no PNG in it", "put one <id>.png for each instance there")
        return files


def _id(value: Any) -> str | None:
    """An id as the index of a dataset has it: text, or a whole number, which may be written as 7.0; else None."""
    if isinstance(value, str):
        return value
    number = whole(value)
    try:
        return None if number is None else str(number)
    except ValueError:  # Python writes no whole number of more than 4300 digits
        return None


def _is_number(value: Any) -> bool:
    """Whether a value is a number that has a float, infinity among them: the longest whole numbers have none."""
    try:
        return isinstance(value, int | float) and not math.isnan(value)
    except OverflowError:
        return False


def _is_png(name: str) -> bool:
    return name.lower().endswith(".png") and not name.startswith(".")
