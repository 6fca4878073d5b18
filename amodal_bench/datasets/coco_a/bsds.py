"""BSDS-A (Zhu et al., "Semantic Amodal Segmentation", CVPR 2017): the authors' files as they are, on BSDS500.

`isStuff` is false throughout, for "water" and "sand" too: a filter for things keeps everything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pandas as pd

from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.datasets.coco_a.passes import PassDataset, open_index
from amodal_bench.datasets.reading.files import require_files, require_split
from amodal_bench.datasets.reading.index import Index
from amodal_bench.datasets.reading.indexed import SCENE
from amodal_bench.datasets.reading.names import found_in

SPLITS = ("train", "val", "test")
GET_PICTURES = "unpack BSR_bsds500.tgz (Berkeley's BSDS500) into {root}, or set dataset.images to their folder"


class Bsds(PassDataset):
    """BSDS-A, one split. Five to seven annotators describe each image, each in a pass of their own.

    Expects `root/annotations/BSDS_amodal_{split}.json` and the pictures in
    `root/BSR/BSDS500/data/images/{train,val,test}/`.

    Args:
        root: folder of the dataset.
        split: "train", "val" or "test".
        annotator: whose passes are the dataset: "first" (of each image, in the file's order), "random" (one of each
            image, drawn by `seed` and the image's id), "all", or the name of an author, whose first pass over each
            image counts.
        seed: of "random".
        annotations: annotation file, if it lies elsewhere.
        images: folder of the pictures, if it lies elsewhere: with a folder for each split, or all in one.

    Raises:
        InputError: a folder or the annotation file is missing, or the file is not one of BSDS-A.
        ConfigError: there is no such split, or no pass is by this annotator.
    """

    name: ClassVar[str] = "bsds"

    def __init__(
        self,
        root: str,
        split: str = "test",
        annotator: str = "first",  # as the authors' evaluator (amodalAPI, amodaleval.py) does
        seed: int = 2020,
        annotations: str | None = None,
        images: str | None = None,
    ) -> None:
        require_split("BSDS-A", split, SPLITS)
        self.split = split
        self.folder = Path(images or Path(root, "BSR", "BSDS500", "data", "images"))
        self._get_pictures = GET_PICTURES.format(root=root)
        file = Path(annotations or Path(root, "annotations", f"BSDS_amodal_{split}.json"))
        self._require(Path(root), file, needs_root=annotations is None or images is None)
        index = open_index(self.name, file, "a BSDS-A file", "use the authors' BSDS_amodal_*.json")
        drawn = f"random@{seed}" if annotator == "random" else annotator
        super().__init__(_of_annotator(index, annotator, seed), f"{split}\n{drawn}", file)

    def picture(self, file_name: str) -> Path:
        # The name is the bare number: the picture may belong to another split of BSDS500 than the annotations.
        splits = sorted(SPLITS, key=lambda split: split != self.split)
        for folder in (*(self.folder / split for split in splits), self.folder):
            if place := found_in(folder, file_name):
                return place
        expected = self.folder / self.split / file_name
        raise InputError(expected, "no such file, nor is it in the other splits' folders", self._get_pictures)

    def _require(self, root: Path, file: Path, needs_root: bool) -> None:
        get_file = (
            "get the annotations by the link on github.com/Wakeupbuddy/amodalAPI (the archive is COCO-A's) and "
            f"unpack them into {root / 'annotations'}, or set dataset.annotations to the file"
        )
        require_files(
            "bsds",
            "BSDS-A",
            root if needs_root else None,
            (file, f"the BSDS-A annotations of split {self.split!r} are missing", get_file),
            (self.folder, "the folder of the BSDS500 pictures does not exist", self._get_pictures),
        )


def _of_annotator(index: Index, annotator: str, seed: int) -> Index:
    """The index with the chosen passes only, at most one of each image unless all are chosen."""
    if annotator == "all":
        return index
    passes = index.instances.drop_duplicates(SCENE)
    if annotator not in ("first", "random"):
        authors = sorted(set(passes["author"]) - {""})
        passes = passes[passes["author"] == annotator]
        if passes.empty:
            known = ", ".join(["all", "first", "random", *authors])
            raise ConfigError(f"dataset.annotator: no pass is by {annotator!r}; one of: {known}")
    choose = _drawn(seed) if annotator == "random" else (lambda image_id, scenes: scenes[0])
    chosen = [choose(str(image_id), list(group)) for image_id, group in passes.groupby("image_id", sort=False)[SCENE]]
    kept: pd.DataFrame = index.instances[index.instances[SCENE].isin(chosen)].reset_index(drop=True)
    return replace(index, instances=kept)


def _drawn(seed: int) -> Callable[[str, list[str]], str]:
    """Draws one of an image's passes, whatever other images there are."""

    def draw(image_id: str, scenes: list[str]) -> str:
        number = int.from_bytes(hashlib.sha256(f"{seed}/{image_id}".encode()).digest())
        return scenes[number % len(scenes)]

    return draw
