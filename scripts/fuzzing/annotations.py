"""Annotation files: each dataset's own class opens them, without a command, and every instance is asked for."""

from __future__ import annotations

import copy
import json
from abc import abstractmethod
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from PIL import Image

from amodal_bench.core.errors import InputError
from amodal_bench.core.rle import encode
from amodal_bench.datasets.base import RECORD_COLUMNS
from amodal_bench.datasets.coco_a.bsds import Bsds
from amodal_bench.datasets.coco_a.cocoa import Cocoa
from amodal_bench.datasets.coco_a.cocoa_cls import CocoaCls
from amodal_bench.datasets.fishbowl.fishbowl import FishBowl
from amodal_bench.datasets.kins.kins import Kins
from amodal_bench.datasets.reading.indexed import IndexedDataset
from amodal_bench.datasets.reading.measures import of_masks
from amodal_bench.datasets.sailvos.sailvos import SailVos
from fuzzing.judge import Reader, answered, check_message
from fuzzing.values import any_json, as_json, changed, damaged, json_files, masks, plain, records

HEIGHT, WIDTH = 12, 16
MOST_ASKED = 8
"""Instances that are asked for: a change in a file touches one or two."""

A, V, OTHER = np.zeros((3, HEIGHT, WIDTH), bool)
A[2:9, 3:12] = True
V[2:9, 3:8] = True
OTHER[1:10, 8:14] = True
POLYGON = [3.0, 2.0, 12.0, 2.0, 12.0, 9.0, 3.0, 9.0]
BEHIND = {"segmentation": POLYGON, "visible_mask": encode(V), "invisible_mask": encode(A & ~V)}
RUNS = {"size": [HEIGHT, WIDTH], "counts": [50, 10, 132]}


