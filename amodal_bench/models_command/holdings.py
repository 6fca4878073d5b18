"""What a model needs to have on the disk, found out without loading any of it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amodal_bench.backbones.weights import Source, lacking
from amodal_bench.config import TARGET, build


@dataclass(frozen=True)
class Holding:
    """Weights in one place.

    Attributes:
        source: the place.
        parts: the sub-folders that are needed of it.
        key: the setting that names the place.
        revision_key: the setting that pins a hub id's commit.
    """

    source: Source
    parts: Sequence[str]
    key: str
    revision_key: str

    def missing(self) -> list[str] | None:
        """What is not on this machine of it, in a few words each; None where nothing is."""
        folder = self.source.place()
        return None if folder is None else lacking(folder, self.parts, self.source.variant)

    def state(self) -> str:
        """`complete`, `partial: no ...` or `absent`."""
        missing = self.missing()
        if missing is None:
            return "absent"
        return f"partial: no {', '.join(missing)}" if missing else "complete"

    def bytes(self) -> int:
        """Size of the needed parts that are on this machine."""
        folder = self.source.place()
        files = [] if folder is None else [f for part in self.parts for f in (folder / part).rglob("*")]
        return sum(file.stat().st_size for file in files if file.is_file())


def add_model(parser: argparse.ArgumentParser, name: str, help: str) -> None:
    """The arguments of a verb that works on one model."""
    parser.add_argument("name", metavar=name, help=help)
    parser.add_argument(
        "overrides",
        metavar="OVERRIDE",
        nargs="*",
        help="such as model.weights=FOLDER model.backbone.native=64 model.backbone.device=cpu",
    )


def backbone_of(model: Mapping[str, Any]) -> Any:
    """The backbone of a model's specification, built but not loaded; None for a model without one.

    Raises:
        ConfigError: it cannot be built.
    """
    spec = model.get("backbone")
    if not isinstance(spec, Mapping) or TARGET not in spec:
        return None
    return build(spec, "model.backbone")


def holdings(backbone: Any) -> list[Holding]:
    """The weights that a backbone is loaded from; none that are known for a user's own class."""
    if not isinstance(source := getattr(backbone, "source", None), Source):
        return []
    found = [Holding(source, backbone.parts, "model.weights", "model.backbone.revision")]
    if prior := getattr(backbone, "prior", None):
        found.append(Holding(prior.source, prior.PARTS, "model.backbone.prior", "model.backbone.prior_revision"))
    return found


def family_module(file_or_target: Path | str) -> str:
    """`flux` of `amodal_bench.backbones.flux.Flux`, or of the file `flux.py`."""
    return file_or_target.stem if isinstance(file_or_target, Path) else file_or_target.split(".")[-2]
