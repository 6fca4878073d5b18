"""A row of a table says every setting that its run does not have in common with the model's YAML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from conftest import composed

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
)
def test_a_row_says_what_is_not_usual(overrides: list[str], said: str) -> None:
    assert row(*overrides) == said


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
        if place[-1] in (*QUIET, WEIGHTS):
            continue
        key = ".".join(place) if place[0] in groups else ".".join(("model", *place))
        texts = {"shape": "hull", "background": "white", "mode": "frame", "precision": "bfloat16"}
        if isinstance(value, bool):
            yield f"{key}={str(not value).lower()}"
        elif isinstance(value, int | float):
            yield f"{key}={2 * value or 0.5 if isinstance(value, float) else 2 * value or 1}"
        else:
            yield f"{key}={texts[place[-1]]}"


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
        return row_text("grow", whole, build(whole, "model"), 0)

    assert said() == "" and said(pixels=3) == "" and said(pixels=5) == "pixels=5"
    assert said(pixels=True) == "pixels=true" and said(mode="x y=1") == 'mode="x y=1"'


def test_plain_texts_tell_values_apart() -> None:
    values = [0.1234567, 0.1234568, 1, True, None, "null", "a b", "a", [1, 2], 1e-9, 20]
    texts = [plain(value) for value in values if value != "null"]
    assert len(set(texts)) == len(texts)
    assert all(first != second for first, second in pairwise(sorted(texts)))


def test_the_row_of_a_run_is_kept_beside_it(bench: Callable[..., Outcome]) -> None:
    import json

    outcome = bench("model=hull", "dataset.images=2", "seed=2")
    assert outcome.main.settings == "seed=2" and set(outcome.table()["settings"]) == {"seed=2"}
    assert json.loads((outcome.main.folder / "run.json").read_text())["settings"] == "seed=2"
