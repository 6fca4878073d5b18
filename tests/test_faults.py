"""One sample, one fault: whatever a sample does costs itself, even where it ends the process or never ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from processes import ended

from amodal_bench.core import stops
from amodal_bench.core.errors import ConfigError, one_line
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import RECORD_COLUMNS, Problem, Query, Sample
from amodal_bench.evaluation import sheet
from amodal_bench.models.hull import ConvexHull
from amodal_bench.report.outcome import Outcome
from amodal_bench.report.sheet import Sheet
from amodal_bench.runner import limit as limits
from amodal_bench.runner.in_flight import MOST
from amodal_bench.runner.last_words import FILE, LATE, LastWords
from amodal_bench.runner.limit import HUNG
from amodal_bench.runner.loop import run
from amodal_bench.runner.store import Row, Store
from amodal_bench.runner.work import Work

IDS = [str(n) for n in range(6)]
BAD = "3"


class Six:
    """Six 4x4 samples; `does` is done as number 3 is read."""

    name = "six"

    def __init__(self, does: Callable[[], object] = lambda: None) -> None:
        self.does = does

    def records(self) -> pd.DataFrame:
        return pd.DataFrame({"id": IDS}, columns=list(RECORD_COLUMNS))

    def sample(self, id: str) -> Sample:
        if id == BAD:
            self.does()
        amodal = np.ones((4, 4), bool)
        return Sample(id, np.zeros((4, 4, 3), np.uint8), amodal, amodal, ~amodal)

    def fingerprint(self) -> str:
        return "0"

    def check(self) -> list[Problem]:
        return []


class Visible:
    """Predicts V; `does` is done as a batch with number 3 is predicted."""

    def __init__(self, does: Callable[[], object] = lambda: None) -> None:
        self.does, self.asked = does, list[list[str]]()

    def describe(self) -> dict[str, str]:
        return {}

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
        del seeds
        self.asked.append([query.id for query in queries])
        if any(query.id == BAD for query in queries):
            self.does()
        return [query.visible for query in queries]


def started(folder: Path, does: Callable[[], object], reading: bool = False, **said: Any) -> list[list[str]]:
    """Run what the store in a folder lacks, as a command does; returns the batches that were asked of the model."""
    model = Visible() if reading else Visible(does)
    with Store(folder / "store.sqlite") as store:
        done = {(id, 0) for id in store.done()}
        work = Work(Six(does) if reading else Six(), model, IDS, 0, said.pop("batch_size", 4), done=done, **said)
        run(work, store, lambda rows: None)
    return model.asked


def errors(folder: Path) -> dict[str, str]:
    """The errors in a store by id; the others of the six have to be there."""
    with Store(folder / "store.sqlite", read_only=True) as store:
        table = store.table()
    assert sorted(table["id"]) == IDS
    return dict(table[table["error"].notna()].set_index("id")["error"])


def flying(folder: Path) -> list[tuple[str, int]]:
    """What is on record as in flight: ids, and how often the process ended."""
    with closing(sqlite3.connect(folder / "store.sqlite")) as db:
        return db.execute("SELECT id, ends FROM in_flight ORDER BY id").fetchall()


class Wordless(Exception):
    """Has no text that could be shown."""

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


class Own(BaseException):
    """No Exception."""


def raising(error: BaseException) -> Callable[[], object]:
    def fail() -> object:
        raise error

    return fail


@pytest.mark.parametrize("reading", [False, True], ids=["predicting", "reading"])
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SystemExit(0), "SystemExit: 0"),
        (GeneratorExit(), "GeneratorExit"),
        (Own("no\nexception"), "Own: no exception"),
        (Wordless(), "Wordless: (its text cannot be shown)"),
        (RuntimeError("half \ud800 pair"), "RuntimeError: half \\ud800 pair"),
    ],
    ids=["exit", "generator", "own", "wordless", "surrogate"],
)
def test_whatever_a_sample_raises_is_its_row(tmp_path: Path, error: BaseException, said: str, reading: bool) -> None:
    started(tmp_path, raising(error), reading)
    assert errors(tmp_path) == {BAD: said}
    assert not flying(tmp_path)


def test_an_error_has_a_line_whatever_its_text_is() -> None:
    assert len(one_line(ValueError("z" * 100_000))) < 2100
    assert one_line(Wordless()) == "Wordless: (its text cannot be shown)"
    assert one_line(KeyError("\udfff")) == "KeyError: '\\udfff'"


def test_a_wish_to_stop_is_no_fault_and_blames_nobody(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        started(tmp_path, raising(KeyboardInterrupt()))
    assert not flying(tmp_path) and not (tmp_path / FILE).exists()
    with stops.stoppable():
        with pytest.raises(stops.Stopped):
            started(tmp_path, lambda: os.kill(os.getpid(), signal.SIGTERM))
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert not flying(tmp_path)


def test_a_model_that_interrupts_itself_is_at_fault(tmp_path: Path) -> None:
    """Where the program answers Ctrl-C itself, a mere KeyboardInterrupt is not the user's."""
    with stops.stoppable():
        started(tmp_path, raising(KeyboardInterrupt()))
    assert errors(tmp_path) == {BAD: "KeyboardInterrupt"}


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (lambda masks: "x" * len(masks), "TypeError: the model returned a str, not a NumPy array of (4, 4) bool"),
        (
            lambda masks: [mask.astype(np.uint8) for mask in masks],
            "TypeError: the model returned (4, 4) uint8, not (4, 4) bool as the image",
        ),
        (
            lambda masks: [mask[:-1] for mask in masks],
            "TypeError: the model returned (3, 4) bool, not (4, 4) bool as the image",
        ),
        (lambda masks: [None] * len(masks), "TypeError: the model returned a NoneType, not a NumPy array of"),
        (lambda masks: None, "TypeError: the model returned a NoneType, not a list of masks"),
        (lambda masks: (mask for mask in masks), "TypeError: the model returned a generator, not a list of masks"),
        (lambda masks: masks * 2, "ValueError: the model returned 2 masks for 1 queries"),
    ],
    ids=["text", "uint8", "shape", "none", "nothing", "generator", "too many"],
)
def test_nonsense_in_answer_to_a_batch_is_one_samples_fault(
    tmp_path: Path, answers: Callable[[list[Mask]], Any], said: str
) -> None:
    class Nonsense(Visible):
        def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
            masks = super().predict(queries, seeds)
            return answers(masks) if any(query.id == BAD for query in queries) else masks

    with Store(tmp_path / "store.sqlite") as store:
        run(Work(Six(), Nonsense(), IDS, 0, 4), store, lambda rows: None)
    found = errors(tmp_path)
    assert list(found) == [BAD] and found[BAD].startswith(said)


