"""Work in processes: order, errors, items that end their process, and nothing left behind."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
from collections.abc import Iterator

import numpy as np
import pytest

from amodal_bench.core.errors import InputError
from amodal_bench.core.processes import AHEAD, Ended, can_fork, in_processes

pytestmark = pytest.mark.skipif(not can_fork(), reason="processes cannot be split off here")


def square(number: int) -> int:
    return number * number


def test_results_come_in_the_order_of_the_items() -> None:
    here = os.getpid()
    found = list(in_processes(lambda number: (square(number), os.getpid()), range(40), workers=3))
    assert [result for result, _ in found if not isinstance(result, Ended)] == [square(n) for n in range(40)]  # type: ignore[misc]
    processes = {process for _, process in found}  # type: ignore[misc]
    assert here not in processes
    assert 1 < len(processes) <= 3


def test_one_worker_works_here() -> None:
    assert list(in_processes(lambda _: os.getpid(), range(3), workers=1)) == [os.getpid()] * 3


@pytest.mark.parametrize(("how", "said"), [(signal.SIGSEGV, "signal 11"), (signal.SIGKILL, "signal 9")])
def test_an_item_that_ends_its_process_costs_itself(how: signal.Signals, said: str) -> None:
    def work(number: int) -> int:
        if number in (2, 5):
            faulthandler.disable()  # pytest's would print a page
            os.kill(os.getpid(), how)
        return square(number)

    found = list(in_processes(work, range(8), workers=2))
    assert found == [0, 1, Ended(said), 9, 16, Ended(said), 36, 49]


def test_an_exit_is_told_by_its_status() -> None:
    assert list(in_processes(os._exit, [3], workers=2)) == [Ended("status 3")]


def test_what_the_work_raises_is_raised_here() -> None:
    def work(number: int) -> int:
        if number == 3:
            raise InputError("file.json", "is bad", "mend it", "record 3")
        return number

    with pytest.raises(InputError) as caught:
        list(in_processes(work, range(8), workers=2))
    assert (caught.value.record, caught.value.remedy) == ("record 3", "mend it")
    assert not multiprocessing.active_children()


def test_an_error_that_cannot_be_sent_is_named() -> None:
    class Odd(Exception):
        def __reduce__(self) -> str:
            return "nowhere"

    def work(number: int) -> int:
        raise Odd(f"of {number}")

    with pytest.raises(RuntimeError, match="Odd: of 0"):
        list(in_processes(work, [0], workers=2))


def test_items_are_taken_a_few_ahead_only() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = in_processes(square, items(), workers=2)
    assert next(results) == 0
    assert len(taken) <= 2 * AHEAD + 1
    results.close()
    assert not multiprocessing.active_children()


def test_threads_of_opencv_that_are_at_work_here_are_missed_by_nobody() -> None:
    cv2 = pytest.importorskip("cv2")
    before = cv2.getNumThreads()
    picture = np.zeros((2000, 2000, 3), np.uint8)

    def blurred(side: int) -> int:
        return int(cv2.GaussianBlur(picture[:side], (0, 0), 5).sum())

    try:
        cv2.setNumThreads(4)
        blurred(2000)  # begins them
        assert list(in_processes(blurred, [1000, 1500, 2000], workers=2)) == [0, 0, 0]
        assert cv2.getNumThreads() == 4
    finally:
        cv2.setNumThreads(before)
