"""Work in threads gives what a loop gives."""

from __future__ import annotations

import threading

import pytest

from amodal_bench.core import threads
from amodal_bench.core.threads import in_threads


def test_results_keep_the_order_of_the_items_whatever_finishes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "cores", lambda: 2)
    second_done = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert second_done.wait(10)
        elif item == 1:
            second_done.set()
        return 10 * item

    assert in_threads(work, range(5)) == [0, 10, 20, 30, 40]
    assert in_threads(work, []) == []


@pytest.mark.parametrize("cores", [1, 4])
def test_an_error_is_raised_to_the_caller(monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    monkeypatch.setattr(threads, "cores", lambda: cores)
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda item: 1 // item, [2, 0, 1])
