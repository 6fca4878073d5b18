"""Texts that are folded to a window, and how wide they are in it."""

from __future__ import annotations

from collections.abc import Iterator


def cells_wide(text: str) -> int:
    """How many columns of a window a text takes: letters of Chinese take two, marks on a letter none."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def folded(text: str, room: int, indent: str = "", whole: bool = False) -> Iterator[str]:
    """A text in lines of at most `room` columns, broken at blanks where it can be.

    Args:
        text: one line.
        room: columns.
        indent: of all lines but the first.
        whole: keep a word that is wider than a line, such as a path that is copied, in one piece.
    """
    line = empty = " " * (len(text) - len(text.lstrip(" ")))
    for word in text.lstrip(" ").split(" "):
        joined = f"{line} {word}" if line != empty else f"{line}{word}"
        if cells_wide(joined) <= room or line == empty:
            line = joined
        else:
            yield line.rstrip()
            line, empty = f"{indent}{word}", indent
        while not whole and cells_wide(line) > room > cells_wide(empty):
            cut = _cut(line, room, len(empty) + 1)
            yield line[:cut]
            line, empty = f"{indent}{line[cut:]}", indent
    if line:
        yield line


def _cut(line: str, room: int, least: int) -> int:
    """How many letters of a line have room."""
    return next((cut for cut in range(len(line) - 1, least, -1) if cells_wide(line[:cut]) <= room), least)
