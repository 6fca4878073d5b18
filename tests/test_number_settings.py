"""Every number of every YAML of a component: what cannot be one is refused in one line, before any work."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from conftest import composed
from params import mostly_slow

from amodal_bench.config.build import build
from amodal_bench.core.errors import ConfigError, UsageError

CONF = Path(__file__).parents[1] / "conf"
PARTS = ("area", "condition", "leakage", "segmenter", "view")
SHARES = {"s", "until", "object_noise", "blur", "grain", "eta"}
"""Numbers that are a share of a whole."""

REAL = {"change"}
"""Numbers that are whole in a YAML and need not be."""


@cache
def specification(group: str, name: str) -> dict[str, Any]:
    """What a file of conf/ says of its component, references resolved."""
    if group in ("model", "dataset"):
        found = getattr(composed(f"{group}={name}"), group)
    else:
        found = composed("model=tiny", f"{group}={name}").model[group]
    assert isinstance(found, dict)
    return found


def numbers(node: Mapping[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """The places of all numbers of a specification, parts of a model left to their own files."""
    for key, value in node.items():
        if isinstance(value, dict) and (at or key not in PARTS):
            yield from numbers(value, (*at, key))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield (*at, key), value


def files() -> list[tuple[str, str]]:
    groups = {group: sorted(path.stem for path in (CONF / group).glob("*.yaml")) for group in ("model", *PARTS)}
    groups["dataset"] = ["toy", "fishbowl"]
    return [(group, name) for group, names in groups.items() for name in names]


def refused(group: str, name: str, at: tuple[str, ...], value: float) -> str:
    """The line that a value in a place of a file's component is answered with."""
    changed = copy.deepcopy(specification(group, name))
    node = changed
    for key in at[:-1]:
        node = node[key]
    node[at[-1]] = value
    with pytest.raises(UsageError) as caught:
        build(changed, group)
    line = str(caught.value)
    assert "\n" not in line and at[-1] in line, line
    return line


@pytest.mark.parametrize(("group", "name"), mostly_slow(files(), 2), ids=lambda each: each)
def test_numbers_that_cannot_be_are_refused_in_one_line(group: str, name: str) -> None:
    for at, value in numbers(specification(group, name)):
        for wrong in (math.nan, math.inf, -math.inf, -3):
            refused(group, name, at, wrong)
        if isinstance(value, int) and at[-1] not in REAL:
            refused(group, name, at, 20.5)
        if at[-1] in SHARES:
            assert "between 0 and 1" in refused(group, name, at, 7.0)


@pytest.mark.slow
def test_the_files_have_numbers_of_every_kind() -> None:
    """Else the test above tests nothing."""
    found = {at[-1] for group, name in files() for at, _ in numbers(specification(group, name))}
    assert (
        found >= {"steps", "guidance", "points", "native", "margin", "grow", "iterations", "seed", "images"} | SHARES
    )


@pytest.mark.parametrize(
    ("override", "line"),
    mostly_slow(
        [
            ("seed=-1", "seed: -1 must be >= 0"),
            ("results=", "results: is empty; name a folder, such as results=results"),
            ("engine.max_error_share=7", "engine.max_error_share: 7.0 must be between 0 and 1"),
            ("engine.max_error_share=nan", "engine.max_error_share: nan must be between 0 and 1"),
            ("engine.batch_size=0", "engine.batch_size: 0 must be >= 1"),
            ("engine.time_limit=0", "engine.time_limit: 0.0 must be seconds > 0, or null for no limit"),
            ("engine.time_limit=inf", "engine.time_limit: inf must be seconds > 0, or null for no limit"),
        ]
    ),
)
def test_settings_of_a_run_are_refused_before_it(override: str, line: str) -> None:
    with pytest.raises(ConfigError, match=f"^{line}$"):
        composed(override)


def test_an_unknown_split_of_the_toy_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(ConfigError, match="has no split 'tset'; it has train, val, test"):
        build(composed("dataset.split=tset").dataset, "dataset")
