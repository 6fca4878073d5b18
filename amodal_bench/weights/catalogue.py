"""What is known of published weights before they are on the disk: `catalogue.yaml`, by hub id."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("catalogue.yaml")


@dataclass(frozen=True)
class Weights:
    """Facts about a repository of weights.

    Attributes:
        id: its hub id.
        used_as: what the harness takes from it.
        licence: by name.
        gate: what has to be accepted where, before it can be downloaded; empty where nothing has to.
        disk_gb: of the files that are downloaded.
        gpu_gb: memory of the networks in half precision, without activations.
        note: what else a user should know.
        revision: the commit that is used unless a configuration names another; empty for the newest.
        segmenter: of a segmenter's: the choice `segmenter=...` that takes them; empty for others.
    """

    id: str
    used_as: str
    licence: str
    gate: str
    disk_gb: float
    gpu_gb: float
    note: str
    revision: str
    segmenter: str

    def size(self) -> str:
        """On the disk and on the GPU."""
        return f"{self.disk_gb:g} GB of disk{f', {self.gpu_gb:g} GB of GPU memory' if self.gpu_gb else ''}"


@cache
def catalogue() -> dict[str, Weights]:
    """All known weights by hub id."""
    from omegaconf import OmegaConf

    known = {field.name for field in fields(Weights)}
    rows: Any = OmegaConf.to_container(OmegaConf.load(FILE))
    return {row["id"]: Weights(**{name: row.get(name, "") for name in known}) for row in rows}


def how_to_get(hub_id: str, revision: str | None = None, key: str = "model.backbone") -> str:
    """What a user has to do for weights that are absent, with their size and gate where these are known.

    Args:
        hub_id: their repository.
        revision: the one that is wanted, where a configuration names one.
        key: where their settings are.
    """
    known = catalogue().get(hub_id)
    pinned = f" {key}.revision={revision}" if revision else ""
    what = hub_id if known else f"NAME {key.removesuffix('.backbone')}.weights={hub_id}"
    command = f"`amodal-bench models fetch {what}{pinned}` downloads it"
    if known is None:
        return f"{command} for the model of that NAME"
    return f"{command} ({known.size()}, licence {known.licence}){f'; first {known.gate}' if known.gate else ''}"
