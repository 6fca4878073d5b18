"""Values as classic scripts: all that a page opened from the disk may load, in ASCII that no parser of HTML obeys."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

from amodal_bench.core.files import is_regular, read_bytes, write_whole

KINDS = {"f32": "<f4", "u16": "<u2", "u32": "<u4"}
"""Names of the arrays that the page unpacks, and their numbers: little-endian on every machine."""


def literal(value: Any) -> str:
    """A value of JSON as JavaScript: `<`, `>` and `&` are written as codes, and so is all that is not ASCII.

    So there is no `</script>`, no `<!--` and no U+2028 in it, whatever an id or an error says. Raises ValueError for
    NaN, which JSON does not have.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def packed(values: Any, kind: str) -> list[str]:
    """Numbers, (N,), as `[kind, base64]`: a hundred thousand are unpacked in a millisecond; kinds are in `KINDS`."""
    return [kind, base64.b64encode(np.asarray(values).astype(KINDS[kind]).tobytes()).decode("ascii")]


def write_text(file: Path, text: str) -> None:
    """Write a file as a whole, and leave one with the same bytes as it is. Raises `OSError` where it cannot be."""
    content = text.encode("utf-8")
    if is_regular(file) and file.stat().st_size == len(content) and read_bytes(file) == content:
        return
    write_whole(file, lambda partial: partial.write_bytes(content))
