"""A run's identity: the hash of all that can change a result, and of nothing that cannot."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from amodal_bench.core.version import __version__
from amodal_bench.datasets.base import Dataset
from amodal_bench.models.base import Model
from amodal_bench.runner.source import code_digest


@dataclass(frozen=True)
class Identity:
    """What a run is.

    Attributes:
        facts: dataset fingerprint, model description, the code that predicts, seed and versions; batch size, order,
            paths and loggers are left out, since no result depends on them.
    """

    facts: dict[str, Any]

    @property
    def digest(self) -> str:
        """Twelve hex digits of the SHA-256 over the facts."""
        return hashlib.sha256(self.json().encode()).hexdigest()[:12]

    def json(self) -> str:
        """The facts in one canonical form."""
        return json.dumps(self.facts, sort_keys=True, indent=2)


def identify(dataset: Dataset, model: Model, target: str, seed: int) -> Identity:
    """The identity of running `model` (built from the class named `target`) on `dataset` with `seed`."""
    return Identity(
        {
            "amodal_bench": __version__,
            "code": code_digest(model),
            "numpy": version("numpy"),
            "dataset": {"name": dataset.name, "fingerprint": dataset.fingerprint()},
            "model": {"target": target, **model.describe()},
            "seed": seed,
        }
    )
