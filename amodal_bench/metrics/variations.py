"""Ways of scoring: every shipped protocol, with other filters, and with other predictions than the given ones."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product

import pandas as pd

from amodal_bench.metrics.numbers.base import DRAWS, MAJORITY
from amodal_bench.metrics.numbers.overlap import PREDICTIONS
from amodal_bench.metrics.protocols import Filter, ScoringProtocol, flag

ANY_OCCLUSION = 1e-9
"""The lowest rate of an instance that is occluded at all."""

KINDS = ("stuff", "crowd", "hidden")
"""What a filter takes in or leaves out."""

OCCLUSION = "occlusion"

SAID = {"given": "as given", "united": "united with V", "visible_unless_covered": "V unless covered"}
"""The predictions that can be scored, in words."""


@dataclass(frozen=True)
class Variation:
    """One way of scoring.

    Attributes:
        protocol: with one number alone.
        prediction: one of `PREDICTIONS`: what is scored.
        label: the shipped protocol that it is, or is nearest to, and what is changed in its filter.
        shipped: every shipped protocol that scores so without a change, as printed; empty where none does.
        changes: how many things are changed.
    """

    protocol: ScoringProtocol
    prediction: str
    label: str
    shipped: tuple[str, ...]
    changes: int

    @property
    def number(self) -> str:
        """The name of the number."""
        return self.protocol.headline

    @property
    def key(self) -> str:
        """What tells ways of scoring apart, on any dataset."""
        return json.dumps([*_content(self.protocol), asdict(self.protocol.filter), self.prediction], sort_keys=True)

    def key_on(self, effective: Iterable[str]) -> str:
        """What tells ways of scoring apart where only these parts of a filter have an effect, see `effective`."""
        settings = self.protocol.filter
        parts = {name: getattr(settings, "min_occlusion" if name == OCCLUSION else name) for name in effective}
        return json.dumps([*_content(self.protocol), parts, self.prediction], sort_keys=True)


def variations(protocols: Iterable[ScoringProtocol], metric: str) -> list[Variation]:
    """Every way of scoring that protocols, their filters and the predictions allow, each once.

    Args:
        protocols: shipped ones.
        metric: `miou` or `occluded_miou`: numbers of this kind are taken, those of draws included, but not those of
            one level of occlusion.
    """
    found: dict[str, Variation] = {}
    for each in (variation for protocol in protocols for variation in _of(protocol, metric)):
        known = found.setdefault(each.key, each)
        if known is not each:
            best = min(known, each, key=lambda one: one.changes)
            found[each.key] = replace(best, shipped=tuple(dict.fromkeys(known.shipped + each.shipped)))
    return sorted(found.values(), key=lambda one: one.changes)


def effective(records: pd.DataFrame) -> list[str]:
    """The parts of a filter that change what is selected of these records: of `KINDS`, and `OCCLUSION`."""
    kinds = [kind for kind in KINDS if flag(records, kind).any()]
    unoccluded = (records["occlusion_rate"] < ANY_OCCLUSION).any()
    return [*kinds, *([OCCLUSION] if unoccluded else [])]


def numbers_of(protocol: ScoringProtocol, metric: str) -> list[str]:
    """The names of a protocol's numbers that may be what a paper calls by a metric's name."""
    kind = re.compile(
        r"(?!occluded)(\w+_)?miou(_rows|_post)?" if metric == "miou" else r"occluded_(\w+_)?miou(_rows|_post)?"
    )
    return [name for name in protocol.numbers if kind.fullmatch(name)]


def _of(protocol: ScoringProtocol, metric: str) -> Iterator[Variation]:
    for name in numbers_of(protocol, metric):
        alone = replace(protocol, numbers={name: protocol.numbers[name]})
        # Regions and pairs are counted from the masks, of the given prediction alone.
        fixed = set(alone.regions) - {DRAWS, MAJORITY}
        of = f"{name} of {protocol.label}" if name != metric else protocol.label
        for settings in _filters(protocol.filter):
            changed = _changes(protocol.filter, settings)
            label = f"{of} with {', '.join(changed)}" if changed else of
            shipped = () if changed else (of,)
            for prediction in ["given"] if fixed else PREDICTIONS:
                changes = len(changed) + (prediction != "given") + (name != metric)
                yield Variation(replace(alone, filter=settings), prediction, label, shipped, changes)


def _filters(own: Filter) -> Iterator[Filter]:
    """The protocol's filter with every choice of kinds, over all instances and over the occluded ones."""
    for stuff, crowd, hidden in product((False, True), repeat=3):
        for lowest in (own.min_occlusion, ANY_OCCLUSION):
            yield replace(own, stuff=stuff, crowd=crowd, hidden=hidden, min_occlusion=lowest)


def _changes(own: Filter, settings: Filter) -> list[str]:
    changed = [kind for kind in KINDS if getattr(own, kind) != getattr(settings, kind)]
    words = [f"filter.{kind}={str(getattr(settings, kind)).lower()}" for kind in changed]
    occluded = settings.min_occlusion != own.min_occlusion
    return [*words, *([f"filter.min_occlusion={ANY_OCCLUSION:g}"] if occluded else [])]


def _content(protocol: ScoringProtocol) -> list[object]:
    """What decides the number, but for the filter."""
    content = protocol.content
    return [content["numbers"][protocol.headline], content["errors"], content["clusters"]]
