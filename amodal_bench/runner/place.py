"""A run's folder on the disk: whether it can be written, its store under a lock, and a disk that refuses."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from amodal_bench.core.disk import AGAIN, cannot_write, refusal, why_unwritable
from amodal_bench.core.errors import InputError, UsageError
from amodal_bench.core.files import not_a_file, sweep
from amodal_bench.runner.lock import locked
from amodal_bench.runner.schema import ForeignStore, InTheWay, NewerStore
from amodal_bench.runner.store import STORE, Store


def check_writable(results: Path) -> None:
    """Raise `InputError` where no run could be kept in a folder, which need not be there yet; makes nothing."""
    there = results
    with suppress(RuntimeError):  # of a user without a home
        there = results.expanduser()
    there = there.absolute()
    while not there.exists() and there != there.parent:
        if what := not_a_file(there):
            raise InputError(there, f"cannot be written ({what})", "remove it, or set results to another folder")
        there = there.parent
    if reason := why_unwritable(there):
        raise InputError(results, f"cannot be written ({reason})", "set results to a folder that you can write to")


def run_folders(results: Path) -> list[Path]:
    """The folders of all runs in a results folder, in order. Raises `UsageError` where there is none."""
    found = sorted(file.parent for file in (results / "runs").glob(f"*/{STORE}"))
    if not found:
        raise UsageError(f"{results}: there is no run in {results / 'runs'}; run something first")
    return found


@contextmanager
def opened(folder: Path, wait: bool = False) -> Iterator[Store]:
    """A run's store, locked against other processes; the lock ends with the process, however it ends.

    Args:
        folder: the run's.
        wait: whether to wait for another process that works on the run, such as another cell of a sweep that has the
            same baseline, instead of raising.

    Raises:
        BenchError: another process works on the run.
        InputError: the store cannot be written or read, or the disk refuses later on.
    """
    with ExitStack() as stack, room(folder):
        try:
            if not folder.is_dir() and (what := not_a_file(folder)):
                raise InputError(folder, f"cannot be used ({what})", f"remove it or put it elsewhere, {AGAIN}")
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(folder, wait))
            sweep(folder)
        except OSError as error:
            raise cannot_write(folder, error) from error
        yield stack.enter_context(Store(folder / STORE))


@contextmanager
def room(folder: Path) -> Iterator[None]:
    """Say in one line what a disk refuses, or what of a run's store is damaged; what was committed before is kept.

    Raises:
        InputError: for an error of the disk or of the store; all others pass through.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise store_error(folder, error) from error
    except OSError as error:
        if (told := refusal(folder, error)) is None:
            raise
        raise told from error


def store_error(folder: Path, error: sqlite3.Error) -> InputError:
    """What to say of a run's store that cannot be used: the disk's fault, another program's file, or damage.

    Args:
        folder: of the run.
        error: of its database.
    """
    file = folder / STORE
    if isinstance(error, NewerStore):
        return InputError(file, f"cannot be used ({error})", "install the version that made it")
    if isinstance(error, ForeignStore):
        remedy = "it is left as it is; put it elsewhere, or set results to another folder"
        return InputError(file, f"is another program's database ({error})", remedy)
    if isinstance(error, InTheWay):
        return InputError(error.file, f"cannot be used ({error})", f"remove it or put it elsewhere, {AGAIN}")
    if (refused := refusal(file if file.exists() else folder, error)) is not None:
        return refused
    remedy = f"`amodal-bench results check {folder}` says what is left, and with --repair keeps all that is sound"
    return InputError(file, f"is damaged ({error})", remedy)
