"""Where a run was made: kept beside its result for the reader, and no part of its identity."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

from amodal_bench.core.versions import versions

PACKAGES = (
    "numpy", "opencv", "pillow", "pycocotools", "scipy", "scikit-image", "torch", "diffusers", "transformers",
    "accelerate", "safetensors", "hydra-core", "pandas", "pyarrow",
)  # fmt: skip


def environment() -> dict[str, Any]:
    """Python, operating system, kind of processor, memory, GPUs (where the model uses torch) and package versions."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "memory_gb": _memory(),
        "gpus": _gpus(),
        "packages": versions(*PACKAGES),
    }


def _processor() -> str:
    """The processor's name, such as "AMD EPYC 9654"; its architecture where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.machine()


def _memory() -> float | None:
    """Gigabytes of memory; None where the system does not tell."""
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)
    except (AttributeError, OSError, ValueError):
        return None


def _gpus() -> list[str]:
    """Names of the GPUs; none where torch is not imported: a baseline should not wait for it."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
