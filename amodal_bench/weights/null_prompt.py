"""The empty prompt's embedding: computed once, kept on disk, so that no text encoder stays in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from amodal_bench.core.cache import cache_folder, keep
from amodal_bench.core.digests import files_digest
from amodal_bench.core.files import require_regular
from amodal_bench.core.versions import versions
from amodal_bench.weights.loading import device_kind
from amodal_bench.weights.source import NULL_PROMPT

if TYPE_CHECKING:
    from torch import Tensor

LIBRARIES = ("torch", "transformers")
"""What computes an embedding that does not lie beside the weights."""

_CONTENT = "sha256"


def is_shipped(folder: Path) -> bool:
    """Whether the embedding lies beside the weights, so that none is computed."""
    return (folder / NULL_PROMPT).exists()


def prompt_digest(folder: Path, source: str, device: str) -> str:
    """Hex SHA-256 of the embedding: of the file beside the weights, else of all that it is computed from.

    Nothing is loaded for it, and two machines agree although their last bits may not.

    Args:
        folder: the model's.
        source: digest of the files that the embedding follows from.
        device: the torch device that computes it.
    """
    if is_shipped(folder):
        return files_digest([folder / NULL_PROMPT])
    found = versions(*LIBRARIES)
    lines = [source, device_kind(device), *(f"{name} {found[name]}" for name in sorted(found))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def null_prompt(
    folder: Path, source: str, device: str, compute: Callable[[], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """The embedding's tensors by name, float32, batch of one.

    Args:
        folder: the model's; a `null_prompt.safetensors` in it goes first.
        source: digest of the files that the embedding follows from.
        device: the torch device that computes it.
        compute: loads the text encoders, encodes the empty prompt and lets go of them again.
    """
    from safetensors.torch import load_file, save_file

    if is_shipped(folder):
        require_regular(folder / NULL_PROMPT)
        return dict(load_file(folder / NULL_PROMPT))
    kept = cache_folder() / "null_prompts" / f"{prompt_digest(folder, source, device)}.safetensors"
    if (found := _kept(kept)) is not None:
        return found
    tensors = {name: value.detach().float().cpu().contiguous() for name, value in compute().items()}
    keep(kept, lambda path: save_file(tensors, path, {_CONTENT: _content(tensors)}))
    return tensors


def _kept(file: Path) -> dict[str, Tensor] | None:
    """The tensors of a file of the cache; None where there is none, or not with the content that was put there."""
    from safetensors import SafetensorError, safe_open

    try:
        require_regular(file)
        with safe_open(file, "pt") as opened:
            stated = (opened.metadata() or {}).get(_CONTENT)
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (it has no iterator)
    except (OSError, SafetensorError):
        return None
    return tensors if stated == _content(tensors) else None


def _content(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tuple(tensors[name].shape)}\n".encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()
