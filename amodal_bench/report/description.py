"""What a row says of a model that was given as an object: the short facts of its description, else a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from amodal_bench.core.plain import leaves, plain
from amodal_bench.models.base import Model
from amodal_bench.runner.identity import described

LONGEST, MOST = 40, 6
"""Letters of a fact, and facts, that a row has room for."""


def told_by_description(model: Model, usual: Model | None, shown: Mapping[str, str]) -> list[str]:
    """What tells an object from others of its class, such as `["pixels=3"]`.

    Args:
        model: the object.
        usual: what the model's name stands for, where it is of the same class.
        shown: what the row shows already, by the places of the settings.
    """
    expected = {} if usual is None else dict(leaves(described(usual)))
    facts = dict(leaves(described(model)))
    other = {place: value for place, value in facts.items() if place not in expected or value != expected[place]}
    gone = [place for place in expected if place not in facts]
    short = {place: plain(value) for place, value in other.items() if not isinstance(value, list | dict)}
    told = {place: text for place, text in short.items() if len(text) <= LONGEST and place not in shown}
    words = [f"{place}={text}" for place, text in [*told.items()][:MOST]]
    untold = [place for place in other if place not in told and shown.get(place) != short.get(place)]
    if gone or untold or len(told) > MOST:
        text = json.dumps(described(model), sort_keys=True)
        words.append(f"describe={hashlib.sha256(text.encode()).hexdigest()[:8]}")
    return words
