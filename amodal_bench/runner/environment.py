"""Where a run was made: kept beside its result for the reader, and no part of its identity."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = (
    "numpy", "opencv-python-headless", "pycocotools", "torch", "diffusers", "transformers", "hydra-core", "pandas",
)  # fmt: skip


def environment() -> dict[str, Any]:
    """Python, platform, processors, GPUs (where the model uses torch) and package versions."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "gpus": _gpus(),
        "packages": {name: found for name in PACKAGES if (found := _version(name)) is not None},
    }


def _gpus() -> list[str]:
    """Names of the GPUs; none where torch is not imported: a baseline should not wait for it."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
