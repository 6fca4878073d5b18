"""The tree that COCO-A and COCOA-cls share: an annotation file for each split, and the pictures of COCO 2014."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from amodal_bench.datasets.reading.files import require_files, require_split


@dataclass(frozen=True)
class CocoTree:
    """What differs between the two.

    Attributes:
        name: the dataset's, as in `dataset=NAME`.
        title: the dataset's, for people.
        splits: that it has.
        file: name of a split's annotation file, with `{split}`.
        get_file: what to do where it is missing, with `{folder}` for its folder.
    """

    name: str
    title: str
    splits: tuple[str, ...]
    file: str
    get_file: str

    def find(self, root: str, split: str, annotations: str | None, images: str | None) -> tuple[Path, Path]:
        """A split's annotation file and folder of pictures, either of which may lie elsewhere than in the tree.

        Raises:
            ConfigError: there is no such split.
            InputError: one of them is missing.
        """
        require_split(self.title, split, self.splits)
        file = Path(annotations or Path(root, "annotations", self.file.format(split=split)))
        folder = Path(images or Path(root, f"{split}2014"))
        # Some mirrors of COCO leave out the test pictures.
        get_folder = (
            f"unpack {split}2014.zip of the COCO 2014 images (cocodataset.org) into {root}, "
            "or set dataset.images to the folder"
        )
        require_files(
            self.name,
            self.title,
            Path(root) if annotations is None or images is None else None,
            (
                file,
                f"the {self.title} annotations of split {split!r} are missing",
                self.get_file.format(folder=Path(root, "annotations")),
            ),
            (folder, "the folder of the COCO pictures does not exist", get_folder),
        )
        return file, folder
