"""Archives: unpacked member by member, and not at all where one would land outside of the folder."""

from __future__ import annotations

import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tqdm import tqdm

from amodal_bench.core.errors import InputError, unreadable
from amodal_bench.datasets.reading.files import COPY_AGAIN


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


def unpack(archive: Path, folder: Path) -> Unpacked:
    """Unpack a zip or a tar, compressed or not.

    Files of the same name are replaced, modes and times are not taken over. No link is ever made: one to a file of
    the same archive becomes a copy of it, any other is left out.

    Raises:
        InputError: it is no such archive, is damaged, or has a member that would be written outside of the folder;
            in the last case nothing is written.
    """
    left_out: list[str] = []
    try:
        with _opened(archive) as opened:
            members = list(_members(archive, opened))
            for member in tqdm(members, desc=f"unpacking {archive.name}", unit="file", leave=False, disable=None):
                stream = _stream(opened, member)
                if stream is None:
                    left_out.append(member.name)
                else:
                    _write(stream, folder / member.path)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, RuntimeError) as error:
        raise _damaged(archive, error) from error
    except OSError as error:
        if error.errno is None:  # the decompressors' own
            raise _damaged(archive, error) from error
        raise unreadable(error.filename or archive, error) from error
    return Unpacked(len(members) - len(left_out), left_out)


def _damaged(archive: Path, error: Exception) -> InputError:
    reason = str(error).partition("\n")[0].rstrip(":")  # below it, tarfile tells of every compression it knows
    return InputError(archive, f"no archive, or a damaged one: cannot be unpacked ({reason})", COPY_AGAIN)


@contextmanager
def _opened(archive: Path) -> Iterator[Any]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            yield opened
    else:
        with tarfile.open(archive) as opened_tar:
            yield opened_tar


def _members(archive: Path, opened: Any) -> Iterator[Member]:
    """The members of an archive that are no folders. Raises `InputError` for one that leads out of the folder."""
    in_zip = isinstance(opened, zipfile.ZipFile)
    entries: list[Any] = opened.infolist() if in_zip else opened.getmembers()
    for entry in entries:
        name = str(entry.filename if in_zip else entry.name)
        path = PurePosixPath(name.replace("\\", "/"))  # Windows' separator in some zips
        if path.is_absolute() or ".." in path.parts or ":" in (path.parts or ("",))[0]:
            problem = f"its member {name!r} would be written outside of the folder"
            raise InputError(archive, problem, "do not use this file; nothing of it was unpacked")
        if not (entry.is_dir() if in_zip else entry.isdir()):
            yield Member(name, path, entry)


def _stream(opened: Any, member: Member) -> IO[bytes] | None:
    """A member's bytes; None for a device and for a link that leads to no file of the archive."""
    if isinstance(opened, zipfile.ZipFile):
        return opened.open(member.handle)
    try:
        found: IO[bytes] | None = opened.extractfile(member.handle)
    except (KeyError, tarfile.StreamError, RecursionError):  # its target is not there, or is the link itself
        return None
    return found


def _write(stream: IO[bytes], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with stream, path.open("wb") as file:
        shutil.copyfileobj(stream, file, 1 << 20)
