"""The loggers of a command, none of which can end a run but by losing results."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from amodal_bench.core.errors import one_line
from amodal_bench.report.outcome import Essential, Hints, Leaves, Logger, Outcome, RunInfo

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class Listeners:
    """Tells loggers of a run; one that fails is told no more, with one warning, and the run goes on.

    Use it as a context manager: where the run ends in an error, the loggers close what they have opened.

    Args:
        loggers: by name; what those that are `Essential` raise passes through.
    """

    def __init__(self, loggers: Mapping[str, Logger]) -> None:
        self._loggers = dict(loggers)
        self.hints: list[str] = []

    def __bool__(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self._loggers)

    def __enter__(self) -> Listeners:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            for logger in self._loggers.values():
                _leave(logger)

    def begin(self, run: RunInfo) -> None:
        """Tell all of a run before its first prediction."""
        self._each(lambda logger: logger.begin(run))

    def step(self, done: int, total: int, miou: float) -> None:
        """Tell all how many of `total` predictions are done, and their mean IoU in [0, 1] so far."""
        self._each(lambda logger: logger.step(done, total, miou))

    def finish(self, outcome: Outcome) -> list[Path]:
        """Tell all of the outcome; returns the files that were written, and keeps what loggers hint at."""
        written = [path for paths in self._each(lambda logger: logger.finish(outcome)) for path in paths]
        self.hints = [each.hint for each in self._loggers.values() if isinstance(each, Hints) and each.hint]
        return written

    def _each(self, tell: Callable[[Logger], Answer]) -> list[Answer]:
        answers = []
        for name, logger in list(self._loggers.items()):
            try:
                answers.append(tell(logger))
            except Exception as error:
                if isinstance(logger, Essential) and logger.essential:
                    raise
                del self._loggers[name]
                log.warning("logger.%s: %s; the run goes on without it", name, one_line(error).rstrip("."))
                _leave(logger)
        return answers


def _leave(logger: Logger) -> None:
    if isinstance(logger, Leaves):
        with suppress(Exception):
            logger.leave()
