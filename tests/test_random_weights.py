"""`random://FAMILY`: made once, marked, and in one line where that cannot be. And models in small beside the real."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import composed
from omegaconf import OmegaConf

from amodal_bench.config.settings import config_folder
from amodal_bench.core.cache import cache_folder
from amodal_bench.core.errors import InputError
from amodal_bench.weights import random as random_weights
from amodal_bench.weights.catalogue import catalogue
from amodal_bench.weights.loading import origin
from amodal_bench.weights.random import RANDOM_MARK, families, made, place
from amodal_bench.weights.small import kandinsky, sam
from amodal_bench.weights.source import WeightsSource

pytestmark = pytest.mark.usefixtures("empty_cache")

RANDOM = [file.stem for file in sorted((config_folder() / "model/random").glob("*.yaml"))]
SMALLER = {"name", "weights", "backbone.weights", "backbone.prior", "backbone.native", "steps", "segmenter.weights"}
"""What a model in small may have otherwise."""


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Each folder that a family was saved in; saving takes no time."""
    folders: list[Path] = []

    def save(folder: Path) -> None:
        (folder / "prior").mkdir()
        folders.append(folder)

    monkeypatch.setattr(sam, "save", save)
    monkeypatch.setattr(kandinsky, "save", save)
    return folders


def leftovers() -> list[Path]:
    return list((cache_folder() / "random").glob("*.partial"))


def test_weights_are_made_once_and_marked(saved: list[Path]) -> None:
    assert WeightsSource("random://sam").place() is None and saved == []  # to look is not to make
    folder = WeightsSource("random://sam").folder(["."])
    assert folder == made("random://sam") == place("random://sam") == WeightsSource("random://sam").place()
    assert len(saved) == 1 and saved[0] != folder and leftovers() == []
    assert (folder / RANDOM_MARK).read_text().startswith("Random numbers")
    assert origin(WeightsSource("random://sam"), folder) == {"random_weights": True}
    assert folder.is_relative_to(cache_folder())


def test_a_part_of_a_family_lies_in_its_folder(saved: list[Path]) -> None:
    whole = made("random://kandinsky")
    assert whole and made("random://kandinsky/prior") == whole / "prior" and len(saved) == 1
    assert made("random://kandinsky/nothing") is None
    with pytest.raises(InputError, match=r"^random://kandinsky/nothing: there is no such weights folder; set"):
        WeightsSource("random://kandinsky/nothing").folder(["unet"])


def test_an_unknown_family_is_answered_with_the_known_ones() -> None:
    assert place("random://sma") is None
    with pytest.raises(InputError, match=f"^random://sma: there is no family 'sma'; valid: {', '.join(families())}$"):
        WeightsSource("random://sma").folder(["."])


def test_another_process_that_is_quicker_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = place("random://sam")
    assert folder is not None

    def save(partial: Path) -> None:
        (partial / "of").write_text("this process")
        folder.mkdir(parents=True)
        (folder / "of").write_text("the other one")

    monkeypatch.setattr(sam, "save", save)
    assert made("random://sam") == folder
    assert (folder / "of").read_text() == "the other one" and leftovers() == []


def test_a_cache_that_cannot_be_written_is_one_line(
    tmp_path: Path, saved: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("AMODAL_BENCH_CACHE", str(tmp_path / "file"))
    written = r"random weights cannot be written there \(Not a directory\); set AMODAL_BENCH_CACHE to a folder that"
    with pytest.raises(InputError, match=written):
        made("random://sam")
    assert saved == []


def test_a_family_that_is_cut_short_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def save(_: str, folder: Path) -> None:
        folder.mkdir(parents=True)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(random_weights, "save", save)
    with pytest.raises(InputError, match="No space left on device"):
        made("random://sam")
    assert leftovers() == [] and WeightsSource("random://sam").place() is None


# Models in small


def flat(spec: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in spec.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def published(name: str) -> bool:
    """Whether a model is made of weights that the catalogue knows."""
    return any(value in catalogue() for _, value in flat(composed(f"model={name}").model) if isinstance(value, str))


def names_of(experiment: str) -> list[str]:
    spec: Any = OmegaConf.load(config_folder() / "experiment" / f"{experiment}.yaml")
    return str(spec.hydra.sweeper.params.model).strip().split(",")


@pytest.mark.slow
def test_every_model_with_published_weights_has_a_twin_in_small() -> None:
    real = sorted(file.stem for file in (config_folder() / "model").glob("*.yaml"))
    assert [name for name in real if published(name)] == RANDOM


@pytest.mark.slow
@pytest.mark.parametrize("name", RANDOM)
def test_a_model_in_small_differs_in_nothing_but_size_and_weights(name: str) -> None:
    real, small = (dict(flat(composed(f"model={choice}").model)) for choice in (name, f"random/{name}"))
    assert {key for key in real | small if real.get(key) != small.get(key)} <= SMALLER
    assert (real["name"], small["name"]) == (name, f"random-{name}")
    weights = [value for key, value in small.items() if key.endswith(("weights", "prior"))]
    assert weights and all(value.startswith("random://") for value in weights)


@pytest.mark.slow
def test_both_experiments_run_the_same_models() -> None:
    real, small = names_of("every_model"), names_of("every_model_random")
    assert [name.removeprefix("random/") for name in small if name != "tiny"] == real
    assert [name for name in small if name.startswith("random/")] == [f"random/{n}" for n in real if published(n)]
    every = {file.stem for file in (config_folder() / "model").glob("*.yaml")}
    assert set(real) == every - {"tiny", "predictions"}


def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from amodal_bench.cli.models import tiny

    def lacks(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'diffusers.models'", name="diffusers.models")

    monkeypatch.setenv("AMODAL_BENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(random_weights, "save", lacks)
    monkeypatch.setattr(tiny, "save", lacks)
    with pytest.raises(
        InputError, match="random://flux: needs diffusers, which is not installed; install diffusers, "
    ):
        made("random://flux")
    assert tiny.main.callback is not None
    with pytest.raises(InputError, match="flux: needs diffusers, which is not installed; install diffusers, "):
        tiny.main.callback("flux", tmp_path / "new")