def write_picture(path: Path) -> None:
    """A small picture under this name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (WIDTH, HEIGHT), (30, 60, 90)).save(path)


def ask(dataset: IndexedDataset) -> None:
    """Ask a dataset for all that it says, and for its instances.

    Raises:
        AssertionError: it contradicts itself.
    """
    found = dataset.records()
    assert list(found.columns[: len(RECORD_COLUMNS)]) == list(RECORD_COLUMNS)
    assert found["id"].is_unique and found["id"].map(bool).all(), "an id is empty, or there twice"
    rates, areas = found["occlusion_rate"].dropna(), found["amodal_pixels"].dropna()
    assert ((rates >= 0) & (rates <= 1)).all() and (areas >= 0).all(), "a rate or an area cannot be"
    assert len(dataset.fingerprint()) == 64
    for line in [*dataset.remarks(), *dataset.doubts()]:
        assert line and "\n" not in line
    for row in dataset.index.instances[:MOST_ASKED].to_dict("records"):
        answered(partial(_ask_one, dataset, row))
    for problem in dataset.check():
        check_message(InputError(problem.file, problem.what, "see", problem.record))
    dataset.files_of(list(found["id"]))


def _ask_one(dataset: IndexedDataset, row: dict[Any, Any]) -> None:
    sample = dataset.sample(row["id"])
    shape = sample.image.shape[:2]
    assert sample.image.dtype == np.uint8 and sample.image.shape == (*shape, 3)
    for mask in (sample.visible, sample.amodal, sample.others):
        assert mask.dtype == np.bool_ and mask.shape == shape, "a mask has another shape than its image"
    measured = of_masks(sample.amodal, sample.visible)
    sized = row.get("height", HEIGHT) and row.get("width", WIDTH)  # of a picture of unknown size nothing is measured
    if sized and not np.isnan(row["amodal_pixels"]):
        assert bool(row["hidden"]) == measured.hidden, "the index and the masks differ in what is hidden"
        assert bool(row["truncated"]) == measured.truncated, "the index and the masks differ in what is truncated"


class AnnotationReader(Reader):
    """One annotation file of a dataset; its pictures are whole."""

    pictures: ClassVar[str]
    file: ClassVar[str]
    whole: ClassVar[dict[str, Any]]
    fields: ClassVar[dict[str, SearchStrategy[Any]]] = {
        "id": st.integers(1, 3),
        "image_id": st.integers(1, 2),
        "category_id": st.just(1),
        "segmentation": masks,
        "visible_mask": masks,
        "invisible_mask": masks,
        "area": plain,
        "occlude_rate": plain,
        "iscrowd": plain,
    }

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        for image in self.whole["images"]:
            write_picture(folder / self.pictures / image["file_name"])
        self.path = folder / self.file
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def changed(self, random: Random) -> bytes:
        return as_json(changed(self.whole, random), random)

    def generated(self) -> SearchStrategy[bytes]:
        images = records({key: st.just(value) for key, value in self.whole["images"][0].items()})
        whole = records(
            {
                "images": st.lists(st.sampled_from(self.whole["images"]) | images, max_size=3),
                "annotations": st.lists(records(self.fields), max_size=3),
                "categories": st.just([{"id": 1, "name": "car"}]),
            }
        )
        return json_files(whole | any_json)

    def read(self, data: bytes) -> None:
        self.path.write_bytes(data)
        ask(self.opened())

    @abstractmethod
    def opened(self) -> IndexedDataset:
        """The dataset over the file."""


def _images(names: str) -> list[dict[str, Any]]:
    return [{"id": n, "file_name": names.format(n), "height": HEIGHT, "width": WIDTH} for n in (1, 2)]


def _passes(names: str) -> dict[str, Any]:
    region = {"name": "fish", "isStuff": 0, "order": 1, "area": 63, "occlude_rate": 28 / 63, **BEHIND}
    front = {"name": "plant", "isStuff": 1, "order": 2, "segmentation": encode(OTHER), "area": 54, "occlude_rate": 0}
    regions = [[region, front], [front, {**region, "segmentation": [POLYGON, [1, 1, 4, 1, 4, 4]], "area": 72}]]
    passes = [
        {"id": n, "image_id": n, "author": "me", "size": 2, "depth_constraint": "2-1", "regions": regions[n - 1]}
        for n in (1, 2)
    ]
    return {"images": _images(names), "annotations": passes}


class CocoaReader(AnnotationReader):
    """COCO-A."""

    name, pictures, file = "cocoa", "val2014", "annotations/COCO_amodal_val2014.json"
    whole = _passes("COCO_val2014_{}.png")
    fields = AnnotationReader.fields | {"regions": st.lists(records(AnnotationReader.fields), max_size=3)}

    def opened(self) -> IndexedDataset:
        return Cocoa(str(self.folder))


class BsdsReader(AnnotationReader):
    """BSDS-A."""

    name, pictures, file = "bsds", "BSR/BSDS500/data/images/test", "annotations/BSDS_amodal_test.json"
    whole = _passes("10000{}.png")
    fields = CocoaReader.fields

    def opened(self) -> IndexedDataset:
        return Bsds(str(self.folder), annotator="all")


class CocoaClsReader(AnnotationReader):
    """COCOA-cls."""

    name, pictures, file = "cocoa_cls", "val2014", "annotations/COCO_amodal_val2014_with_classes.json"
    whole: ClassVar[dict[str, Any]] = {
        "images": _images("COCO_val2014_{}.png"),
        "categories": [{"id": 1, "name": "car", "supercategory": ""}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "area": 63,
                "occlude_rate": 28 / 63,
                "bbox": [3, 2, 9, 7],
                **BEHIND,
            },
            {"id": 2, "image_id": 1, "category_id": 1, "area": 54, "iscrowd": 0, "segmentation": encode(OTHER)},
            {"id": 3, "image_id": 2, "category_id": 1, "segmentation": [encode(A), encode(OTHER)], "i_segm": RUNS},
        ],
    }

    def opened(self) -> IndexedDataset:
        return CocoaCls(str(self.folder))


class KinsReader(AnnotationReader):
    """KINS, with records of both releases."""

    name, pictures, file = "kins", "testing/image_2", "update_test_2020.json"
    whole: ClassVar[dict[str, Any]] = {
        "images": _images("00000{}.png"),
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "a_segm": [POLYGON],
                "i_segm": [[3, 2, 8, 2, 8, 9, 3, 9]],
                "i_area": 35,
            },
            {
                "id": 2,
                "image_id": 1,
                "category_id": 1,
                "segmentation": [POLYGON],
                "inmodal_seg": encode(V),
                "a_area": 63,
            },
            {"id": 3, "image_id": 2, "category_id": 1, "a_segm": encode(OTHER), "i_segm": [], "a_area": 54},
        ],
    }
    fields = AnnotationReader.fields | {"a_segm": masks, "i_segm": masks, "inmodal_seg": masks, "i_area": plain}

    def opened(self) -> IndexedDataset:
        return Kins(str(self.folder))


class SailVosReader(AnnotationReader):
    """SAIL-VOS' annotation files, in both forms."""

    name, pictures, file = "sailvos", ".", "valid.json"
    whole: ClassVar[dict[str, Any]] = {
        "images": _images("ah_3b/images/00000{}.bmp"),
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "obj_id": 7, "area": 63, "occlude_rate": 28 / 63, **BEHIND},
            {
                "id": 2,
                "image_id": 1,
                "category_id": 1,
                "segmentation": [RUNS, RUNS],
                "area_amodal": 10,
                "area_visible": 10,
            },
            {
                "id": 3,
                "image_id": 2,
                "category_id": 1,
                "amodal_mask": encode(A),
                "visible_mask": [POLYGON],
                "iscrowd": 0,
            },
        ],
    }
    fields = AnnotationReader.fields | {"amodal_mask": masks, "obj_id": plain, "area_amodal": plain}

    def opened(self) -> IndexedDataset:
        return SailVos(str(self.folder))


