"""SAIL-VOS annotation files: the official COCO-style JSON, and the form that the tracker vatrack converts it to.

The official form has A in `segmentation` and V in `visible_mask`; the converted one has A in `amodal_mask` too, its
pixels in `area_amodal`, and both masks in `segmentation`. The keys that a record has decide, not the file; those that
other formats have for V are tried, too (`reading.keys`).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

from amodal_bench.core.extents import Extent
from amodal_bench.core.rle import Segmentation, is_list, is_object
from amodal_bench.datasets.reading.annotations import read_annotations
from amodal_bench.datasets.reading.fields import is_set, odd_flags, odd_numbers, pixels, share, text
from amodal_bench.datasets.reading.index import Index, Report, index_of
from amodal_bench.datasets.reading.indexed import SCENE
from amodal_bench.datasets.reading.keys import VISIBLE_KEY, visible_key, visible_mask, visible_part
from amodal_bench.datasets.reading.measures import Measures, agrees, of_segmentations, overruled
from amodal_bench.datasets.reading.names import posix
from amodal_bench.datasets.reading.pairs import RUNS, Form, Form_, Pair
from amodal_bench.datasets.reading.pictures import PICTURE, Pictures
from amodal_bench.datasets.reading.records import measured_ahead
from amodal_bench.datasets.reading.scan import Record
from amodal_bench.datasets.sailvos.frames import frame_ranks, video_of

JSON_VERSION = 8
RATE = "occlude_rate"
VISIBLE, PAIR = ("visible_mask",), "segmentation[1]"
"""The key of V, and where the converted form has it beside A."""
COLUMNS = {
    SCENE: "str",
    "object_id": "str",
    "frame": "int64",
    **PICTURE,
    "start": "int64",
    "length": "int64",
    VISIBLE_KEY: "str",
}
ALONE = (
    "id",
    "image_id",
    "category",
    "crowd",
    "object_id",
    "start",
    "length",
    VISIBLE_KEY,
    "amodal_pixels",
    "occlusion_rate",
    "truncated",
    "hidden",
)
"""What an annotation says without the others."""

KIND, REMEDY = "a SAIL-VOS annotation file", "use the official train.json or valid.json"


def build_index(file: Path) -> Index:
    """One row per annotation, in one pass over the file. Raises `InputError` if it is not one of SAIL-VOS.

    The file of a problem is left empty: the same bytes may lie in several places.
    """
    return _Reading().index(file)


def masks_of(record: dict[str, Any], height: int, width: int, form: Form[Form_]) -> tuple[Form_, Form_]:
    """V and A of an annotation, for an image of this height and width.

    Raises:
        ValueError: with a short reason, where a mask is missing or cannot be read.
    """
    amodal = form.read(amodal_part(record), height, width)
    if not (key := found_key(record)):
        raise ValueError("it has no visible_mask")
    if key == PAIR:
        return form.read_field("visible_mask", record["segmentation"][1], height, width), amodal
    return visible_mask(record, key, amodal, form), amodal


def amodal_part(record: dict[str, Any]) -> Segmentation:
    """The segmentation of A."""
    # `amodal_mask` goes first: conversions differ in what they leave in `segmentation` beside it.
    if record.get("amodal_mask") is not None:
        return record["amodal_mask"]
    # Two RLEs are the amodal and the visible mask, in this order: they must not be united.
    return record["segmentation"][0] if _is_pair(record) else record.get("segmentation")


def found_key(record: dict[str, Any]) -> str:
    """Where V is: its own key, `PAIR`, or the key of another format; "" where it is nowhere."""
    if record.get(VISIBLE[0]) is None and _is_pair(record):
        return PAIR
    return visible_key(record, VISIBLE)


def seen_part(record: dict[str, Any], key: str, size: tuple[int, int] | None) -> Segmentation:
    """The segmentation of V, None where there is none; `key` is what `found_key` found."""
    if key == PAIR:
        return record["segmentation"][1]
    return visible_part(record, key, amodal_part(record), size) if key else None


def disagreements(record: dict[str, Any], pair: Pair) -> Iterator[str]:
    """Where the fields that only `check` reads contradict the masks."""
    stated, seen = pixels(record.get("area_visible")), pair.visible_pixels
    if not agrees(stated, seen, lambda: seen_part(record, found_key(record), pair.size)):
        yield f"area_visible says {stated:g} but the visible mask has {seen} pixels"
    if record.get("invisible_mask") is None:
        return
    try:
        hidden = RUNS.read_field("invisible_mask", record["invisible_mask"], *pair.size)
    except ValueError as error:
        yield str(error)
        return
    if wrong := pair.differs(hidden):
        yield f"invisible_mask differs from the amodal mask without the visible one in {wrong} pixels"


def _is_pair(record: dict[str, Any]) -> bool:
    """Whether `segmentation` has A and V; where V stands elsewhere as another one, its RLEs are parts of A."""
    segmentation, seen = record.get("segmentation"), record.get(VISIBLE[0])
    if not is_list(segmentation) or len(segmentation) != 2 or not all(map(is_object, segmentation)):
        return False
    return seen is None or segmentation[1] == seen


class _Reading:
    """What the annotations of a file are joined with, and what is wrong so far."""

    def __init__(self) -> None:
        self.report = Report()
        self.pictures = Pictures(self.report, "what its instances measure is unknown")
        self.names: dict[str, str] = {}

    def index(self, file: Path) -> Index:
        # "videos" and "models" say nothing that is needed.
        others = {"categories": self.add_category}
        found = read_annotations(file, (KIND, REMEDY), self.pictures, others, ALONE, self.look, self.report)
        pictures = self.pictures.columns(found["image_id"])
        videos = {name: video_of(name) for name in set(pictures["picture"])}
        columns = {
            **found,
            **pictures,
            "video_id": [videos[name] for name in pictures["picture"]],
            "category": self.categories(found["category"]),
            "stuff": [False] * len(found["id"]),
            SCENE: found["image_id"],
            "frame": self.ranks(found["image_id"]),
        }
        return index_of(columns, self.report, COLUMNS)

    def add_category(self, entry: dict[str, Any], label: str) -> None:  # noqa: ARG002
        self.names.setdefault(text(entry.get("id")), text(entry.get("name")))

    def look(self, records: Iterator[Record]) -> Iterator[tuple[tuple[Any, ...], Iterable[str]]]:
        """See `Look`; an annotation without a picture stays an instance, which fails when it is read."""
        for record in measured_ahead(records, amodal_part):
            fields: dict[str, Any] = record.value
            image_id, key = text(fields.get("image_id")), found_key(fields)
            measured = _measures(fields, key, self.pictures.get(image_id).size, record.extent)
            remarks = chain(
                odd_numbers(fields, ("area", "area_amodal", "area_visible"), (RATE,)),
                odd_flags(fields, ("iscrowd",)),
                overruled(RATE, share(fields.get(RATE)), measured.occlusion_rate),
            )
            row = (
                text(fields.get("id")),
                image_id,
                text(fields.get("category_id")),
                is_set(fields.get("iscrowd")),
                text(fields.get("obj_id")),
                record.start,
                record.length,
                key,
                measured.amodal_pixels,
                measured.occlusion_rate,
                measured.truncated,
                measured.hidden,
            )
            yield row, remarks

    def categories(self, ids: list[str]) -> list[str]:
        """Ids are sparse, so names come from "categories" alone; an id that is not there stands for itself."""
        for id, uses in Counter(ids).items():
            if not self.names.get(id):
                what = f'{uses} annotations have it, but "categories" has no name for it'
                self.report(f"category_id {id or '(none)'}", what)
        return [self.names.get(id) or id for id in ids]

    def ranks(self, image_ids: list[str]) -> list[int]:
        """The number of each annotation's frame in its video, frames without an annotation included."""
        videos: dict[str, dict[str, str]] = defaultdict(dict)
        for id, picture in self.pictures.by_id.items():
            videos[video_of(picture.picture)][id] = PurePosixPath(posix(picture.picture)).stem
        places: dict[str, int] = {}
        for stems in videos.values():
            ranks = frame_ranks(stems.values())
            places |= {id: ranks[stem] for id, stem in stems.items()}
        return [places.get(id, 0) for id in image_ids]


def _measures(fields: dict[str, Any], key: str, size: tuple[int, int] | None, extent: Extent | None) -> Measures:
    """What the index says of an annotation; `occlu_depth` is 0 throughout and means nothing."""
    # In the converted form `area` may be that of the visible mask.
    stated = (pixels(fields.get(key)) for key in ("area_amodal", "area"))
    return of_segmentations(
        amodal_part(fields),
        seen_part(fields, key, size),
        size,
        stated_pixels=next((value for value in stated if not math.isnan(value)), math.nan),
        stated_rate=share(fields.get(RATE)),
        extent=extent,
    ).of_record()
