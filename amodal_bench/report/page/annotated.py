"""What a page has of the dataset: V, A and the picture of each instance, made once and by several threads."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from amodal_bench.core.cores import cores
from amodal_bench.core.digests import stat_of
from amodal_bench.core.errors import InputError, one_line
from amodal_bench.core.files import is_regular
from amodal_bench.core.rle import encode
from amodal_bench.datasets.base import Dataset, FromFiles, Sample
from amodal_bench.report.page.masks import ANNOTATED, is_made, pieces, write_piece
from amodal_bench.report.page.pictures import name_of, places, write_picture
from amodal_bench.report.page.rows import Rows

Told = Callable[[str, int, int], None]
"""Is told what is being made, how much of it is done, and of how much."""

PICTURES = "pictures"

WAITING = 4
"""Samples that are held for each thread: pictures are large."""


@dataclass
class Made:
    """What a call has done: names of the pictures by frame, and how many instances were made, reused, unreadable."""

    names: dict[tuple[str, int, int], str] = field(default_factory=dict)
    made: int = 0
    reused: int = 0
    unreadable: int = 0


def write_annotated(folder: Path, dataset: Dataset, rows: Rows, told: Told) -> Made:
    """Write V, A and pictures of all instances; what an earlier call has made of the same files is kept.

    The dataset is read by one thread, since its class may allow no more; pictures are shrunk and written by others.
    A sample that cannot be read costs itself alone: the page shows why. Raises `OSError` where it cannot be written.
    """
    fingerprint = dataset.fingerprint()
    frames = rows.frames
    found = Made({frame: name_of(fingerprint, *frame) for frame in dict.fromkeys(frames)})
    (folder / "pictures" / "small").mkdir(parents=True, exist_ok=True)
    stats = _stats(dataset, rows.ids)
    work = _Work(folder, dataset, found)
    with ThreadPoolExecutor(cores()) as pool:
        for number, piece in pieces(len(rows.ids)):
            ids, own = rows.ids[piece], frames[piece]
            key = _key(fingerprint, ids, own, stats)
            same = is_made(folder, ANNOTATED, number, key)
            if same and all(_is_there(folder, found.names[frame]) for frame in dict.fromkeys(own)):
                found.reused += len(ids)
            else:
                masks = []
                for each in work.piece(pool, ids, own, same):
                    masks.append(each)
                    told(PICTURES, piece.start + len(masks), len(rows.ids))
                write_piece(folder, ANNOTATED, number, key, masks)
                found.made += len(ids)
            told(PICTURES, piece.stop, len(rows.ids))
    found.names = {frame: name if _is_there(folder, name) else "" for frame, name in found.names.items()}
    return found


@dataclass
class _Work:
    """Reads samples, and has their pictures made while it reads the next ones."""

    folder: Path
    dataset: Dataset
    found: Made
    begun: set[str] = field(default_factory=set)

    def piece(
        self, pool: ThreadPoolExecutor, ids: Sequence[str], frames: Sequence[tuple[str, int, int]], same: bool
    ) -> Iterator[list[str | None]]:
        """V and A of each instance in their order; of one that cannot be read None twice, and why."""
        waiting: deque[Future[list[str | None]]] = deque()
        limit = WAITING * cores()
        for id, frame in zip(ids, frames, strict=True):
            sample = self._read(id, frame)
            if isinstance(sample, str):
                waiting.append(pool.submit(list, (None, None, f"V and A cannot be read: {sample}")))
            else:
                waiting.append(pool.submit(self._made, sample, self._picture(frame, same)))
            if len(waiting) > limit:
                yield self._noted(waiting.popleft().result())
        for each in waiting:
            yield self._noted(each.result())

    def _noted(self, masks: list[str | None]) -> list[str | None]:
        self.found.unreadable += len(masks) > 2
        return masks

    def _read(self, id: str, frame: tuple[str, int, int]) -> Sample | str:
        """A sample, or why there is none."""
        try:
            sample = self.dataset.sample(id)
        except Exception as error:  # a dataset may be anybody's class
            return one_line(error)
        if not all(frame[1:]):
            return "the run could not read it"
        if sample.amodal.shape != frame[1:]:
            return f"is {_size(sample.amodal.shape)}, and was {_size(frame[1:])} in the run (height x width)"
        return sample

    def _picture(self, frame: tuple[str, int, int], same: bool) -> str:
        """The name of the picture that has to be written; "" where it is there, or somebody writes it already."""
        name = self.found.names[frame]
        if name in self.begun or (same and _is_there(self.folder, name)):
            return ""
        self.begun.add(name)
        return name

    def _made(self, sample: Sample, name: str) -> list[str | None]:
        try:
            masks: list[str | None] = [encode(mask)["counts"] for mask in (sample.visible, sample.amodal)]
        except Exception as error:  # an array of anybody's class
            return [None, None, f"V and A cannot be read: {one_line(error)}"]
        try:
            if name:
                write_picture(self.folder, name, sample.image)
        except OSError:  # the page's own disk
            raise
        except Exception as error:
            masks.append(f"its picture cannot be shown: {one_line(error)}")
        return masks


def _size(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _is_there(folder: Path, name: str) -> bool:
    return all(is_regular(file) for file in places(folder, name))


def _stats(dataset: Dataset, ids: Sequence[str]) -> Mapping[str, str]:
    """What the file system says of the files of each instance, where the dataset tells which these are."""
    if not isinstance(dataset, FromFiles):
        return {}
    known: dict[Path, str] = {}
    try:
        files = dataset.files_of(ids)
    except InputError:  # each sample says why
        return {}
    for path in {path for each in files.values() for path in each}:
        known[path] = str(stat_of(path))
    return {id: " ".join(known[path] for path in each) for id, each in files.items()}


def _key(
    fingerprint: str, ids: Sequence[str], frames: Sequence[tuple[str, int, int]], stats: Mapping[str, str]
) -> str:
    """Hex digits over all that the masks and pictures of some instances are made of."""
    told = repr((fingerprint, [(id, frame, stats.get(id, "")) for id, frame in zip(ids, frames, strict=True)]))
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:24]
