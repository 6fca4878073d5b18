"""One step of everything that a backbone or a segmenter does in a run, each on its own clock."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from amodal_bench.backbones.latent import LatentBackbone
from amodal_bench.cli.models.holdings import Component
from amodal_bench.core.errors import BenchError
from amodal_bench.core.progress import stage
from amodal_bench.core.seeds import stream_seed
from amodal_bench.core.stages import Stages
from amodal_bench.segmenters.base import Prompt
from amodal_bench.testing.clauses import FAILURES, described
from amodal_bench.views.points import draw_points
from amodal_bench.weights.loaded import Loaded

if TYPE_CHECKING:
    from torch import Tensor

REMEDY = {
    "model.backbone": "lower model.backbone.micro_batch and vae_batch, or model.backbone.native",
    "segmenter": "lower segmenter.batch, or choose smaller segmenter.weights",
}
STEPS = 20
"""Steps of the schedule of which one is tried; the paper's number."""
SIDE = 256
"""Pixels of the pictures that a segmenter is tried on; it brings them to its own size."""


class _Flaw(Exception):
    """What came out of a step cannot be right."""


@dataclass
class Examined:
    """What was found.

    Attributes:
        lines: of each stage its name and what there is to say of it.
        problems: one line each.
    """

    lines: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def examine(part: Component) -> Examined:
    """Load a component part by part, then try each of its steps on batches of the size that a run uses.

    Images are noise. What a step cannot do becomes a problem; the steps after it, which need it, are not tried.
    """
    import torch

    found, stages = Examined(), Stages(all=True)
    with torch.inference_mode():
        for name, work in (_stages if part.key == "model.backbone" else _segmenter_stages)(part.built):
            said = ""
            try:
                with stage(f"{part.key}: {name}"), stages.clock(name, 1, device=part.built.device):
                    said = work()
            except BenchError as error:
                found.problems.append(str(error))
            except _Flaw as flaw:
                found.problems.append(f"{name}: {flaw}")
            except torch.OutOfMemoryError:
                found.problems.append(
                    f"{name}: does not fit into the memory of {part.built.device}; {REMEDY[part.key]}"
                )
            except FAILURES as error:
                found.problems.append(f"{name}: {described(error)}")
            cost = stages.take()[name]
            peak = f", {cost.peak / 1e9:.2f} GB of GPU memory" if cost.peak else ""
            if found.problems:
                break
            found.lines.append((name, f"{said}{', ' * bool(said)}{cost.seconds:.1f} s{peak}"))
    return found


def peak_memory() -> str:
    """The most memory that this process has had so far, where the system counts it."""
    try:
        import resource
    except ImportError:  # not on Windows
        return "not counted on this system"
    unit = 1 if sys.platform == "darwin" else 1024
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9:.2f} GB of main memory"


def _stages(backbone: Any) -> Iterator[tuple[str, Callable[[], str]]]:
    for part in loadable(backbone):
        yield part, lambda part=part: _described(getattr(backbone, part))  # type: ignore[misc]
    trial = _Trial(backbone)
    yield "encode", trial.encode
    yield "denoise", trial.denoise
    yield "decode", trial.decode


def _segmenter_stages(segmenter: Any) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "network", lambda: _described(segmenter.model)
    yield "segment", lambda: _segmented(segmenter)


def _segmented(segmenter: Any) -> str:
    """A batch of pictures of noise, each with V in its middle."""
    drawn = np.random.default_rng(0).integers(0, 256, (segmenter.batch, SIDE, SIDE, 3), np.uint8)
    visible = np.zeros((SIDE, SIDE), bool)
    visible[SIDE // 4 : 3 * SIDE // 4, SIDE // 4 : 3 * SIDE // 4] = True
    prompt = Prompt(visible, np.ones_like(visible), draw_points(visible, 9, 0), 0)
    masks = segmenter.segment(list(drawn), [prompt] * len(drawn))
    return f"{len(masks)} images of {SIDE} px"


def loadable(backbone: Any) -> list[str]:
    """What a backbone loads when it is first asked for, in the order in which its family declares it."""
    ours = {**vars(Loaded), **vars(LatentBackbone)}
    found = [
        name
        for kind in reversed(type(backbone).__mro__)
        for name, value in vars(kind).items()
        if isinstance(value, cached_property) and name not in ours and not name.startswith("_")
    ]
    return list(dict.fromkeys(found))


def _described(part: Any) -> str:
    """A network's class, size and precision; of tensors their shapes."""
    import torch

    if isinstance(part, torch.nn.Module):
        count = sum(parameter.numel() for parameter in part.parameters())
        precisions = sorted({str(parameter.dtype).removeprefix("torch.") for parameter in part.parameters()})
        size = f"{count / 1e6:.1f} M" if count < 1e9 else f"{count / 1e9:.2f} G"
        return f"{type(part).__name__}, {size} parameters, {' and '.join(precisions)}"
    tensors = part if isinstance(part, dict) else {"": part}
    if all(isinstance(value, torch.Tensor) for value in tensors.values()):
        shapes = [f"{name} {'x'.join(map(str, value.shape))}".strip() for name, value in tensors.items()]
        for value in tensors.values():
            _finite(value)
        return ", ".join(shapes)
    return type(part).__name__


class _Trial:
    """Noise on its way through a backbone, in batches of a run's size."""

    def __init__(self, backbone: Any) -> None:
        self.backbone = backbone

    def encode(self) -> str:
        import torch

        backbone, side = self.backbone, self.backbone.native
        generator = torch.Generator().manual_seed(0)
        images = torch.rand((backbone.vae_batch, 3, side, side), generator=generator).to(backbone.device) * 2 - 1
        areas = torch.zeros_like(images[:, :1])
        areas[..., side // 4 : 3 * side // 4, side // 4 : 3 * side // 4] = 1
        clean = _finite(backbone.encode(images))
        shown = backbone.prepare(images, clean, areas, erase=True)
        self.clean = _repeated(clean, backbone.micro_batch)
        self.shown = {name: _repeated(_finite(value), backbone.micro_batch) for name, value in shown.items()}
        return f"{len(images)} images of {side} px to latents {'x'.join(map(str, clean.shape[1:]))}"

    def denoise(self) -> str:
        import torch

        backbone, count = self.backbone, len(self.clean)
        schedule = backbone.schedule(STEPS)
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(self.clean.shape, generator=generator).to(backbone.device)
        generators = [torch.Generator().manual_seed(stream_seed(n, "steps")) for n in range(count)]
        start = schedule.initial * noise
        output = _finite(backbone.denoise(start, schedule, 0, self.shown))
        _finite(backbone.advance(output, schedule, 0, start, generators))
        return f"one step of {count} samples"

    def decode(self) -> str:
        images = _finite(self.backbone.decode(self.clean[: self.backbone.vae_batch]))
        low, high = float(images.min()), float(images.max())
        if low < 0 or high > 1:
            raise _Flaw(f"its images are between {low:g} and {high:g} instead of 0 and 1")
        return f"{len(images)} images"


def _repeated(batch: Tensor, count: int) -> Tensor:
    """A batch of `count` samples out of the first ones."""
    return batch[[index % len(batch) for index in range(count)]]


def _finite(tensor: Tensor) -> Tensor:
    if not bool(tensor.isfinite().all()):
        raise _Flaw("its numbers are not finite; set model.backbone.precision=float32 or bfloat16")
    return tensor
