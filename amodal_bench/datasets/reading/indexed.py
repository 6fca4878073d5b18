"""What the loaders of annotation files share: an index, and scenes whose masks are decoded together."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from amodal_bench.core.digests import stat_of
from amodal_bench.core.errors import InputError
from amodal_bench.core.processes import Ended, in_processes
from amodal_bench.core.progress import Progress
from amodal_bench.core.rle import Segmentation
from amodal_bench.core.types import Image, Mask
from amodal_bench.datasets.base import RECORD_COLUMNS, TRACK_COLUMNS, Problem, Sample
from amodal_bench.datasets.reading.files import MEND
from amodal_bench.datasets.reading.index import Index
from amodal_bench.datasets.reading.keys import VISIBLE_KEY, doubts, what_was_taken
from amodal_bench.datasets.reading.measures import RATE_TOLERANCE, agrees
from amodal_bench.datasets.reading.pairs import Pair

READING = 3
"""Raised where the same files would give other samples, so that runs do not mix them."""

SCENES_KEPT = 4
LOT = 16
"""Scenes that a process checks before it tells what it has found."""

FEW_INSTANCES = 2000
"""Instances below which `check` starts no processes."""

FAULT = "fault"
"""The column of an index that says what is wrong with a picture's own entry, see `pictures.PICTURE`."""

SCENE = "scene"
"""The loaders' column that tells which instances share an image and lie in one depth order."""


@dataclass(frozen=True)
class Masks:
    """V and A of one instance, (H, W) bool."""

    visible: Mask
    amodal: Mask


@dataclass(frozen=True)
class ScenePixels:
    """What a scene shows: image (H, W, 3) uint8 and, by row of the index, masks or why there are none."""

    image: Image
    masks: dict[int, Masks | InputError]

    def others(self, row: int) -> Mask:
        """Union of V over all instances but `row`; one that cannot be decoded covers nothing."""
        own = self.masks[row]
        return self._cover > (own.visible if isinstance(own, Masks) else 0)

    @cached_property
    def _cover(self) -> NDArray[np.uint16]:
        """How many visible masks cover each pixel; counted once for all instances of a scene."""
        count = np.zeros(self.image.shape[:2], dtype=np.uint16)
        for masks in self.masks.values():
            if isinstance(masks, Masks):
                count += masks.visible
        return count


@dataclass(frozen=True)
class _Row:
    """A row of an index, whose values are looked up by the names of columns."""

    columns: Callable[[str], Any]
    place: int

    def __getitem__(self, name: str) -> Any:
        return self.columns(name)[self.place]


