"""Text from files and models on its way to people: what a terminal, a spreadsheet or a page would obey is shown.

Ids, categories, names, errors and paths are whatever somebody wrote. All printers and writers of tables pass them
through here; what reads a table again finds the same text as long as nobody attacks.
"""

from __future__ import annotations

import re

_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls but for tab and line feed, what turns the direction of writing, and halves of surrogate pairs."""

_COLOUR = re.compile("\x1b\\[[0-9;]*m")
"""What the program's own tables send to a terminal."""

_MOVES = re.compile("(?:\r|\n|\x1b\\[A)*")
"""What its bars send before a text and after it: the line's beginning, a line down, a line up."""

_MARKS = re.compile(r"[\\|`$]|\*(?!\Z)|(?<![^\W_])_|_(?![^\W_])|(?<=.)~|\](?=\()")
"""What Markdown obeys within a line; `_` between letters, `~` before all and `*` behind all are as they look."""

_ENTITY = re.compile(r"&(?=#?\w+;)")
_BLOCK = re.compile(r"\A(?:(?=[#>+=-])|\d{1,9}(?=[.)](?:\s|\Z)))")

_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[-+]?[0-9.,eE%±\[\] +-]*|[-+]?(?:inf|nan)", re.IGNORECASE)


def shown(text: object) -> str:
    r"""A text in which every sign that a terminal obeys is written as its code, such as `\x1b`; lines stay."""
    return _OBEYED.sub(_code, str(text))


def one_line(text: object) -> str:
    """`shown` on one line."""
    return shown(" ".join(str(text).split()))


def for_terminal(text: str) -> str:
    """`shown` but for what the program's own bars and tables send: for all that goes to standard output and error."""
    if not _OBEYED.search(text):
        return text
    before = _MOVES.match(text)
    first = before.end() if before else 0
    last = len(text) - 1 if text.endswith("\r") and len(text) > first else len(text)
    inside, own = text[first:last], list(_COLOUR.finditer(text[first:last]))
    starts, ends = [0, *(found.end() for found in own)], [*(found.start() for found in own), len(inside)]
    parts = [shown(inside[start:end]) for start, end in zip(starts, ends, strict=True)]
    colours = [*(found[0] for found in own), ""]
    return text[:first] + "".join(part + sent for part, sent in zip(parts, colours, strict=True)) + text[last:]


def spreadsheet(text: str) -> str:
    """`shown` for a cell of a CSV: one that a spreadsheet would take for a formula begins with an apostrophe."""
    clean = shown(text)
    return f"'{clean}" if _FORMULA.match(clean) and not _NUMBER.fullmatch(clean) else clean


def markdown(text: object) -> str:
    """`one_line` for a cell of a table in Markdown, where none of its signs is a command."""
    clean = _ENTITY.sub("&amp;", one_line(text)).replace("<", "&lt;")
    return _MARKS.sub(r"\\\g<0>", clean)


def markdown_line(text: object) -> str:
    """`markdown` for a line that stands by itself, which begins no heading, list, rule or quotation."""
    clean = markdown(text)
    return f"\\{clean}" if clean.startswith("*") else _BLOCK.sub(r"\g<0>\\", clean)


def _code(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
