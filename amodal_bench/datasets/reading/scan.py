"""A cursor over a large JSON file: its arrays one after the other, and their elements with their places."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from amodal_bench.core.errors import InputError, unreadable
from amodal_bench.core.extents import Extent
from amodal_bench.core.files import read_bytes
from amodal_bench.core.foreign import foreign, wide
from amodal_bench.datasets.reading.files import COPY_AGAIN, require_own, require_size_of_annotations

_SPACE = re.compile(r"[ \t\r\n]*")
_NESTED = (dict, list)
_LOOKED_AT = 1 << 20


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


class Scan:
    """A cursor over a file's text; one character is one byte, so that places are places in the file.

    Attributes:
        text: the file's bytes as characters.
        reach: told now and then how far the file has been read; does nothing unless it is set.
    """

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
        self.reach: Callable[[int], None] = lambda _: None
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
        """What `records` gives of an object that opens at a place; returns the place behind it."""
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
        """All elements of an array that opens at a place; returns the place behind it."""
        at = yield from self.elements(name, self.skip(at + 1), None, remarks)
        return at + 1

    def elements(
        self, name: str, at: int, stop: int | None, remarks: tuple[str, ...] = ()
    ) -> Generator[Record, None, int]:
        """The elements of an array from the one at a place on; returns where the next one is, or the array's end.

        Args:
            name: of the array.
            at: where an element begins, or the array ends.
            stop: the first place whose element is not wanted; None for all of them.
            remarks: on the first one.
        """
        while self.text[at : at + 1] != "]" and (stop is None or at < stop):
            self.twice.clear()
            value, end = self.value(at)
            if self.twice:
                for key in dict.fromkeys(self.twice):
                    remarks += (f"its key {json.dumps(key)[:100]} stands twice; the last value is taken",)
            yield Record(name, value, at, end - at, remarks)
            remarks = ()
            at = self.next(end, "]")
        return at

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
        """The value that begins at a place, and the place behind it."""
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
        """Where the next character behind a sign is, which has to stand at a place."""
        if self.text[at : at + 1] != sign:
            self.fail(f"expecting {sign!r}", at)
        return self.skip(at + 1)

    def skip(self, at: int) -> int:
        """Where the next character is that is no blank."""
        match = _SPACE.match(self.text, at)
        return match.end() if match else at

    def fail(self, what: str, at: int) -> NoReturn:
        """Raise `InputError` that says line and column of a place."""
        line, column = self.text.count("\n", 0, at) + 1, at - self.text.rfind("\n", 0, at)
        raise InputError(
            self.path, f"not valid JSON, or cut short (line {line}, column {column}: {what})", COPY_AGAIN
        )


def _keys_touch_colons(raw: bytes) -> bool:
    """Whether no blank stands before any colon of a file, so that all its keys are followed by one at once."""
    signs = np.frombuffer(raw, np.uint8)
    for start in range(0, signs.size, _LOOKED_AT):
        some = signs[start : start + _LOOKED_AT + 1]
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
