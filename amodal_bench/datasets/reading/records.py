"""Records of a large JSON file: read once for the index, and later one at a time, by their place in the file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from amodal_bench.core.digests import require_unchanged
from amodal_bench.core.errors import InputError, unreadable
from amodal_bench.core.extents import Extent, extents
from amodal_bench.core.files import open_regular, read_bytes
from amodal_bench.core.foreign import foreign, wide
from amodal_bench.core.progress import Progress
from amodal_bench.core.rle import Segmentation, is_object
from amodal_bench.datasets.reading.files import COPY_AGAIN, require_own, require_size_of_annotations

SHOW_PROGRESS = 10_000_000
"""Bytes from which on reading a file is worth a progress bar."""

TOLD = 1 << 20
"""Bytes after which a bar moves: each record would cost as much as a third of its parsing."""

AHEAD = 256
"""Records that are measured together: so many RLEs fit a processor's cache."""

_SPACE = re.compile(r"[ \t\r\n]*")
_NESTED = (dict, list)


@dataclass(slots=True)
class Record:
    """One element of an array of a JSON file.

    Attributes:
        array: the top-level key of its array; "" where the whole file is one array.
        value: the parsed element.
        start, length: where it lies in the file, in bytes.
        remarks: what is wrong with it though it can be read: keys that stand twice.
        extent: what its amodal mask covers, where `measured_ahead` could tell.
    """

    array: str
    value: Any
    start: int
    length: int
    remarks: tuple[str, ...] = ()
    extent: Extent | None = None


def read_records(path: Path, arrays: Sequence[str], kind: str, remedy: str) -> Iterator[Record]:
    """Every element of the file's top-level arrays, in the file's order.

    Args:
        path: the file; an object that holds arrays, or (with `arrays` empty) one array.
        arrays: keys whose value has to be an array.
        kind: what the file should be, for the error: "a COCO-A file".
        remedy: what to do where it is not.

    Raises:
        InputError: the file is missing, is not valid JSON (with line and column), or lacks one of the arrays.
    """
    scan = _Scan(path)
    with Progress(f"indexing {path.name}", len(scan.text), "B", show=len(scan.text) >= SHOW_PROGRESS) as progress:
        found: set[str] = set()
        for record in scan.records(arrays, found):
            yield record
            if (read := record.start + record.length - progress.done) > TOLD:
                progress.advance(read)
        progress.advance(len(scan.text) - progress.done)
    if missing := [name for name in arrays if name not in found]:
        needs = _lists(missing) + (f" (of {_lists(arrays)})" if len(missing) < len(arrays) else "")
        raise InputError(path, f"not {kind}: it needs {needs}", remedy)


def read_entries(
    records: Iterator[Record], wanted: Sequence[str], report: Callable[[str, str], None]
) -> Iterator[tuple[Record, str]]:
    """The objects among the records of some arrays, each with a name for messages, "entry 3 of images".

    Other values are reported; `report` takes a record and what is wrong with it.
    """
    numbers = {array: count(1) for array in wanted}
    for record in records:
        if record.array not in numbers:
            continue
        label = f"entry {next(numbers[record.array])} of {record.array}"
        for remark in record.remarks:
            report(label, remark)
        if is_object(record.value):
            yield record, label
        else:
            report(label, "it is not a JSON object")


def measured_ahead(
    records: Iterator[Record], array: str, amodal: Callable[[dict[str, Any]], Segmentation]
) -> Iterator[Record]:
    """The records, in order; those of an array with what their amodal masks cover, measured many at once.

    Args:
        records: of a file.
        array: whose records have masks.
        amodal: the amodal mask of a record as it has it; whatever it may be.
    """
    while some := list(islice(records, AHEAD)):
        measured = extents([amodal(each.value) if _has_mask(each, array) else None for each in some])
        for record, extent in zip(some, measured, strict=True):
            record.extent = extent
            yield record


def _has_mask(record: Record, array: str) -> bool:
    return record.array == array and is_object(record.value)


def read_record(path: Path, start: int, length: int) -> Any:
    """Parse one record again, from its place in the file.

    Raises:
        InputError: the file cannot be read, or has changed since it was indexed.
    """
    require_unchanged(path)
    try:
        with open_regular(path) as file:
            file.seek(start)
            return json.loads(file.read(length))
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:
        raise InputError(path, "changed while it was in use", "start the command again") from error


def _keys_touch_colons(raw: bytes) -> bool:
    """Whether no blank stands before any colon of a file, so that all its keys are followed by one at once."""
    signs = np.frombuffer(raw, np.uint8)
    for start in range(0, signs.size, TOLD):
        some = signs[start : start + TOLD + 1]
        if ((some[:-1] <= ord(" ")) & (some[1:] == ord(":"))).any():
            return False
    return True


