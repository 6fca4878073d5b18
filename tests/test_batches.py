"""Batches of one size, halved where memory runs out, each on its stage's clock."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import pytest
import torch

from amodal_bench.core.batches import Batches, Tensors
from amodal_bench.core.errors import BenchError
from amodal_bench.core.stages import StageCost, Stages


def doubling(seen: list[list[int]]) -> Callable[[Sequence[int]], Tensors]:
    def work(index: Sequence[int]) -> Tensors:
        seen.append(list(index))
        return {"twice": torch.tensor([[2 * i] for i in index])}

    return work


def test_every_batch_has_the_same_size_and_the_copies_are_dropped() -> None:
    seen: list[list[int]] = []
    made = Batches({"denoise": 3}, Stages(), "cpu").run("denoise", 7, doubling(seen))
    assert seen == [[0, 1, 2], [3, 4, 5], [6, 6, 6]]
    assert made["twice"].flatten().tolist() == [0, 2, 4, 6, 8, 10, 12]


def test_memory_that_runs_out_halves_the_batch_for_good(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[list[int]] = []
    work = doubling(seen)

    def small_memory(index: Sequence[int]) -> Tensors:
        if len(index) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return work(index)

    stages = Stages()
    batches = Batches({"denoise": 8}, stages, "cpu")
    with caplog.at_level(logging.WARNING):
        made = batches.run("denoise", 5, small_memory)
    assert made["twice"].flatten().tolist() == [0, 2, 4, 6, 8]
    assert seen == [[0, 1], [2, 3], [4, 4]]
    assert "out of memory with 8 samples at once; continuing with 4" in caplog.text
    batches.run("denoise", 2, small_memory)  # the next call starts with what worked
    assert seen[3:] == [[0, 1]]
    cost = stages.take()["denoise"]
    assert (cost.instances, cost.batch) == (7, 2)


def test_memory_for_not_even_one_sample_ends_the_run_with_advice() -> None:
    def no_memory(_: Sequence[int]) -> Tensors:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(
        BenchError, match="decode: the memory of cpu is too small even for one sample at a time; choose"
    ):
        Batches({"decode": 4}, Stages(), "cpu").run("decode", 5, no_memory)
    with pytest.raises(BenchError, match="one sample at a time; buy a larger one"):
        Batches({"decode": 4}, Stages(), "cpu", "buy a larger one").run("decode", 5, no_memory)


def test_other_errors_pass() -> None:
    def broken(_: Sequence[int]) -> Tensors:
        raise ValueError("shape")

    with pytest.raises(ValueError, match="shape"):
        Batches({"decode": 4}, Stages(), "cpu").run("decode", 5, broken)


def test_clocks_add_up_and_start_anew_when_they_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 2.0, 10.0, 13.0, 20.0, 21.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(times))
    stages = Stages()
    with stages.clock("encode", 4, 8):
        pass
    with stages.clock("encode", 2, 4):
        pass
    assert stages.take() == {"encode": StageCost(5.0, 6, 4, 0)}
    with pytest.raises(ValueError, match="broken"), stages.clock("encode", 2, 4):
        raise ValueError("broken")
    assert stages.take() == {"encode": StageCost(1.0, 0, 4, 0)}  # its time was spent, its instances are not done


def test_costs_of_unbatched_work_leave_the_batch_open() -> None:
    assert StageCost(1.0, 1) + StageCost(1.0, 1, 4, 7) == StageCost(2.0, 2, 4, 7)
    assert (StageCost(1.0, 1) + StageCost(1.0, 1)).batch == 0
