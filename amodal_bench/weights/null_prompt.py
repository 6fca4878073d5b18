"""The empty prompt's embedding: computed once, kept on disk, so that no text encoder stays in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from amodal_bench.core.cache import cache_folder, keep
from amodal_bench.weights.source import NULL_PROMPT

if TYPE_CHECKING:
    from torch import Tensor


def null_prompt(folder: Path, digest: str, compute: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """The embedding's tensors by name, float32, batch of one.

    Args:
        folder: the model's; a `null_prompt.safetensors` in it goes first.
        digest: of the files that the embedding follows from.
        compute: loads the text encoders, encodes the empty prompt and lets go of them again.
    """
    from safetensors.torch import load_file, save_file

    shipped, kept = folder / NULL_PROMPT, cache_folder() / "null_prompts" / f"{digest}.safetensors"
    for path in (shipped, kept):
        if path.exists():
            return dict(load_file(path))
    tensors = {name: value.detach().float().cpu().contiguous() for name, value in compute().items()}
    keep(kept, lambda path: save_file(tensors, path))
    return tensors
