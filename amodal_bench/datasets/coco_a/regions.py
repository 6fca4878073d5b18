r"""One object as COCO-A and its relatives describe it.

`segmentation` is A, `visible_mask` V and `invisible_mask` A \ V; where the latter two are absent, V = A. The keys
that other formats have for V are tried, too (`reading.keys`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from amodal_bench.core.errors import InputError
from amodal_bench.core.rle import Segmentation, is_list, is_object, object_or_empty
from amodal_bench.core.types import Image
from amodal_bench.datasets.reading.fields import odd_flags, odd_numbers, pixels, share, side
from amodal_bench.datasets.reading.files import MEND
from amodal_bench.datasets.reading.index import Index
from amodal_bench.datasets.reading.indexed import IndexedDataset, Masks
from amodal_bench.datasets.reading.keys import (
    FORMATS,
    HIDDEN,
    VISIBLE_KEY,
    visible_key,
    visible_mask,
    visible_part,
)
from amodal_bench.datasets.reading.measures import Measures, of_segmentations, overruled
from amodal_bench.datasets.reading.pairs import DENSE, RUNS, Form, Form_, Pair
from amodal_bench.datasets.reading.pictures import PICTURE, read_picture, sound_size

VISIBLE = ("visible_mask",)
"""The key of V."""

PLACES = {"start": "int64", "length": "int64", VISIBLE_KEY: "str", **PICTURE}
"""Columns of an index: where an annotation lies in the file, the key of its V, and its picture."""

Size = tuple[int, int]
"""Height and width, in pixels."""


class RegionDataset(IndexedDataset):
    """A dataset whose instances are such objects, all in one file; its index has the columns `PLACES`.

    Attributes:
        file: the annotation file.
    """

    rate_field: ClassVar[str] = "occlude_rate"
    visible_keys = VISIBLE
    files_by = "picture"

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

    def files(self, row: Any) -> tuple[Path, ...]:
        try:
            return (self.picture(row["picture"]),) if row["picture"] else ()
        except InputError:  # reading it says so
            return ()

    def source(self, row: Any) -> str:  # noqa: ARG002
        return str(self.file)

    def read_image(self, row: Any) -> Image:
        try:
            return read_picture(row, self.file, self.picture, "use the picture in the size it was published in")
        except InputError as error:
            raise InputError(error.file, error.problem, error.remedy, self.scene_name(row)) from error

    def read_size(self, row: Any) -> tuple[int, int]:
        return sound_size(row, self.picture) or super().read_size(row)

    def read_masks(self, row: Any, height: int, width: int) -> Masks:
        return Masks(*self._masks(row, height, width, DENSE))

    def read_pair(self, row: Any, height: int, width: int) -> Pair:
        return Pair(*self._masks(row, height, width, RUNS))

    def _masks(self, row: Any, height: int, width: int, form: Form[Form_]) -> tuple[Form_, Form_]:
        record = self.record_name(row)
        try:
            return masks_of(self.fields(row), height, width, form)
        except ValueError as error:
            raise InputError(self.file, str(error), MEND, record) from error
        except InputError as error:
            raise InputError(error.file, error.problem, error.remedy, record) from error

    def outline(self, row: Any) -> Segmentation:
        return self.fields(row).get("segmentation")

    def disagreements(self, row: Any, pair: Pair) -> Iterator[str]:
        yield from super().disagreements(row, pair)
        stated = self.fields(row).get("invisible_mask")
        if stated is None or not pair.amodal_pixels:
            return
        try:
            hidden = RUNS.read(stated, *pair.size)
        except ValueError as error:
            yield f"invisible_mask: {error}"
            return
        if wrong := pair.differs(hidden):
            yield f"invisible_mask differs in {wrong} pixels from what the amodal mask has beyond the visible one"


def masks_of(fields: dict[str, Any], height: int, width: int, form: Form[Form_]) -> tuple[Form_, Form_]:
    """V and A, for an image of this height and width. Raises `ValueError` where either cannot be read."""
    amodal = form.read(fields.get("segmentation"), height, width)
    key = visible_key(fields, VISIBLE)
    return visible_mask(fields, key, amodal, form) if key else amodal, amodal


def measures(fields: dict[str, Any], size: Size | None) -> Measures:
    """What the index says of an object whose image has this size, with no mask made."""
    amodal, key = fields.get("segmentation"), visible_key(fields, VISIBLE)
    return of_segmentations(
        amodal,
        visible_part(fields, key, amodal, size) if key else amodal,
        size,
        stated_pixels=pixels(fields.get("area")),
        stated_rate=share(fields.get("occlude_rate")),
    ).of_record()


def odd(fields: dict[str, Any], measured: Measures) -> Iterator[str]:
    """What to report of an object's stated numbers that were not used."""
    yield from odd_numbers(fields, ("area",), ("occlude_rate",))
    yield from odd_flags(fields, ("iscrowd", "isStuff"))
    yield from overruled("occlude_rate", share(fields.get("occlude_rate")), measured.occlusion_rate)


def mask_size(regions: Sequence[Any]) -> Size | None:
    """The size of the first RLE among objects of one image, for images whose entry states none."""
    for fields in map(object_or_empty, regions):
        for key in (*FORMATS, HIDDEN, "segmentation"):
            found = fields.get(key)
            for part in found if is_list(found) else [found]:
                if is_object(part) and (size := _size(part.get("size"))):
                    return size
    return None


def _size(sides: Any) -> Size | None:
    if is_list(sides) and len(sides) == 2 and all(map(side, sides)):
        return side(sides[0]), side(sides[1])
    return None
