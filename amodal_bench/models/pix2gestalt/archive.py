"""The directory of a checkpoint: a ZIP whose members lie in it as they are, one after the other.

Readers of ZIP differ: one finds the directory by its place, another by its size, a third believes the headers before
the members. A file that they would read differently is refused.
"""

from __future__ import annotations

import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from amodal_bench.core.files import open_regular

MOST_MEMBERS = 100_000

_END, _LOCATOR, _END_64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sLQL"), struct.Struct("<4sQ2H2L4Q")
_LOCAL = struct.Struct("<4s5H3L2H")


@dataclass(frozen=True)
class Member:
    """Where the bytes of a member lie in the file."""

    start: int
    size: int


def members(path: Path) -> dict[str, Member]:
    """The members of an archive as `torch.save` writes it, by their names in its one folder.

    Raises:
        OSError: the file cannot be read.
        zipfile.BadZipFile: it is no whole archive.
        ValueError: it is another one than `torch.save` makes: with what readers would read differently, compressed
            or overlapping members, or several folders.
    """
    with open_regular(path) as file, zipfile.ZipFile(file) as archive:
        start, count = _directory(file)
        found = sorted(archive.infolist(), key=lambda info: info.header_offset)
        if len(found) != count:
            raise ValueError(f"its directory says {count} members and has {len(found)}")
        if count > MOST_MEMBERS:
            raise ValueError(f"it has {count} members")
        ends = [*(info.header_offset for info in found[1:]), start]
        listed = {info.filename: _member(file, info, end) for info, end in zip(found, ends, strict=True)}
    if len(listed) != count:
        raise ValueError("it has two members of one name")
    if len({name.partition("/")[0] for name in listed}) != 1:
        raise ValueError("its members lie in several folders")
    return {name.partition("/")[2]: member for name, member in listed.items()}


def _directory(file: BinaryIO) -> tuple[int, int]:
    """Where the directory begins and how many members it says to have; nothing lies between it and the file's end."""
    end = file.seek(0, 2) - _END.size
    mark, _, _, _, count, size, start, comment = _read(file, _END, end)
    if mark != b"PK\5\6" or comment:
        raise ValueError("something follows its directory")
    at = end - _LOCATOR.size
    if at >= 0 and (locator := _read(file, _LOCATOR, at))[0] == b"PK\6\7":
        end = at - _END_64.size
        mark, *_, count, size, start = _read(file, _END_64, end)
        if mark != b"PK\6\6" or locator[2] != end:
            raise ValueError("it has two directories")
    if start + size != end:
        raise ValueError("it has two directories")
    return start, count


def _member(file: BinaryIO, info: zipfile.ZipInfo, end: int) -> Member:
    """A member, by the header before it. Raises `ValueError` where that says something else than the directory."""
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 or info.compress_size != info.file_size:
        raise ValueError(f"its member {info.filename[:100]!r} is compressed or encrypted")
    mark, _, _, method, *_, length, extra = _read(file, _LOCAL, info.header_offset)
    if mark != b"PK\3\4" or method != zipfile.ZIP_STORED or file.read(length) != info.orig_filename.encode():
        raise ValueError(f"its member {info.filename[:100]!r} has two names or two ways of compression")
    start = info.header_offset + _LOCAL.size + length + extra
    if start + info.file_size > end:
        raise ValueError(f"its member {info.filename[:100]!r} overlaps another one")
    return Member(start, info.file_size)


def _read(file: BinaryIO, form: struct.Struct, at: int) -> tuple[Any, ...]:
    if at < 0:
        raise zipfile.BadZipFile("it is too short")
    file.seek(at)
    found = file.read(form.size)
    if len(found) < form.size:
        raise zipfile.BadZipFile("it is cut short")
    return form.unpack(found)
