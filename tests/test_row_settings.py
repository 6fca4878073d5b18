"""A row of a table says every setting that its run does not have in common with the model's YAML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from conftest import composed
from params import mostly_slow

from amodal_bench.config.build import build
from amodal_bench.config.settings import config_folder
from amodal_bench.core.plain import plain
from amodal_bench.report.outcome import Outcome
from amodal_bench.report.settings import QUIET, WEIGHTS, row_text
from amodal_bench.testing.settings import leaves

USUAL = "view=crop 0.15 leakage=conditioning area=dilated_hull segmenter=grabcut"


def row(*overrides: str) -> str:
    """A row's name and settings, as a run with these overrides has it."""
    settings = composed(*overrides)
    model = build(settings.model, "model")
    name = str(settings.model["name"])
    return f"{name} {row_text(name, settings.model, model, settings.seed)}".strip()


@pytest.mark.parametrize(
    ("overrides", "said"),
    mostly_slow(
        [
            ([], f"tiny {USUAL}"),
            (["seed=3"], f"tiny {USUAL} seed=3"),
            (["model.steps=40"], f"tiny {USUAL} steps=40"),
            (["view.margin=0.3"], f"tiny {USUAL}".replace("0.15", "0.3")),
            (["leakage=blend", "leakage.s=0.5"], f"tiny {USUAL} leakage.s=0.5".replace("conditioning", "blend")),
            (["condition=paper"], f"tiny {USUAL} condition.object_noise=0.3 condition.blur=0.015"),
            (["segmenter=random/sam"], f"tiny {USUAL[:-7]}sam segmenter.weights=random://sam random weights"),
            (["model=random/sam"], "random-sam segmenter=sam random weights"),
            (["model=random/pix2gestalt"], "random-pix2gestalt view=frame samples=3 random weights"),
            (["model=hull"], "hull"),
            (["model=hull", "seed=1"], "hull seed=1"),
        ],
        2,
    ),
)
def test_a_row_says_what_is_not_usual(overrides: list[str], said: str) -> None:
    assert row(*overrides) == said


@pytest.mark.slow
def test_rows_that_differ_in_one_setting_never_read_the_same() -> None:
    """Each setting of the tiny model by itself, and each part exchanged."""
    changes = ["seed=1", *_changed(composed("model=tiny").model)]
    for group in ("view", "condition", "area", "leakage", "segmenter"):
        for file in sorted((config_folder() / group).glob("*.yaml")):
            if not file.stem.startswith("sam"):
                changes.append(f"{group}={file.stem}")
    rows = {change: row(change) for change in changes}
    usual = {
        "view=tight",
        "condition=low_resolution",
        "area=dilated_hull",
        "leakage=conditioning",
        "segmenter=grabcut",
    }
    others = {change: said for change, said in rows.items() if change not in usual}
    assert {rows[change] for change in usual} == {f"tiny {USUAL}"}
    assert len(set(others.values()) | {f"tiny {USUAL}"}) == len(others) + 1
    assert len(others) > 25


def _changed(spec: Mapping[str, Any]) -> Iterator[str]:
    """An override of each setting that a result depends on."""
    groups = ("segmenter", "condition", "area", "leakage", "view")
    for place, value in leaves(spec):
        if place in QUIET or place[-1] == WEIGHTS:
            continue
        key = ".".join(place) if place[0] in groups else ".".join(("model", *place))
        texts = {"shape": "hull", "background": "white", "mode": "frame", "precision": "bfloat16", "grid": "nearest"}
        if isinstance(value, bool):
            yield f"{key}={str(not value).lower()}"
        elif isinstance(value, int | float):
            yield f"{key}={2 * value or 0.5 if isinstance(value, float) else 2 * value or 1}"
        else:
            yield f"{key}={texts[place[-1]]}"


@pytest.mark.slow
def test_a_renamed_model_says_all_that_is_not_its_classes_default() -> None:
    first, second = row("model.name=mine"), row("model=random/sd15", "model.name=mine", "segmenter=grabcut")
    assert first != second and "weights=package://amodal_bench.tiny/weights" in first
    assert "weights=random://stable_diffusion" in second


@dataclass
class Mine:
    """A user's own model, which shows nothing by itself."""

    pixels: int = 3
    mode: str = "a b"

    def describe(self) -> dict[str, Any]:
        return {"pixels": self.pixels}

    def predict(self, queries: Any, seeds: Any) -> Any:
        return [query.visible for query in queries]


