"""Archives: unpacked member by member, and not at all where one would land outside of the folder or all are too much.

What an archive may become is bounded by what it states, by what comes out of it, and by how much memory a header may
take: a few bytes can stand for any number of them.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO

from amodal_bench.core.disk import refusal
from amodal_bench.core.errors import InputError, unreadable
from amodal_bench.core.files import MIB, open_regular
from amodal_bench.core.progress import follow
from amodal_bench.datasets.reading.files import COPY_AGAIN

AGAIN = "then give the command again"
DO_NOT_USE = "do not use this file; nothing of it was unpacked"

MOST_MEMBERS = 2_000_000
MOST_AT_ONCE = 16 * MIB
"""Bytes that a tar may ask for at once: names and remarks of a member are read into memory."""

_DECOMPRESSORS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}


@dataclass(frozen=True)
class Unpacked:
    """What became of an archive: the number of files written, and the names of links and devices left out."""

    files: int
    left_out: list[str]


@dataclass(frozen=True)
class Member:
    """What is not a folder in an archive: its name, its path, and the archive's own handle of it."""

    name: str
    path: PurePosixPath
    handle: Any


def unpack(archive: Path, folder: Path, most: int) -> Unpacked:
    """Unpack a zip or a tar, compressed or not.

    Files of the same name are replaced, modes and times are not taken over. No link is ever made: one to a file of
    the same archive becomes a copy of it, any other is left out.

    Args:
        archive: the file.
        folder: where its members go.
        most: bytes that they may have together.

    Raises:
        InputError: it is no such archive, is damaged, or has a member that would be written outside of the folder or
            over the archive, or a sparse one, or more bytes or members than it may have, or none. Where its
            directory says so, nothing is written. Or the disk refuses.
    """
    left_out: list[str] = []
    try:
        with _opened(archive) as opened:
            members = list(_members(archive, folder, opened, most))
            room = most
            for member in follow(members, f"unpacking {archive.name}", "file"):
                stream = _stream(opened, member)
                if stream is None:
                    left_out.append(member.name)
                elif (room := _write(stream, folder / member.path, room)) < 0:
                    raise _too_much(archive, most, "do not use this file, and delete what was unpacked of it")
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        RuntimeError,
        ValueError,
    ) as error:
        raise _damaged(archive, error) from error
    except OSError as error:
        if error.errno is None:  # the decompressors' own
            raise _damaged(archive, error) from error
        raise unreadable(error.filename or archive, error) from error
    if not members:
        raise InputError(archive, "no archive, or an empty one: there is no file in it", COPY_AGAIN)
    return Unpacked(len(members) - len(left_out), left_out)


def _damaged(archive: Path, error: Exception) -> InputError:
    reason = str(error).partition("\n")[0].rstrip(":")  # below it, tarfile tells of every compression it knows
    return InputError(archive, f"no archive, or a damaged one: cannot be unpacked ({reason})", COPY_AGAIN)


def _too_much(archive: Path, most: int, remedy: str = DO_NOT_USE) -> InputError:
    return InputError(archive, f"its members have more than the {most:,} bytes that they may have together", remedy)


class _Metered:
    """A stream that is asked for a little at a time."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.tell, self.seek, self.close = stream.tell, stream.seek, stream.close

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MOST_AT_ONCE:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return self._stream.read(size)


@contextmanager
def _opened(archive: Path) -> Iterator[Any]:
    with open_regular(archive) as file:
        if zipfile.is_zipfile(file):
            file.seek(0)
            with zipfile.ZipFile(file) as opened:
                yield opened
            return
        file.seek(0)
        start = file.read(6)
        file.seek(0)
        decompress = next((found for mark, found in _DECOMPRESSORS.items() if start.startswith(mark)), None)
        stream: Any = _Metered(file if decompress is None else decompress(file))
        with tarfile.open(fileobj=stream, mode="r:") as opened_tar:
            yield opened_tar


def _members(archive: Path, folder: Path, opened: Any, most: int) -> Iterator[Member]:
    """The members of an archive that are no folders.

    Raises:
        InputError: one leads out of the folder, is the archive itself, or is sparse; or they are too much.
    """
    in_zip = isinstance(opened, zipfile.ZipFile)
    room = most
    # A tar is read on as long as its members are not too much: its headers lie between them.
    for number, entry in enumerate(opened.infolist() if in_zip else opened):
        name = str(entry.filename if in_zip else entry.name)
        room -= int(entry.file_size if in_zip else entry.size)
        if room < 0:
            raise _too_much(archive, most)
        if number >= MOST_MEMBERS:
            raise InputError(archive, f"has more than {MOST_MEMBERS:,} members", DO_NOT_USE)
        path = PurePosixPath(name.replace("\\", "/"))  # Windows' separator in some zips
        if path.is_absolute() or ".." in path.parts or ":" in (path.parts or ("",))[0] or "\0" in name:
            problem = f"its member {name[:200]!r} would be written outside of the folder"
            raise InputError(archive, problem, DO_NOT_USE)
        if not in_zip and entry.issparse():
            raise InputError(archive, f"its member {name[:200]!r} is sparse: a file with holes", DO_NOT_USE)
        if not (name.endswith("/") if in_zip else entry.isdir()):
            if not path.parts:
                raise InputError(archive, "has a member without a name", DO_NOT_USE)
            if _is_same(folder / path, archive):
                raise InputError(archive, f"its member {name[:200]!r} would be written over itself", DO_NOT_USE)
            yield Member(name, path, entry)


def _is_same(target: Path, archive: Path) -> bool:
    """Whether a target is the archive, or what is kept beside it; in some file systems A and a are one."""
    place, own = (os.path.abspath(path).casefold() for path in (target, archive))  # noqa: PTH100
    return place in (own, f"{own}.unpacked", f"{own}.part", f"{own}.part.tag")


def _stream(opened: Any, member: Member) -> IO[bytes] | None:
    """A member's bytes; None for a device and for a link that leads to no file of the archive."""
    if isinstance(opened, zipfile.ZipFile):
        return opened.open(member.handle)
    try:
        found: IO[bytes] | None = opened.extractfile(member.handle)
    except (KeyError, tarfile.StreamError, RecursionError):  # its target is not there, or is the link itself
        return None
    return found


def _write(stream: IO[bytes], path: Path, room: int) -> int:
    """Write a member as far as there is room, and return how much is left; less than 0 where it was too little."""
    with stream, _writing(path) as file:
        while chunk := stream.read(MIB):
            room -= len(chunk)
            if room < 0:
                return room
            file.write(chunk)
    return room


@contextmanager
def _writing(path: Path) -> Iterator[BinaryIO]:
    """A member's file, to be written. Raises `InputError` where the disk refuses."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            yield file
    except OSError as error:
        if error.errno is None:  # the decompressors' own
            raise
        if (told := refusal(path, error, AGAIN)) is not None:
            raise told from error
        there = error.filename if isinstance(error.filename, str) else path
        problem = f"cannot be written ({(error.strerror or str(error)).lower()})"
        raise InputError(there, problem, f"remove or rename what lies there, {AGAIN}") from error