def segmentation_fault() -> None:
    ctypes.string_at(0)


def own_kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def unseen_kill() -> None:
    """A kill as from outside: nothing in the process sees it."""
    signal.pthread_kill(threading.get_ident(), signal.SIGKILL)


FATAL = [
    (os.abort, -signal.SIGABRT, "aborted"),
    (segmentation_fault, -signal.SIGSEGV, "segmentation fault"),
    (lambda: os._exit(0), 1, "os._exit(0)"),
    (own_kill, -signal.SIGKILL, "a SIGKILL of its own"),
]


@pytest.mark.slow
@pytest.mark.parametrize("reading", [False, True], ids=["predicting", "reading"])
@pytest.mark.parametrize(("does", "status", "words"), FATAL, ids=["abort", "segv", "exit", "kill"])
def test_what_takes_the_process_with_it_is_tried_alone_and_then_left_out(
    tmp_path: Path, does: Callable[[], object], status: int, words: str, reading: bool
) -> None:
    told = tmp_path / "told.txt"

    def start() -> object:
        return started(tmp_path, does, reading)

    assert ended(start, told) == status
    assert flying(tmp_path) == [(id, 0) for id in IDS[:4]]
    assert ended(start, told) == status
    assert flying(tmp_path) == [(BAD, 1)], "the others of its batch have been done alone"
    assert ("error: 3 called os._exit(0); all finished batches" in told.read_text()) == (status == 1)
    start()
    doing = "read" if reading else "predicted"
    said = f"took the process with it twice while it was {doing} (the last time: {words}); it is not tried again"
    assert errors(tmp_path) == {BAD: f"{said}, unless engine.retry_fatal=true"}
    assert start() == [], "it is tried no more"
    with Store(tmp_path / "store.sqlite", read_only=True) as store:
        assert (BAD in store.counted()) is not reading, "a failed prediction is a score of zero"
    assert not (tmp_path / FILE).exists()


