"""The contracts of components: all that are shipped keep them, and a planted violator of each clause is named."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from conftest import composed
from params import mostly_slow

from amodal_bench.config.build import build
from amodal_bench.config.settings import config_folder
from amodal_bench.core.errors import PredictionError
from amodal_bench.core.types import Image, Mask
from amodal_bench.datasets.base import Query
from amodal_bench.method.area import Area
from amodal_bench.method.condition import Condition
from amodal_bench.method.leakage import Soft
from amodal_bench.metrics.numbers.base import Rows, Score
from amodal_bench.metrics.numbers.iou import MeanIou
from amodal_bench.metrics.protocols import Filter, ScoringProtocol
from amodal_bench.models.base import Completion, Step
from amodal_bench.models.hull import ConvexHull
from amodal_bench.segmenters.base import Prompt
from amodal_bench.segmenters.grabcut import GrabCut
from amodal_bench.testing import (
    areas,
    backbones,
    conditions,
    leakages,
    models,
    protocols,
    scenes,
    segmenters,
    settings,
    specifications,
)
from amodal_bench.views.window import Window

NO_JSON = "cannot be written as JSON: Object of type set is not JSON serializable"
HEIGHT, WIDTH = scenes.queries(1)[0].visible.shape


def filled(said: str) -> str:
    """A line with the sizes of the first scene."""
    return said.replace("H-1", str(HEIGHT - 1)).replace("H", str(HEIGHT)).replace("W", str(WIDTH))


def choices(group: str) -> list[str]:
    """Every choice of a group, those in folders of it included."""
    folder = config_folder() / group
    files = [file for file in folder.rglob("*.yaml") if file.parent.name != "_base"]
    return sorted(file.relative_to(folder).with_suffix("").as_posix() for file in files)


def one_of(group: str, choice: str) -> Any:
    """A component as `group=choice` builds it."""
    return build(getattr(composed(f"{group}={choice}"), group), group)


# All that are shipped


@pytest.mark.parametrize("choice", mostly_slow(choices("leakage")))
def test_every_leakage_keeps_its_contract(choice: str) -> None:
    assert leakages.violations(one_of("leakage", choice)) == []


@pytest.mark.parametrize("choice", mostly_slow(choices("area")))
def test_every_area_keeps_its_contract(choice: str) -> None:
    assert areas.violations(one_of("area", choice)) == []


@pytest.mark.parametrize("choice", mostly_slow(choices("condition")))
def test_every_condition_keeps_its_contract(choice: str) -> None:
    assert conditions.violations(one_of("condition", choice)) == []


@pytest.mark.parametrize("choice", mostly_slow(choices("protocol"), lambda choice: choice == "boundary"))
def test_every_protocol_keeps_its_contract(choice: str) -> None:
    assert protocols.violations(one_of("protocol", choice)) == []


@pytest.mark.slow
@pytest.mark.parametrize("choice", [name for name in choices("segmenter") if "sam" not in name or "random" in name])
def test_every_segmenter_keeps_its_contract_and_describes_all_of_its_settings(choice: str) -> None:
    spec = composed(f"segmenter={choice}").segmenter
    assert segmenters.violations(build(spec, "segmenter")) == []
    assert settings.violations(spec, "segmenter", segmenters.answers) == []


@pytest.mark.slow
def test_the_trivial_models_keep_their_contract() -> None:
    for choice in ("visible", "hull"):
        assert models.violations(build(composed(f"model={choice}").model, "model")) == []


@pytest.mark.slow
@pytest.mark.parametrize("choice", ["tiny", *(name for name in choices("model") if name.startswith("random/"))])
def test_every_model_keeps_its_contract_with_all_of_its_parts(choice: str) -> None:
    """Published weights stand in small: their class is that of the real ones."""
    made = composed(f"model={choice}")
    found = list(specifications.examine(made.model, made.protocol, {}))
    assert {finding.place: finding.violations for finding in found if finding.violations} == {}
    assert {"model", "settings", "protocol"} <= {finding.place for finding in found}


def test_the_scenes_differ_in_shape_and_are_partly_hidden() -> None:
    shapes = {query.image.shape for query in scenes.queries(6)}
    assert len(shapes) > 1 and all(query.visible.any() for query in scenes.queries(6))


# Planted violators


class Grow:
    """A model that may break one clause."""

    def __init__(self, fault: str = "", pixels: int = 1, told: bool = True) -> None:
        self.fault, self.pixels, self.told = fault, pixels, told
        self.calls = 0
        self.buffer: list[Mask] = []
        self.deterministic = fault == "seeded"

    def describe(self) -> Any:
        self.calls += self.fault in ("unstable", "after")
        facts: dict[str, Any] = {"model": "grow"} | ({"pixels": self.pixels} if self.told else {})
        if self.fault == "no mapping":
            return ["grow"]
        if self.fault == "no json":
            facts["array"] = np.zeros(3)
        if self.fault == "nan":
            facts["value"] = float("nan")
        if self.fault == "unstable":
            facts["calls"] = self.calls
        if self.fault == "after":
            facts["asked"] = len(self.buffer)
        return facts

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> Any:
        masks = [self._one(query, place, seeds[place], queries) for place, query in enumerate(queries)]
        self.buffer += masks
        if self.fault == "too few":
            return masks[:-1]
        if self.fault == "generator":
            return (mask for mask in masks)
        return masks

    def _one(self, query: Query, place: int, seed: int, queries: Sequence[Query]) -> Any:
        mask = np.roll(query.visible, self.pixels, axis=0) | query.visible
        if self.fault == "float":
            return mask.astype(float)
        if self.fault == "shape":
            return mask[1:]
        if self.fault == "image":
            query.image[:] = 0
        if self.fault == "visible":
            query.visible[:] = mask
        if self.fault == "random":
            return np.random.default_rng().random(mask.shape) < 0.5
        if self.fault == "place" and place == 0:
            return ~mask
        if self.fault == "company" and len(queries) > 1:
            return ~mask
        if self.fault == "reuse" and self.buffer:
            for given in self.buffer:
                given[:] = True
        if self.fault == "seeded":
            return mask & (np.random.default_rng(seed).random(mask.shape) < 0.9)
        if self.fault == "crash":
            raise KeyError("no\nface")
        if self.fault == "empty" and not query.visible.any():
            raise IndexError("no pixel")
        if self.fault == "honest" and not query.visible.any():
            raise PredictionError("nothing to complete")
        return mask


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("no mapping", "describe() returns a list, not a mapping"),
        ("no json", "describe() cannot be written as JSON: Object of type ndarray is not JSON serializable"),
        ("nan", "describe() cannot be written as JSON: Out of range float values"),
        ("unstable", "describe() differs from one call to the next"),
        ("after", "describe() says something else after predict()"),
        ("too few", "predict() of 17 queries returns a list of 16, not a list of as many masks"),
        ("generator", "predict() of 17 queries returns a generator, not a list of as many masks"),
        ("float", "predict() returns (H, W) float64, not (H, W) bool as its query's image"),
        ("shape", "predict() returns (H-1, W) bool, not (H, W) bool as its query's image"),
        ("image", "predict() changes the image or the visible mask of its query"),
        ("visible", "predict() changes the image or the visible mask of its query"),
        ("random", "predict() answers differently from one call to the next, with the same queries and seeds"),
        ("place", "predict() answers differently when the batch is in another order"),
        ("company", "predict() answers differently when a query is alone in its batch"),
        ("reuse", "predict() changes masks that it has returned before"),
        ("seeded", "predict() depends on the seeds, and the model says that it is deterministic"),
        ("crash", "predict() raises KeyError: 'no\\nface'"),
        ("empty", "predict() of an empty visible mask raises IndexError: no pixel, not a PredictionError"),
    ],
)
def test_a_violating_model_is_named(fault: str, said: str) -> None:
    found = models.violations(Grow(fault))
    assert any(line.startswith(filled(said)) for line in found), found


@pytest.mark.parametrize("fault", ["", "honest"])
def test_a_model_that_keeps_all_is_left_alone(fault: str) -> None:
    assert models.violations(Grow(fault)) == []


@pytest.mark.slow
def test_a_setting_that_is_not_described_is_named() -> None:
    spec = {"_target_": f"{__name__}.Grow", "pixels": 3, "told": False}
    (said,) = settings.violations(spec, "model", models.answers, lambda place: f"model.{place}")
    assert said == "model.pixels=4 instead of 3 answers differently, but describe() says the same"
    assert settings.violations({**spec, "told": True}, "model", models.answers) == []


def test_settings_are_varied_in_parts_and_by_the_texts_of_a_literal() -> None:
    spec = composed("model=tiny").model
    places = {".".join(place) for place, _ in settings.leaves(spec)}
    assert {"steps", "segmenter.closing", "condition.background", "view.margin", "backbone.native"} <= places
    others = settings.others(spec, ("condition", "background"), "histogram")
    assert others == ["mean", "grey", "white", "image"]
    assert settings.others(spec, ("weights",), "x") == settings.others(spec, ("backbone", "revision"), None) == []


class Extras(ConvexHull):
    """A model whose pictures may not belong to its prediction."""

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def explain(self, queries: Sequence[Query], seeds: Sequence[int]) -> Any:
        shown: list[Any] = [{"image": query.image} for query in queries]
        faulty = {"explain": [{"grey": queries[0].visible}], "of one": shown[0], "too many": 2 * shown}
        return faulty.get(self.fault, shown)

    def explained_window(self, query: Query) -> Any:
        return (0, 0, 4, 4) if self.fault == "window" else Window(0, 0, 4, 4, 4)

    def complete(self, query: Query, seed: int) -> Any:
        mask = query.visible if self.fault == "complete" else self.predict([query], [seed])[0]
        return Completion(mask, query.image[1:] if self.fault == "picture" else query.image)

    def every_step(self, query: Query, seed: int) -> Any:
        return [Step(number, query.image, None) for number in ((1, 0) if self.fault == "steps" else (0, 1))]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("explain", "explain(): grey is (H, W) bool, not a picture, which is (height, width, 3) uint8"),
        ("of one", "explain() does not return a list with one mapping of pictures for each query"),
        ("too many", "explain() does not return a list with one mapping of pictures for each query"),
        ("window", "explained_window() returns (0, 0, 4, 4), not a rectangle with x, y, width and height"),
        ("complete", "complete() does not return the mask that predict() returns"),
        ("picture", "complete(): the picture is (H-1, W, 3) uint8, not (H, W, 3) uint8"),
        ("steps", "every_step() does not return steps of ascending numbers"),
    ],
)
def test_pictures_that_do_not_belong_to_the_prediction_are_named(fault: str, said: str) -> None:
    assert models.violations(Extras("")) == []
    assert models.violations(Extras(fault)) == [filled(said)]


class Reader(ConvexHull):
    """A model that has answers for some instances only."""

    source = "memory"

    def __init__(self, honest: bool) -> None:
        self.honest = honest

    def answers(self) -> list[str]:
        return [scenes.queries(1)[0].id]

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
        if self.honest and any(query.id not in self.answers() for query in queries):
            raise PredictionError("no prediction")
        return super().predict(queries, seeds)


def test_a_model_that_reads_answers_has_to_say_which_it_lacks() -> None:
    (said,) = models.violations(Reader(honest=False))
    assert said.startswith("predict() of a query that is not among answers() returns something")
    assert not any("not among" in line for line in models.violations(Reader(honest=True)))


class Colours(GrabCut):
    """A segmenter that may break one clause."""

    def __init__(self, fault: str) -> None:
        super().__init__(iterations=1)
        self.fault = fault

    def segment(self, images: Sequence[Image], prompts: Sequence[Prompt]) -> Any:
        if self.fault == "image" and images:
            images[0][:] = 0
        if self.fault == "prompt" and prompts:
            prompts[0].points[:] = 0
        masks = super().segment(images, prompts)
        if self.fault == "company":
            return [mask if len(masks) == 1 else ~mask for mask in masks]
        if self.fault == "order" and masks:
            return [~masks[0], *masks[1:]]
        if self.fault == "form":
            return [mask.astype(np.uint8) for mask in masks]
        return masks


@pytest.mark.parametrize(
    ("fault", "said"),
    mostly_slow(
        [
            ("image", "segment() changes an image or a prompt"),
            ("prompt", "segment() changes an image or a prompt"),
            ("company", "segment() answers differently when a query is alone in its batch"),
            ("order", "segment() answers differently when the batch is in another order"),
            ("form", "segment() returns (H, W) uint8, not (H, W) bool as its image"),
        ]
    ),
)
def test_a_violating_segmenter_is_named(fault: str, said: str) -> None:
    assert segmenters.violations(Colours(fault)) == [filled(said)]


@dataclass(frozen=True)
class Pull(Soft):
    """A leakage that may break one clause."""

    fault: str = ""
    array: Any = field(default=0)

    def mix(self, x: Any, known: Any, area: Any, progress: float) -> Any:
        mixed = super().mix(x, known, area, progress)
        if self.fault == "in place":
            x += 1
        if self.fault == "company":
            return mixed + mixed.mean()
        if self.fault == "shape":
            return mixed[:, :1]
        if self.fault == "finite":
            return mixed / 0
        if self.fault == "random":
            import torch

            return mixed + torch.rand(1)
        return mixed


@pytest.mark.parametrize(
    ("leakage", "said"),
    [
        (Pull(fault="in place"), "mix() changes what it is given"),
        (Pull(fault="company"), "mix() answers differently when a sample is alone in its batch"),
        (Pull(fault="shape"), "mix() returns (3, 1, 8, 8) float32, not (3, 4, 8, 8) float32"),
        (Pull(fault="finite"), "mix() returns numbers that are not finite"),
        (Pull(fault="random"), "mix() differs from one call to the next"),
        (
            Pull(array={1, 2}),
            "its description cannot be written as JSON: Object of type set is not JSON serializable",
        ),
        (SimpleNamespace(name="two words", erase=True, start=1.0), "name is 'two words', not one word"),
        (SimpleNamespace(name="late", erase=None, start=1.0), "erase is None, not true or false"),
        (SimpleNamespace(name="late", erase=True, start=0.0), "start is 0.0, not a share in (0, 1]"),
    ],
)
def test_a_violating_leakage_is_named(leakage: Any, said: str) -> None:
    assert leakages.violations(Pull()) == []
    assert leakages.violations(leakage) == [said]


@dataclass(frozen=True)
class Around(Area):
    """An area that may break one clause."""

    fault: str = ""

    def __call__(self, visible: Mask) -> Any:
        if self.fault == "in place":
            visible[:] = True
        if self.fault == "form":
            return visible.astype(float)
        if self.fault == "empty":
            return visible | (np.flatnonzero(visible)[0] > -1)
        if self.fault == "random":
            return np.random.default_rng().random(visible.shape) < 0.5
        return super().__call__(visible)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("in place", "the area changes V"),
        ("form", "the area is (H, W) float64, not (H, W) bool as V"),
        ("empty", "the area of an empty V raises IndexError"),
        ("random", "the area differs from one call to the next"),
    ],
)
def test_a_violating_area_is_named(fault: str, said: str) -> None:
    assert areas.violations(Around()) == []
    assert areas.violations(Around(fault=fault))[0].startswith(filled(said))


@dataclass(frozen=True)
class Painted(Condition):
    """A condition image that may break one clause."""

    fault: str = ""

    def __call__(self, image: Image, visible: Mask, seed: int) -> Any:
        if self.fault == "empty" and not visible.any():
            raise ZeroDivisionError
        made = super().__call__(image, visible, seed)
        if self.fault == "in place":
            image[:] = 0
        if self.fault == "range":
            return made * 2 + 1
        if self.fault == "form":
            return made.astype(np.float64)
        if self.fault == "random":
            return super().__call__(image, visible, int(np.random.default_rng().integers(9999)))
        return made


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("random", "the condition image differs from one call to the next, with the same seed"),
        ("empty", "the condition image of an empty V raises ZeroDivisionError, not a PredictionError"),
        ("in place", "the condition changes its image or V"),
        ("range", "the condition image is between 1 and 3, not 0 and 1"),
        ("form", "the condition image is (H, W, 3) float64, not (H, W, 3) float32 as the view"),
    ],
)
def test_a_violating_condition_is_named(fault: str, said: str) -> None:
    assert conditions.violations(Painted()) == []
    assert filled(said) in conditions.violations(Painted(fault=fault))


@dataclass(frozen=True)
class Mean:
    """A number that may break one clause."""

    fault: str = ""
    regions: ClassVar[tuple[str, ...]] = ()

    def score(self, rows: Rows) -> Score:
        found = MeanIou().score(rows)
        if self.fault == "order":
            return replace(found, numerator=found.numerator * np.linspace(1, 0.5, len(rows)))
        if self.fault == "range":
            return replace(found, numerator=found.numerator + 1)
        if self.fault == "shape":
            return Score(found.numerator[:1], found.denominator[:1])
        if self.fault == "in place":
            rows.counts[:] = 0
        return found


class Anything(Filter):
    """A filter that takes what cannot be prompted."""

    def select(self, records: Any) -> Any:
        return records, {}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("order", "scores(): miou depends on the order of the instances"),
        ("range", "scores(): miou of perfect predictions is 2, not 1"),
        ("shape", "scores(): miou is not a Score of one numerator and denominator for each instance"),
        ("in place", "scores() changes the counts"),
        ("filter", "filter.select() takes instances of which nothing is visible, and filter.hidden is false"),
    ],
)
def test_a_violating_protocol_is_named(fault: str, said: str) -> None:
    made = ScoringProtocol("mean", 1, {"miou": Mean(fault)}, Anything() if fault == "filter" else Filter())
    assert said in protocols.violations(made)


class Halves:
    """A backbone that may break one clause: latents are every other pixel."""

    native, micro_batch, vae_batch, device = 8, 2, 3, "cpu"

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        if fault == "member":
            self.native = 0

    def describe(self) -> dict[str, Any]:
        return {"kind": "halves"}

    def schedule(self, steps: int) -> Any:
        from amodal_bench.backbones.base import Schedule

        levels = [level / steps for level in range(steps + 1)]
        signal = levels[::-1] if self.fault == "schedule" else levels
        return Schedule((1.0,) * (steps - (self.fault == "times")), tuple(signal), tuple(levels[::-1]), 1.0)

    def encode(self, images: Any) -> Any:
        latents = images[:, :, ::2, ::2]
        return latents + latents.mean() if self.fault == "encode" else latents

    def decode(self, latents: Any) -> Any:
        images = latents.repeat_interleave(2, 2).repeat_interleave(2, 3) / 2 + 0.5
        return images * 3 if self.fault == "range" else images

    def latent_area(self, areas: Any) -> Any:
        return areas[:, 0, ::2, ::2] if self.fault == "area" else areas[..., ::2, ::2]

    def prepare(self, images: Any, clean: Any, areas: Any, erase: bool) -> Any:
        return [clean] if self.fault == "prepare" else {"mask": areas[..., ::2, ::2]}

    def denoise(self, x: Any, schedule: Any, step: int, shown: Any) -> Any:
        if self.fault == "denoise":
            return x + x[:1]
        if self.fault == "double":
            return x.double()
        return x

    def advance(self, output: Any, schedule: Any, step: int, x: Any, generators: Any) -> Any:
        import torch

        if self.fault == "advance":  # its noise does not come from the sample's own generator
            return output + torch.randn(output.shape, generator=torch.Generator().manual_seed(0))
        return output


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("member", "native is 0, not a whole number >= 1"),
        ("times", "schedule(4).times has 3 entries, not 4"),
        ("schedule", "schedule(): the signal does not grow from level to level, or the noise does not shrink"),
        ("encode", "encode() depends on a sample's company in the batch, by up to "),
        ("range", "decode() returns images between "),
        ("area", "latent_area() returns (3, 4, 4) float32, not (3, 1, 4, 4) float32"),
        ("prepare", "prepare() does not return a mapping of tensors with the batch first"),
        ("denoise", "denoise() depends on a sample's company in the batch, by up to "),
        ("double", "denoise() returns (2, 3, 4, 4) float64, not (2, 3, 4, 4) float32"),
        ("advance", "advance() depends on a sample's place in the batch"),
    ],
)
def test_a_violating_backbone_is_named(fault: str, said: str) -> None:
    assert backbones.violations(Halves()) == []
    assert backbones.violations(Halves(fault))[0].startswith(said)


def test_check_names_the_violation_of_a_users_own_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from amodal_bench.cli.models.command import main

    (tmp_path / "model").mkdir()
    (tmp_path / "model/own.yaml").write_text("_target_: own_grow.Grow\nname: own\npixels: 2\n")
    (tmp_path / "own_grow.py").write_text(
        "class Grow:\n"
        "    def __init__(self, pixels):\n        self.pixels = pixels\n"
        "    def describe(self):\n        return {}\n"
        "    def predict(self, queries, seeds):\n"
        "        return [q.visible if len(queries) == 1 else ~q.visible for q in queries]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["check", "own", "--config-dir", str(tmp_path)]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[-2:] == ["problems     1", "model: predict() answers differently when a query is alone in its batch"]


# What a class can do wrong beside its answers


class Own:
    """A model that grows V; those that derive from it break one clause each."""

    def __init__(self, pixels: int = 1) -> None:
        self.pixels = pixels

    def describe(self) -> Any:
        return {"pixels": self.pixels}

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> Any:
        return [self.one(query, place, queries) for place, query in enumerate(queries)]

    def one(self, query: Query, place: int, queries: Sequence[Query]) -> Any:
        return grown(query.visible, self.pixels)


def grown(mask: Mask, pixels: int) -> Mask:
    return np.asarray(mask | np.roll(mask, pixels, axis=0))


class OneBuffer(Own):
    """It writes all answers of a shape into one array."""

    def __init__(self) -> None:
        super().__init__()
        self.buffers: dict[Any, Mask] = {}

    def one(self, query: Query, place: int, queries: Sequence[Query]) -> Any:
        buffer = self.buffers.setdefault(query.visible.shape, np.zeros_like(query.visible))
        buffer[:] = grown(query.visible, 1)
        return buffer


class LargeBatch(Own):
    """It answers otherwise in batches of more than a few queries."""

    def __init__(self, few: int = 3) -> None:
        super().__init__()
        self.few = few

    def one(self, query: Query, place: int, queries: Sequence[Query]) -> Any:
        return grown(query.visible, 5 if len(queries) > self.few else 1)


class Fifth(Own):
    """Its answers change after the fourth query of a batch."""

    def one(self, query: Query, place: int, queries: Sequence[Query]) -> Any:
        return grown(query.visible, 5 if place > 3 else 1)


class Beside(Own):
    """Its answers depend on what the other queries show, not on their number or order."""

    def one(self, query: Query, place: int, queries: Sequence[Query]) -> Any:
        return grown(query.visible, 1 + int(len({q.id for q in queries}) == len(queries)))


class KeepsLast(Own):
    """Its description holds what it predicted."""

    def describe(self) -> Any:
        return dict(vars(self))

    def one(self, query: Query, place: int, queries: Sequence[Query]) -> Any:
        self.last = grown(query.visible, self.pixels)
        return self.last


class Silent:
    """It has no describe()."""

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> Any:
        return [query.visible for query in queries]


class Exits(Own):
    def one(self, query: Query, place: int, queries: Sequence[Query]) -> Any:
        raise SystemExit(0)


class Stops(Own):
    def one(self, query: Query, place: int, queries: Sequence[Query]) -> Any:
        return next(iter([]))


class Asserts(Own):
    def one(self, query: Query, place: int, queries: Sequence[Query]) -> Any:
        raise AssertionError


class Reseeds(Own):
    def one(self, query: Query, place: int, queries: Sequence[Query]) -> Any:
        np.random.seed(place)
        random.seed(place)
        return super().one(query, 0, [])


class Spoils(Own):
    """Its explain() paints over the image."""

    def explain(self, queries: Sequence[Query], seeds: Sequence[int]) -> Any:
        queries[0].image[:] = 0
        return [{"image": query.image} for query in queries]


class Tensors(Own):
    def one(self, query: Query, place: int, queries: Sequence[Query]) -> Any:
        import torch

        return torch.from_numpy(query.visible)


class Refuses(Own):
    """It has no answer where V is small."""

    def __init__(self, least: float = 1000) -> None:
        self.least = least

    def describe(self) -> Any:
        return {"least": self.least}

    def one(self, query: Query, place: int, queries: Sequence[Query]) -> Any:
        if query.visible.sum() < self.least:
            raise PredictionError("too small")
        return query.visible.copy()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (OneBuffer(), "predict() returns masks that share their memory: each query needs an array of its own"),
        (LargeBatch(3), "predict() answers differently when a query is alone in its batch"),
        (LargeBatch(16), "predict() answers differently when a query is alone in its batch"),
        (Fifth(), "predict() answers differently when the batch is in another order"),
        (Beside(), "predict() answers differently when other queries are in the batch"),
        (
            KeepsLast(),
            "describe() cannot be written as JSON after predict(): Object of type ndarray is not JSON serializable",
        ),
        (Silent(), "has no describe()"),
        (Exits(), "predict() raises SystemExit: 0"),
        (Stops(), "predict() raises StopIteration"),
        (Asserts(), "predict() raises AssertionError"),
        (
            Reseeds(),
            "predict() seeds or uses the generator that a process shares (np.random, random); use one of its own",
        ),
        (Spoils(), "explain() changes the image or the visible mask of its query"),
        (Tensors(), "predict() returns a torch.Tensor, not a NumPy array of (H, W) bool"),
        (Refuses(1e9), "predict() has an answer to no scene of the toy aquarium: too small"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_one_line_says_what_a_model_does_wrong(model: Any, said: str) -> None:
    assert models.violations(Own()) == []
    assert models.violations(model) == [filled(said)]


def test_a_model_may_refuse_some_queries() -> None:
    sizes = sorted(int(query.visible.sum()) for query in scenes.queries(scenes.MANY))
    assert models.violations(Refuses(sizes[8])) == []


def test_an_interruption_is_no_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Own, "one", interrupted)
    with pytest.raises(KeyboardInterrupt):
        models.violations(Own())


class Rounded(Own):
    """A network whose masks differ in some pixels with their place in the batch."""

    def __init__(self, pixels: int, network: bool = True) -> None:
        super().__init__(pixels)
        self.network = network

    def describe(self) -> Any:
        return {"pixels": self.pixels} | ({"versions": {"torch": "2"}} if self.network else {})

    def one(self, query: Query, place: int, queries: Sequence[Query]) -> Any:
        mask = query.visible.copy()
        mask.flat[: self.pixels * place] ^= True
        return mask


def test_only_a_network_may_differ_with_the_place_and_only_in_single_pixels() -> None:
    otherwise = ["predict() answers differently when the batch is in another order"]
    assert models.violations(Rounded(1)) == []
    assert models.violations(Rounded(2)) == otherwise
    assert models.violations(Rounded(1, network=False)) == otherwise


class SilentSegmenter:
    def segment(self, images: Sequence[Image], prompts: Sequence[Prompt]) -> Any:
        return [prompt.visible for prompt in prompts]


class LargeSegmenter(SilentSegmenter):
    def describe(self) -> dict[str, Any]:
        return {}

    def segment(self, images: Sequence[Image], prompts: Sequence[Prompt]) -> Any:
        return [grown(prompt.visible, 5 if len(images) > 16 else 1) for prompt in prompts]


def test_segmenters_are_asked_in_large_batches_and_need_a_description() -> None:
    assert segmenters.violations(SilentSegmenter()) == ["has no describe()"]  # type: ignore[arg-type]
    said = "segment() answers differently when a query is alone in its batch"
    assert segmenters.violations(LargeSegmenter()) == [said]


@dataclass(frozen=True)
class Early(Soft):
    """A leakage that fails at the first of the paper's twenty steps."""

    def mix(self, x: Any, known: Any, area: Any, progress: float) -> Any:
        return np.zeros(3) if progress < 0.1 else super().mix(x, known, area, progress)


