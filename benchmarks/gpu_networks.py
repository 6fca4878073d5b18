"""Networks with random weights for `gpu.py`, the backbones that they are put into, and counts of operations."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import diffusers
import torch
from gpu_models import Family
from PIL import Image
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from amodal_bench.method.inpaint import Denoising

Networks: TypeAlias = Mapping[str, Any]


def build(family: Family, device: str, dtype: torch.dtype) -> dict[str, Any]:
    """The family's networks on a device, filled with random numbers there: nothing is read, nothing written.

    Random, and not zero, since a GPU computes faster on zeros: they take less power, and so leave a higher clock.
    """
    networks = {}
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(dtype)
        for part, (kind, config) in family.networks.items():
            with torch.device("meta"):
                network = getattr(diffusers, kind).from_config(config)
            networks[part] = network if device == "meta" else filled(network.to_empty(device=device))
    finally:
        torch.set_default_dtype(before)
    return networks


def filled(network: torch.nn.Module) -> torch.nn.Module:
    """Weights that keep the size of what passes through: norms scale by one, nothing is added."""
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.dim() > 1:
                weight.normal_(std=weight[0].numel() ** -0.5)
            else:
                weight.fill_(0.0 if name.endswith("bias") else 1.0)
    return network


def parameters(network: torch.nn.Module) -> int:
    """How many numbers a network learned."""
    return sum(weight.numel() for weight in network.parameters())


@dataclass(frozen=True)
class Built:
    """Stands in for a class of the library, and gives away a network that exists already."""

    network: Any

    def from_pretrained(self, *_: Any, output_loading_info: bool = False, **__: Any) -> Any:
        return (self.network, {"missing_keys": []}) if output_loading_info else self.network


def backbone(family: Family, networks: Networks, folder: Path, **options: Any) -> Any:
    """The harness's own class for the family (a `LatentBackbone`), whose networks come from `networks`.

    All that the class does after reading a file is done: `load`, `tuned`, the null prompt, the scheduler.
    `networks` may be filled later, before the backbone is first used.
    """
    write(family, folder)
    module, name = family.backbone.split(".")
    kind: Any = getattr(importlib.import_module(f"amodal_bench.backbones.{module}"), name)

    class WithNetworks(kind):  # type: ignore[misc]
        def load(self, kind: Any, part: str, dtype: Any = None) -> Any:  # noqa: ARG002
            return super().load(Built(networks[part]), part, dtype)

    return WithNetworks(str(folder), native=family.native, **options)


def write(family: Family, folder: Path) -> None:
    """What a folder of weights holds beside the weights: the scheduler's config and the null prompt."""
    for part in (*family.networks, "scheduler"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(family.scheduler), encoding="utf-8")
    shapes = family.null_prompt(denoiser_config(family))
    if shapes:
        tensors = {name: torch.randn(shape) for name, shape in shapes.items()}
        save_file(tensors, folder / "null_prompt.safetensors")


def denoiser_config(family: Family) -> dict[str, Any]:
    """The denoiser's config with the class's defaults."""
    kind, config = family.networks[family.denoiser]
    defaults = inspect.signature(getattr(diffusers, kind).__init__).parameters
    return {name: config.get(name, each.default) for name, each in defaults.items()}


def operations(family: Family, folder: Path, how: Denoising) -> dict[str, float]:
    """TFLOP (2 per multiplication and addition) per instance of each stage, counted on tensors without data.

    Counted are matrix products, convolutions and attention, in the harness's own calls of the networks; the key
    "pass" is one pass of the denoiser.
    """
    meta = backbone(family, build(family, "meta", torch.bfloat16), folder, device="meta", precision="bfloat16")
    side = family.native
    images, areas = torch.empty(1, 3, side, side, device="meta"), torch.empty(1, 1, side, side, device="meta")
    with torch.inference_mode():
        with FlopCounterMode(display=False) as encoding:
            clean = meta.encode(images)
            shown = meta.prepare(images, clean, areas, how.leakage.erase)
            if how.guidance:
                meta.prepare(images, clean, areas, False)
        schedule = meta.schedule(how.steps)
        with FlopCounterMode(display=False) as denoising:
            meta.denoise(clean, schedule, 0, shown)
        with FlopCounterMode(display=False) as decoding:
            meta.decode(clean)
    encode, once, decode = (each.get_total_flops() / 1e12 for each in (encoding, denoising, decoding))
    passes = how.steps * (2 if how.guidance else 1)
    return {"encode": encode, "denoise": passes * once, "decode": decode, "pass": once}


def plain_loop(family: Family, networks: Networks, steps: int) -> Callable[[Image.Image, Image.Image], Image.Image]:
    """The library's own pipeline over the networks as they are, for one picture and mask at a time."""
    kind, solver = getattr(diffusers, family.pipeline), getattr(diffusers, family.solver)
    wanted = inspect.signature(kind.__init__).parameters
    absent = {name: None for name, each in wanted.items() if name != "self" and each.default is each.empty}
    quiet = {"requires_safety_checker": False, "add_watermarker": False}
    options = {name: value for name, value in quiet.items() if name in wanted}
    pipeline = kind(**{**absent, **options, **networks, "scheduler": solver.from_config(family.scheduler)})
    pipeline.set_progress_bar_config(disable=True)
    denoiser = networks[family.denoiser]
    embeddings = {
        name: torch.zeros(shape, device=denoiser.device, dtype=denoiser.dtype)
        for name, shape in family.prompt(denoiser_config(family)).items()
    }

    def inpaint(picture: Image.Image, mask: Image.Image) -> Image.Image:
        size = {"height": family.native, "width": family.native}
        result: Image.Image = pipeline(
            image=picture, mask_image=mask, num_inference_steps=steps, **size, **embeddings, **family.call
        ).images[0]
        return result

    return inpaint
