"""The judge: an input gets a right answer or the project's own error, soon and in little memory, or is a finding.

Each slice of inputs is read in a forked process, so that an abort, a hang or a bomb is a finding and not the end: the
number of the input at work stands in memory that both share, and the next process goes on after it.
"""

from __future__ import annotations

import faulthandler
import json
import mmap
import os
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import ClassVar, TypeVar

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis.strategies import SearchStrategy

from amodal_bench.core.errors import LONGEST, BenchError, one_line
from amodal_bench.core.shown import shown

Answer = TypeVar("Answer")

MOST_SECONDS = 1.0
"""Seconds of the processor's time for one input."""

MOST_BYTES = 500 << 20
"""By which the memory of the process may grow."""

HANGS = 20.0
"""Seconds after which an input is given up: not of work alone, but of waiting, too."""

TOGETHER = 50
"""Inputs that hypothesis makes at once; every fifth such batch is its, the others are changed whole files."""

MOST_DEATHS = 20
_DONE, _FAILED, _TOLD = 0, 70, 71


class Reader(ABC):
    """What reads one kind of file. It is made in the process that reads, with a folder of its own.

    Attributes:
        name: as `fuzz.py --reader` names it.
    """

    name: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def changed(self, random: Random) -> bytes:
        """A whole input with something in it changed."""

    @abstractmethod
    def generated(self) -> SearchStrategy[bytes]:
        """Inputs that are made from nothing."""

    @abstractmethod
    def read(self, data: bytes) -> None:
        """Read an input as the program does. Raises `BenchError`; any other error is a finding."""


def answered(call: Callable[[], Answer]) -> Answer | None:
    """What a call answers; None where it raises the project's own error, in one line."""
    try:
        return call()
    except BenchError as error:
        check_message(error)
        return None


def check_message(error: BenchError) -> None:
    """Raise `AssertionError` unless an error can be shown as it is: one line, not too long, of real characters."""
    text = one_line(error)
    assert text and len(text) < LONGEST + 50, "its error has no text, or a book"
    for told in (text, str(error)):
        assert shown(told) == told and "\n" not in told, f"its error is not one line of text: {told!r}"


@dataclass
class Counts:
    """What became of a reader's inputs.

    Attributes:
        name: of the reader.
        inputs, answers, errors: how many there were, were answered, and got the project's own error.
        findings: number of the input, and what is wrong.
        seconds: that were spent on reading, by the clock.
    """

    name: str
    inputs: int = 0
    answers: int = 0
    errors: int = 0
    findings: list[tuple[int, str]] = field(default_factory=list)
    seconds: float = 0.0


