"""What a run's folder tells of it beside its numbers: dataset, split, model, seed, and protocols it was scored by."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from amodal_bench.core.errors import BenchError
from amodal_bench.core.files import read_text
from amodal_bench.core.plain import without_seed

UNKNOWN = "-"
"""Where a run of an earlier version does not say."""


@dataclass(frozen=True)
class Told:
    """A run in words.

    Attributes:
        dataset: its name.
        split: of the dataset; "-" where it has none.
        name: the model's.
        settings: those that differ from the model's usual ones, without the seed.
        seed: the run's.
        digest: of the run's identity.
    """

    dataset: str
    split: str
    name: str
    settings: str
    seed: str
    digest: str

    @property
    def model(self) -> str:
        """Its name and its settings."""
        return f"{self.name} {self.settings}".strip()


def told(folder: Path) -> Told | None:
    """What `run.json` says; None where there is none that can be read."""
    from amodal_bench.runner.run_json import read_facts

    with suppress(BenchError):
        facts = read_facts(folder)
        model = facts.name, without_seed(facts.settings or "")
        split, seed = facts.split or UNKNOWN, str(facts.identity.get("seed", UNKNOWN))
        return Told(str(facts.identity["dataset"]["name"]), split, *model, seed, facts.digest)
    return None


def by_digest(runs: Path) -> dict[str, Told]:
    """All runs of a folder by the digest that stands in tables."""
    found = (told(file.parent) for file in runs.glob("*/run.json"))
    return {each.digest: each for each in found if each is not None}


def protocols_of(folder: Path) -> list[str]:
    """Labels and digests of the protocols that a run was scored by, such as `instance@2 (23c36303)`, each once."""
    found: dict[str, None] = {}
    for file in sorted(folder.glob("scores/*/protocols.json")):
        with suppress(OSError, ValueError, TypeError, KeyError):
            listed = json.loads(read_text(file))
            found |= {f"{each['label']} ({each['digest']})": None for each in listed}
    return list(found)
