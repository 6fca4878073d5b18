"""Errors that a user can act on: one line each, never a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from amodal_bench.core import shown

LONGEST = 2000
"""Characters of an error's line: an array as a message would fill tables and terminal."""


class BenchError(Exception):
    """Something the user can mend; its text is the one line that is shown, whatever a file has put into it."""

    def __str__(self) -> str:
        return shown.one_line(super().__str__())


class UsageError(BenchError):
    """A command line or a call names something that does not exist or cannot be."""


class ConfigError(UsageError):
    """A setting is unknown or has a value that cannot be used."""


class NothingToDo(BenchError):
    """A command has no instance to work on, and that is no fault: a job of many whose part is empty."""


class TooLong(BenchError):
    """A sample took longer than `engine.time_limit` allows."""


class PredictionError(BenchError):
    """A model has no answer for one query: that instance is an error row, and the run goes on."""


class NotFinite(PredictionError):
    """A stage of a model computed NaN or infinity."""


class InputError(BenchError):
    """A file or a record of a dataset cannot be used.

    The text names the file, the record in it, what is wrong and what to do.
    """

    def __init__(self, file: Path | str, problem: str, remedy: str, record: str | None = None) -> None:
        self.file, self.record, self.problem = str(file), record, problem
        self.remedy = remedy
        where = self.file if record is None else f"{self.file}: {record}"
        super().__init__(f"{where}: {problem}; {remedy}")

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, str, str | None]]:
        # The default would call __init__ with the message alone: errors travel between processes.
        return type(self), (self.file, self.problem, self.remedy, self.record)


class NoSuchFile(InputError, UsageError):
    """A command line or a call names a file to read that does not exist."""


def one_line(error: BaseException) -> str:
    """The text of an error on one line; before it the class of one that is not meant for users."""
    return shortened(unbroken(error) if isinstance(error, BenchError) else with_class(error))


def shortened(text: str) -> str:
    """A text of an error as it is, or the beginning of one that is too long to be read."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ... ({len(text)} characters)"


def unbroken(text: object) -> str:
    """A text, or that of an error, on one line; one that has no text, or half a character, is no second error."""
    return shown.one_line(_text_of(text))


def _text_of(value: object) -> str:
    """The text of a value of anybody's class, whose own code may fail in any way."""
    try:
        return str(value)
    except Exception:
        return "(its text cannot be shown)"


def with_class(error: BaseException) -> str:
    """The class and the text of an error on one line, for people who look for a fault in code."""
    text = unbroken(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def answer_of(where: str, component: object, method: str) -> Any:
    """What a method of a component's that takes nothing returns; its class may be anybody's.

    Args:
        where: the component's place in the settings, such as "dataset".
        component: the object.
        method: the name of the method.

    Raises:
        ConfigError: it raises anything but a `BenchError`, which is passed on.
    """
    try:
        return getattr(component, method)()
    except BenchError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{where}: {type(component).__name__}.{method}() raises {with_class(error)}") from error


def first_line(error: BaseException) -> str:
    """The first line of an error's text, for libraries that write a page; the class of one without a text."""
    text = _text_of(error).strip()
    return shown.shown(text.splitlines()[0]) if text else type(error).__name__


def unreadable(path: Path | str, error: OSError) -> InputError:
    """What to say of a file that cannot be opened."""
    if isinstance(error, FileNotFoundError):
        return InputError(path, "no such file", "check the path, or download it")
    return InputError(path, f"cannot be read ({error.strerror})", "check that it is a file you may read")