def test_a_leakage_is_asked_at_every_step_of_the_paper() -> None:
    assert leakages.violations(Early()) == ["mix() returns a numpy.ndarray, not (3, 4, 8, 8) float32"]


class Wobbles(Halves):
    """A backbone whose numbers differ a little with a sample's place, or with its company."""

    def __init__(self, place: float = 0.0, company: float = 0.0, precision: str = "float32") -> None:
        super().__init__()
        self.place, self.company, self.precision = place, company, precision

    def describe(self) -> dict[str, Any]:
        return {"kind": "wobbles", "precision": self.precision}

    def decode(self, latents: Any) -> Any:
        return super().decode(latents).clamp(0.1, 0.9)

    def denoise(self, x: Any, schedule: Any, step: int, shown: Any) -> Any:
        output = x.clone()
        output[0] *= 1 + self.place
        return output + self.company * x.mean()


def test_a_place_may_cost_the_last_digits_and_company_nothing() -> None:
    assert backbones.violations(Wobbles(place=1e-6)) == []
    (place,) = backbones.violations(Wobbles(place=1e-3))
    (company,) = backbones.violations(Wobbles(company=1e-4))
    assert place.startswith("denoise() depends on a sample's place in the batch, by up to 0.00")
    assert company.startswith("denoise() depends on a sample's company in the batch, by up to ")
    assert backbones.violations(Wobbles(place=1e-3, precision="bfloat16")) == []


