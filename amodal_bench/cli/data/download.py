"""One file over HTTP: it goes on where it was cut off, and bears its name only once it is whole and checked."""

from __future__ import annotations

import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from amodal_bench.core.digests import sha256
from amodal_bench.core.errors import InputError
from amodal_bench.core.progress import Progress
from amodal_bench.core.version import __version__
from amodal_bench.datasets import card

CHUNK = 1 << 20
TIMEOUT = 60.0
TRIES = 4
"""Attempts in a row that may bring less than `CHUNK`."""
SLOWEST = (300.0, 1 << 16)
"""Seconds in which so many bytes have to come: a server that sends one a minute is cut off."""
PAUSE = 1.0
"""Seconds before the second attempt; doubled before each further one."""

LOOK = "look at the dataset's homepage"
AGAIN = "give the same command again to continue"
_RANGE = re.compile(r"bytes (?:([0-9]{1,18})-[0-9]{1,18}|\*)/([0-9]{1,18}|\*)")


class _Cut(Exception):
    """The connection failed; what has come so far is kept."""


def download(url: str, path: Path, size: int | None, digest: str | None, most: int) -> str:
    """Fetch a file, through `path` + ".part".

    Args:
        url: https; so are addresses that it leads to.
        path: where it goes; its folder is made.
        size: bytes that it must have, where that is known.
        digest: hex SHA-256 that it must have, where that is known.
        most: bytes that it may have where `size` is not known.

    Returns:
        Its hex SHA-256.

    Raises:
        InputError: it cannot be had or written, or is another file than it should be.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, part, size, most)
        found = _verified(url, part, size, digest)
        part.replace(path)
        _tag(part).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            part,
            f"cannot be written ({error.strerror or error})",
            f"make the folder writable or free space in it, then {AGAIN}",
        ) from error
    return found


def _fetch(url: str, part: Path, size: int | None, most: int) -> None:
    """Attempt after attempt, until all has come or several in a row have brought nothing."""
    fruitless = 0
    while True:
        before = _length(part)
        try:
            _attempt(url, part, size, most)
            return
        except _Cut as error:
            fruitless = 0 if _length(part) >= before + CHUNK else fruitless + 1
            if fruitless >= TRIES:
                raise InputError(url, f"cut off after {_length(part)} bytes ({error})", AGAIN) from error
        time.sleep(PAUSE * 2**fruitless)


def _attempt(url: str, part: Path, size: int | None, most: int) -> None:
    """One request for what is missing. Raises `_Cut` where something still is."""
    have = _length(part)
    if size is not None and have > size:
        part.unlink()
        have = 0
    if have and have == size:
        return
    response = _asked(url, part, have)
    if response is None:
        return
    with response:
        total, have = _whole(response, have)
        if size is not None and total is not None and total != size:
            raise InputError(url, f"has {total} bytes but the card says {size}", LOOK)
        if size is None and (total or 0) > most:
            raise InputError(url, f"has {total} bytes but the card says {most} at most", LOOK)
        tag = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        _tag(part).write_text(tag if tag.isascii() and tag.isprintable() else "")
        if not _write(response, part, have, total, most if size is None else size):
            part.unlink()
            _tag(part).unlink(missing_ok=True)
            raise InputError(url, f"sends more than the {size or most} bytes that it may have", LOOK)
    if (expected := total if size is None else size) is not None and _length(part) < expected:
        raise _Cut("the connection was closed")


def _asked(url: str, part: Path, have: int) -> Any:
    """The response to a request for what follows the first `have` bytes; None where nothing does."""
    try:
        return _opener().open(_request(url, part, have), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is left, or the file has become shorter
            if have == _total(error.headers.get("Content-Range")):
                return None
            part.unlink(missing_ok=True)
            raise _Cut("the file at the source has changed") from error
        if error.code < 500 and error.code != 429:
            problem = f"cannot be downloaded (HTTP {error.code} {error.reason})"
            raise InputError(url, problem, LOOK) from error
        raise _Cut(f"HTTP {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Cut(str(getattr(error, "reason", "")) or str(error) or type(error).__name__) from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows no address that a card may not have."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not newurl.startswith(card.SCHEMES):
            scheme = newurl.partition(":")[0][:20]
            raise InputError(req.full_url, f"leads to an address that begins with {scheme}, not with https", LOOK)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_Redirects)


def _request(url: str, part: Path, have: int) -> urllib.request.Request:
    headers = {"User-Agent": f"amodal-bench/{__version__}"}
    if have:
        headers["Range"] = f"bytes={have}-"
        # The rest of a file that has changed in the meantime would not fit.
        if (tag := _read(_tag(part))) and not tag.startswith("W/"):
            headers["If-Range"] = tag
    return urllib.request.Request(url, headers=headers)


def _whole(response: Any, have: int) -> tuple[int | None, int]:
    """The whole file's size, where it is told, and where in the file the response begins."""
    length = response.headers.get("Content-Length")
    if response.status != 206:  # the server ignores ranges, or the file has changed: from the start
        return (int(length) if re.fullmatch(r"[0-9]{1,18}", length or "") else None), 0
    match = _RANGE.match(response.headers.get("Content-Range") or "")
    if match is None or match[1] is None or match[1] != str(have):
        raise _Cut("the server sent a different part than it was asked for")
    return _total(match[0]), have


def _write(response: Any, part: Path, have: int, total: int | None, most: int) -> bool:
    """Write what comes; False where that would make the file longer than `most`."""
    title = part.name.removesuffix(".part")
    with (
        part.open("ab" if have else "wb") as file,
        Progress(title, total, "B", have, keep=True) as progress,
    ):
        for chunk in _chunks(response):
            have += len(chunk)
            if have > most:
                return False
            file.write(chunk)
            progress.advance(len(chunk))
    return True


def _chunks(response: Any) -> Iterator[bytes]:
    """What comes; errors of the connection, not those of the disk, become `_Cut`, and so does a crawl."""
    since, came = time.monotonic(), 0
    while True:
        if (now := time.monotonic()) - since > SLOWEST[0]:
            if came < SLOWEST[1]:
                raise _Cut(f"only {came} bytes came in {now - since:.0f} seconds")
            since, came = now, 0
        try:
            chunk: bytes = response.read1(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _Cut(f"{type(error).__name__}: {error}") from error
        if not chunk:
            return
        came += len(chunk)
        yield chunk


def _verified(url: str, part: Path, size: int | None, digest: str | None) -> str:
    """The file's SHA-256; one that is not as it should be is set aside."""
    found, length = sha256(part), _length(part)
    wrong = f"{length} bytes instead of {size}" if size is not None and length != size else ""
    wrong = wrong or (f"sha256 {found} instead of {digest}" if digest is not None and found != digest else "")
    if wrong:
        aside = part.with_name(f"{part.name.removesuffix('.part')}.wrong")
        part.replace(aside)
        _tag(part).unlink(missing_ok=True)
        remedy = "try again; if the message stays, the file at the source has changed since the card was written"
        raise InputError(aside, f"from {url}: {wrong}", remedy)
    return found


def _total(content_range: str | None) -> int | None:
    match = _RANGE.match(content_range or "")
    return int(match[2]) if match and match[2] != "*" else None


def _tag(part: Path) -> Path:
    """Beside the part: which version of the file at the source it belongs to."""
    return part.with_name(f"{part.name}.tag")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