def inputs(reader: Reader, seed: int, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
    """The inputs of these numbers; a number gives the same input whatever slice it lies in."""
    batch: list[bytes] = []
    for number in range(start, stop):
        group, place = divmod(number, TOGETHER)
        if group % 5 != 4:
            yield number, reader.changed(Random(f"{reader.name} {seed} {number}"))
            continue
        if place == 0 or number == start:
            batch = _generated(reader.generated(), seed * 1_000_003 + group)
        yield number, batch[place % len(batch)]


def _generated(strategy: SearchStrategy[bytes], seed: int) -> list[bytes]:
    found: list[bytes] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=TOGETHER,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(strategy)
    def collect(data: bytes) -> None:
        found.append(data)

    collect()
    return found


_STATE = struct.Struct("<4qd")  # number at work, inputs, answers, errors, seconds


def judge(kind: type[Reader], count: int, seed: int = 0, workers: int = 1, kept: Path | None = None) -> Counts:
    """Have a reader read so many inputs in processes of their own.

    Args:
        kind: the reader.
        count: how many inputs.
        seed: of the inputs.
        workers: how many processes at the same time.
        kept: where inputs that are findings are written; None for nowhere.
    """
    found = Counts(kind.name)
    edges = [count * part // workers for part in range(workers + 1)]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as at:
        slices = [
            _Slice(kind, seed, Path(at) / str(part), edges[part], edges[part + 1], kept) for part in range(workers)
        ]
        for each in slices:
            each.start()
        while working := [each for each in slices if not each.ended()]:
            time.sleep(0.01 if len(working) == len(slices) else 0.002)
        for each in slices:
            each.add_to(found)
    return found


class _Slice:
    """The inputs of one worker, which is forked again after each input that ends it."""

    def __init__(self, kind: type[Reader], seed: int, folder: Path, start: int, stop: int, kept: Path | None) -> None:
        self.kind, self.seed, self.folder, self.at, self.stop, self.kept = kind, seed, folder, start, stop, kept
        self.state = mmap.mmap(-1, _STATE.size)
        self.log, self.process, self.deaths = folder.with_suffix(".findings"), 0, 0

    def start(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        sys.stdout.flush()
        self.process = os.fork()
        if self.process:
            return
        status = _FAILED
        try:
            _be_small()
            self._work()
            status = _DONE
        except BaseException:
            _note(self.log, -1, f"the fuzzing itself fails: {traceback.format_exc()[-1500:]}")
        finally:
            os._exit(status)

    def ended(self) -> bool:
        """Whether all is read; starts another process where the last one was ended by its input."""
        if not self.process:
            return True
        found, status = os.waitpid(self.process, os.WNOHANG)
        if not found:
            return False
        self.process = 0
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) in (_DONE, _FAILED):
            return True
        number, *_ = _STATE.unpack(self.state[:])
        if not (os.WIFEXITED(status) and os.WEXITSTATUS(status) == _TOLD):
            said = signal.Signals(status & 127).name if os.WIFSIGNALED(status) else f"status {status >> 8}"
            _note(self.log, number, "hangs" if said == "SIGALRM" else f"ends the process ({said})")
            self._keep(number, next(inputs(self.kind(self.folder), self.seed, number, number + 1))[1])
        self.deaths += 1
        self.at = number + 1
        if self.at >= self.stop or self.deaths >= MOST_DEATHS:
            return True
        self.start()
        return False

    def add_to(self, found: Counts) -> None:
        _, count, answers, errors, seconds = _STATE.unpack(self.state[:])
        found.inputs, found.answers, found.errors = (
            found.inputs + count,
            found.answers + answers,
            found.errors + errors,
        )
        found.seconds += seconds
        if self.log.is_file():
            found.findings += [tuple(json.loads(line)) for line in self.log.read_text().splitlines()]

    def _work(self) -> None:
        _, count, answers, errors, seconds = _STATE.unpack(self.state[:])
        reader, memory = self.kind(self.folder), _peak()
        begun = time.perf_counter() - seconds
        for number, data in inputs(reader, self.seed, self.at, self.stop):
            count += 1
            _STATE.pack_into(self.state, 0, number, count, answers, errors, time.perf_counter() - begun)
            signal.setitimer(signal.ITIMER_REAL, HANGS)
            work = time.process_time()
            what = judged(reader, data)
            work = time.process_time() - work
            signal.setitimer(signal.ITIMER_REAL, 0)
            grown = _peak() - memory
            if what in ("answer", "error") and (work > MOST_SECONDS or grown > MOST_BYTES):
                what = f"takes {work:.1f} s and {grown >> 20} MiB"
            answers, errors = answers + (what == "answer"), errors + (what == "error")
            if what not in ("answer", "error"):
                _note(self.log, number, what)
                self._keep(number, data)
            if grown > MOST_BYTES:
                os._exit(_TOLD)  # what it holds is of no use to tell of the next one
        _STATE.pack_into(self.state, 0, self.stop - 1, count, answers, errors, time.perf_counter() - begun)

    def _keep(self, number: int, data: bytes) -> None:
        if self.kept is not None:
            self.kept.mkdir(parents=True, exist_ok=True)
            (self.kept / f"{self.kind.name}-{number}").write_bytes(data)


def judged(reader: Reader, data: bytes) -> str:
    """What becomes of an input: "answer", "error", or what is wrong."""
    try:
        reader.read(data)
    except BenchError as error:
        try:
            check_message(error)
        except AssertionError as wrong:
            return str(wrong)
        return "error"
    except BaseException as error:
        return _told(error)
    return "answer"


def _told(error: BaseException) -> str:
    """The class of an error, the last place of the package it passed, and its text."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "amodal_bench" in frame.filename] or frames
    at = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "?"
    text = str(error).partition("\n")[0][:200] if not isinstance(error, RecursionError) else ""
    return f"{type(error).__name__} at {at}: {text}"


def _note(log: Path, number: int, what: str) -> None:
    with log.open("a") as file:
        file.write(json.dumps([number, what]) + "\n")


def _peak() -> int:
    """Bytes of memory that this process has had at most."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _be_small() -> None:
    """Bound what this process may take, and keep its output to itself."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + 3 * MOST_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    faulthandler.disable()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    # Without a cache each input is read from its own bytes; a file in the folder's place makes none possible.
    os.environ |= {"AMODAL_BENCH_CACHE": f"{os.devnull}/none", "TQDM_DISABLE": "1"}
