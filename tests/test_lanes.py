"""Batches side by side on a CPU: the same bits, in the same order, and whoever interrupts them is heeded."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from conftest import composed

from amodal_bench.backbones.base import Backbone
from amodal_bench.config.build import build
from amodal_bench.core import lanes
from amodal_bench.core.batches import Batches, Tensors
from amodal_bench.core.errors import ConfigError
from amodal_bench.core.lanes import side_by_side
from amodal_bench.core.stages import Stages
from amodal_bench.core.types import Image
from amodal_bench.datasets.base import Query
from amodal_bench.method.inpaint import Denoising, Inpainter
from amodal_bench.method.leakage import Conditioning


@pytest.fixture
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("four_threads")
def test_two_batches_are_computed_at_once_each_with_half_of_the_threads() -> None:
    together, seen = threading.Barrier(2), list[tuple[list[int], int, bool]]()

    def work(index: Sequence[int]) -> Tensors:
        if index[0]:  # the first batch of a stage goes alone
            together.wait(10)
        seen.append((list(index), torch.get_num_threads(), torch.is_inference_mode_enabled()))
        return {"twice": torch.tensor([[2 * i] for i in index])}

    stages = Stages()
    with torch.inference_mode():
        made = Batches({"denoise": 2}, stages, "cpu", lanes=2).run("denoise", 9, work)
    assert made["twice"].flatten().tolist() == [0, 2, 4, 6, 8, 10, 12, 14, 16]
    assert seen[0] == ([0, 1], 2, True)
    assert sorted(seen) == [([0, 1], 2, True), *(([i, min(i + 1, 8)], 2, True) for i in (2, 4, 6, 8))]
    assert torch.get_num_threads() == 4
    cost = stages.take()["denoise"]
    assert (cost.instances, cost.batch) == (9, 2)


@pytest.mark.usefixtures("four_threads")
def test_a_device_of_its_own_has_no_lanes() -> None:
    alone = threading.Lock()

    def work(index: Sequence[int]) -> Tensors:
        assert alone.acquire(blocking=False) and torch.get_num_threads() == 4
        alone.release()
        return {"x": torch.tensor(index)}

    assert len(Batches({"denoise": 1}, Stages(), "meta", lanes=2).run("denoise", 5, work)["x"]) == 5


@pytest.mark.usefixtures("four_threads")
def test_an_error_in_a_lane_is_raised_when_both_have_ended() -> None:
    ended = threading.Event()

    def fails() -> None:
        raise ValueError("shape")

    def takes_longer() -> None:
        assert not ended.wait(0.3)
        ended.set()

    with pytest.raises(ValueError, match="shape"):
        side_by_side([fails, takes_longer])
    assert ended.is_set() and torch.get_num_threads() == 4


def test_a_signal_is_heeded_while_lanes_compute() -> None:
    begun, release, interrupted = threading.Barrier(3), threading.Event(), list[bool]()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    def send() -> None:
        begun.wait(10)
        signal.raise_signal(signal.SIGUSR1)

    def job() -> None:
        begun.wait(10)
        interrupted.append(release.wait(10))

    before = signal.signal(signal.SIGUSR1, stop)
    sender = threading.Thread(target=send)
    try:
        sender.start()
        with pytest.raises(KeyboardInterrupt):
            side_by_side([job, job])
        assert not interrupted  # neither has ended yet
    finally:
        release.set()
        sender.join()
        signal.signal(signal.SIGUSR1, before)


def test_lanes_change_no_bit_of_a_picture() -> None:
    rng = np.random.default_rng(0)
    conditions = [rng.random((64, 64, 3), dtype=np.float32) for _ in range(5)]
    areas = [np.pad(np.ones((30, 20 + i), bool), ((10, 24), (12, 32 - i))) for i in range(5)]

    def pictures(threads: int, lanes: int, *groups: Sequence[int], scripted: bool = True) -> list[Image]:
        own = {"lanes": lanes, "scripted": scripted, "micro_batch": 2}
        spec = composed("model=tiny", *(f"model.backbone.{name}={value}" for name, value in own.items())).model
        backbone: Backbone = build(spec["backbone"], "model.backbone")
        painter = Inpainter(backbone, Denoising(Conditioning(), 2, 0.0), Stages())
        before, made = torch.get_num_threads(), list[Image]()
        torch.set_num_threads(threads)
        try:
            for group in groups:
                made += painter.inpaint([conditions[i] for i in group], [areas[i] for i in group], list(group))
        finally:
            torch.set_num_threads(before)
        return made

    one_by_one = pictures(1, 1, range(5), scripted=False)
    assert np.array_equal(one_by_one, pictures(2, 2, range(5), range(5))[5:])
    assert np.array_equal(one_by_one, pictures(2, 2, [0, 1], [2, 3], [4]))


@pytest.mark.parametrize("name", ["tiny", pytest.param("random/pix2gestalt", marks=pytest.mark.slow)])
def test_a_lane_that_nobody_waits_for_ends_at_its_next_step(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted, steps = threading.Event(), list[int]()
    model: Any = build(composed(f"model={name}", "model.steps=5").model, "model")
    denoise = model.backbone.denoise

    def denoised(x: Any, schedule: Any, step: int, shown: Any) -> Any:
        steps.append(step)
        if len(steps) == 2:
            interrupted.set()
        return denoise(x, schedule, step, shown)

    monkeypatch.setattr(model.backbone, "denoise", denoised)
    monkeypatch.setattr(lanes._own, "interrupted", interrupted, raising=False)
    visible = np.pad(np.ones((30, 30), bool), 17)
    query = Query("a", np.full((64, 64, 3), 90, np.uint8), visible)
    with pytest.raises(lanes.Unwanted):
        model.predict([query], [0])
    assert len(steps) == 2


def test_a_number_of_lanes_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.backbone\.lanes: 0 must be >= 1"):
        build(composed("model=tiny", "model.backbone.lanes=0").model["backbone"], "model.backbone")
