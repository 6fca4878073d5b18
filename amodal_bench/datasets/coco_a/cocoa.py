"""COCO-A (Zhu et al., "Semantic Amodal Segmentation", CVPR 2017): the authors' files as they are."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from amodal_bench.datasets.coco_a.coco_tree import CocoTree
from amodal_bench.datasets.coco_a.passes import PassDataset, open_index
from amodal_bench.datasets.reading.names import place_in

TREE = CocoTree(
    "cocoa",
    "COCO-A",
    ("train", "val", "test"),
    "COCO_amodal_{split}2014.json",
    "get the annotations by the link on github.com/Wakeupbuddy/amodalAPI and unpack them into {folder}, or set "
    "dataset.annotations to the file",
)


class Cocoa(PassDataset):
    """COCO-A, one split: every region of every annotator's pass is an instance.

    Expects `root/annotations/COCO_amodal_{split}2014.json` and the COCO 2014 pictures in `root/{split}2014/`.

    Args:
        root: folder of the dataset.
        split: "train", "val" or "test".
        annotations: annotation file, if it lies elsewhere.
        images: folder of the pictures, if it lies elsewhere.

    Raises:
        ConfigError: there is no such split.
        InputError: a folder or the annotation file is missing, or the file is not one of COCO-A.
    """

    name: ClassVar[str] = "cocoa"

    def __init__(
        self, root: str, split: str = "val", annotations: str | None = None, images: str | None = None
    ) -> None:
        file, self.folder = TREE.find(root, split, annotations, images)
        index = open_index(self.name, file, "a COCO-A file", "use the authors' COCO_amodal_*2014.json")
        super().__init__(index, split, file)

    def picture(self, file_name: str) -> Path:
        return place_in(self.folder, file_name)
