"""What every leakage has to satisfy, checked on an object of any class: `assert violations(MyLeakage()) == []`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from amodal_bench.core.noise import draw, generator
from amodal_bench.method.leakage import Leakage
from amodal_bench.models.described import facts_of
from amodal_bench.testing.clauses import guarded, of_description, tensor_form

if TYPE_CHECKING:
    from torch import Tensor

COUNT, STEPS = 3, 20


def violations(leakage: Leakage) -> list[str]:
    """Every way in which a leakage breaks what `amodal_bench.method.leakage.Leakage` promises; needs no weights."""
    broken = list(_of_members(leakage))
    broken = broken or list(guarded(of_description(lambda: facts_of(leakage), "its description"), "its description"))
    for progress in (step / STEPS for step in range(1, STEPS + 1)):
        broken = broken or list(guarded(_of_mix(leakage, progress), f"mix() at progress {progress:g}"))
    return broken


def _of_members(leakage: Leakage) -> Iterator[str]:
    name, erase, start = (getattr(leakage, member, None) for member in ("name", "erase", "start"))
    if not isinstance(name, str) or not name or len(name.split()) != 1:
        yield f"name is {name!r}, not one word"
    if not isinstance(erase, bool):
        yield f"erase is {erase!r}, not true or false"
    if isinstance(start, bool) or not isinstance(start, int | float) or not 0 < start <= 1:
        yield f"start is {start!r}, not a share in (0, 1]"


def _of_mix(leakage: Leakage, progress: float) -> Iterator[str]:
    """The form of the answer; inputs are left alone; the answer is repeatable and does not depend on the batch."""
    x, known, area = given = _inputs()
    kept = [value.clone() for value in given]
    mixed = leakage.mix(*given, progress)
    if getattr(mixed, "shape", None) != x.shape or getattr(mixed, "dtype", None) != x.dtype:
        yield f"mix() returns {tensor_form(mixed)}, not {tuple(given[0].shape)} float32"
        return
    if any(not bool((was == now).all()) for was, now in zip(kept, given, strict=True)):
        yield "mix() changes what it is given"
        return
    if not bool(mixed.isfinite().all()):
        yield "mix() returns numbers that are not finite"
    elif not bool((leakage.mix(*given, progress) == mixed).all()):
        yield "mix() differs from one call to the next"
    elif not bool((leakage.mix(x[1:2], known[1:2], area[1:2], progress) == mixed[1:2]).all()):
        yield "mix() answers differently when a sample is alone in its batch"


def _inputs() -> tuple[Tensor, Tensor, Tensor]:
    """A sample, the condition image at its level, and M, for a batch."""
    import torch

    like = torch.empty(COUNT, 4, 8, 8)
    x, known = (draw(like, [generator(n, purpose) for n in range(COUNT)]) for purpose in ("x", "known"))
    area = torch.zeros(COUNT, 1, 8, 8)
    for n in range(COUNT):
        area[n, :, 2 : 5 + n, 2:6] = 1
    return x, known, area
