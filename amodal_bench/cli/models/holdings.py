"""What a model needs to have on the disk, found out without loading any of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amodal_bench.config.build import TARGET, build
from amodal_bench.weights.random import RANDOM
from amodal_bench.weights.source import WeightsSource, lacking


@dataclass(frozen=True)
class Holding:
    """Weights in one place.

    Attributes:
        source: the place.
        parts: the sub-folders that are needed of it.
        revision_key: the setting that pins a hub id's commit.
    """

    source: WeightsSource
    parts: Sequence[str]
    revision_key: str

    def missing(self) -> list[str] | None:
        """What is not on this machine of it, in a few words each; None where nothing is."""
        folder = self.source.place()
        return None if folder is None else lacking(folder, self.parts, self.source.variant)

    def state(self) -> str:
        """`complete`, `partial: no ...`, `absent`, or that random weights will be made."""
        missing = self.missing()
        if missing is None and self.source.spec.startswith(RANDOM):
            return "made when needed"
        if missing is None:
            return "absent"
        return f"partial: no {', '.join(missing)}" if missing else "complete"

    def bytes(self) -> int:
        """Size of the needed parts that are on this machine."""
        folder = self.source.place()
        places = [] if folder is None else [folder / part for part in self.parts]
        files = [file for place in places for file in ([place] if place.is_file() else place.rglob("*"))]
        return sum(file.stat().st_size for file in files if file.is_file())


@dataclass(frozen=True)
class Component:
    """A part of a model that may have weights of its own: its backbone or its segmenter.

    Attributes:
        key: where its settings are: `model.backbone` or `segmenter`.
        built: the object; nothing of it is loaded.
    """

    key: str
    built: Any

    @property
    def family(self) -> str:
        """Its family by name, else its class."""
        return str(getattr(self.built, "FAMILY", type(self.built).__name__))

    def holdings(self) -> list[Holding]:
        """The weights that it is loaded from; none that are known for a user's own class, or one without any."""
        if not isinstance(source := getattr(self.built, "source", None), WeightsSource):
            return []
        found = [Holding(source, self.built.parts, f"{self.key}.revision")]
        if prior := getattr(self.built, "prior", None):
            found.append(Holding(prior.source, prior.PARTS, f"{self.key}.prior_revision"))
        return found


def components(model: Mapping[str, Any]) -> list[Component]:
    """The components of a model's specification; empty for one that has nothing to load.

    Raises:
        ConfigError: one of them cannot be built.
    """
    specs = {"model.backbone": model.get("backbone"), "segmenter": model.get("segmenter")}
    found = {key: spec for key, spec in specs.items() if isinstance(spec, Mapping) and TARGET in spec}
    # A segmenter without weights is not built: it would take its libraries with it, which take long to import.
    wanted = [key for key, spec in found.items() if key != "segmenter" or "weights" in spec]
    return [Component(key, build(found[key], key)) for key in wanted]


def holdings(parts: Sequence[Component]) -> list[Holding]:
    """The weights of several components."""
    return [holding for part in parts for holding in part.holdings()]


def family_module(file_or_target: Path | str) -> str:
    """`flux` of `amodal_bench.backbones.flux.Flux`, or of the file `flux.py`."""
    return file_or_target.stem if isinstance(file_or_target, Path) else file_or_target.split(".")[-2]
