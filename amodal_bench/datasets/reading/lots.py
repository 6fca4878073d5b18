"""A long array of a JSON file, looked at in lots of many elements: in a process for each core where it is large.

Where elements begin is guessed from how the first two follow each other. A guess is believed only where the lot
before it ends there, since what stands between two elements of an array depends on nothing before them; all else is
read anew in this process, and so is what cannot be read, so that an error names the same place as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from amodal_bench.core.processes import in_processes
from amodal_bench.datasets.reading.scan import Record, Scan

LARGE = 16 << 20
"""Bytes of a file from which on processes are worth it."""

LOT = 4 << 20
"""Bytes of a lot, at the least."""

LONGEST_MARK = 100
"""Characters from an element's end to the colon behind the first key of the next."""

Kept = TypeVar("Kept")


@dataclass(frozen=True)
class Aside(Generic[Kept]):
    """An array that is put aside in lots.

    Attributes:
        array: its key.
        keep: what is kept of some elements in a row; made in another process, where what it changes is lost, and
            sent from there. It has to take all of them.
        take: called with what was kept, in the file's order.
    """

    array: str
    keep: Callable[[Iterator[Record]], Kept]
    take: Callable[[Kept], None]


@dataclass(frozen=True)
class _Lot(Generic[Kept]):
    """What was kept of some elements, and where the next one begins, or the array ends."""

    kept: Kept
    end: int


class ScanInLots(Scan, Generic[Kept]):
    """A `Scan` that gives no elements of one array, which it puts aside."""

    def __init__(self, path: Path, aside: Aside[Kept]) -> None:
        """Read the file, as `Scan` does."""
        super().__init__(path)
        self._aside = aside

    def array(self, name: str, at: int, remarks: tuple[str, ...] = ()) -> Generator[Record, None, int]:
        if name != self._aside.array:
            return (yield from super().array(name, at, remarks))
        begin = at = self.skip(at + 1)
        spans = self._spans(at)

        def lot(at: int, stop: int | None) -> _Lot[Kept]:
            return self._lot(at, stop, remarks if at == begin else ())

        def tried(span: tuple[int, int | None]) -> _Lot[Kept] | None:
            try:
                return lot(*span)
            except Exception:  # it may begin in the middle of anything; where it does not, it is read again
                return None

        with closing(in_processes(tried, spans, None if len(spans) > 1 else 1)) as lots:
            for (start, stop), found in zip(spans, lots, strict=True):
                read = found if start == at and isinstance(found, _Lot) else lot(at, stop)
                self._aside.take(read.kept)
                at = read.end
                self.reach(at)
                if self.text[at : at + 1] == "]":
                    break
        return at + 1

    def _lot(self, at: int, stop: int | None, remarks: tuple[str, ...]) -> _Lot[Kept]:
        end = at

        def records() -> Iterator[Record]:
            nonlocal end
            end = yield from self.elements(self._aside.array, at, stop, remarks)

        kept = self._aside.keep(records())
        return _Lot(kept, end)

    def _spans(self, at: int) -> list[tuple[int, int | None]]:
        """Where lots may begin and end in an array whose first element is at a place."""
        starts, mark, before = [at], *self._mark(at)
        while mark and (found := self.text.find(mark, starts[-1] + LOT)) >= 0:
            starts.append(found + before)
        return list(zip(starts, [*starts[1:], None], strict=True))

    def _mark(self, at: int) -> tuple[str, int]:
        """What stands around the begin of the second element, and how much of it before; "" where it is of no use."""
        if len(self.text) < LARGE or self.text[at : at + 1] != "{":
            return "", 0
        _, end = self.value(at)
        second = self.next(end, "]")
        colon = self.text.find(":", second, second + LONGEST_MARK)
        if self.text[second : second + 1] != "{" or colon < 0:
            return "", 0
        return self.text[end - 1 : colon + 1], second - end + 1
