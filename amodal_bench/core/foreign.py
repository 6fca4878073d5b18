"""What often lies in the place of a file: a pointer of Git LFS, a web page, a packed file, another encoding."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

LOOKED_AT = 512
"""Bytes of a file's beginning that tell."""


class Foreign(NamedTuple):
    """What a file is instead, for "it is ...", and what to do."""

    what: str
    remedy: str


_PULL = "get the file itself with `git lfs pull`, in a clone with git-lfs"
_PACKED = {
    b"\x1f\x8b": Foreign("compressed by gzip", "end its name with .gz and unpack it with `gunzip`"),
    b"BZh": Foreign("compressed by bzip2", "unpack it with `bunzip2`"),
    b"\xfd7zXZ\x00": Foreign("compressed by xz", "unpack it with `unxz`"),
    b"\x28\xb5\x2f\xfd": Foreign("compressed by zstd", "unpack it with `unzstd`"),
    b"PK\x03\x04": Foreign("a zip archive", "unpack it with `unzip`"),
    b"7z\xbc\xaf\x27\x1c": Foreign("a 7z archive", "unpack it with `7z x`"),
    b"Rar!\x1a\x07": Foreign("a rar archive", "unpack it with `unrar x`"),
}
_TAR = slice(257, 262), b"ustar"
_POINTER = b"version https://git-lfs.github.com/spec/"
_ANNEX = re.compile(rb"\.{0,2}/?[^\n]{0,400}annex/objects/")
_PAGE = re.compile(rb"<(?:!doctype\s+html|html|head|body|script|!--)", re.IGNORECASE)
_MARKUP = re.compile(rb"<(?:\?xml|!doctype|[a-z]+[\s>])", re.IGNORECASE)
_WIDE = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def foreign(head: bytes) -> Foreign | None:
    """What a file that should hold JSON, a picture or a video is instead, by its first bytes; None where none says.

    Text of another encoding is told by `wide`.
    """
    head = head[:LOOKED_AT]
    for magic, found in _PACKED.items():
        if head.startswith(magic):
            return found
    if head[_TAR[0]] == _TAR[1]:
        return Foreign("a tar archive", "unpack it with `tar -xf`")
    if found_text := foreign_text(head):
        return found_text
    if _MARKUP.match(head.removeprefix(codecs.BOM_UTF8).lstrip()):
        return Foreign("XML", "download the file again")
    return None


def foreign_text(head: bytes) -> Foreign | None:
    """What a file of any kind but text is instead, by its first bytes: a pointer or a web page; None for neither."""
    text = head[:LOOKED_AT].removeprefix(codecs.BOM_UTF8).lstrip()
    if text.startswith(_POINTER):
        return Foreign("a pointer of Git LFS, not the file itself", _PULL)
    if _ANNEX.match(text):
        return Foreign("a pointer of git-annex, not the file itself", "get the file itself with `git annex get`")
    if _PAGE.match(text):
        return Foreign("a web page (HTML), perhaps one that asks to log in", "download the file again in a browser")
    return None


def wide(head: bytes) -> Foreign | None:
    """What to say of text in UTF-16 or UTF-32, by its first bytes; None for any other file."""
    name = next((name for mark, name in _WIDE.items() if head.startswith(mark)), None)
    if name is None and len(head) > 3 and 0 in (head[0], head[1]):
        name = "UTF-32" if head[:4].count(0) == 3 else "UTF-16" if head[:4].count(0) == 2 else None
    if name is None:
        return None
    return Foreign(f"text in {name}", f"save it in UTF-8, with `iconv -f {name} -t UTF-8` for one")
