"""Where a run was made: kept beside its result for the reader, and no part of its identity."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("numpy", "opencv-python-headless", "pycocotools", "torch", "diffusers", "hydra-core", "pandas")


def environment() -> dict[str, Any]:
    """Python, platform, processor count and package versions."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "packages": {name: found for name in PACKAGES if (found := _version(name)) is not None},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
