"""Seeds: the randomness of a prediction depends on the run's seed, the instance's id and the draw, and on no more."""

from __future__ import annotations

import hashlib

import numpy as np


def sample_seed(run_seed: int, sample_id: str, draw: int = 0) -> int:
    """The seed of one prediction of an instance, in [0, 2**63); draws are numbered from 0 on."""
    seed = _hash(f"{run_seed}/{sample_id}")
    # Of a hash, since an id may end in anything: no draw has the seed of another instance.
    return seed if draw == 0 else _hash(f"{seed}/draw {draw}")


def stream_seed(seed: int, stream: str) -> int:
    """The seed of one purpose (such as "points"): a change in one stream does not move the others."""
    return _hash(f"{seed}/{stream}")


def stream(seed: int, name: str) -> np.random.Generator:
    """A NumPy generator for one purpose of one instance."""
    return np.random.default_rng(stream_seed(seed, name))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big") >> 1