# Descriptions that lack a setting


class Lacks(Own):
    """A model that describes nothing."""

    def __init__(
        self,
        pixels: int = 1,
        level: int = 0,
        share: float = 0.0,
        mode: str = "a",
        sizes: Sequence[int] = (1, 2),
        radius: int | None = None,
        file: str = "f",
        shown: bool = False,
    ) -> None:
        super().__init__(pixels)
        self.level, self.share, self.mode, self.sizes = level, share, mode, sizes
        self.radius, self.file, self.shown = radius, file, shown

    def describe(self) -> Any:
        return dict(vars(self)) if self.shown else {"shown": False}

    def one(self, query: Query, place: int, queries: Sequence[Query]) -> Any:
        mask = grown(query.visible, self.pixels * (self.radius or 2) * sum(self.sizes) * len(self.file))
        dark = query.image.mean(axis=2) < self.level + 200 * self.share
        return mask | dark if self.mode == "a" else query.visible | dark


@pytest.mark.slow
def test_settings_that_are_missing_from_the_description_are_named_whether_the_yaml_has_them_or_not() -> None:
    spec = {"_target_": f"{__name__}.Lacks", "pixels": 1}
    found = settings.violations(spec, "model", models.answers, lambda place: f"model.{place}")
    assert sorted(line.partition("=")[0] for line in found) == [
        f"model.{name}" for name in ("file", "level", "mode", "pixels", "radius", "share", "sizes")
    ]
    verdict = settings.examine({**spec, "shown": True}, "model", models.answers)
    assert verdict.violations == []


