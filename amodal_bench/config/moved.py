"""What version 0.1 called otherwise: settings, and the places of classes; CHANGELOG.md has all of it."""

from __future__ import annotations

import re
from collections.abc import Mapping

PACKAGE = "amodal_bench"

PLACES: Mapping[str, str] = {
    "method.view": "views.window",
    "method.paste": "views.paste",
    "method.points": "views.points",
    "method.batches": "core.batches",
    "backbones.weights": "weights.source",
    "backbones.hub": "weights.hub",
    "backbones.catalogue": "weights.catalogue",
    "backbones.loading": "weights.loading",
    "backbones.null_prompt": "weights.null_prompt",
    "backbones.random_weights": "weights.random",
    "toy.pipelines": "weights.small",
    "datasets.segmentation": "core.rle",
    "datasets.cocoa": "datasets.coco_a.cocoa",
    "datasets.cocoa_cls": "datasets.coco_a.cocoa_cls",
    "datasets.bsds": "datasets.coco_a.bsds",
    "datasets.kins.Kins": "datasets.kins.kins.Kins",
    "datasets.fishbowl.FishBowl": "datasets.fishbowl.fishbowl.FishBowl",
    "datasets.sailvos.SailVos": "datasets.sailvos.sailvos.SailVos",
    "metrics.protocols.Protocol": "metrics.protocols.ScoringProtocol",
    "datasets.contract": "testing.datasets",
    "toy.export": "testing.export",
    "toy.tiny_model": "tiny.networks",
    "selection": "metrics.selection",
}
"""Modules and classes below the package, as they were and as they are; the longest that fits counts."""

_PART = re.compile(r"model\.((?:view|segmenter|condition|area|leakage)\b.*)")


def moved_class(path: str) -> str | None:
    """Where a class with this dotted path is now, or None where it has not moved."""
    inside = path.removeprefix(f"{PACKAGE}.")
    for old in sorted(PLACES, key=len, reverse=True):
        if inside == old or inside.startswith(f"{old}."):
            return f"{PACKAGE}.{PLACES[old]}{inside.removeprefix(old)}"
    return None


def moved_setting(key: str) -> str | None:
    """What to write instead of a setting that does not exist, or None where nobody knows."""
    if key == "protocol.view" or key.startswith("protocol.view."):
        return f"view{key.removeprefix('protocol.view')}=..."
    found = _PART.fullmatch(key)
    return f"{found[1]}=..." if found else None
