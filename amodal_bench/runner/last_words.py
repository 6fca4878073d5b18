"""What a process that is ended from within leaves in a run's folder, so that the next start knows what ended it.

A kill from outside leaves nothing: no sample is to blame for it.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from amodal_bench.core.disk import in_the_place_of
from amodal_bench.core.files import open_regular
from amodal_bench.runner.native_exit import noticed

FILE = "last-words.txt"
"""In a run's folder while it is worked on, and after the process was ended: a signal's name and the Python stack."""

LATE = "it took longer than engine.time_limit allows, and could not be interrupted"

_exit = os._exit  # as it is before a run replaces it
_REPLACING = ("execv", "execve")
"""What all functions of `os` come to that run another program in this process."""

_FATAL = b"Fatal Python error: "
_LATE = b"Timeout ("
_ENDED = b"ended by "


class LastWords:
    """The file with the last words of the process that works on a run.

    Args:
        folder: the run's.
        line: what to print where Python code ends the process, of what it did.
    """

    def __init__(self, folder: Path, line: Callable[[str], str]) -> None:
        self.path, self._line = folder / FILE, line
        self._file: BinaryIO | None = None
        self._head = 0

    def found(self) -> str:
        """What ended the process before this one, such as "segmentation fault"; "" where nothing shows it."""
        try:
            with open_regular(self.path) as file:
                lines = file.read(10_000).splitlines()
        except OSError:
            return ""
        for line in lines[1:]:
            if line.startswith(_FATAL):
                return line[len(_FATAL) :].decode("ascii", "replace").lower()
            if line.startswith(_LATE):
                return LATE
            if line.startswith(_ENDED):
                return line[len(_ENDED) :].decode("utf-8", "replace")
        return (
            "the machine's memory ran out"
            if lines and _killed_for_memory(lines[0].decode("ascii", "replace"))
            else ""
        )

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Take note of what ends the process while this lasts; the file is gone afterwards."""
        enabled = faulthandler.is_enabled()
        own = {name: getattr(os, name) for name in ("_exit", "kill", *_REPLACING)}
        with self._opened() as file, noticed(self._leaving):
            self._file = file
            self._head = file.write(f"amodal-bench {' '.join(_machine())}\n".encode())
            faulthandler.enable(file)
            os._exit = self._noting_exit(os._exit)  # type: ignore[assignment]
            os.kill = self._noting_kill(os.kill)
            for name in _REPLACING:
                setattr(os, name, _refusing(name, own[name]))
            try:
                yield
            finally:
                for name, function in own.items():
                    setattr(os, name, function)
                faulthandler.cancel_dump_traceback_later()
                faulthandler.disable()
                if enabled:
                    faulthandler.enable(sys.__stderr__ or sys.stderr)
                self._file = None
                self.path.unlink(missing_ok=True)

    def _opened(self) -> BinaryIO:
        """A new file, whatever lies in its place: a link would lead to somebody's own file, a pipe would wait."""
        try:
            self.path.unlink(missing_ok=True)
            return os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb", buffering=0)
        except OSError as error:
            raise in_the_place_of(self.path, error) from error

    def forget(self) -> None:
        """Take back what does not belong to this process's end, such as that of a process that it had started."""
        if self._file is not None and os.fstat(self._file.fileno()).st_size > self._head:
            os.ftruncate(self._file.fileno(), self._head)
            self._file.seek(self._head)

    def say(self, what: str) -> None:
        """Note what is about to end the process."""
        if self._file is not None:
            self._file.write(_ENDED + what.encode("utf-8") + b"\n")

    def end_after(self, seconds: float) -> None:
        """Let native code end the process after so many seconds, even where nothing of Python's gets its turn."""
        if self._file is not None:
            faulthandler.dump_traceback_later(seconds, exit=True, file=self._file)

    def _leaving(self) -> None:
        """End the process in another way than native code that has called C's `exit` wants to."""
        self.say("exit() in native code")
        os.write(2, f"\nerror: {self._line('let native code call exit()')}\n".encode())
        _exit(1)

    def _noting_exit(self, function: Callable[[int], Any]) -> Callable[[int], Any]:
        process = os.getpid()

        def ending(status: int) -> Any:
            if os.getpid() != process:  # of one that was forked
                return function(status)
            self.say(f"os._exit({status})")
            os.write(2, f"\nerror: {self._line(f'called os._exit({status})')}\n".encode())
            return function(status or 1)  # nothing is done: 0 would say that all is well

        return ending

    def _noting_kill(self, function: Callable[[int, int], None]) -> Callable[[int, int], None]:
        process = os.getpid()

        def kill(pid: int, number: int) -> None:
            if pid == process == os.getpid() and number == signal.SIGKILL:
                self.say("a SIGKILL of its own")
            function(pid, number)

        return kill


def _refusing(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that would put another program in the place of this process, for those that are forked alone."""
    process = os.getpid()

    def refusing(*words: Any, **named: Any) -> NoReturn:
        if os.getpid() == process:
            raise RuntimeError(f"called os.{name}, which would end the run; start another program by subprocess")
        function(*words, **named)
        raise AssertionError("not reached")

    return refusing


def _machine() -> tuple[str, str]:
    """This machine since it was started, and how many processes it has ended since for want of memory."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        lines = Path("/proc/vmstat").read_text().splitlines()
        return boot, next((line.split()[1] for line in lines if line.startswith("oom_kill ")), "")
    except OSError:
        return "", ""


def _killed_for_memory(head: str) -> bool:
    """Whether the machine has ended a process for want of memory since the first line of a file was written."""
    words, (boot, count) = head.split(), _machine()
    return len(words) == 3 and words[1] == boot and words[2] != count