class Picky(Own):
    """A model that takes one text only, and has a device."""

    def __init__(self, mode: str = "a", device: str = "cpu") -> None:
        if mode != "a":
            raise FileNotFoundError(mode)
        super().__init__()


@pytest.mark.slow
def test_settings_that_could_not_be_varied_are_listed() -> None:
    verdict = settings.examine({"_target_": f"{__name__}.Picky", "name": "picky"}, "model", models.answers)
    assert (verdict.violations, verdict.aside) == ([], ["mode", "device"])


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0, 7, 0.5, True, "x", None, [1, 2]])
def test_every_value_has_other_values(value: Any) -> None:
    found = settings.others({"_target_": f"{__name__}.Own"}, ("pixels",), value)
    assert found and value not in found


class OfProcess(Own):
    def describe(self) -> Any:
        return {"pixels": self.pixels, "process": os.getpid()}


class OfHash(Own):
    def describe(self) -> Any:
        return {"pixels": self.pixels, "hash": hash("pixels")}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [OfProcess, OfHash])
def test_a_description_may_not_depend_on_the_process(kind: type) -> None:
    spec = {"_target_": f"{__name__}.{kind.__name__}"}
    assert settings.violations(spec, "model", models.answers) == [
        "describe() says something else in a second process"
    ]