def test_a_users_own_model_says_what_differs_from_its_class() -> None:
    def said(**spec: Any) -> str:
        whole = {"_target_": f"{__name__}.Mine", "name": "grow", **spec}
        return row_text("grow", whole, Mine(), 0)

    assert said() == "" and said(pixels=3) == "" and said(pixels=5) == "pixels=5"
    assert said(pixels=True) == "pixels=true" and said(mode="x y=1") == 'mode="x y=1"'


@dataclass
class Net:
    """A part of a user's own model."""

    name: str = "vit_b"
    device: str = "cpu"


@dataclass
class Other(Mine):
    """Another class, which may bear the same name."""


def said_of(*, name: str = "grow", namesakes: tuple[str, ...] = (), **spec: Any) -> str:
    whole = {"_target_": f"{__name__}.Mine", "name": name, **spec}
    return row_text(name, whole, Mine(), 0, namesakes=namesakes)


@pytest.mark.slow
def test_a_name_or_a_device_of_a_users_part_is_a_setting() -> None:
    net = {"_target_": f"{__name__}.Net"}
    rows = [said_of(net={**net, "name": name}) for name in ("vit_b", "vit_base_large")]
    known = f"net._target_={__name__}.Net"
    assert rows == [known, f"{known} net.name=vit_base_large"]
    assert said_of(net={**net, "device": "cuda"}) == f"{known} net.device=cuda"
    assert row("model.backbone.device=auto") == row() and "steps=3" in row("model.steps=3")


def test_two_classes_of_one_name_are_told_apart() -> None:
    assert row("model=visible", "model.name=hull") == "hull _target_=amodal_bench.models.visible.VisibleMask"
    assert said_of() == said_of(namesakes=(f"{__name__}.Mine",)) == ""
    assert said_of(namesakes=("elsewhere.Grow",)) == f"_target_={__name__}.Mine"


@pytest.mark.slow
def test_objects_of_one_class_and_name_are_told_apart_by_their_descriptions(bench: Callable[..., Outcome]) -> None:
    import amodal_bench

    shared = bench("model=hull", "dataset.images=1").main.folder.parents[1]

    def said(model: Any, name: str = "grow") -> str:
        settings = {"dataset.images": 1}
        outcome = amodal_bench.evaluate(model=model, name=name, settings=settings, sheet=0, results=str(shared))
        return outcome.main.settings

    assert [said(Mine(1)), said(Mine(9))] == ["pixels=1", "pixels=9"]
    assert said(Other(1)) == f"_target_={__name__}.Other pixels=1", "the name is another class's in these results"
    assert said(amodal_bench.load_model("hull"), "hull") == "", "as model=hull"


def test_what_is_long_in_a_description_becomes_a_digest() -> None:
    class Long(Mine):
        def describe(self) -> dict[str, Any]:
            return {"text": "x" * self.pixels, "list": [self.pixels], "parts": {"one": {"n": 1}}}

    texts = [row_text("long", {"_target_": "here.Long"}, Long(n), 0, given=True) for n in (50, 51)]
    assert texts[0] != texts[1] and all(text.startswith("parts.one.n=1 describe=") for text in texts)


@pytest.mark.slow
def test_a_setting_that_is_taken_away_is_shown() -> None:
    assert row("model=random/sd15", "~model.guidance").endswith("segmenter=sam guidance=0 random weights")
    usual = row("model=random/sam")
    assert row("model=random/sam", "~model.points") == usual, "the class's default is the usual value"


def test_an_empty_mapping_and_equal_numbers_of_other_types_are_values() -> None:
    assert said_of(options={}) == "options={}"
    assert said_of(options=[True]) != said_of(options=[1])
    assert said_of(options="3") != said_of(options=3)


def test_plain_texts_tell_values_apart() -> None:
    values = [
        0.1234567,
        0.1234568,
        1,
        True,
        None,
        "null",
        "a b",
        "a",
        [1, 2],
        1e-9,
        20,
        "20",
        "true",
        "nan",
        "[1, 2]",
    ]
    texts = [plain(value) for value in values]
    assert len(set(texts)) == len(texts)
    assert all(first != second for first, second in pairwise(sorted(texts)))


@pytest.mark.slow
def test_the_row_of_a_run_is_kept_beside_it(bench: Callable[..., Outcome]) -> None:
    import json

    outcome = bench("model=hull", "dataset.images=2", "seed=2")
    assert outcome.main.settings == "seed=2" and set(outcome.table()["settings"]) == {"seed=2"}
    assert json.loads((outcome.main.folder / "run.json").read_text())["settings"] == "seed=2"
