"""What a dataset is: an index of records without pixels, and samples on demand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from amodal_bench.core.errors import ConfigError, answer_of
from amodal_bench.core.kinds import kind_of
from amodal_bench.core.types import Image, Mask

_Array = TypeVar("_Array", Image, Mask)

RECORD_COLUMNS: dict[str, str] = {
    "id": "str",
    "image_id": "str",
    "video_id": "str",
    "category": "str",
    "amodal_pixels": "float64",
    "occlusion_rate": "float64",
    "stuff": "bool",
    "crowd": "bool",
    "truncated": "bool",
    "hidden": "bool",
}
"""Columns of `Dataset.records()`.

id: unique in the dataset, stable between runs; image_id, video_id: what the instance is part of ("" where there is no
video); category: its name. amodal_pixels: pixels of A; occlusion_rate: |A \\ V| / |A| in [0, 1], 0 meaning
unoccluded; both as annotated, else as measured, NaN where neither can be. stuff: a region of stuff rather than a
thing. crowd: one annotation for many objects. truncated: A reaches the border of the image. hidden: V has no pixel,
whatever rate is stated, so that it cannot be prompted. `datasets.reading.measures` defines the measured ones for
every loader.
"""


NEEDED = ("id", "image_id", "category", "occlusion_rate")
"""Columns without which nothing is selected or scored; what others say is unknown where they are missing."""

TRACK_COLUMNS: dict[str, str] = {"object_id": "str", "frame": "int64"}
"""Further columns of `Dataset.records()` that datasets of videos have.

object_id: which object of its video the instance is, the same in all frames; frame: the frame's place in its video.
"""

RENAMED = {"area": "amodal_pixels"}
"""Columns by the names that they had before: `area` is the inpainting area, a mask, and nothing else."""


def records_of(dataset: Dataset) -> pd.DataFrame:
    """The index of a dataset, whose class may be anybody's, with the columns of `NEEDED` and none of a former name.

    Raises:
        ConfigError: `records` raises anything but a `BenchError`, or returns no such table.
    """
    found, call = answer_of("dataset", dataset, "records"), f"dataset: {type(dataset).__name__}.records()"
    if not isinstance(found, pd.DataFrame):
        raise ConfigError(f"{call} returns {kind_of(found)}, not a DataFrame")
    faults = [f"lacks the column {name!r}" for name in NEEDED if name not in found]
    faults += [f"has a column {old!r}, which is called {new!r} now" for old, new in outdated_columns(found).items()]
    if faults:
        raise ConfigError(f"{call} {', '.join(faults)}; `amodal-bench data check` says what else is wrong")
    return found


def outdated_columns(records: pd.DataFrame) -> dict[str, str]:
    """The columns that have a former name in an index, with their names of today."""
    return {old: new for old, new in RENAMED.items() if old in records and new not in records}


@dataclass(frozen=True)
class Query:
    """What a model may see of a sample: image (H, W, 3) uint8 and visible mask (H, W) bool."""

    id: str
    image: Image
    visible: Mask


@dataclass(frozen=True)
class Sample:
    """One annotated instance.

    Attributes:
        id: unique in its dataset and stable between runs.
        image: (H, W, 3) uint8 RGB.
        visible: V, the visible (modal) mask, (H, W) bool.
        amodal: A, the whole mask, (H, W) bool.
        others: pixels covered by the visible mask of any other annotated instance, (H, W) bool.
    """

    id: str
    image: Image
    visible: Mask
    amodal: Mask
    others: Mask

    @property
    def query(self) -> Query:
        """The part of the sample that a model may see; its arrays cannot be written to."""
        return Query(self.id, read_only(self.image), read_only(self.visible))


def read_only(array: _Array) -> _Array:
    """Show an array's pixels as an array that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True)
class Problem:
    """Something wrong in a dataset's files, as `Dataset.check` finds it."""

    file: str
    record: str
    what: str


class Dataset(Protocol):
    """The interface of every dataset; a user's own class needs these members and nothing else.

    Construction reads the index only. It raises `InputError` where the index cannot be used at all;
    a bad record never stops it, but raises from `sample`.
    """

    @property
    def name(self) -> str:
        """The dataset's name, which is printed beside its results."""
        ...

    def records(self) -> pd.DataFrame:
        """The index, one row per instance, with `RECORD_COLUMNS`; no pixels are decoded."""
        ...

    def sample(self, id: str) -> Sample:
        """Read one instance. Raises `InputError` if its image or its record cannot be used."""
        ...

    def fingerprint(self) -> str:
        """Hex SHA-256 over everything that decides what `sample` returns (annotation files or generator)."""
        ...

    def check(self) -> Sequence[Problem]:
        """Verify everything that can be verified; an empty sequence means that all is well."""
        ...


@runtime_checkable
class Decoded(Protocol):
    """A dataset that says what turns its files into pixels; its samples may change with the versions of these."""

    @property
    def libraries(self) -> tuple[str, ...]:
        """Names as on PyPI; `opencv` stands for any of OpenCV's packages."""
        ...


@runtime_checkable
class FromFiles(Protocol):
    """A dataset whose samples are made of files that its fingerprint does not cover, such as pictures.

    A run notes their content, and makes a prediction again whose files have changed since.
    """

    def files_of(self, ids: Sequence[str]) -> Mapping[str, Sequence[Path]]:
        """The files that each instance's sample is read from, beside those of the fingerprint; no pixel is read.

        An instance that is left out, or has no file, is taken to be as it was.
        """
        ...


@runtime_checkable
class FromSharedFiles(FromFiles, Protocol):
    """A dataset that says which files several instances share; for half a million of them that saves seconds."""

    def shared_files(self, ids: Sequence[str]) -> tuple[list[Sequence[Path]], NDArray[np.int64]]:
        """What `files_of` says, each files once, and for each instance which of them, (N,); -1 for none."""
        ...


@runtime_checkable
class ReadAhead(Protocol):
    """A dataset that says whether its samples may be read in another thread than the one that made it.

    Attributes:
        read_ahead: whether they may; one at a time, while a model predicts. A run then reads the next batch
            meanwhile. A dataset that says nothing is read in the main thread, in turn with the model.
    """

    read_ahead: bool


def is_read_ahead(dataset: Dataset) -> bool:
    """Whether a dataset's samples may be read while a model predicts."""
    return isinstance(dataset, ReadAhead) and dataset.read_ahead is True
