"""The three stages that every backbone goes through, and how many samples each takes at once."""

from __future__ import annotations

from amodal_bench.backbones.base import Backbone, InLanes

ENCODE, DENOISE, DECODE = "encode", "denoise", "decode"


def batch_sizes(backbone: Backbone) -> dict[str, int]:
    """The batch size of each stage of a backbone, for `Batches`."""
    return {ENCODE: backbone.vae_batch, DENOISE: backbone.micro_batch, DECODE: backbone.vae_batch}


def lanes_of(backbone: Backbone) -> int:
    """How many batches of a backbone may be computed at once, for `Batches`."""
    return backbone.lanes if isinstance(backbone, InLanes) else 1