class IndexedDataset(ABC):
    """A dataset over an `Index` whose instances have a column `scene` (str).

    A subclass says how to read a scene's image and how to decode an instance's masks.

    Attributes:
        name: of the dataset.
        contained: whether V lies inside A by the dataset's construction, so that `check` may complain.
        rate_field: what the files call the occlusion rate, for `check`.
        libraries: what turns its files into pixels, see `Decoded`.
        visible_keys: where a record of the files has V, in order; the index then has the column `VISIBLE_KEY`.
        visible_everywhere: whether each record should have V, or only those of occluded objects.
        read_ahead: see `ReadAhead`.
        files_by: the column whose value decides an instance's files, so that each is looked for once; "" for none.
    """

    name: ClassVar[str]
    contained: ClassVar[bool] = True
    rate_field: ClassVar[str] = "occlusion rate"
    libraries: ClassVar[tuple[str, ...]] = ("pillow", "pycocotools")
    visible_keys: ClassVar[tuple[str, ...]] = ()
    visible_everywhere: ClassVar[bool] = False
    read_ahead: ClassVar[bool] = True
    files_by: str = ""

    def __init__(self, index: Index, identity: str) -> None:
        """`identity` names, beside the sources, what decides the samples: split, variant, annotator."""
        self._index, self._identity = index, identity

    @property
    def index(self) -> Index:
        """What is known of the instances without reading a pixel."""
        return self._index

    def __getstate__(self) -> dict[str, Any]:
        """Caches stay behind when a dataset travels to another process: they cannot be pickled."""
        return {name: value for name, value in vars(self).items() if not hasattr(value, "cache_clear")}

    @abstractmethod
    def read_image(self, row: Any) -> Image:
        """The image of an instance, (H, W, 3) uint8. Raises `InputError`."""

    @abstractmethod
    def read_masks(self, row: Any, height: int, width: int) -> Masks:
        """V and A of an instance, both (height, width). Raises `InputError` that names the record."""

    def read_size(self, row: Any) -> tuple[int, int]:
        """Height and width of the image of an instance, for `check`. Raises what `read_image` does."""
        image = self.read_image(row)
        return image.shape[0], image.shape[1]

    def read_pair(self, row: Any, height: int, width: int) -> Pair:
        """V and A of an instance as RLEs, for `check`. Raises what `read_masks` does."""
        masks = self.read_masks(row, height, width)
        return Pair.of_masks(masks.visible, masks.amodal)

    def records(self) -> pd.DataFrame:
        """The index, one row per instance, with `RECORD_COLUMNS` and those of `TRACK_COLUMNS` that it has."""
        tracks = [name for name in TRACK_COLUMNS if name in self.index.instances]
        return self.index.instances[[*RECORD_COLUMNS, *tracks]]

    def sample(self, id: str) -> Sample:
        """Read one instance.

        The image and the masks are shared with the other instances of the scene, therefore read-only.

        Raises:
            InputError: the id is unknown, the image is missing or damaged, or the masks cannot be used.
        """
        try:
            row = self._positions[id]
        except KeyError:
            raise InputError(self.name, "no such instance", "take ids from records()", f"instance {id}") from None
        stamp = tuple(stat_of(file) for files in self.files_of([id]).values() for file in files)
        scene = self._scene(str(self.index.instances[SCENE].iat[row]), stamp)
        masks = scene.masks[row]
        if isinstance(masks, InputError):
            raise masks
        return Sample(id, scene.image, masks.visible, masks.amodal, scene.others(row))

    def files_of(self, ids: Sequence[str]) -> dict[str, Sequence[Path]]:
        """See `FromFiles`."""
        if type(self).files is IndexedDataset.files:
            return {}
        shared, positions = self._columns(self.files_by) if self.files_by else None, self._positions
        found: dict[str, Sequence[Path]] = {}
        looked: dict[str, tuple[Path, ...]] = {}
        for id in ids:
            if (place := positions.get(id)) is None:
                continue
            if shared is None:
                files = self.files(_Row(self._columns, place))
            elif (known := looked.get(shared[place])) is not None:
                files = known
            else:
                files = looked[shared[place]] = self.files(_Row(self._columns, place))
            if files:
                found[id] = files
        return found

    def shared_files(self, ids: Sequence[str]) -> tuple[list[Sequence[Path]], NDArray[np.int64]]:
        """See `FromSharedFiles`."""
        which = np.full(len(ids), -1, np.int64)
        if type(self).files is IndexedDataset.files:
            return [], which
        own = self.index.instances["id"].astype(str)
        rows = _places(pa.array(ids, pa.string()), pa.array(own, pa.string()))
        known = np.flatnonzero(rows >= 0)
        codes, _ = pd.factorize(self.index.instances[self.files_by]) if self.files_by else (np.arange(len(own)), None)
        _, first, which[known] = np.unique(codes[rows[known]], return_index=True, return_inverse=True)
        files: list[Sequence[Path]] = [self.files(_Row(self._columns, int(row))) for row in rows[known][first]]
        without = [place for place, each in enumerate(files) if not each]
        which[np.isin(which, without)] = -1
        return files, which

    def files(self, row: Any) -> tuple[Path, ...]:  # noqa: ARG002
        """The files that an instance is read from, its picture first, beside those of the fingerprint."""
        return ()

    def fingerprint(self) -> str:
        """Hex SHA-256 over the dataset's name, what identifies its variant, how files are read, and their bytes."""
        facts = f"{self.name}\n{self._identity}\nreading {READING}\n{self.index.digest}"
        return hashlib.sha256(facts.encode()).hexdigest()

    def check(self) -> Sequence[Problem]:
        """Decode every image and mask, and compare them with each other and with the annotated numbers."""
        problems = [Problem(str(p.file), str(p.record), str(p.what)) for p in self.index.problems.itertuples()]
        for name in self.index.instances:
            self._columns(str(name))  # once, and not in each process
        lots = self.lots()
        with Progress(f"checking {self.name}", len(self._scenes), "scene", show=True) as progress:
            for lot, found in zip(lots, self._checked_lots(lots), strict=True):
                problems += found
                progress.advance(len(lot))
        return problems

    def lots(self) -> list[list[str]]:
        """The scenes by their names, in lots of which one process checks each."""
        scenes = list(self._scenes)
        return [scenes[start : start + LOT] for start in range(0, len(scenes), LOT)]

    def _checked_lots(self, lots: Sequence[Sequence[str]]) -> Iterator[list[Problem]]:
        """The problems of each lot; of one that ends its process, scene by scene."""
        few = len(self.index.instances) < FEW_INSTANCES
        for lot, found in zip(lots, in_processes(self._checked, lots, 1 if few else None), strict=True):
            if not isinstance(found, Ended):
                yield found
            elif len(lot) == 1:
                row = _Row(self._columns, int(self._scenes[lot[0]][0]))
                what = f"reading its image or one of its masks ends the process ({found.how})"
                yield [Problem(self.source(row), f"image {row['image_id']}", what)]
            else:
                alone = [[scene] for scene in lot]
                yield [problem for problems in self._checked_lots(alone) for problem in problems]

    def _checked(self, lot: Sequence[str]) -> list[Problem]:
        return [problem for scene in lot for problem in self._checked_scene(scene)]

    def _checked_scene(self, scene: str) -> Iterator[Problem]:
        """Decode the image of a scene, and compare the masks of its instances."""
        rows = self._scenes[scene].tolist()
        try:
            size = self.read_size(_Row(self._columns, rows[0]))
        except InputError as error:
            if not self._has_fault(rows[0]):
                yield _problem(error)
            return
        for row in rows:
            record = _Row(self._columns, row)
            try:
                pair = self.read_pair(record, *size)
            except InputError as error:
                yield _problem(error)
                continue
            if not pair.amodal_pixels:
                yield _problem(self._empty(record))
                continue
            for what in self.disagreements(record, pair):
                yield Problem(self.source(record), self.record_name(record), what)

    def _has_fault(self, row: int) -> bool:
        """Whether the fault of a row's picture stands among the problems of the index already."""
        return FAULT in self.index.instances and bool(self._columns(FAULT)[row])

    def remarks(self) -> list[str]:
        """What is no fault but worth knowing, as `data info` and `data check` print it; no pixel is read."""
        if VISIBLE_KEY not in self.index.instances:
            return []
        return list(what_was_taken(self.index.instances, self.visible_keys))

    def doubts(self) -> list[str]:
        """What makes numbers on this dataset doubtful, which a run warns of; no pixel is read."""
        if VISIBLE_KEY not in self.index.instances:
            return []
        return list(doubts(self.index.instances, self.visible_everywhere))

    def source(self, row: Any) -> str:  # noqa: ARG002
        """The file that a problem of this instance is reported for."""
        return self.name

    def record_name(self, row: Any) -> str:
        """How a problem of this instance names its record."""
        return f"instance {row['id']}"

    def disagreements(self, row: Any, pair: Pair) -> Iterator[str]:
        """Where an instance's masks contradict each other or the index; an absent (NaN) number is no fault."""
        if not agrees(row["amodal_pixels"], pair.amodal_pixels, lambda: self.outline(row)):
            yield f"amodal_pixels says {row['amodal_pixels']:g} but the mask has {pair.amodal_pixels:g} pixels"
        outside = pair.visible_pixels - pair.common_pixels
        if outside and self.contained:
            yield f"{outside} visible pixels lie outside the amodal mask"
        if abs(row["occlusion_rate"] - pair.occlusion_rate) > RATE_TOLERANCE:
            yield f"{self.rate_field} says {row['occlusion_rate']:g} but the masks give {pair.occlusion_rate:g}"

    def outline(self, row: Any) -> Segmentation:  # noqa: ARG002
        """What A is decoded from, for `disagreements`; None where it is no polygon by the dataset's construction."""
        return None

    @cached_property
    def _scene(self) -> Callable[[str, object], ScenePixels]:
        """Scenes as they were read last; the second argument is what is known of their files, which may change."""
        return lru_cache(maxsize=SCENES_KEPT)(lambda scene, _: self._read_scene(scene))

    @cached_property
    def _columns(self) -> Callable[[str], Any]:
        """Columns of the index as arrays, those that are asked for: a row of a frame takes 0.2 ms to make."""
        return lru_cache(maxsize=None)(lambda name: self.index.instances[name].to_numpy())

    @cached_property
    def _positions(self) -> dict[str, int]:
        ids = map(str, self.index.instances["id"].to_list())
        return dict(zip(ids, range(len(self.index.instances)), strict=True))

    @cached_property
    def _scenes(self) -> dict[str, Any]:
        groups = self.index.instances.groupby(SCENE, sort=False).indices
        return {str(scene): np.asarray(rows) for scene, rows in groups.items()}

    def _empty(self, record: Any) -> InputError:
        return InputError(self.source(record), "the amodal mask is empty", MEND, self.record_name(record))

    def _read_scene(self, scene: str) -> ScenePixels:
        """Decode a scene. Raises `InputError` where its image cannot be used."""
        rows = self._scenes[scene].tolist()
        image = self.read_image(_Row(self._columns, rows[0]))
        image.flags.writeable = False
        masks: dict[int, Masks | InputError] = {}
        for row in rows:
            record = _Row(self._columns, row)
            try:
                found = self.read_masks(record, *image.shape[:2])
            except InputError as error:
                masks[row] = error
                continue
            if not found.amodal.any():
                masks[row] = self._empty(record)
                continue
            found.visible.flags.writeable = found.amodal.flags.writeable = False
            masks[row] = found
        return ScenePixels(image, masks)


def _places(ids: Any, own: Any) -> NDArray[np.int64]:
    """Where each of some ids stands among a dataset's own, -1 for none; mostly they stand as they do there."""
    if isinstance(own, pa.ChunkedArray):
        own = own.combine_chunks()
    if ids.equals(own[: len(ids)]):
        return np.arange(len(ids))
    found = pc.fill_null(pc.index_in(ids, value_set=own), -1).to_numpy(zero_copy_only=False)
    return np.asarray(found, np.int64)


def _problem(error: InputError) -> Problem:
    return Problem(error.file, error.record or "", error.problem)
