"""One object as COCO-A and its relatives describe it.

`segmentation` is A, `visible_mask` V and `invisible_mask` A \\ V; where the latter two are absent, V = A.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from amodal_bench.datasets.fields import side
from amodal_bench.datasets.files import MEND, is_list, is_object, read_image, require_size
from amodal_bench.datasets.index import Index
from amodal_bench.datasets.indexed import IndexedDataset, Masks
from amodal_bench.datasets.records import Record, read_record
from amodal_bench.datasets.segmentation import decode, decode_field, measure
from amodal_bench.errors import InputError
from amodal_bench.types import Image

PLACES = {"start": "int64", "length": "int64", "image_start": "int64", "image_length": "int64"}
"""Columns of an index: where an annotation and its entry of "images" lie in the file; length 0: there is none."""

Size = tuple[int, int]
"""Height and width, in pixels."""


@dataclass(frozen=True)
class ImageEntry:
    """Where an entry of "images" lies in the file, and the size it states, None where it states none."""

    start: int = 0
    length: int = 0
    size: Size | None = None


class RegionDataset(IndexedDataset):
    """A dataset whose instances are such objects, all in one file; its index has the columns `PLACES`.

    Attributes:
        file: the annotation file.
    """

    rate_field: ClassVar[str] = "occlude_rate"

    def __init__(self, index: Index, identity: str, file: Path) -> None:
        super().__init__(index.opened_from(file), identity)
        self.file = file

    @abstractmethod
    def fields(self, row: Any) -> dict[str, Any]:
        """The JSON object that describes an instance, {} where it is none. Raises `InputError`."""

    @abstractmethod
    def picture(self, file_name: str) -> Path:
        """Where the picture with this `file_name` lies. May raise `InputError`."""

    @abstractmethod
    def scene_name(self, row: Any) -> str:
        """How a problem of the whole scene names its record."""

    def source(self, row: Any) -> str:
        return str(self.file)

    def read_image(self, row: Any) -> Image:
        try:
            return self._read_picture(row)
        except InputError as error:
            raise InputError(error.file, error.problem, error.remedy, self.scene_name(row)) from error

    def read_masks(self, row: Any, height: int, width: int) -> Masks:
        record = self.record_name(row)
        try:
            return masks_of(self.fields(row), height, width)
        except ValueError as error:
            raise InputError(self.file, str(error), MEND, record) from error
        except InputError as error:
            raise InputError(error.file, error.problem, error.remedy, record) from error

    def disagreements(self, row: Any, masks: Masks) -> Iterator[str]:
        yield from super().disagreements(row, masks)
        stated = self.fields(row).get("invisible_mask")
        if stated is None or not masks.amodal.any():
            return
        try:
            hidden = decode(stated, *masks.amodal.shape)
        except ValueError as error:
            yield f"invisible_mask: {error}"
            return
        if wrong := int((hidden ^ (masks.amodal & ~masks.visible)).sum()):
            yield f"invisible_mask differs in {wrong} pixels from what the amodal mask has beyond the visible one"

    def _read_picture(self, row: Any) -> Image:
        image_id, length = row["image_id"], int(row["image_length"])
        if not length:
            raise InputError(self.file, f'image_id {image_id or "(none)"} has no entry in "images"', MEND)
        entry = object_or_empty(read_record(self.file, int(row["image_start"]), length))
        file_name = str(entry.get("file_name") or "").strip()
        if not file_name:
            raise InputError(self.file, f"image {image_id} has no file_name", MEND)
        path = self.picture(file_name)
        image = read_image(path)
        stated = (entry.get("height"), entry.get("width"))
        if None not in stated:
            require_size(path, image, stated, "use the picture in the size it was published in")
        return image


def masks_of(fields: dict[str, Any], height: int, width: int) -> Masks:
    """V and A, (height, width) bool. Raises `ValueError` where either cannot be read."""
    amodal = decode(fields.get("segmentation"), height, width)
    if fields.get("visible_mask") is None:
        return Masks(amodal, amodal)
    return Masks(decode_field("visible_mask", fields["visible_mask"], height, width), amodal)


def facts(fields: dict[str, Any], size: Size | None) -> dict[str, object]:
    """The columns `area`, `occlusion_rate`, `truncated` and `hidden` of an index, with no mask made.

    Area and rate are those stated, else NaN. What depends on a mask that cannot be read is False: `sample` tells.
    """
    rate = number(fields.get("occlude_rate"))
    pixels, truncated = _measured(fields.get("segmentation"), size)
    # An object may be hidden completely; a rounded rate does not always show it.
    seen = pixels if fields.get("visible_mask") is None else _measured(fields["visible_mask"], size)[0]
    return {
        "area": number(fields.get("area")),
        "occlusion_rate": rate,
        "truncated": truncated,
        "hidden": rate >= 1 or seen == 0,
    }


def _measured(segmentation: Any, size: Size | None) -> tuple[float, bool]:
    """Pixels of a mask, NaN where it cannot be read, and whether it reaches the image's border."""
    if size is None:
        return math.nan, False
    try:
        return measure(segmentation, *size)
    except ValueError:
        return math.nan, False


def image_entry(record: Record) -> ImageEntry:
    """What the index keeps of an entry of "images"."""
    size = (record.value.get("height"), record.value.get("width"))
    return ImageEntry(record.start, record.length, _size(list(size)))


def places(start: int, length: int, image: ImageEntry) -> dict[str, object]:
    """The columns `PLACES` of an annotation and its image."""
    return {"start": start, "length": length, "image_start": image.start, "image_length": image.length}


def mask_size(regions: Sequence[Any]) -> Size | None:
    """The size of the first RLE among objects of one image, for images whose entry states none."""
    for fields in map(object_or_empty, regions):
        for key in ("visible_mask", "invisible_mask", "segmentation"):
            if size := _size(object_or_empty(fields.get(key)).get("size")):
                return size
    return None


def _size(sides: Any) -> Size | None:
    if is_list(sides) and len(sides) == 2 and all(map(side, sides)):
        return sides[0], sides[1]
    return None


def object_or_empty(value: Any) -> dict[str, Any]:
    """A JSON object, {} for anything else."""
    return value if is_object(value) else {}


def text(value: Any) -> str:
    """A field as one line of text without blanks at its ends, "" where it is null.

    Half a surrogate pair, which JSON allows and no other file does, becomes "?".
    """
    return "" if value is None else " ".join(str(value).split()).encode(errors="replace").decode()


def number(value: Any) -> float:
    """A field as a number, NaN where it is none or too large for one."""
    return float(value) if isinstance(value, int | float) and abs(value) < 1e300 else math.nan


def require_files(title: str, root: Path | None, file: tuple[Path, str, str], folder: tuple[Path, str, str]) -> None:
    """Raise `InputError` unless the files are where they should be.

    Args:
        title: of the dataset.
        root: its folder, None where nothing is looked for in it.
        file: the annotation file, what to say where it is missing, and the remedy.
        folder: the same of the pictures' folder.
    """
    if root is not None and not root.is_dir():
        remedy = "make the folder and put the dataset there, or set `root` to where it is"
        raise InputError(root, f"the folder of {title} does not exist", remedy)
    if not file[0].is_file():
        raise InputError(*file)
    if not folder[0].is_dir():
        raise InputError(*folder)