def _keys(value: Any) -> int:
    """How many keys the objects of a value have; those in lists that begin with a number or a text are left out."""
    inside: Iterable[Any]
    found, waiting = 0, [value]
    while waiting:
        value = waiting.pop()
        if type(value) is dict:
            inside, found = value.values(), found + len(value)
        elif type(value) is list and value and type(value[0]) in _NESTED:
            inside = value
        else:
            continue
        waiting += [each for each in inside if type(each) in _NESTED]
    return found


def _lists(names: Sequence[str]) -> str:
    return f"the list{'s' * (len(names) > 1)} " + " and ".join(f'"{name}"' for name in names)


class _Scan:
    """A cursor over a file's text; one character is one byte, so that places are places in the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        require_size_of_annotations(path)
        try:
            raw = read_bytes(path)
        except OSError as error:
            raise unreadable(path, error) from error
        require_own(path, raw, foreign(raw) or wide(raw))
        self.ascii = raw.isascii()
        if not self.ascii:
            try:
                raw.decode()
            except UnicodeDecodeError as error:
                problem = f"not a text file (byte {error.start} is not UTF-8)"
                raise InputError(path, problem, COPY_AGAIN) from error
        self.text = raw.decode("latin-1")
        self.twice: list[str] = []
        self.decoder = json.JSONDecoder(object_pairs_hook=self.object)
        # Noting keys in Python takes as long as all the rest; mostly their number shows that none stands twice.
        self.countable = _keys_touch_colons(raw)
        self.fast = json.JSONDecoder().raw_decode

    def object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """An object as `json.loads` makes it; keys that it has more than once are noted."""
        found = dict(pairs)
        if len(found) < len(pairs):
            self.twice += [key for n, (key, _) in enumerate(pairs) if any(key == other for other, _ in pairs[:n])]
        return found

    def records(self, arrays: Sequence[str], found: set[str]) -> Iterator[Record]:
        """Elements of all arrays; the keys of the arrays that were met are added to `found`."""
        at = self.skip(3 if self.text.startswith("\xef\xbb\xbf") else 0)
        opening = self.text[at : at + 1]
        if opening == "[" and not arrays:
            at = yield from self.array("", at)
        elif opening == "{":
            at = yield from self.members(at, found)
        elif opening == "[":
            return
        else:
            _, at = self.value(at)
        if self.skip(at) != len(self.text):
            self.fail("text follows the end of the JSON value", self.skip(at))

    def members(self, at: int, found: set[str]) -> Generator[Record, None, int]:
        at = self.skip(at + 1)
        while self.text[at : at + 1] != "}":
            key, at = self.value(at)
            at = self.expect(":", self.skip(at))
            if self.text[at : at + 1] == "[":
                again = (f'the list "{key}" stands twice in the file; both are read',) if key in found else ()
                found.add(str(key))
                at = yield from self.array(str(key), at, again)
            else:
                _, at = self.value(at)
            at = self.next(at, "}")
        return at + 1

    def array(self, name: str, at: int, remarks: tuple[str, ...] = ()) -> Generator[Record, None, int]:
        at = self.skip(at + 1)
        while self.text[at : at + 1] != "]":
            self.twice.clear()
            value, end = self.value(at)
            if self.twice:
                for key in dict.fromkeys(self.twice):
                    remarks += (f"its key {json.dumps(key)[:100]} stands twice; the last value is taken",)
            yield Record(name, value, at, end - at, remarks)
            remarks = ()
            at = self.next(end, "]")
        return at + 1

    def next(self, at: int, closing: str) -> int:
        """The start of the next item, or of `closing`."""
        if self.text.startswith(", {", at):  # as most files are written
            return at + 2
        at = self.skip(at)
        if self.text[at : at + 1] == closing:
            return at
        at = self.expect(",", at)
        if self.text[at : at + 1] == closing:
            self.fail("a comma without a value after it", at)
        return at

    def value(self, at: int) -> tuple[Any, int]:
        try:
            value, end = self.fast(self.text, at) if self.countable else (None, at)
            if not self.countable or self.text.count('":', at, end) != _keys(value):
                value, end = self.decoder.raw_decode(self.text, at)
        except json.JSONDecodeError as error:
            self.fail(error.msg, error.pos)
        except RecursionError:
            self.fail("nested too deeply", at)
        except ValueError:  # Python parses no whole number of more than 4300 digits
            self.fail("a number has too many digits", at)
        if not self.ascii and not self.text[at:end].isascii():
            value = json.loads(self.text[at:end].encode("latin-1"))
        return value, end

    def expect(self, sign: str, at: int) -> int:
        if self.text[at : at + 1] != sign:
            self.fail(f"expecting {sign!r}", at)
        return self.skip(at + 1)

    def skip(self, at: int) -> int:
        match = _SPACE.match(self.text, at)
        return match.end() if match else at

    def fail(self, what: str, at: int) -> NoReturn:
        line, column = self.text.count("\n", 0, at) + 1, at - self.text.rfind("\n", 0, at)
        raise InputError(
            self.path, f"not valid JSON, or cut short (line {line}, column {column}: {what})", COPY_AGAIN
        )
