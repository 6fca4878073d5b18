"""Loading has a stage of its own, and is on no clock of a model's work."""

from __future__ import annotations

import time
from contextlib import suppress

from amodal_bench.core import progress
from amodal_bench.core.stages import Stages, uncharged
from amodal_bench.weights.loaded import Loaded, loaded_once

PAUSE = 0.05


class Slow(Loaded):
    """A component whose network takes a while to import and read, with a part of its own in it."""

    KEY, FAMILY, parts = "segmenter", "slow", ()
    seen: list[str]

    @loaded_once
    def inner(self) -> int:
        time.sleep(PAUSE)
        return 1

    @loaded_once
    def network(self) -> int:
        self.seen.append(progress._open[-1]._stage)
        inner: int = self.inner
        return inner + 1


def test_a_part_is_loaded_once_under_its_own_stage_and_outside_of_the_clock() -> None:
    component, stages, whole = Slow("nowhere"), Stages(), Stages(all=True)
    component.seen = []
    with progress.Progress("run", show=False) as shown:
        shown.stage("first batch")
        with whole.clock("encode", 1), stages.clock("encode", 1):
            assert component.network == component.network == 2
        assert component.seen == ["loading weights of slow"] and shown._stage == "first batch"
    assert whole.take()["encode"].seconds - stages.take()["encode"].seconds >= PAUSE


def test_what_is_kept_off_in_itself_is_kept_off_once_also_where_it_fails() -> None:
    stages, whole = Stages(), Stages(all=True)
    with suppress(ValueError), whole.clock("encode", 1), stages.clock("encode", 1):
        time.sleep(PAUSE)
        with uncharged(), uncharged():
            time.sleep(PAUSE)
            raise ValueError
    charged = stages.take()["encode"].seconds
    assert charged >= PAUSE and whole.take()["encode"].seconds - charged >= PAUSE
