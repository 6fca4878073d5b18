r"""KINS (Qi et al., "Amodal Instance Segmentation With KINS Dataset", CVPR 2019): the authors' files as they are.

A and V are drawn independently, so V may reach beyond A; the hidden region is A \ V. Boxes are ignored: those of the
visible masks are wrong in places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

from amodal_bench.core.digests import sha256
from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.core.rle import Segmentation, object_or_empty
from amodal_bench.core.types import Image
from amodal_bench.datasets.base import Problem
from amodal_bench.datasets.kins.records import AMODAL, INDEX_VERSION, VISIBLE, build_index, masks_of
from amodal_bench.datasets.reading.files import MEND, annotation_digest, require_files, require_split
from amodal_bench.datasets.reading.index import cached_index
from amodal_bench.datasets.reading.indexed import SCENE, IndexedDataset, Masks
from amodal_bench.datasets.reading.keys import first
from amodal_bench.datasets.reading.names import place_in
from amodal_bench.datasets.reading.pairs import DENSE, RUNS, Form, Form_, Pair
from amodal_bench.datasets.reading.pictures import read_picture, sound_size
from amodal_bench.datasets.reading.records import read_record

FILES = {
    "2019": {"train": "instances_train.json", "test": "instances_val.json"},
    "2020": {"train": "update_train_2020.json", "test": "update_test_2020.json"},
}
# Both folders hold the same names, 000000.png and so on: a picture is known by its split and its name.
FOLDERS = {"train": "training/image_2", "test": "testing/image_2"}
HOMEPAGE = "github.com/qqlu/Amodal-Instance-Segmentation-through-KINS-Dataset"


class Kins(IndexedDataset):
    r"""KINS, one split of one release.

    Expects the annotation file in `root` (`update_{train,test}_2020.json`, or `instances_{train,val}.json` of 2019)
    and the pictures of KITTI's object benchmark in `root/training/image_2` (train) or `root/testing/image_2` (test).
    Beside the columns of `records()`, `index.instances` has `visible_pixels`, the pixels of V as stated, and
    `visible_outside`, the pixels of V \ A as measured: no fault here, but worth a look.

    Args:
        root: folder of the dataset.
        split: "train" or "test"; "val" is what the 2019 release calls its test split.
        release: "2019" or "2020": which file is opened. Records of both forms are read from either.
        annotations: annotation file, if it lies elsewhere.
        images: folder of the pictures, if it lies elsewhere.

    Raises:
        ConfigError: there is no such split or release.
        InputError: a folder or the annotation file is missing, or the file is not one of KINS.
    """

    name = "kins"
    contained = False
    visible_keys = VISIBLE
    files_by = "picture"
    visible_everywhere = True

    def __init__(
        self,
        root: str,
        split: str = "test",
        release: str | int = "2020",
        annotations: str | None = None,
        images: str | None = None,
    ) -> None:
        self.split, self.release = canonical_split(split), canonical_release(release)
        self.file = Path(annotations or Path(root, FILES[self.release][self.split]))
        self.folder = Path(images or Path(root, FOLDERS[self.split]))
        self._require_files(Path(root), needs_root=annotations is None or images is None)
        index = cached_index(self.name, INDEX_VERSION, annotation_digest(self.file), lambda: build_index(self.file))
        super().__init__(index.opened_from(self.file), identity=self.split)

    def read_image(self, row: Any) -> Image:
        """The picture of an instance, (H, W, 3) uint8. Raises `InputError`."""
        remedy = f"use KITTI's picture from {FOLDERS[self.split]}, in its original size"
        try:
            return read_picture(row, self.file, partial(place_in, self.folder), remedy)
        except InputError as error:
            raise InputError(error.file, error.problem, error.remedy, row[SCENE]) from error

    def read_size(self, row: Any) -> tuple[int, int]:
        return sound_size(row, partial(place_in, self.folder)) or super().read_size(row)

    def read_masks(self, row: Any, height: int, width: int) -> Masks:
        """V and A of an instance, both (height, width) bool. Raises `InputError` that names the annotation."""
        return Masks(*self._masks(row, height, width, DENSE))

    def read_pair(self, row: Any, height: int, width: int) -> Pair:
        return Pair(*self._masks(row, height, width, RUNS))

    def _masks(self, row: Any, height: int, width: int, form: Form[Form_]) -> tuple[Form_, Form_]:
        try:
            return masks_of(self._record(row), height, width, form)
        except ValueError as error:
            raise InputError(self.file, str(error), MEND, f"annotation {row['id']}") from error

    def outline(self, row: Any) -> Segmentation:
        return first(self._record(row), AMODAL)[1]

    def _record(self, row: Any) -> dict[str, Any]:
        return self._record_at(int(row["start"]), int(row["length"]))

    @cached_property
    def _record_at(self) -> Callable[[int, int], dict[str, Any]]:
        """The record at a place of the file; the last one is kept, as `check` asks for it several times."""
        return lru_cache(maxsize=1)(lambda start, length: object_or_empty(read_record(self.file, start, length)))

    def files(self, row: Any) -> tuple[Path, ...]:
        return (place_in(self.folder, row["picture"]),) if row["picture"] else ()

    def source(self, row: Any) -> str:  # noqa: ARG002
        """The annotation file."""
        return str(self.file)

    def disagreements(self, row: Any, pair: Pair) -> Iterator[str]:
        """What every dataset reports, and an empty V where the file states its pixels."""
        yield from super().disagreements(row, pair)
        if row["visible_pixels"] > 0 and not pair.visible_pixels:
            yield f"i_area says {row['visible_pixels']:g} but no pixel is visible"

    def remarks(self) -> list[str]:
        """Where V was read from if not from its own keys, and how often, and how far, it reaches beyond A."""
        outside = self.index.instances["visible_outside"]
        drawn = f"by {int(outside.sum())} pixels in all (they were drawn independently)"
        return [
            *super().remarks(),
            f"V reaches beyond A in {int((outside > 0).sum())} of {len(outside)} instances, {drawn}",
        ]

    def check(self) -> Sequence[Problem]:
        """Decode everything, and compare the annotation file with that of the other split."""
        return [*self._same_as_other_split(), *super().check()]

    def _same_as_other_split(self) -> Iterator[Problem]:
        # Users of the 2020 release report that both splits had the same content.
        for other in map(self.file.with_name, FILES[self.release].values()):
            if other == self.file or not other.is_file() or other.stat().st_size != self.file.stat().st_size:
                continue
            if sha256(other) == sha256(self.file):
                what = f"it has the same bytes as {other.name} beside it: one of them is the wrong file"
                yield Problem(str(self.file), "", what)

    def _require_files(self, root: Path, needs_root: bool) -> None:
        get_file = f"get the file by the link on {HOMEPAGE} and put it into {root}, or set dataset.annotations to it"
        for release, names in FILES.items():
            if release != self.release and Path(root, names[self.split]).is_file():
                get_file = f"{names[self.split]} is there: set dataset.release to {release}, or {get_file}"
        get_folder = (
            f"unpack data_object_image_2.zip of KITTI (cvlibs.net) into {root}, or set dataset.images to the folder"
        )
        missing = f"the annotations of split {self.split!r}, release {self.release}, are missing"
        require_files(
            "kins",
            "KINS",
            root if needs_root else None,
            (self.file, missing, get_file),
            (self.folder, "the folder of the KITTI pictures does not exist", get_folder),
        )


def canonical_split(split: str) -> str:
    """Translate a split's name to "train" or "test". Raises `ConfigError`."""
    known = {"train": "train", "test": "test", "val": "test"}
    require_split("KINS", split, tuple(known))
    return known[split]


def canonical_release(release: str | int) -> str:
    """Translate a release to "2019" or "2020"; a command line gives a number. Raises `ConfigError`."""
    if str(release) not in FILES:
        raise ConfigError(f"dataset.release: KINS has no release {release!r}; it has {', '.join(FILES)}")
    return str(release)
