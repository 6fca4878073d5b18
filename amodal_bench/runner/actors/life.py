"""The life of Ray in this process: its start, or the joining of a cluster, and its end."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, wait
from typing import Any

from amodal_bench.core import aside
from amodal_bench.core.stops import set_again

SILENCE = 120.0
"""Seconds that Ray may take to start or to be joined, and to end."""

PATIENCE = 10.0
"""Seconds that it may take to be joined after nobody wants it any more: nothing has been started here."""

_PLACE = re.compile(r"\[?([^/\[\]]+)\]?:(\d{1,5})")
"""An address of a cluster that is a host and a port."""


class Life:
    """Ray from its start to its end, both in one thread, since what it starts is killed with the thread that did so.

    In a thread beside this one, for an interruption amid the start would leave half a cluster behind.

    Args:
        ray: the module.
        options: of `ray.init`.
    """

    def __init__(self, ray: Any, options: Mapping[str, Any]) -> None:
        self._ray, self._options = ray, options
        self._at_work, self._unwanted, self._silent = threading.Event(), threading.Event(), False
        self._begun, self._ended = Future[None](), Future[None]()

    def _live(self) -> None:
        self._at_work.set()
        try:
            _require_answer(self._options["address"])
            self._ray.init(**self._options)
            self._begun.set_result(None)
            self._unwanted.wait()
            self._ray.shutdown()
        except BaseException as error:
            (self._ended if self._begun.done() else self._begun).set_exception(error)
        if not self._ended.done():
            self._ended.set_result(None)

    def begin(self) -> None:
        """Wait until Ray is there.

        Raises:
            OSError: nobody answers at the address.
            Exception: what Ray raises.
        """
        aside.begin(self._live, "Ray")
        if not _done(self._begun, SILENCE):
            self._silent = True
            raise TimeoutError(f"it has not answered for {SILENCE:.0f} s")
        self._begun.result()

    def end(self) -> None:
        """End what Ray has begun here, also where `begin` was interrupted, or has not come so far."""
        self._unwanted.set()
        foreign = self._options["address"] != "local" and not self._begun.done()
        if self._at_work.wait(1) and not self._silent and _done(self._ended, PATIENCE if foreign else SILENCE):
            self._ended.result()


def _done(work: Future[None], seconds: float) -> bool:
    """Whether some work is done, after waiting for it so long at most.

    Ray's native code takes SIGTERM somewhere in its start, to tell of it in lines of its own, and somewhere in its
    end lets it end the process: so what handles signals is set time after time.
    """
    until = time.monotonic() + seconds
    while wait([work], timeout=0.01).not_done and time.monotonic() < until:
        set_again()
    set_again()
    return work.done()


def _require_answer(address: str) -> None:
    """Raise `OSError` where nobody listens at an address: Ray would try for minutes, and print how it does."""
    if (place := _PLACE.fullmatch(address)) is not None:
        socket.create_connection((place[1], int(place[2])), timeout=10).close()
