"""COCO-A (Zhu et al., "Semantic Amodal Segmentation", CVPR 2017): the authors' files as they are."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from amodal_bench.datasets.passes import PassDataset, open_index
from amodal_bench.datasets.regions import require_files


class Cocoa(PassDataset):
    """COCO-A, one split: every region of every annotator's pass is an instance.

    Expects `root/annotations/COCO_amodal_{split}2014.json` and the COCO 2014 pictures in `root/{split}2014/`.

    Args:
        root: folder of the dataset.
        split: "train", "val" or "test".
        annotations: annotation file, if it lies elsewhere.
        images: folder of the pictures, if it lies elsewhere.

    Raises:
        InputError: a folder or the annotation file is missing, or the file is not one of COCO-A.
    """

    name: ClassVar[str] = "cocoa"

    def __init__(
        self, root: str, split: str = "val", annotations: str | None = None, images: str | None = None
    ) -> None:
        self.split = split
        self.folder = Path(images or Path(root, f"{split}2014"))
        file = Path(annotations or Path(root, "annotations", f"COCO_amodal_{split}2014.json"))
        self._require(Path(root), file, needs_root=annotations is None or images is None)
        index = open_index(self.name, file, "a COCO-A file", "use the authors' COCO_amodal_*2014.json")
        super().__init__(index, split, file)

    def picture(self, file_name: str) -> Path:
        return self.folder / file_name

    def _require(self, root: Path, file: Path, needs_root: bool) -> None:
        get_file = (
            "get the annotations by the link on github.com/Wakeupbuddy/amodalAPI and unpack them into "
            f"{root / 'annotations'}, or set `annotations` to the file"
        )
        # Some mirrors of COCO leave out the test pictures.
        get_folder = (
            f"unpack {self.split}2014.zip of the COCO 2014 images (cocodataset.org) into {root}, "
            "or set `images` to the folder"
        )
        require_files(
            "COCO-A",
            root if needs_root else None,
            (file, f"the COCO-A annotations of split {self.split!r} are missing", get_file),
            (self.folder, "the folder of the COCO pictures does not exist", get_folder),
        )