def test_every_draw_of_an_instance_is_left_out_with_one(tmp_path: Path) -> None:
    """Else each draw would end the process twice."""
    for status in (-signal.SIGABRT, -signal.SIGABRT, 0):
        assert ended(lambda: started(tmp_path, os.abort, batch_size=2, draws=3)) == status
    with Store(tmp_path / "store.sqlite", read_only=True) as store:
        table = store.drawn()
    assert len(table) == 3 * len(IDS) and set(table[table["error"].notna()]["id"]) == {BAD}
    assert table["error"].notna().sum() == 3 and table["error"].dropna().nunique() == 1


@pytest.mark.slow
def test_what_cannot_be_shown_is_not_in_the_sheet_and_costs_no_table(
    bench: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[list[str]] = []

    def explain(_: object, queries: Sequence[Query], seeds: Sequence[int]) -> list[dict[str, Any]]:
        asked.append([query.id for query in queries])
        if asked[0][0] in asked[-1]:
            raise SystemExit(len(seeds))
        if poison in asked[-1]:
            os.abort()
        return [{} for _ in queries]

    # A class of its own: Python remembers for ever which classes have had a member.
    own = type("Explaining", (ConvexHull,), {"explain": explain, "__module__": __name__})
    monkeypatch.setitem(globals(), "Explaining", own)
    target = f"model._target_={__name__}.Explaining"
    words, poison = ("model=hull", target, "baselines=null", "dataset.images=3", "sheet=3"), ""
    assert bench(*words).sheet is not None
    assert list(map(len, asked)) == [3, 1, 1, 1], "the others of its batch are shown"
    assert f"{asked[0][0]}: is not in the contact sheet (SystemExit: 1)" in caplog.text
    assert caplog.text.count("is not in the contact sheet") == 1
    poison = asked[0][1]
    for status in (-signal.SIGABRT, -signal.SIGABRT, 0):
        assert ended(lambda: bench(*words)) == status


@pytest.mark.slow
def test_a_model_that_explains_too_few_or_wrongly_has_no_row_of_anothers_pictures(
    bench: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []
    sheets: list[Sheet] = []

    def explain(_: object, queries: Sequence[Query], seeds: Sequence[int]) -> list[dict[str, Any]]:
        del seeds
        asked.extend(query.id for query in queries if query.id not in asked)
        wrong: dict[str, Any] = {"own": np.zeros((4, 4, 3))}
        pictures: dict[str, dict[str, Any]] = {
            query.id: {"own": np.full((4, 4, 3), asked.index(query.id), np.uint8)} for query in queries
        }
        shown = {**pictures, asked[2]: wrong} if asked[2] in pictures else pictures
        return [shown[query.id] for query in queries if query.id != asked[0]]

    own = type("Explaining", (ConvexHull,), {"explain": explain, "__module__": __name__})
    monkeypatch.setitem(globals(), "Explaining", own)
    monkeypatch.setattr(sheet, "save_sheet", lambda made, _: sheets.append(made))
    target = f"model._target_={__name__}.Explaining"
    bench("model=hull", target, "baselines=null", "dataset.images=3", "sheet=4", "engine.batch_size=4")
    (made,) = sheets
    assert len(made.rows) == 2
    for row, number in zip(made.rows, (1, 3), strict=True):
        assert asked[number] in row.label
        assert np.all(row.panels["own"].picture == number)
    missing = [line for line in caplog.text.splitlines() if "is not in the contact sheet" in line]
    assert len(missing) == 2
    assert (
        f"{asked[0]}: is not in the contact sheet (Explaining.explain() does not return a list with one" in missing[0]
    )
    assert f"{asked[2]}: is not in the contact sheet (Explaining.explain(): own is (4, 4, 3) float64" in missing[1]


def test_what_was_left_out_can_be_tried_again(tmp_path: Path) -> None:
    for _ in range(2):
        ended(lambda: started(tmp_path, os.abort))
    started(tmp_path, os.abort)
    assert ended(lambda: started(tmp_path, os.abort, retry_fatal=True)) == -signal.SIGABRT
    assert started(tmp_path, lambda: None) == [], "it has happened twice again"
    assert started(tmp_path, lambda: None, retry_fatal=True) == [[BAD]]
    assert not errors(tmp_path) and not flying(tmp_path)


@pytest.mark.slow
def test_a_kill_from_outside_blames_nobody_too_soon(tmp_path: Path) -> None:
    """Where nothing shows what ended the process, the sample is tried last, and marked after four times."""
    for n in range(MOST):
        assert not (tmp_path / "store.sqlite").exists() or not set(errors_so_far(tmp_path))
        assert ended(lambda: started(tmp_path, unseen_kill)) == -signal.SIGKILL
        if n > 1:
            with Store(tmp_path / "store.sqlite", read_only=True) as store:
                assert store.done() == set(IDS) - {BAD}, "all others are done before it is tried again"
    started(tmp_path, unseen_kill)
    assert errors(tmp_path)[BAD].startswith(
        "took the process with it 4 times while it was predicted; it is not tried"
    )


def errors_so_far(folder: Path) -> list[str]:
    with Store(folder / "store.sqlite", read_only=True) as store:
        return list(store.table()["error"].dropna())


def test_an_innocent_batch_that_was_killed_is_done_by_the_next_start(tmp_path: Path) -> None:
    assert ended(lambda: started(tmp_path, unseen_kill)) == -signal.SIGKILL
    assert started(tmp_path, lambda: None) == [["0"], ["1"], ["2"], ["3"], ["4", "5"]]
    assert not errors(tmp_path) and not flying(tmp_path)


def test_the_words_of_another_process_are_not_taken_for_the_own(tmp_path: Path) -> None:
    """A process that the model has started, and that crashes, leaves the words of this one."""

    def crash() -> object:
        assert ended(os.abort) == -signal.SIGABRT
        return None

    words = LastWords(tmp_path, str)
    with words.kept():
        crash()
        assert words.found() == "aborted"
        words.forget()
        assert words.found() == ""
    started(tmp_path, crash)
    assert not errors(tmp_path)


def test_a_machine_without_memory_ends_the_one_that_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter(["3", "3", "4"])
    monkeypatch.setattr("amodal_bench.runner.last_words._machine", lambda: ("boot", next(counts)))
    words = LastWords(tmp_path, str)
    with words.kept():
        assert words.found() == ""
        assert words.found() == "the machine's memory ran out"


def sleep() -> None:
    time.sleep(60)


def spin() -> None:
    while True:
        pass


@pytest.mark.parametrize("reading", [False, True], ids=["predicting", "reading"])
@pytest.mark.parametrize("does", [sleep, spin])
def test_a_sample_that_takes_too_long_is_its_row(tmp_path: Path, does: Callable[[], object], reading: bool) -> None:
    begun = time.monotonic()
    started(tmp_path, does, reading, batch_size=2, time_limit=0.2)
    assert time.monotonic() - begun < 20
    assert errors(tmp_path) == {BAD: "took longer than engine.time_limit=0.2 s"}
    assert flying(tmp_path) == [(BAD, 0)] and signal.getsignal(signal.SIGALRM) == signal.SIG_DFL


class Endless(Exception):
    """An error whose text is never done."""

    def __str__(self) -> str:
        spin()
        return ""


def fail_without_end() -> None:
    raise Endless


@pytest.mark.parametrize("reading", [False, True], ids=["predicting", "reading"])
def test_an_error_whose_text_takes_too_long_is_its_row(tmp_path: Path, reading: bool) -> None:
    started(tmp_path, fail_without_end, reading, batch_size=2, time_limit=0.2)
    said = "raised Endless, whose text took longer than engine.time_limit allows"
    assert errors(tmp_path) == {BAD: said}


def test_what_took_too_long_is_tried_again_alone(tmp_path: Path) -> None:
    """In a batch it would be given the time of all its company."""
    started(tmp_path, sleep, batch_size=2, time_limit=0.2)
    with Store(tmp_path / "store.sqlite") as store:
        store.db.execute("DELETE FROM instances WHERE id IN ('2', '4')")
        store.db.commit()
    assert started(tmp_path, lambda: None, batch_size=4) == [["2", "4"], [BAD]]
    assert not errors(tmp_path) and not flying(tmp_path)


@pytest.mark.slow
def test_another_thread_is_interrupted_too(tmp_path: Path) -> None:
    worker = threading.Thread(target=started, args=(tmp_path, spin), kwargs={"batch_size": 2, "time_limit": 0.1})
    worker.start()
    worker.join(60)
    assert errors(tmp_path) == {BAD: "took longer than engine.time_limit=0.1 s"}


def test_a_batch_is_given_the_time_of_its_samples(tmp_path: Path) -> None:
    """No sample is at fault because others stand beside it; what is known of the pace shortens the wait."""
    started(tmp_path, lambda: time.sleep(0.15), batch_size=6, time_limit=0.1)
    assert errors(tmp_path) == {}
    allowed = limits.Limit(0.1, lambda: None)
    with allowed.of(4, learn=True):
        pass
    with pytest.raises(limits.Late), allowed.of(100, learn=True):
        time.sleep(5)


def stubborn() -> None:
    while True:
        try:
            time.sleep(60)
        except BaseException:
            continue


@pytest.mark.slow
def test_what_cannot_be_interrupted_ends_the_process_with_one_line(tmp_path: Path) -> None:
    told = tmp_path / "told.txt"

    def start() -> object:
        return started(tmp_path, stubborn, batch_size=1, time_limit=0.2)

    assert ended(start, told) == HUNG == 124
    said = (
        "3 took longer than engine.time_limit=0.2 s allows and cannot be interrupted; all finished batches are kept;"
    )
    assert told.read_text() == f"\nerror: {said} give the same command again: it is tried alone once more\n"
    assert LastWords(tmp_path, str).found() == LATE
    assert ended(start, told) == HUNG
    start()
    assert errors(tmp_path)[BAD].startswith(
        f"took the process with it twice while it was predicted (the last time: {LATE}"
    )


@pytest.mark.slow
def test_what_lets_no_other_thread_run_ends_the_process(tmp_path: Path) -> None:
    begun = time.monotonic()
    assert ended(lambda: started(tmp_path, lambda: deque(count(), maxlen=0), batch_size=1, time_limit=0.1)) == 1
    assert time.monotonic() - begun < 30
    assert LastWords(tmp_path, str).found() == LATE


def test_foreign_code_leaves_the_process_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def disturb() -> None:
        os.chdir("/")
        np.seterr(all="raise")

    before = np.geterr()
    started(tmp_path, disturb)
    assert Path.cwd() == tmp_path and np.geterr() == before
    assert not errors(tmp_path)


def test_costs_that_cannot_be_told_are_named(tmp_path: Path) -> None:
    class Costly(Visible):
        def costs(self) -> dict[str, Any]:
            raise SystemExit(0)

    with Store(tmp_path / "store.sqlite") as store, pytest.raises(ConfigError) as raised:
        run(Work(Six(), Costly(), IDS, 0, 4), store, lambda rows: None)
    assert str(raised.value) == "model: Costly.costs() raises SystemExit: 0"


def test_a_row_of_anything_that_is_no_mask(tmp_path: Path) -> None:
    class Nasty:
        """Looks like an array, and fails as nothing else does."""

        shape, dtype = (4, 4), np.dtype(bool)

        def __array__(self, *_: object, **__: object) -> Any:
            raise KeyError("no array")

    class Model(Visible):
        def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
            masks: Sequence[Any] = super().predict(queries, seeds)
            nasty: Any = Nasty()
            return [nasty if query.id == BAD else mask for query, mask in zip(queries, masks, strict=True)]

    reported: list[Row] = []
    with Store(tmp_path / "store.sqlite") as store:
        run(Work(Six(), Model(), IDS, 0, 4), store, reported.extend)
    assert [row.id for row in reported if row.error] == [BAD]
