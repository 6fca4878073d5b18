"""What a user's class prints while it is checked: kept out of the report, which says it in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO


class Printed:
    """Lines that were printed within `kept`."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep what is printed to the standard output."""
        buffer = StringIO()
        try:
            with redirect_stdout(buffer):
                yield
        finally:
            self.lines += [line for line in buffer.getvalue().splitlines() if line.strip()]

    def summary(self) -> str:
        """How much was printed, and its first line; empty where nothing was."""
        if not self.lines:
            return ""
        count = len(self.lines)
        return (
            f"it prints {count} line{'s' * (count > 1)} while it is checked, the first one: {self.lines[0].strip()}"
        )