# The command


def own(tmp_path: Path, group: str, code: str, settings: str = "") -> list[str]:
    """Write a class of one's own, `Own`, and its YAML; the words that name its folder."""
    (tmp_path / group).mkdir()
    module = f"own_{abs(hash(str(tmp_path)))}"
    (tmp_path / group / "own.yaml").write_text(f"_target_: {module}.Own\n{settings}")
    (tmp_path / f"{module}.py").write_text(code)
    return ["own", "--config-dir", str(tmp_path)]


@pytest.mark.parametrize(
    ("raised", "said"),
    mostly_slow(
        [
            ("RuntimeError('no\\nGPU')", "RuntimeError: no GPU"),
            ("FileNotFoundError('w.pt')", "FileNotFoundError: w.pt"),
            ("KeyError('w')", "KeyError: 'w'"),
            ("SystemExit(0)", "SystemExit: 0"),
        ]
    ),
)
def test_check_says_in_one_line_why_a_model_cannot_be_built(
    raised: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from amodal_bench.cli.models.command import main

    monkeypatch.setattr("sys.path", list(sys.path))
    words = own(tmp_path, "model", f"class Own:\n    def __init__(self):\n        raise {raised}\n")
    assert main(["check", *words]) in (1, 2)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: model: ") and line.endswith(f"cannot be built: {said}")


@pytest.mark.slow
def test_check_collects_what_a_class_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from amodal_bench.cli.models.command import main

    monkeypatch.setattr("sys.path", list(sys.path))
    code = (
        "class Own:\n    def __init__(self, device='cpu'):\n        pass\n"
        "    def describe(self):\n        return {}\n"
        "    def predict(self, queries, seeds):\n        print('working', len(queries))\n"
        "        return [query.visible for query in queries]\n"
    )
    assert main(["check", *own(tmp_path, "model", code)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert not any(line.startswith("working") for line in lines)
    assert any(line.startswith("note         it prints ") and line.endswith("working 17") for line in lines)
    assert "note         settings not varied: model.device" in lines


@pytest.mark.slow
def test_a_broken_part_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = (
        "class Own:\n    erase, start = True, 1.0\n    def mix(self, x, known, area, progress):\n        return x\n"
    )
    from amodal_bench.cli.models.command import main

    _, *words = own(tmp_path, "leakage", code)
    assert main(["check", "tiny", "leakage=own", *words]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["problems     1", "leakage: name is None, not one word"]
    assert "contract     leakage: 1 violation" in lines
    assert "contract     model: not tried, since a part of it breaks its contract" in lines
