"""Seeds: the randomness of an instance depends on the run's seed and the instance's id, and on nothing else."""

from __future__ import annotations

import hashlib

import numpy as np


def sample_seed(run_seed: int, sample_id: str) -> int:
    """The seed of one instance, in [0, 2**63)."""
    return _hash(f"{run_seed}/{sample_id}")


def stream_seed(seed: int, stream: str) -> int:
    """The seed of one purpose (such as "points"): a change in one stream does not move the others."""
    return _hash(f"{seed}/{stream}")


def stream(seed: int, name: str) -> np.random.Generator:
    """A NumPy generator for one purpose of one instance."""
    return np.random.default_rng(stream_seed(seed, name))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
