"""Batches of one fixed size per stage, halved where memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from amodal_bench.core.errors import BenchError
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
    """

    def __init__(
        self,
        sizes: dict[str, int],
        stages: Stages,
        device: str,
        remedy: str = "choose a smaller model.backbone.native, or precision bfloat16",
    ) -> None:
        self.sizes, self.stages, self.device, self.remedy = sizes, stages, device, remedy

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
            real = min(size, count - start)
            try:
                with self.stages.clock(stage, real, size, self.device):
                    made = work([start + min(i, real - 1) for i in range(size)])
                done.append({name: value[:real] for name, value in made.items()})
                start += real
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
