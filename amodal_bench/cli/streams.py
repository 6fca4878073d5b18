"""Standard output and error that outlive their reader: a closed pipe or a full disk never ends a run."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from amodal_bench.core.shown import for_terminal

BARS = "TQDM_DISABLE"
"""Switches off the bars of libraries, which would fill a log with carriage returns."""


class _Lasting(io.FileIO):
    """A file descriptor that leads to nowhere once nobody takes what is written.

    Attributes:
        lost: why something could not be written, where that is a failure; a reader that has gone, `head` for one, has
            what it wanted.
    """

    lost: OSError | None = None

    def write(self, data: object, /) -> int:
        """Write, or let it vanish; returns the number of bytes that were taken."""
        try:
            return super().write(data)  # type: ignore[arg-type]
        except BrokenPipeError:
            pass
        except OSError as error:
            self.lost = error
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
        return memoryview(data).nbytes  # type: ignore[arg-type]


@contextmanager
def lasting_streams() -> Iterator[list[OSError]]:
    """Let all that is printed go to such streams; what was lost of standard output stands in the list at the end."""
    lost: list[OSError] = []
    before = sys.stdout, sys.stderr
    hide = BARS not in os.environ and (sys.stderr is None or not sys.stderr.isatty())
    if hide:
        os.environ[BARS] = "1"
    raw: list[_Lasting] = []
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # it was closed before the program began
            setattr(sys, name, io.StringIO())
        elif isinstance(stream, io.TextIOWrapper) and not isinstance(stream.buffer, io.BytesIO):
            stream.flush()
            raw.append(_Lasting(stream.fileno(), "wb", closefd=False))
            setattr(sys, name, _text_over(raw[-1], stream))
    try:
        yield lost
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        lost += [each.lost for each in raw[:1] if each.lost is not None]
        sys.stdout, sys.stderr = before
        if hide:
            os.environ.pop(BARS, None)


class _Shown(io.TextIOWrapper):
    """Text of which a terminal obeys nothing but the program's own colours and bars, whoever wrote it."""

    def write(self, text: str, /) -> int:
        super().write(for_terminal(text))
        return len(text)


def _text_over(raw: _Lasting, stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """Text as the stream takes it, over another descriptor."""
    return _Shown(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
