"""What every backbone has to satisfy, checked on an object of any class: `assert violations(MyBackbone()) == []`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from amodal_bench.backbones.base import Backbone, Schedule
from amodal_bench.core.kinds import kind_of
from amodal_bench.core.noise import draw, generator
from amodal_bench.testing.clauses import as_json, guarded, of_description, of_members, of_unchanged, tensor_form

if TYPE_CHECKING:
    from torch import Tensor

Near: TypeAlias = "Callable[[Tensor, Tensor], bool]"

STEPS = 4
PLACE = 1e-4
"""The share of the largest number by which a sample's result may depend on its place in the batch, in float32.

A batch is computed in blocks, and which samples lie in a block's remainder decides about the order in which numbers
are added. Measured on the small random networks, as a share of the largest number: 0 on one thread with their own
micro-batches, 6e-7 on one thread with micro_batch=3, 5e-7 on two threads. Other samples at the other places change
nothing (0 in all of these cases), so that company is held to every bit.
"""
HALF_PLACE = 0.02
"""The share where a backbone computes in half precision, which has two to three digits."""
METHODS = ("describe", "schedule", "encode", "decode", "latent_area", "prepare", "denoise", "advance")

CLEAN = 0.1
"""The noise that may be left at a schedule's end: pix2gestalt's ends at timestep 0, which is not quite clean."""


def violations(backbone: Backbone) -> list[str]:
    """Every way in which a backbone breaks what `amodal_bench.backbones.base.Backbone` promises.

    It is asked in batches of `vae_batch` and `micro_batch`, as the loop does. Loads the networks.
    """
    import torch

    broken = list(of_members(backbone, *METHODS)) + list(_of_members(backbone))
    broken = broken or list(guarded(of_description(backbone.describe), "describe()"))
    if broken:
        return broken
    before = as_json(backbone.describe())
    with torch.inference_mode():
        broken += guarded(_of_schedule(backbone), "schedule()")
        broken = broken or list(guarded(_of_stages(backbone), "a stage"))
    broken += guarded(of_unchanged(backbone.describe, before, "its stages were called"), "describe()")
    return broken


def _of_members(backbone: Backbone) -> Iterator[str]:
    for name in ("native", "micro_batch", "vae_batch"):
        value = getattr(backbone, name, None)
        if not isinstance(value, int) or value < 1:
            yield f"{name} is {value!r}, not a whole number >= 1"
    if not isinstance(getattr(backbone, "device", None), str):
        yield "device is not a text, such as cpu"


def _of_schedule(backbone: Backbone) -> Iterator[str]:
    """The schedule has as many times as steps and one level more, from noise to a clean sample."""
    schedule: Any = backbone.schedule(STEPS)
    if not isinstance(schedule, Schedule):
        yield f"schedule() returns {kind_of(schedule)}, not a Schedule"
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
    """Each stage returns the right form, leaves its inputs alone, is repeatable, and does not depend on the batch."""
    images, areas = _inputs(backbone, backbone.vae_batch)
    clean = backbone.encode(images.clone())
    if not _is_tensor(clean) or clean.ndim != 4 or len(clean) != len(images):
        yield f"encode() returns {tensor_form(clean)}, not ({len(images)}, C, h, w) float32"
        return
    near = _near(backbone)
    yield from _of_call("encode", backbone.encode, [images], clean.shape, near)
    yield from _of_call("decode", backbone.decode, [clean], images.shape, near)
    painted = backbone.decode(clean)
    if float(painted.min()) < 0 or float(painted.max()) > 1:
        yield f"decode() returns images between {float(painted.min()):g} and {float(painted.max()):g}, not 0 and 1"
    yield from _of_call("latent_area", backbone.latent_area, [areas], (len(areas), 1, *clean.shape[2:]), near)
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
    if not _is_tensor(output) or output.ndim != 4 or len(output) != count or output.shape[1] < x.shape[1]:
        yield f"denoise() returns {tensor_form(output)}, not {tuple(x.shape)} float32, or more channels"
        return
    yield from _of_call("denoise", denoise, [x, *told], output.shape, _near(backbone))

    def advance(output: Tensor, x: Tensor, *, order: Sequence[int] = range(count)) -> Tensor:
        return backbone.advance(output, schedule, 0, x, [generator(n, "contract steps") for n in order])

    following = advance(output, x)
    yield from (
        f"advance() returns {tensor_form(following)}, not {tuple(x.shape)} float32" for _ in _unlike(following, x)
    )
    turned = advance(output.flip(0), x.flip(0), order=range(count)[::-1])
    if following.shape == x.shape and not _near(backbone)(turned.flip(0), following):
        yield f"advance() depends on a sample's place in the batch, {_apart(turned.flip(0), following)}"


def _of_call(name: str, work: Any, inputs: list[Tensor], shape: Sequence[int], near: Near) -> Iterator[str]:
    """A stage that takes and gives batches."""
    given = [value.clone() for value in inputs]
    given_back = work(*given)
    made = given_back.clone() if _is_tensor(given_back) else given_back  # a stage may use its buffer again
    if any(not bool((was == now).all()) for was, now in zip(inputs, given, strict=True)):
        yield f"{name}() changes what it is given"
        return
    if not _is_tensor(made) or tuple(made.shape) != tuple(shape) or not str(made.dtype).endswith("float32"):
        yield f"{name}() returns {tensor_form(made)}, not {tuple(shape)} float32"
        return
    if not bool(made.isfinite().all()):
        yield f"{name}() returns numbers that are not finite"
        return
    if not bool((work(*inputs) == made).all()):
        yield f"{name}() differs from one call to the next"
        return
    turned = work(*(value.flip(0) for value in inputs)).flip(0)
    # Another company: the last sample keeps its place beside copies of itself.
    company = work(*(_of_last(value) for value in inputs))[-1]
    if not bool((company == made[-1]).all()):
        yield f"{name}() depends on a sample's company in the batch, {_apart(company, made[-1])}"
    elif not near(turned, made):
        yield f"{name}() depends on a sample's place in the batch, {_apart(turned, made)}"


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


def _of_last(batch: Tensor) -> Tensor:
    """The last sample of a batch at every place."""
    return batch[[-1] * len(batch)]


def _is_tensor(value: Any) -> bool:
    from torch import Tensor

    return isinstance(value, Tensor)


def _near(backbone: Backbone) -> Near:
    """Whether two results are the same but for the rounding that may depend on a sample's place."""
    precise = backbone.describe().get("precision", "float32") == "float32"
    share = PLACE if precise else HALF_PLACE
    return lambda first, second: _difference(first, second) <= share * float(second.abs().max())


def _difference(first: Tensor, second: Tensor) -> float:
    return float((first - second).abs().max())


def _apart(first: Tensor, second: Tensor) -> str:
    return f"by up to {_difference(first, second):.2g} where the largest number is {float(second.abs().max()):.2g}"


def _unlike(made: Any, x: Tensor) -> list[bool]:
    return [] if made.shape == x.shape and made.dtype == x.dtype else [True]