class FishBowlReader(Reader):
    """FishBowl's objects.json of a video and of its fish, in one input."""

    name = "fishbowl"
    files = ("00000/objects.json", "00000_object5/objects.json", "00000_object7/objects.json")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "00000").mkdir(parents=True)
        (folder / "00000" / "video.mp4").write_bytes(b"no video: pictures are read")
        for frame in range(2):
            write_picture(folder / "pictures" / "00000" / f"{frame:05d}.png")
        empty = encode(np.zeros_like(A))
        kinds = {5: [encode(V), encode(A)], 7: [encode(OTHER), empty]}
        video = [{"id": id, "type_name": "SmallFishA", "masks": found} for id, found in kinds.items()]
        alone = {5: [encode(A), encode(A)], 7: [encode(OTHER), encode(OTHER)]}
        self.whole = [video, *([{"id": id, "masks": found}] for id, found in alone.items())]

    def changed(self, random: Random) -> bytes:
        found = copy.deepcopy(self.whole)
        number = random.choice([0, 0, 1, 2])
        text = as_json(changed(found[number], random), random)
        return b"\n\0\n".join(text if n == number else json.dumps(part).encode() for n, part in enumerate(found))

    def generated(self) -> SearchStrategy[bytes]:
        entry = records({"id": st.sampled_from([5, 7]), "masks": st.lists(masks, max_size=3), "type_name": plain})
        part = json_files(st.lists(entry, max_size=2) | any_json)
        return st.tuples(part, part, part).map(b"\n\0\n".join)

    def read(self, data: bytes) -> None:
        for name, part in zip(self.files, data.split(b"\n\0\n"), strict=False):
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).write_bytes(part)
        ask(FishBowl(str(self.folder), images=str(self.folder / "pictures")))


class FishRowsReader(FishBowlReader):
    """The CSV of SaVos beside a whole FishBowl."""

    name = "fishbowl_rows"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        for name, part in zip(self.files, self.whole, strict=True):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(json.dumps(part))

    def changed(self, random: Random) -> bytes:
        lines = [["", "v_id", "obj_id", "frame_id", "OCC_R", "test"]]
        lines += [
            [str(n), "0", fish, frame, "0.4", "1"]
            for n, (fish, frame) in enumerate([("5", "0"), ("5", "1"), ("7", "0")])
        ]
        found = changed(lines, random)
        found = [line if isinstance(line, list) else [line] for line in (found if isinstance(found, list) else [])]
        text = "\n".join(",".join(map(str, line)) for line in found)
        return (
            damaged(text.encode(errors="replace"), random) if random.random() < 0.3 else text.encode(errors="replace")
        )

    def generated(self) -> SearchStrategy[bytes]:
        cell = plain.map(str)
        line = st.lists(cell, max_size=6).map(",".join)
        table = st.lists(line, max_size=4).map(lambda lines: "\n".join(["v_id,obj_id,frame_id,OCC_R,test", *lines]))
        return (table | st.text()).map(lambda text: text.encode(errors="replace"))

    def read(self, data: bytes) -> None:
        rows = self.folder / "rows.csv"
        rows.write_bytes(data)
        ask(FishBowl(str(self.folder), images=str(self.folder / "pictures"), rows=str(rows)))


READERS: tuple[type[Reader], ...] = (
    CocoaReader, BsdsReader, CocoaClsReader, KinsReader, SailVosReader, FishBowlReader, FishRowsReader,
)  # fmt: skip
