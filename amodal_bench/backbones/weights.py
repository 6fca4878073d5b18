"""Where a backbone's weights lie, and what identifies them."""

from __future__ import annotations

import hashlib
import importlib.resources
from functools import lru_cache
from pathlib import Path

from amodal_bench.errors import InputError

PACKAGED = "package://"


def weights_folder(spec: str) -> Path:
    """The folder of `spec`: a path, or `package://<package>/<path>` for weights that a package ships.

    Raises:
        InputError: there is no such folder.
    """
    if spec.startswith(PACKAGED):
        package, _, path = spec.removeprefix(PACKAGED).partition("/")
        folder = Path(str(importlib.resources.files(package))) / path
    else:
        folder = Path(spec).expanduser()
    if not folder.is_dir():
        raise InputError(
            spec,
            "there is no such weights folder",
            "set model.backbone.weights to a folder in diffusers' layout",
        )
    return folder


@lru_cache
def weights_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of the folder's weights and configs, as hex."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.name.endswith((".safetensors", "config.json")):
            digest.update(path.relative_to(folder).as_posix().encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
