"""COCO-A (Zhu et al., "Semantic Amodal Segmentation", CVPR 2017): the authors' files as they are.

An entry of "annotations" is one annotator's pass over one image and holds all its regions; each region is an
instance here. A is the polygon `segmentation`; V is `visible_mask` where there is one, else V = A.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from amodal_bench.datasets.base import RECORD_COLUMNS, Problem, Sample
from amodal_bench.datasets.files import is_list, is_object, read_image, read_json, sha256
from amodal_bench.datasets.segmentation import decode
from amodal_bench.errors import InputError
from amodal_bench.types import Image, Mask

SCENES_KEPT = 4
RATE_TOLERANCE = 1e-3
AREA_TOLERANCE = 0.5

MEND = "download the annotation file again, or take this record out of it"


@dataclass(frozen=True, eq=False)
class Pass:
    """One annotator's pass over one image: an entry of "annotations" joined with its entry of "images".

    Attributes:
        label: the annotation's id as text, made unique.
        image_id: as text, "" where there is none.
        image: the entry of "images", None where there is none.
        regions: as JSON gives them.
    """

    label: str
    image_id: str
    image: dict[str, Any] | None
    regions: list[Any]


@dataclass(frozen=True)
class RegionMasks:
    """V and A of one region, (H, W) bool."""

    visible: Mask
    amodal: Mask


@dataclass(frozen=True)
class Scene:
    """The pixels of a pass: image (H, W, 3) uint8 and, for each region, its masks or why there are none."""

    image: Image
    regions: list[RegionMasks | str]

    def others(self, index: int) -> Mask:
        """Union of V over all regions but `index`; a region that cannot be decoded covers nothing."""
        union = np.zeros(self.image.shape[:2], dtype=np.bool_)
        for i, region in enumerate(self.regions):
            if i != index and isinstance(region, RegionMasks):
                union |= region.visible
        return union


class Cocoa:
    """COCO-A, one split.

    Expects `root/annotations/COCO_amodal_{split}2014.json` and the COCO 2014 pictures in `root/{split}2014/`.

    Args:
        root: folder of the dataset.
        split: "train", "val" or "test".
        annotations: annotation file, if it lies elsewhere.
        images: folder of the pictures, if it lies elsewhere.

    Raises:
        InputError: a folder or the annotation file is missing, or the file is not one of COCO-A.
    """

    name: str = "cocoa"

    def __init__(
        self, root: str, split: str = "val", annotations: str | None = None, images: str | None = None
    ) -> None:
        self.split = split
        self.file = Path(annotations or Path(root, "annotations", f"COCO_amodal_{split}2014.json"))
        self.folder = Path(images or Path(root, f"{split}2014"))
        self._require_files(Path(root), needs_root=annotations is None or images is None)
        self.passes, self._malformed = _passes(self.file)
        self._places = {f"{p.label}-{n}": (p, n) for p in self.passes for n in range(1, len(p.regions) + 1)}

    def records(self) -> pd.DataFrame:
        """The index, one row per region, from the JSON fields alone (columns: `RECORD_COLUMNS`)."""
        rows = [_row(id, entry, entry.regions[n - 1]) for id, (entry, n) in self._places.items()]
        return pd.DataFrame(rows, columns=list(RECORD_COLUMNS)).astype(RECORD_COLUMNS)

    def sample(self, id: str) -> Sample:
        """Read one region.

        The image and the masks are shared with the other regions of the image, therefore read-only.

        Raises:
            InputError: the id is unknown, the picture is missing or damaged, or the masks cannot be used.
        """
        if id not in self._places:
            raise InputError(self.file, "no such instance", "take ids from records()", f"instance {id}")
        entry, number = self._places[id]
        record = f"annotation {entry.label}, region {number}"
        try:
            scene = _scene(entry, self.file, self.folder)
        except InputError as error:
            raise InputError(error.file, error.problem, error.remedy, record) from error
        region = scene.regions[number - 1]
        if isinstance(region, str):
            raise InputError(self.file, region, MEND, record)
        return Sample(id, scene.image, region.visible, region.amodal, scene.others(number - 1))

    def fingerprint(self) -> str:
        """Hex SHA-256 over the dataset's name, the split and the bytes of the annotation file."""
        return hashlib.sha256(f"{self.name}\n{self.split}\n{sha256(self.file)}".encode()).hexdigest()

    def check(self) -> list[Problem]:
        """Decode every picture and mask, and compare them with the fields of the annotation file."""
        problems = [Problem(str(self.file), record, what) for record, what in self._malformed]
        for entry in self.passes:
            record = f"annotation {entry.label}"
            try:
                scene = _scene(entry, self.file, self.folder)
            except InputError as error:
                problems.append(Problem(error.file, record, error.problem))
                continue
            for number, (region, masks) in enumerate(zip(entry.regions, scene.regions, strict=True), start=1):
                faults = [masks] if isinstance(masks, str) else _disagreements(region, masks)
                problems += [Problem(str(self.file), f"{record}, region {number}", what) for what in faults]
        return problems

    def _require_files(self, root: Path, needs_root: bool) -> None:
        if needs_root and not root.is_dir():
            remedy = "make the folder and put the dataset there, or set `root` to where it is"
            raise InputError(root, "the folder of COCO-A does not exist", remedy)
        if not self.file.is_file():
            remedy = (
                "get the annotations by the link on github.com/Wakeupbuddy/amodalAPI and unpack them into "
                f"{root / 'annotations'}, or set `annotations` to the file"
            )
            raise InputError(self.file, f"the COCO-A annotations of split {self.split!r} are missing", remedy)
        if not self.folder.is_dir():
            remedy = (
                f"unpack {self.split}2014.zip of the COCO 2014 images (cocodataset.org) into {root}, "
                "or set `images` to the folder"
            )
            raise InputError(self.folder, "the folder of the COCO pictures does not exist", remedy)


