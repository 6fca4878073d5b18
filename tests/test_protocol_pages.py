"""Every shipped protocol has a page, and what the page says of it holds."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from protocol_pages import Example, arithmetic, examples, tables
from protocol_rows import rows_of

from amodal_bench.config.build import build
from amodal_bench.metrics.numbers.base import Score
from amodal_bench.metrics.protocols import ScoringProtocol, occlusion_rate

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "protocols"
NAMES = sorted(file.stem for file in (ROOT / "conf" / "protocol").glob("*.yaml"))
PARTS = ("Numbers", "Source", "Filter", "Empty regions", "Failures", "Bootstrap", "Quirks", "Example")
TWIN = "_corrected"


@cache
def shipped(name: str) -> ScoringProtocol:
    spec: Any = OmegaConf.to_container(OmegaConf.load(ROOT / "conf" / "protocol" / f"{name}.yaml"), resolve=True)
    protocol: ScoringProtocol = build(spec, "protocol")
    return protocol


@cache
def page(name: str) -> str:
    return (PAGES / f"{name.removesuffix(TWIN)}.md").read_text(encoding="utf-8")


def cases() -> list[Any]:
    pages = sorted({name.removesuffix(TWIN) for name in NAMES})
    return [
        pytest.param(example, id=f"{name}-{k}")
        for name in pages
        for k, example in enumerate(examples(page(name), name))
    ]


def scored(protocol: ScoringProtocol, example: Example) -> dict[str, float]:
    """The protocol's numbers over what its filter takes."""
    everything = rows_of(example.masks, example.records, example.draws)
    records = example.records.assign(occlusion_rate=occlusion_rate(everything.counts))
    kept, _ = protocol.filter.select(records)
    draws = [example.draws[k] for k in kept.index]
    rows = rows_of([example.masks[k] for k in kept.index], kept.reset_index(drop=True), draws)
    scores = protocol.scores(rows)
    return {name: score.value if isinstance(score, Score) else score for name, score in scores.items()}


@pytest.mark.parametrize("example", cases())
def test_an_example_is_what_the_shipped_protocol_gives(example: Example) -> None:
    assert example.expected
    for name in {protocol for protocol, _ in example.expected}:
        found = scored(shipped(name), example)
        for (protocol, number), (value, _) in example.expected.items():
            if protocol == name:
                assert found[number] == pytest.approx(value, abs=1e-4, nan_ok=True), f"{name}: {number}"


@pytest.mark.parametrize("example", cases())
def test_an_example_says_how_its_values_come_about(example: Example) -> None:
    for (_, number), (value, how) in example.expected.items():
        if not math.isnan(value):
            assert arithmetic(how) == pytest.approx(value, abs=5.1e-5), number


@pytest.mark.parametrize("name", NAMES)
def test_a_page_defines_and_works_out_every_number(name: str) -> None:
    protocol, text = shipped(name), page(name)
    worked = [key for example in examples(text, name.removesuffix(TWIN)) for key in example.expected]
    defined = {
        row[0].strip("`") for table in tables(text) if table[0] == ["number", "definition"] for row in table[1:]
    }
    assert defined == set(protocol.numbers)
    assert {number for owner, number in worked if owner == name} == set(protocol.numbers)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_states_the_settings_that_are_shipped(name: str) -> None:
    protocol, text = shipped(name), page(name)
    assert [line[3:].removesuffix("s") for line in text.splitlines() if line.startswith("## ")] == [
        part.removesuffix("s") for part in PARTS
    ]
    taken = protocol.filter
    stuff, crowd = ("yes" if takes else "no" for takes in (taken.stuff, taken.crowd))
    assert f"stuff {stuff}, crowds {crowd}, occlusion rate {taken.min_occlusion:g} to {taken.max_occlusion:g}" in text
    assert f"`errors: {protocol.errors}`" in text
    assert f"`clusters: {protocol.clusters}`" in text
    assert f"`{name}@{protocol.version}`" in text


@pytest.mark.parametrize("name", sorted(name for name in NAMES if name.endswith(TWIN)))
def test_an_example_tells_twins_apart(name: str) -> None:
    quirky = name.removesuffix(TWIN)
    apart = [
        abs(example.expected[quirky, number][0] - example.expected[name, number][0])
        for example in examples(page(name), quirky)
        for number in shipped(name).numbers
        if (quirky, number) in example.expected and (name, number) in example.expected
    ]
    assert max(apart) > 0.01


def test_the_index_lists_every_protocol() -> None:
    text = (PAGES / "index.md").read_text(encoding="utf-8")
    header, *lines = next(tables(text))
    assert header == ["protocol", "what it is", "aggregation", "failures", "clusters", "source"]
    listed = {
        f"[{name}@{shipped(name).version}]({name.removesuffix(TWIN)}.md)": (
            shipped(name).errors,
            shipped(name).clusters,
        )
        for name in NAMES
    }
    assert {line[0]: (line[3], line[4]) for line in lines} == listed
    assert len(lines) == len(NAMES) and all(len(line) == len(header) and all(line) for line in lines)


def test_every_page_is_of_a_shipped_protocol() -> None:
    pages = {file.stem for file in PAGES.glob("*.md")} - {"index", "one-run"}
    assert pages == {name.removesuffix(TWIN) for name in NAMES}
