"""Batches of one fixed size per stage, halved where memory runs out; side by side where a CPU has lanes for them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from amodal_bench.core.errors import BenchError
from amodal_bench.core.lanes import share_of_threads, side_by_side
from amodal_bench.core.stages import Stages

if TYPE_CHECKING:
    from torch import Tensor

Tensors: TypeAlias = "dict[str, Tensor]"
log = logging.getLogger(__name__)


class Batches:
    """Runs a stage over many samples in batches of always the same size.

    A short batch repeats its last sample and drops the copies afterwards: the libraries choose other kernels for
    other shapes, and those differ in the last bit. Where the device's memory does not suffice, the size is halved
    for good, and the stage's cost shows it.

    Args:
        sizes: samples at once, by stage.
        stages: the clocks.
        device: where the work is done.
        remedy: what a user can do where not even one sample fits into the memory.
        lanes: batches that are computed at once on a CPU, each with its share of torch's threads.
    """

    def __init__(
        self,
        sizes: dict[str, int],
        stages: Stages,
        device: str,
        remedy: str = "choose a smaller model.backbone.native, or precision bfloat16",
        lanes: int = 1,
    ) -> None:
        self.sizes, self.stages, self.device, self.remedy = sizes, stages, device, remedy
        self.lanes = lanes if device == "cpu" else 1
        self._ready = set[str]()

    def run(self, stage: str, count: int, work: Callable[[Sequence[int]], Tensors]) -> Tensors:
        """The tensors that `work` makes of the samples 0..count-1, joined along the first axis.

        Raises:
            BenchError: not even one sample at a time fits into the device's memory.
        """
        import torch

        done: list[Tensors] = []
        start = 0
        while start < count:
            size = self.sizes[stage]
            try:
                with share_of_threads(self.lanes) as lanes:
                    # A stage's first batch goes alone: it loads what the stage needs.
                    abreast = lanes if stage in self._ready else 1
                    end = min(start + abreast * size, count)
                    with self.stages.clock(stage, end - start, size, self.device):
                        done += side_by_side([partial(_batch, work, at, end, size) for at in range(start, end, size)])
                self._ready.add(stage)
                start = end
                continue
            except torch.OutOfMemoryError:
                if size == 1:
                    raise BenchError(
                        f"{stage}: the memory of {self.device} is too small even for one sample at a time; "
                        f"{self.remedy}"
                    ) from None
            # Out here the error and the tensors that its traceback holds are gone.
            self._halve(stage, size)
        if len(done) < 2:
            return done[0] if done else {}  # joining one part would copy it
        return {name: torch.cat([part[name] for part in done]) for name in done[0]}

    def _halve(self, stage: str, size: int) -> None:
        import torch

        self.sizes[stage] = size // 2
        log.warning("%s: out of memory with %d samples at once; continuing with %d", stage, size, size // 2)
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()


def _batch(work: Callable[[Sequence[int]], Tensors], start: int, end: int, size: int) -> Tensors:
    """What `work` makes of `size` samples from `start` on; of fewer before `end`, padded with the last of them."""
    real = min(size, end - start)
    made = work([start + min(i, real - 1) for i in range(size)])
    return {name: value[:real] for name, value in made.items()}
