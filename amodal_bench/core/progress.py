"""How far long work is: a bar where a line can be drawn over, and a line now and then in a log.

All long work of the program tells it through here, so that no log has a carriage return. In a log the first line
comes after `APART` seconds; from then on there is one whenever `SHARE` more is done or another stage has begun, but
never two within `APART` seconds; and where nothing moves, one every `QUIET` seconds. Short work prints nothing.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, TypeVar

from amodal_bench.core.amounts import amount, clock, per_second
from amodal_bench.core.shown import one_line
from amodal_bench.core.window import ascii_only, bar_width, can_redraw

APART, SHARE, QUIET = 30.0, 0.05, 300.0
"""Seconds between two lines of a log, the share that is worth one, and seconds after which one comes anyway."""

BLINK, WAIT = 1.0, 0.5
"""Seconds between two looks at the clock, and before a bar that vanishes is drawn at all."""

NROWS = 1000
"""Bars below each other."""

Item = TypeVar("Item")
_open: list[Progress] = []
_asked = [False]
"""Whether work shows itself that nobody has asked it to: under a verb, and not in somebody's program."""


@contextmanager
def asked() -> Iterator[None]:
    """Let the work in the body show how far it is, as a verb does; as a library the package prints nothing."""
    before, _asked[0] = _asked[0], True
    try:
        yield
    finally:
        _asked[0] = before


class Progress:
    """Follows one piece of work; use it as a context manager.

    Args:
        title: what is done, such as `toy hull` or `checking kins`.
        total: how much there is to do; None where nobody knows.
        unit: of what is counted, such as `scene`; `B` counts bytes.
        done: of it before the work begins.
        keep: whether the bar stays on the terminal when the work is done.
        show: whether anything is shown at all.
    """

    def __init__(
        self,
        title: str,
        total: int | None = None,
        unit: str = "",
        done: int = 0,
        keep: bool = False,
        show: bool = True,
    ) -> None:
        self.title, self.total, self.unit, self.done = one_line(title), total, unit, done
        self._said, self._stage, self._seen, self._keep = "", "", "", keep
        self._began = self._since = self._last = time.monotonic()
        self._first: int | None = None
        self._logged = 0
        self._told = done
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._bar: Any = self._drawn() if show and can_redraw(sys.stderr) else None
        if show and sys.stderr is not None:
            threading.Thread(target=self._watch, name="progress", daemon=True).start()

    def __enter__(self) -> Progress:
        _open.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(finished=error is None)

    def advance(self, count: int = 1) -> None:
        """Note that so much more is done."""
        if self._first is None and count:  # what comes before the first is loading and compiling, no rate
            self._first, self._since = self.done + count, time.monotonic()
        self.done += count
        if self._bar is not None:
            self._bar.update(count)

    def say(self, text: str) -> None:
        """Show a running number behind the rate."""
        self._said = one_line(text)
        if self._bar is not None:
            self._bar.set_postfix_str(self._said, refresh=False)

    def stage(self, name: str) -> str:
        """Name what is done now, such as `loading weights`; returns what was done until now."""
        before, self._stage = self._stage, one_line(name)
        if self._bar is not None and before != self._stage:
            late = time.monotonic() > self._began + WAIT
            self._bar.set_description_str(self._named(), refresh=late or self._keep)
        return before

    def close(self, finished: bool = True) -> None:
        """End it; a log that has had a line gets a last one."""
        if self._stop.is_set():
            return
        self._stop.set()
        with suppress(ValueError):
            _open.remove(self)
        with self._lock:
            if self._bar is not None:
                self._bar.close()
            elif self._logged and finished:
                self._stage = "done"
                self._log(time.monotonic())

    def line(self) -> str:
        """The state in a line, such as `checking kins: 120 of 531 scenes (23 %), 3 scenes/s, 2:17 left`."""
        now = time.monotonic()
        parts = [self._stage] if self._stage else []
        if self.done or self.total is not None:
            parts.append(self._count())
        rate = self._rate(now)
        if self._stage == "done":
            parts.append(f"in {clock(now - self._began)}")
        elif rate:
            parts.append(per_second(rate, self.unit))
            if self.total is not None:
                parts.append(f"{clock((self.total - self.done) / rate)} left")
        else:
            parts.append(f"{clock(now - self._began)} so far")
        return f"{self.title}: {', '.join([*parts, *([self._said] if self._said else [])])}"

    def _count(self) -> str:
        whole = "" if self.total is None else f" of {amount(self.total, self.unit)}"
        done = amount(self.done, self.unit if self.unit == "B" or not whole else "")
        return f"{done}{whole}" + (f" ({100 * self.done / self.total:.0f} %)" if self.total else "")

    def _rate(self, now: float) -> float:
        """Per second, from the first that was done on; 0 where nobody knows yet."""
        if self._first is None or self.done <= self._first or now <= self._since:
            return 0.0
        return (self.done - self._first) / (now - self._since)

    def _named(self) -> str:
        return f"{self.title}, {self._stage}" if self._stage else self.title

    def _drawn(self) -> Any:
        from tqdm import tqdm

        bar: Any = tqdm(
            total=self.total,
            initial=self.done,
            desc=self.title,
            unit=self.unit or "it",
            unit_scale=self.unit == "B",
            leave=self._keep,
            delay=0 if self._keep else WAIT,
            ncols=bar_width(sys.stderr),
            nrows=NROWS,
            ascii=ascii_only(sys.stderr),
            disable=False,
            # What cannot be counted has a name and a clock.
            bar_format=None if self.total is not None or self.unit else "{desc} [{elapsed}]",
        )
        # Of a window that changes its size; tqdm's own way draws nothing where a terminal says no size.
        bar.dynamic_ncols = lambda stream: (bar_width(stream), NROWS)
        return bar

    def _watch(self) -> None:
        """Let the clock go on while nothing is reported, and write a log's lines when they are due."""
        while not self._stop.wait(BLINK):
            with self._lock:
                now = time.monotonic()
                if self._stop.is_set():
                    return
                if self._bar is not None:
                    self._bar.refresh()
                elif self._due(now):
                    self._log(now)

    def _due(self, now: float) -> bool:
        """Whether a log gets a line."""
        since = now - self._last
        if since < APART:
            return False
        more = bool(self.total) and self.done - self._told >= SHARE * (self.total or 0)
        return not self._logged or more or self._stage != self._seen or since >= QUIET

    def _log(self, now: float) -> None:
        self._last, self._told, self._seen = now, self.done, self._stage
        self._logged += 1
        with suppress(OSError, ValueError):  # a log that is full or closed ends no work
            sys.stderr.write(f"{self.line()}\n")
            sys.stderr.flush()


def follow(
    items: Iterable[Item], title: str, unit: str = "", total: int | None = None, show: bool | None = None
) -> Iterator[Item]:
    """Yield the items, and show how many have been dealt with.

    Args:
        items: what is dealt with, one after the other.
        title: what is done, such as `checking kins`.
        unit: what an item is, such as `scene`.
        total: how many there are; None where only their length tells.
        show: whether anything is shown; where it is None, if a verb has `asked`.
    """
    show = _asked[0] if show is None else show
    if total is None and isinstance(items, Sized):
        total = len(items)
    with Progress(title, total, unit, show=show) as progress:
        for item in items:
            yield item
            progress.advance()


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Name what is done in the body: as the stage of the work that is followed, else as a verb's own work.

    Args:
        name: such as `loading weights of sd15`.
    """
    if not _open:
        with Progress(name, show=_asked[0]):
            yield
        return
    progress = _open[-1]
    before = progress.stage(name)
    try:
        yield
    finally:
        progress.stage(before)