def _passes(file: Path) -> tuple[list[Pass], list[tuple[str, str]]]:
    """Annotations joined with images by image_id, and (record, reason) of those that hold no regions."""
    data = read_json(file)
    if not (is_object(data) and is_list(data.get("images")) and is_list(data.get("annotations"))):
        problem = 'not a COCO-A file: it needs the lists "images" and "annotations"'
        raise InputError(file, problem, "use the authors' COCO_amodal_*2014.json")
    images = {_text(image.get("id")): image for image in data["images"] if is_object(image)}
    passes: list[Pass] = []
    malformed: list[tuple[str, str]] = []
    taken: set[str] = set()
    for position, annotation in enumerate(data["annotations"], start=1):
        if not is_object(annotation) or not is_list(annotation.get("regions")):
            malformed.append((f"entry {position} of annotations", 'it has no list "regions"'))
            continue
        image_id = _text(annotation.get("image_id"))
        label = _unused(_text(annotation.get("id")) or f"image{image_id}", taken)
        passes.append(Pass(label, image_id, images.get(image_id), annotation["regions"]))
    return passes, malformed


def _unused(label: str, taken: set[str]) -> str:
    """`label`, or the first of `label.2`, `label.3`, ... that is not taken yet; takes it."""
    unused = next(name for name in chain([label], (f"{label}.{n}" for n in count(2))) if name not in taken)
    taken.add(unused)
    return unused


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _row(id: str, entry: Pass, region: Any) -> dict[str, Any]:
    """One row of `records`; a region that is no JSON object has no known fields."""
    fields: dict[str, Any] = region if is_object(region) else {}
    rate = _number(fields.get("occlude_rate"))
    return {
        "id": id,
        "image_id": entry.image_id,
        "category": _text(fields.get("name")),
        "area": _number(fields.get("area")),
        "occlusion_rate": rate,
        "stuff": fields.get("isStuff") in (1, "1"),  # True == 1
        "hidden": rate >= 1,
    }


@lru_cache(maxsize=SCENES_KEPT)
def _scene(entry: Pass, file: Path, folder: Path) -> Scene:
    """Decode a pass. Raises `InputError` where its image cannot be used."""
    image = _image(entry, file, folder)
    image.flags.writeable = False
    return Scene(image, [_decode_region(region, *image.shape[:2]) for region in entry.regions])


def _image(entry: Pass, file: Path, folder: Path) -> Image:
    if entry.image is None:
        raise InputError(file, f'image_id {entry.image_id or "(none)"} has no entry in "images"', MEND)
    file_name = _text(entry.image.get("file_name"))
    if not file_name:
        raise InputError(file, f"image {entry.image_id} has no file_name", MEND)
    path = folder / file_name
    image = read_image(path)
    stated = (entry.image.get("height"), entry.image.get("width"))
    if None not in stated and stated != image.shape[:2]:
        sizes = "picture is {}x{} but the annotations say {}x{}".format(*image.shape[:2], *stated)
        raise InputError(path, f"{sizes} (height x width)", "use the COCO 2014 picture in its original size")
    return image


def _decode_region(region: Any, height: int, width: int) -> RegionMasks | str:
    """V and A of a region, read-only, or the reason why there are none."""
    fields: dict[str, Any] = region if is_object(region) else {}
    try:
        amodal = decode(fields.get("segmentation"), height, width)
    except ValueError as error:
        return str(error)
    amodal.flags.writeable = False
    if fields.get("visible_mask") is None:
        return RegionMasks(amodal, amodal)
    try:
        visible = decode(fields["visible_mask"], height, width)
    except ValueError as error:
        return f"visible_mask: {error}"
    visible.flags.writeable = False
    return RegionMasks(visible, amodal)


def _disagreements(region: dict[str, Any], masks: RegionMasks) -> Iterator[str]:
    """Where the masks of a region contradict each other or its fields; an absent field is no fault."""
    area, stated_area = int(masks.amodal.sum()), _number(region.get("area"))
    if abs(stated_area - area) > AREA_TOLERANCE:
        yield f"area says {stated_area:g} but the mask has {area} pixels"
    if area == 0:
        yield "the amodal mask is empty"
        return
    outside = int((masks.visible & ~masks.amodal).sum())
    if outside:
        yield f"{outside} visible pixels lie outside the amodal mask"
    rate, stated_rate = int((masks.amodal & ~masks.visible).sum()) / area, _number(region.get("occlude_rate"))
    if abs(stated_rate - rate) > RATE_TOLERANCE:
        yield f"occlude_rate says {stated_rate:g} but the masks give {rate:g}"
