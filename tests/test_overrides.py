"""What a user types becomes what Hydra reads: home folders, odd characters, and choices that do nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from params import mostly_slow

from amodal_bench.config.compose import compose, composed
from amodal_bench.config.effect import PARTS, without_effect
from amodal_bench.config.overrides import expand_home, readable, refuse_sweeps
from amodal_bench.config.settings import Settings
from amodal_bench.core.errors import UsageError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder whose own name has a character that Hydra's grammar refuses."""
    folder = tmp_path / "André"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.mark.parametrize(
    "value", mostly_slow(["/data/été", "/data/x=y", "/data/a#b", "/data/old (1)", "it's", "/a b/[c]", 'a"b', "日本"])
)
def test_a_value_of_any_characters_arrives_as_it_is(value: str) -> None:
    settings = compose(["dataset=cocoa", f"dataset.root={value}"], [])
    assert settings.dataset["root"] == value


@pytest.mark.parametrize("override", ["seed=3", "protocol.errors=exclude", "+a.b=[1,2]", "~sheet", "a='x y'", "a="])
def test_what_hydra_reads_is_left_alone(override: str) -> None:
    assert readable([override]) == [override]


@pytest.mark.parametrize(
    ("override", "answer"),
    [
        ("photo.jpg", "photo.jpg: is not a setting; a setting is KEY=VALUE"),
        ("70,25", "70,25: is not a setting"),
        ("datasét=1", "'é' cannot be part of a setting's name"),
        ("dataset.root=[old]/x", r"""'\[' begins a list, .* quote that: 'dataset.root="\[old\]/x"'"""),
        ("dataset.root='x", '"\'" begins .* a quoted text that does not end where it should'),
    ],
)
def test_what_cannot_be_read_is_named_with_the_form_that_works(override: str, answer: str) -> None:
    with pytest.raises(UsageError, match=answer):
        readable([override])


def test_a_comma_separates_values_unless_it_is_quoted() -> None:
    with pytest.raises(UsageError, match=r"give one of them, or quote the value: 'dataset.root=\"/a,é\"'"):
        refuse_sweeps(["seed=1", "dataset.root=/a,é"])
    assert readable(["dataset.root=/a,é"]) == ['dataset.root="/a","é"']
    refuse_sweeps(['dataset.root="/a,é"', "a=[1,2]"])


@pytest.mark.parametrize("name", mostly_slow(["~", "$HOME", "${HOME}"]))
def test_the_home_folder_is_expanded_in_every_path(name: str, home: Path) -> None:
    words = ["dataset=cocoa", "model=predictions"]
    keys = ["dataset.root", "model.path", "results", "ids"]
    settings = compose([*words, *(f"{key}={name}/x" for key in keys)], [])
    found = [settings.dataset["root"], settings.model["path"], settings.results, settings.ids]
    assert found == [str(home / "x")] * 4
    assert compose([*words, f"+dataset.places=[{name}/x,{name}]"], []).dataset["places"] == [f"{home}/x", str(home)]
    assert expand_home(name) == str(home) and expand_home("a/~") == "a/~" and expand_home("$HOMES/x") == "$HOMES/x"


def test_the_home_folder_is_expanded_in_a_file_and_of_its_folder(home: Path) -> None:
    (home / "conf" / "dataset").mkdir(parents=True)
    (home / "conf" / "dataset" / "mine.yaml").write_text("_target_: mine.Mine\nroot: ~/data\nparts: [~/a, b~]\n")
    settings: Settings = compose(["dataset=mine"], [Path("~/conf")])
    assert settings.dataset["root"] == str(home / "data") and settings.dataset["parts"] == [str(home / "a"), "b~"]


@pytest.mark.slow
def test_an_empty_mapping_takes_nothing_away_and_null_does() -> None:
    (line,) = without_effect(composed(["baselines={}"], []), ["baselines={}"])
    spaced = "other_protocols={ }"
    assert without_effect(composed([], []), [spaced])[0].endswith("; write other_protocols=null")
    assert line == "baselines={} has no effect: what is in {} is added to what there is; write baselines=null"
    assert set(composed(["baselines={}"], []).baselines) == {"visible", "hull"}
    assert composed(["baselines=null"], []).baselines is None
    assert without_effect(composed(["baselines=null"], []), ["baselines=null"]) == []


@pytest.mark.parametrize(
    ("overrides", "idle"),
    mostly_slow(
        [
            (["model=hull", "leakage=none", "view.margin=0.2"], {"leakage": "hull", "view": "hull"}),
            (["model=visible", "view=tight"], {"view": "visible"}),
            (["model=sam", "view=tight", "segmenter=sam_hq"], {"view": "sam"}),
            (
                [
                    "model=tiny",
                    "leakage=none",
                    "view=crop",
                    "area=bbox",
                    "segmenter=colour_model",
                    "condition=erased",
                ],
                {},
            ),
            (["model=hull", "dataset=toy", "seed=3", "sheet=0", "protocol=pooled"], {}),
            (["model=hull", "+baselines.mine={_target_: x.Y, view: '${view}'}", "view=tight"], {}),
        ]
    ),
)
def test_a_choice_without_effect_gets_a_line(overrides: list[str], idle: dict[str, str]) -> None:
    lines = without_effect(composed(overrides, []), overrides)
    assert [line.partition(" has no effect: ")[2] for line in lines] == [
        f"the model {model} does not use {part}" for part, model in idle.items()
    ]


@pytest.mark.parametrize(
    ("overrides", "reason"),
    mostly_slow(
        [
            (["model=tiny", "area=hull", "area.grow=0.5"], "area.shape=hull does not grow; dilated_hull and bbox do"),
            (["model=tiny", "area.grow=0.5"], None),
            (
                ["model=tiny", "view=frame", "view.margin=0.5"],
                "view.mode=frame shows the whole image; view=crop has a mar",
            ),
            (["model=random/sam", "model.size=512"], "it is the side of a window, and model.view=null has none"),
            (["model=random/sam", "model.size=512", "model.view=${view}"], None),
            (["model=tiny", "area.shape=nonsense", "area.grow=0.5"], "area.shape=nonsense does not grow"),
            (["model=hull", "+model.size=512"], None),
        ]
    ),
)
def test_a_setting_that_does_nothing_beside_others_gets_a_line(overrides: list[str], reason: str | None) -> None:
    lines = without_effect(composed(overrides, []), overrides)
    assert len(lines) == (reason is not None)
    for line in lines:
        assert line.partition(" has no effect: ")[2].startswith(str(reason))


@pytest.mark.slow
def test_a_part_that_is_used_by_the_command_itself_is_not_idle() -> None:
    words = ["model=hull", "segmenter=colour_model"]
    assert len(without_effect(composed(words, []), words)) == 1
    assert without_effect(composed(words, []), words, used=["segmenter"]) == []


def test_every_part_is_one_that_some_model_uses() -> None:
    words = ["model=tiny"]
    config = composed(words, [])
    assert without_effect(config, [f"{part}=x" for part in PARTS]) == []
