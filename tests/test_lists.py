"""Lists that people read or sweep over name every choice: a YAML that is added and not listed fails here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from inpainting import STRATEGIES
from omegaconf import OmegaConf

from amodal_bench.config.settings import config_folder

REPOSITORY = Path(__file__).parents[1]
GROUPS = ("dataset", "model", "leakage", "area", "condition", "segmenter", "view", "protocol", "logger")


def choices(group: str) -> set[str]:
    """The choices of a group, those in folders of it left out."""
    return {file.stem for file in (config_folder() / group).glob("*.yaml")}


def rows() -> dict[str, set[str]]:
    """The words in code style of each row of the table of choices, by group, wherever the documentation has it."""
    pages = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
    tables = [page.read_text(encoding="utf-8").partition("| group | choices |")[2] for page in pages]
    (table,) = [text.partition("\n\n")[0] for text in tables if text]
    found = re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE)
    return {group: set(re.findall(r"`([^`]+)`", text)) for group, text in found}


@pytest.mark.parametrize("group", GROUPS)
def test_the_table_of_choices_names_all_of_a_group(group: str) -> None:
    assert choices(group) - rows()[group] == set()


def swept(experiment: str, key: str) -> list[str]:
    """What an experiment sweeps over."""
    content: Any = OmegaConf.load(config_folder() / "experiment" / f"{experiment}.yaml")
    return [name.strip() for name in str(content.hydra.sweeper.params[key]).split(",")]


def test_experiments_sweep_over_all_that_there_is() -> None:
    assert sorted(swept("leakage", "leakage")) == sorted(choices("leakage"))
    # The tiny model is for the toy aquarium, and predictions need a file.
    assert sorted(swept("every_model", "model")) == sorted(choices("model") - {"tiny", "predictions"})
    small = {f"random/{name}" for name in choices("model/random")}
    assert set(swept("every_model_random", "model")) == small | {"visible", "hull", "tiny"}


def test_the_experiment_of_protocols_names_all_but_those_that_every_run_has() -> None:
    content: Any = OmegaConf.load(config_folder() / "experiment" / "protocols.yaml")
    named = [name for line in content.defaults for name in line.values()]
    assert sorted(named) == sorted(choices("protocol") - {"instance", "pooled", "draws"})


def test_tests_try_every_leakage() -> None:
    assert {strategy.name for strategy in STRATEGIES.values()} == choices("leakage")


def test_models_on_backbones_say_only_what_differs() -> None:
    """What the base says is not said again, unless with another value."""
    folder = config_folder() / "model"
    base = {**_flat(OmegaConf.load(folder / "_base/tuning_free.yaml"))}
    base |= _flat(OmegaConf.load(folder / "_base/published.yaml"))
    for file in sorted(folder.glob("*.yaml")):
        own = _flat(OmegaConf.load(file))
        if "_base/published" in file.read_text(encoding="utf-8"):
            repeated = [key for key, value in own.items() if key in base and base[key] == value and key != "defaults"]
            assert repeated == [], file


def _flat(content: Any, place: str = "") -> dict[str, Any]:
    plain: Any = OmegaConf.to_container(content) if OmegaConf.is_config(content) else content
    found: dict[str, Any] = {}
    for key, value in plain.items():
        found |= _flat(value, f"{place}{key}.") if isinstance(value, dict) else {f"{place}{key}": value}
    return found
