"""What the window or the log that output goes to can show: its width, whether a line can be redrawn, and signs."""

from __future__ import annotations

import os
import sys
from typing import Any

WIDE = 10_000
"""Columns of a pipe, in which no line is folded."""

_PLAIN = {
    **dict.fromkeys((0x2500, 0x2501, 0x2013, 0x2014, 0x2212), "-"),  # box lines, dashes, minus
    **dict.fromkeys((0x2018, 0x2019), "'"),
    **dict.fromkeys((0x201C, 0x201D), '"'),
    0xA0: " ", 0xB1: "+/-", 0xB7: ".", 0xD7: "x", 0x2026: "...", 0x2192: "->", 0x2264: "<=", 0x2265: ">=",
}  # fmt: skip
"""Signs of the program's own, and what stands for them where there is ASCII alone."""


def width(pipe: int = WIDE) -> int:
    """How many columns a line of standard output may have.

    Args:
        pipe: what is returned where standard output is no terminal and `COLUMNS` says nothing.
    """
    return _said() or (_columns(sys.stdout) if sys.stdout.isatty() else pipe)


def bar_width(stream: Any) -> int:
    """How many columns a bar on a stream may have."""
    return _said() or _columns(stream)


def _said() -> int:
    said = os.environ.get("COLUMNS", "")
    return int(said) if said.isdecimal() else 0


def _columns(stream: Any) -> int:
    """The columns of a terminal; 80 where it does not say, as one that was opened by a program often does not."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80


def is_dumb() -> bool:
    """Whether the terminal says that it obeys nothing but a line feed, as `TERM=dumb` does."""
    return os.environ.get("TERM", "").lower() in ("dumb", "unknown")


def can_redraw(stream: Any) -> bool:
    """Whether a line on a stream can be drawn over, as a bar is: on a terminal that obeys, and in a notebook."""
    if type(stream).__module__.startswith("ipykernel."):
        return True
    return stream is not None and bool(stream.isatty()) and not is_dumb()


def ascii_only(stream: Any = None) -> bool:
    """Whether output must be ASCII: where the locale is C or POSIX by name, or the encoding is not Unicode's.

    Args:
        stream: of the output; standard output where it is None.
    """
    stream = sys.stdout if stream is None else stream
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return _c_locale() or not encoding.lower().replace("-", "").startswith("utf")


def plain(text: str) -> str:
    """The text without signs of the program's own that are not ASCII; other people's letters stay."""
    return text if text.isascii() else text.translate(_PLAIN)


def _c_locale() -> bool:
    """Python turns `LANG=C` into UTF-8 and sets `LC_CTYPE=C.UTF-8` itself: the others have what the user said."""
    if said := os.environ.get("LC_ALL"):
        return said in ("C", "POSIX")
    kind = os.environ.get("LC_CTYPE", "")
    return kind in ("C", "POSIX") or (kind in ("", "C.UTF-8") and os.environ.get("LANG") in ("C", "POSIX"))
