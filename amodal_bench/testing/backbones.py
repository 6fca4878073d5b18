"""What every backbone has to satisfy, checked on an object of any class: `assert violations(MyBackbone()) == []`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from amodal_bench.backbones.base import Backbone, Schedule
from amodal_bench.core.noise import draw, generator
from amodal_bench.testing.clauses import as_json, form, guarded, of_description

if TYPE_CHECKING:
    from torch import Tensor

STEPS = 4
ROUNDING = 0.02
"""The share of the largest number by which results may differ: half precision has about three digits."""

CLEAN = 0.1
"""The noise that may be left at a schedule's end: pix2gestalt's ends at timestep 0, which is not quite clean."""


def violations(backbone: Backbone) -> list[str]:
    """Every way in which a backbone breaks what `amodal_bench.backbones.base.Backbone` promises.

    It is asked in batches of `vae_batch` and `micro_batch`, as the loop does. Loads the networks.
    """
    import torch

    broken = list(guarded(of_description(backbone.describe), "describe()")) + list(_of_members(backbone))
    if broken:
        return broken
    before = as_json(backbone.describe())
    with torch.inference_mode():
        broken += guarded(_of_schedule(backbone.schedule(STEPS)), "schedule()")
        broken = broken or list(guarded(_of_stages(backbone), "a stage"))
    if as_json(backbone.describe()) != before:
        broken.append("describe() says something else after its stages were called")
    return broken


def _of_members(backbone: Backbone) -> Iterator[str]:
    for name in ("native", "micro_batch", "vae_batch"):
        value = getattr(backbone, name, None)
        if not isinstance(value, int) or value < 1:
            yield f"{name} is {value!r}, not a whole number >= 1"
    if not isinstance(getattr(backbone, "device", None), str):
        yield "device is not a text, such as cpu"


def _of_schedule(schedule: Any) -> Iterator[str]:
    """The schedule has as many times as steps and one level more, from noise to a clean sample."""
    if not isinstance(schedule, Schedule):
        yield f"schedule() returns a {type(schedule).__name__}, not a Schedule"
        return
    for name, length in (("times", STEPS), ("signal", STEPS + 1), ("noise", STEPS + 1)):
        if len(getattr(schedule, name)) != length:
            yield f"schedule({STEPS}).{name} has {len(getattr(schedule, name))} entries, not {length}"
            return
    if list(schedule.signal) != sorted(schedule.signal) or list(schedule.noise) != sorted(schedule.noise)[::-1]:
        yield "schedule(): the signal does not grow from level to level, or the noise does not shrink"
    if schedule.noise[-1] > CLEAN or abs(schedule.signal[-1] - 1) > CLEAN:
        yield "schedule(): the last level is not clean, which is signal 1 and noise 0"


def _of_stages(backbone: Backbone) -> Iterator[str]:
    """Each stage: form, inputs left alone, the same once more, and independence of a sample's place and company."""
    images, areas = _inputs(backbone, backbone.vae_batch)
    clean = backbone.encode(images.clone())
    if clean.ndim != 4 or len(clean) != len(images):
        yield f"encode() returns {form(clean)}, not ({len(images)}, C, h, w) float32"
        return
    yield from _of_call("encode", backbone.encode, [images], clean.shape)
    yield from _of_call("decode", backbone.decode, [clean], images.shape)
    painted = backbone.decode(clean)
    if float(painted.min()) < 0 or float(painted.max()) > 1:
        yield f"decode() returns images between {float(painted.min()):g} and {float(painted.max()):g}, not 0 and 1"
    yield from _of_call("latent_area", backbone.latent_area, [areas], (len(areas), 1, *clean.shape[2:]))
    yield from _of_denoising(backbone, clean, images, areas)


