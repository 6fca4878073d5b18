"""What every network of the harness is loaded by: on which device, in which precision, with which error."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from amodal_bench.core.errors import ConfigError, InputError, first_line
from amodal_bench.core.files import require_regular
from amodal_bench.core.progress import stage
from amodal_bench.weights.random import RANDOM_MARK
from amodal_bench.weights.source import WeightsSource, fault_of

Precision: TypeAlias = Literal["auto", "float32", "bfloat16", "float16"]
AUTO, *PRECISIONS = get_args(Precision)


def check_precision(setting: str, key: str) -> None:
    """Raise `ConfigError` where the setting `key` is no precision."""
    if setting not in (AUTO, *PRECISIONS):
        raise ConfigError(f"{key}: {setting!r} is not one of {', '.join((AUTO, *PRECISIONS))}")


def device_of(setting: str) -> str:
    """The torch device that is set; `auto` is the first GPU where there is one.

    Raises:
        ConfigError: there is no such device.
    """
    if setting == "cpu":
        return setting
    import torch

    if setting == AUTO:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(setting)
    except RuntimeError as error:
        raise ConfigError(f"device={setting}: torch has no such device; set auto, cpu, cuda or cuda:1") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ConfigError(f"device={setting}: torch finds {count} CUDA GPUs here; use device=auto")
    return setting


def device_kind(device: str) -> str:
    """What of a torch device can change a result: `cpu x86_64`, `cuda NVIDIA H200`, `mps`.

    Each kind of card has kernels of its own, and so has each kind of processor.
    """
    kind = device.partition(":")[0]
    if kind == "cpu":
        return f"{kind} {platform.machine()}"
    if kind != "cuda":
        return kind
    import torch

    return f"{kind} {torch.cuda.get_device_name(device)}"


def exact_float32() -> None:
    """Have float32 computed in float32 in this process: without TF32, which has 10 bits of 23.

    Convolutions on a GPU use it by default, and other code in the process may have switched it on for products.
    """
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def precision_of(setting: str, device: str) -> str:
    """The precision that is set; `auto` is bfloat16 on a GPU that has it, float16 on an older one, else float32."""
    if setting != AUTO:
        return setting
    if not device.startswith("cuda"):
        return "float32"
    import torch

    return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"


def origin(source: WeightsSource, folder: Path) -> dict[str, Any]:
    """What a description says of where weights come from: hub id and commit, and whether they are random."""
    hub = {"hub": source.spec, "commit": source.commit(folder)} if source.is_hub_id else {}
    return {**hub, **({"random_weights": True} if (folder / RANDOM_MARK).exists() else {})}


def check_whole(report: Mapping[str, Any], what: str) -> None:
    """Raise `ValueError` where a file lacks tensors: the libraries would go on with random numbers in their place."""
    if absent := sorted(report["missing_keys"]):
        raise ValueError(f"{what} lacks {len(absent)} tensors, such as {absent[0]}")


@contextmanager
def named_errors(folder: Path, family: str, remedy: str) -> Iterator[None]:
    """Turn the libraries' errors of loading into one line that names the folder and what to do."""
    from safetensors import SafetensorError

    try:
        for file in chain(folder.glob("*"), folder.glob("*/*")):
            if file.exists() and not file.is_dir():
                require_regular(file)  # the libraries would wait for what a pipe never brings
        with stage(f"loading weights of {family}"):
            yield
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        for file in chain(folder.glob("*.safetensors"), folder.glob("*/*.safetensors")):
            with suppress(OSError):
                if fault := fault_of(file):  # of which the libraries say nothing but that it cannot be loaded
                    raise InputError(file, fault, "download it again") from error
        raise InputError(folder, f"cannot be loaded as {family} ({first_line(error)})", remedy) from error
