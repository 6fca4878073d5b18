"""Lists of instance ids: in files, and as the short label that tells one selection from another."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from amodal_bench.core.errors import InputError, NoSuchFile
from amodal_bench.core.files import MIB, read_bytes
from amodal_bench.core.foreign import foreign, wide
from amodal_bench.core.shown import shown

if TYPE_CHECKING:
    import pandas as pd

    from amodal_bench.core.types import Mask

COMMENT = "#"
MOST = 64 * MIB
"""Bytes of such a file."""

MAKE_ONE = "make a list with `amodal-bench data ids dataset=... > FILE`"


def read_ids(path: Path | str) -> list[str]:
    """The ids in a text file, one per line, each once, in the file's order; blank lines and comments are skipped.

    Raises:
        InputError: the file cannot be read, is no text, or lists nothing.
    """
    try:
        raw = read_bytes(path, MOST)
        if other := foreign(raw) or wide(raw):
            raise InputError(path, f"no list of ids: it is {other.what}", f"{other.remedy}, or {MAKE_ONE}")
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError as error:
        raise NoSuchFile(path, "no such file of ids", MAKE_ONE) from error
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", MAKE_ONE) from error
    except UnicodeDecodeError as error:
        raise InputError(path, f"not a text file (byte {error.start} is not UTF-8)", MAKE_ONE) from error
    lines = (line.strip() for line in text.split("\n"))
    found = list(dict.fromkeys(line for line in lines if line and not line.startswith(COMMENT)))
    if not found:
        raise InputError(path, "lists no id", MAKE_ONE)
    return found


def is_listable(id: str) -> bool:
    """Whether an id survives being written to such a file and read again."""
    return bool(id) and id == id.strip() and shown(id) == id and "\n" not in id and not id.startswith(COMMENT)


def label(ids: Iterable[str]) -> str:
    """How many ids, and twelve hex digits of the SHA-256 over them, sorted and joined by newlines: `512:3fa90c...`.

    Two results are about the same instances if and only if their labels are the same.
    """
    ordered = sorted(ids)
    return f"{len(ordered)}:{hashlib.sha256(chr(10).join(ordered).encode(errors='surrogatepass')).hexdigest()[:12]}"


def among(ids: pd.Series, wanted: Collection[str]) -> Mask:
    """Which ids of a column are among those wanted, (N,) bool; for many texts twenty times as fast as `isin`."""
    import numpy as np

    found = set(wanted)
    return np.fromiter((str(id) in found for id in ids.to_numpy(object)), bool, len(ids))