def _of_denoising(backbone: Backbone, clean: Tensor, images: Tensor, areas: Tensor) -> Iterator[str]:
    from torch import Tensor

    count = backbone.micro_batch
    shown = backbone.prepare(images, clean, areas, erase=True)
    wrong = not isinstance(shown, Mapping) or not all(isinstance(value, Tensor) for value in shown.values())
    if wrong or any(len(value) != len(images) for value in shown.values()):
        yield "prepare() does not return a mapping of tensors with the batch first"
        return
    names = list(shown)
    schedule = backbone.schedule(STEPS)
    like = clean.new_empty((count, *clean.shape[1:]))
    x = schedule.initial * draw(like, [generator(n, "contract") for n in range(count)])
    told = [_repeated(shown[name], count) for name in names]

    def denoise(x: Tensor, *told: Tensor) -> Tensor:
        return backbone.denoise(x, schedule, 0, dict(zip(names, told, strict=True)))

    output = denoise(x.clone(), *(value.clone() for value in told))
    if output.ndim != 4 or len(output) != count or output.shape[1] < x.shape[1]:
        yield f"denoise() returns {form(output)}, not {tuple(x.shape)} float32, or more channels"
        return
    yield from _of_call("denoise", denoise, [x, *told], output.shape)

    def advance(output: Tensor, x: Tensor, *, order: Sequence[int] = range(count)) -> Tensor:
        return backbone.advance(output, schedule, 0, x, [generator(n, "contract steps") for n in order])

    following = advance(output, x)
    yield from (f"advance() returns {form(following)}, not {tuple(x.shape)} float32" for _ in _unlike(following, x))
    turned = advance(output.flip(0), x.flip(0), order=range(count)[::-1])
    if following.shape == x.shape and not _near(turned.flip(0), following):
        yield "advance() depends on a sample's place in the batch"


def _of_call(name: str, work: Any, inputs: list[Tensor], shape: Sequence[int]) -> Iterator[str]:
    """A stage that takes and gives batches."""
    given = [value.clone() for value in inputs]
    made = work(*given)
    if any(not bool((was == now).all()) for was, now in zip(inputs, given, strict=True)):
        yield f"{name}() changes what it is given"
        return
    if tuple(made.shape) != tuple(shape) or not str(made.dtype).endswith("float32"):
        yield f"{name}() returns {form(made)}, not {tuple(shape)} float32"
        return
    if not bool(made.isfinite().all()):
        yield f"{name}() returns numbers that are not finite"
        return
    if not bool((work(*inputs) == made).all()):
        yield f"{name}() differs from one call to the next"
        return
    turned = work(*(value.flip(0) for value in inputs)).flip(0)
    # Another company: every sample stands beside copies of the first one.
    company = work(*(_with_first(value) for value in inputs))[-1]
    if not _near(turned, made) or not _near(company, made[-1]):
        yield f"{name}() depends on a sample's place in the batch, or on its company"


def _inputs(backbone: Backbone, count: int) -> tuple[Tensor, Tensor]:
    """Pictures of noise in [-1, 1], and areas in their middle, each one row larger than the one before."""
    import torch

    side = backbone.native
    made = [torch.rand((3, side, side), generator=generator(n, "contract images")) for n in range(count)]
    images = torch.stack(made).to(backbone.device) * 2 - 1
    areas = torch.zeros_like(images[:, :1])
    for n in range(count):
        areas[n, :, side // 4 : side // 2 + n % max(side // 4, 1), side // 4 : 3 * side // 4] = 1
    return images, areas


def _repeated(batch: Tensor, count: int) -> Tensor:
    """A batch of `count` samples out of the first ones."""
    return batch[[index % len(batch) for index in range(count)]]


def _with_first(batch: Tensor) -> Tensor:
    """The last sample of a batch in the company of copies of the first one."""
    return batch[[*([0] * (len(batch) - 1)), len(batch) - 1]]


def _near(first: Tensor, second: Tensor) -> bool:
    """Whether two results are the same but for rounding, which in some kernels depends on a sample's place."""
    return float((first - second).abs().max()) <= ROUNDING * float(second.abs().max())


def _unlike(made: Any, x: Tensor) -> list[bool]:
    return [] if made.shape == x.shape and made.dtype == x.dtype else [True]
