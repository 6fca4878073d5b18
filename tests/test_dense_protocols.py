"""Every number of every shipped protocol against loops over dense masks that share no code with the package."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dense_protocols as dense
import pandas as pd
import pytest
from omegaconf import OmegaConf
from params import mostly_slow
from protocol_rows import rows_of

from amodal_bench.config.build import build
from amodal_bench.metrics.numbers.base import Rows, Score
from amodal_bench.metrics.protocols import ScoringProtocol

SHIPPED = sorted((Path(__file__).parents[1] / "conf" / "protocol").glob("*.yaml"))
VIDEOS = {"c2fseg_video", "diffusion_vas", "diffusion_vas_corrected", "eoras", "eoras_corrected", "savos", "tabe51"}
VIDEOS |= {"tabe51_corrected"}
POPULATIONS = {"drawn again": dense.drawn_again, "pictures": dense.pictures, "frames": dense.frames}


def shipped(name: str) -> ScoringProtocol:
    file = next(file for file in SHIPPED if file.stem == name)
    spec: Any = OmegaConf.to_container(OmegaConf.load(file), resolve=True)
    protocol: ScoringProtocol = build(spec, "protocol")
    return protocol


def records(items: Sequence[dense.Item]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image_id": [item.image for item in items],
            "video_id": [item.video for item in items],
            "object_id": [item.object for item in items],
            "frame": [item.frame for item in items],
            "category": [item.category for item in items],
            "crowd": [item.crowd for item in items],
            "stuff": [item.stuff for item in items],
            "hidden": [not item.v.any() for item in items],
            "occlusion_rate": [item.rate for item in items],
        }
    )


def rows(items: Sequence[dense.Item]) -> Rows:
    return rows_of(
        [(item.p, item.a, item.v, item.o) for item in items], records(items), [item.draws for item in items]
    )


def values(protocol: ScoringProtocol, taken: Rows) -> dict[str, float]:
    scores = protocol.scores(taken)
    return {name: score.value if isinstance(score, Score) else score for name, score in scores.items()}


def population(name: str) -> list[dense.Item]:
    return dense.drawn_again() if name == "draws" else dense.frames() if name in VIDEOS else dense.pictures()


@pytest.mark.parametrize(
    "name",
    mostly_slow([file.stem for file in SHIPPED], lambda name: name in ("boundary", "c2fseg_image", "instance")),
)
def test_numbers_equal_loops_over_masks(name: str) -> None:
    """Over all instances, fully hidden ones, stuff and crowds included, and over those that the filter takes."""
    takes, numbers, tolerance = dense.DENSE[name]
    protocol, items = shipped(name), population(name)
    kept = [item for item in items if takes(item) and (item.v.any() or protocol.filter.hidden)]
    selected, _ = protocol.filter.select(records(items))
    assert list(selected.index) == [
        k for k, item in enumerate(items) if takes(item) and (item.v.any() or protocol.filter.hidden)
    ]
    for chosen in (items, kept):
        found, expected = values(protocol, rows(chosen)), numbers(chosen)
        assert found.keys() == expected.keys()
        for number, value in expected.items():
            assert found[number] == pytest.approx(value, abs=tolerance, nan_ok=True), number
    for number, value in numbers(items).items():
        assert 0.02 < value < 0.98, f"{number} is {value}: these instances would not tell"


@pytest.mark.parametrize("name", sorted(name for name in dense.DENSE if name + "_corrected" in dense.DENSE))
def test_quirks_matter_on_these_instances(name: str) -> None:
    items = population(name)
    quirky, mended = dense.DENSE[name][1](items), dense.DENSE[name + "_corrected"][1](items)
    assert abs(quirky["occluded_miou"] - mended["occluded_miou"]) > 1e-3


@pytest.mark.parametrize("kind", list(POPULATIONS))
def test_instances_are_of_every_kind(kind: str) -> None:
    items = POPULATIONS[kind]()
    assert len(items) >= 60
    for holds in (
        lambda i: not i.p.any(),
        lambda i: not i.v.any(),
        lambda i: not i.hidden.any(),
        lambda i: (i.v & ~i.a).any(),
        lambda i: (i.a & i.o).any(),
        lambda i: dense.size(i.hidden) >= 32 and (i.p & ~i.v == i.hidden).all(),
        lambda i: dense.eroded(i.hidden, 2, True).any(),
        lambda i: i.hidden.any() and not (i.p & i.hidden).any(),
    ):
        assert sum(bool(holds(item)) for item in items) >= 2


def test_average_precision_takes_images_in_the_order_of_their_numbers() -> None:
    """All scores are equal, so the order decides; pycocotools sorts COCO's ids as numbers, in which 10 follows 9."""
    protocol, items = shipped("coco_ap"), dense.pictures()
    ordered = values(protocol, rows(items))["ap"]
    padded = [dataclasses.replace(item, image=f"{int(item.image):012d}") for item in items]
    as_text = [dataclasses.replace(item, image=f"image {item.image}") for item in items]
    assert values(protocol, rows(padded))["ap"] == pytest.approx(ordered, abs=1e-12)
    assert abs(values(protocol, rows(as_text))["ap"] - ordered) > 1e-3
