"""Mistakes on the command line: each is one line that names what is wrong, and has the status of its kind."""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

import pytest
from conftest import Run
from params import mostly_slow

from amodal_bench.cli.main import main
from amodal_bench.config.moved import PLACES, moved_class
from amodal_bench.runner.store import Store

SMALL = ["model=hull", "dataset.images=1", "limit=1", "sheet=0"]


@pytest.mark.parametrize("sign", ["=3", "+=3", "@=3", "~", "~=3", ".x=3", "model..x=3", "model.=3"])
def test_a_setting_without_a_name_is_refused(run: Run, sign: str) -> None:
    status, out, err = run(sign)
    assert (status, out) == (2, "") and err == f"error: {sign}: has no name of a setting; a setting is KEY=VALUE\n"


GROUPS = ["model", "protocol", "dataset", "view", "leakage", "engine", "logger"]


@pytest.mark.parametrize("words", [*([f"{group}=null"] for group in GROUPS), ["view=3"], ["-m", "view=crop,1"]])
def test_a_group_wants_the_name_of_a_choice(run: Run, words: list[str]) -> None:
    status, out, err = run(*words)
    assert (status, out, err.count("\n")) == (2, "", 1) and "must be the name of a choice; valid: " in err


@pytest.mark.parametrize(
    ("words", "answer"),
    mostly_slow(
        [
            (["logger=[]"], "logger: nothing would keep the results; choose one, such as logger=csv"),
            (["~logger"], "logger: nothing would keep the results"),
            (["baselines=visible"], "write +model@baselines.visible=visible"),
            (["baselines=[visible]"], "baselines: is a list, and components by name are wanted"),
            (["other_protocols=pooled"], "write +protocol@other_protocols.pooled=pooled"),
            (["hydra.run.dir=/proc/x"], "hydra.run.dir: /proc/x cannot be made ("),
            (["-m", "hydra.sweep.dir=/proc/x", "seed=1,2"], "hydra.sweep.dir: /proc/x cannot be made ("),
            (["limit=abc"], "limit: must be a whole number or null, not 'abc'\n"),
            (["engine.shuffle=maybe"], "engine.shuffle: must be true or false, not 'maybe'\n"),
            (["results=/x/${y}"], "${y} refers to a setting that does not exist"),
            (
                ["model=tiny", "model.segmenter.weights=X"],
                "model.segmenter.weights: unknown key; write segmenter.weights",
            ),
            (["protocol.view=tight"], "protocol.view: unknown key; write view=..."),
            (["+foo=3"], "foo: unknown key; valid: area, "),
            (["--cfg", "job", "--package", "nope"], "--package nope: these settings have no such part"),
            (["model._target_=amodal_bench.method.view.View"], "it has moved to amodal_bench.views.window.View\n"),
        ],
        2,
    ),
)
def test_a_wrong_setting_is_answered_in_plain_words(run: Run, words: list[str], answer: str) -> None:
    status, out, err = run("model=hull", *words)
    assert (status, out) == (2, "") and answer in err and err.startswith("error: ") and err.count("\n") == 1
    assert "merging" not in err and "ategory" not in err


@pytest.mark.slow
def test_a_key_that_another_setting_reads_may_be_added(run: Run) -> None:
    assert run(*SMALL, "+mine=7", "seed=${mine}")[0] == 0


def test_every_place_that_has_moved_leads_to_something() -> None:
    from importlib import import_module

    for old in PLACES:
        new = moved_class(f"amodal_bench.{old}")
        assert new is not None
        try:
            import_module(new)
        except ModuleNotFoundError:
            module, _, name = new.rpartition(".")
            assert hasattr(import_module(module), name)
    assert moved_class("amodal_bench.models.hull.Hull") is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"_target_: [\n", "model/mine.yaml:2:1: is not valid YAML ("),
        (b"# a list\n- a\n", "model/mine.yaml:2: holds a list; a configuration is lines of KEY: VALUE"),
        (b"text\n", "model/mine.yaml:1: holds a single value"),
        (b"a: \xff\n", "model/mine.yaml: is not a text file (byte 3 is not UTF-8)"),
    ],
)
def test_a_faulty_yaml_is_named_with_its_place(run: Run, tmp_path: Path, content: bytes, answer: str) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_bytes(content)
    for words in (["model=mine", "-cd", "."], ["models", "check", "mine", "-cd", "."]):
        status, out, err = run(*words)
        assert (status, out, err.count("\n")) == (2, "", 1) and answer in err
    status, out, _ = run("models", "list", "-cd", ".")
    assert status == 0 and answer in out and "flux" in out


@pytest.mark.slow
def test_a_users_own_choice_counts_before_the_shipped_one(run: Run, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "hull.yaml").write_text(
        "# mine\n_target_: amodal_bench.models.visible.VisibleMask\nname: own\n"
    )
    status, out, err = run("-cd", ".", *SMALL)
    assert status == 0 and "toy-own-" in out
    assert "note: model/hull.yaml takes the place of the model/hull that is shipped\n" in err
    status, out, err = run("models", "check", "hull", "-cd", ".")
    assert status == 0 and "takes the place of" in err


# What is printed


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    read, write = os.pipe()
    os.close(read)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["amodal-bench", "-m", "dataset.seed=1,2", *SMALL])
    with os.fdopen(write, "w", encoding="utf-8") as nobody:
        monkeypatch.setattr(sys, "stdout", nobody)
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 0
    assert len(list((tmp_path / "results" / "runs").glob("toy-hull-*"))) == 2
    assert not any(word in capfd.readouterr().err for word in ("Traceback", "Logging error", "error:"))


def test_what_cannot_be_printed_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["amodal-bench", "--help"])
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 1
    err = capfd.readouterr().err
    assert (
        err.startswith("error: what was printed cannot be written (No space left on device)") and err.count("\n") == 1
    )


@pytest.mark.parametrize("error", mostly_slow([OSError(28, "No space left on device"), None]))
def test_a_full_disk_ends_a_run_with_one_line(
    run: Run, error: OSError | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL

    def write(*_: object) -> None:
        raise error or full

    monkeypatch.setattr(Store, "write", write)
    status, _, err = run(*SMALL)
    assert status == 1 and "Traceback" not in err
    assert err.splitlines()[-1].endswith("make room, then give the same command again: finished batches are kept")


# The toy's trees


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["cocoa_cls", "x", "--split", "nope"], "--split: cocoa_cls has no split 'nope'; valid: train, val"),
        (["fishbowl", "x", "--split", "../y"], "--split: '../y' cannot be the name of a folder"),
        (["cocoa", "x", "--images", "0"], "--images: 0 must be >= 1"),
        (["kins", "full"], "full: is not empty; name a new or an empty folder"),
    ],
)
def test_a_tree_is_refused_before_anything_is_written(
    run: Run, tmp_path: Path, words: list[str], answer: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    status, out, err = run("toy", "export", *words)
    assert (status, out, err) == (2, "", f"error: {answer}\n")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["full", "mine"]


# What has no effect


@pytest.mark.slow
def test_a_margin_of_a_frame_is_told_to_have_no_effect(run: Run) -> None:
    out = run("--cfg", "job", "model=tiny")[1]
    assert "margin" in out
    from amodal_bench.config.compose import composed
    from amodal_bench.config.effect import of_no_picture, without_effect

    words = ["model=tiny", "view=frame", "view.margin=0.4"]
    (line,) = without_effect(composed(words, []), words)
    assert line == "view.margin=0.4 has no effect: view.mode=frame shows the whole image; view=crop has a margin"
    assert of_no_picture(["dataset=cocoa", "model=hull", "protocol.union_visible=false"]) == [
        "dataset=cocoa has no effect: predict works on your picture, and not on a dataset"
    ]


@pytest.mark.slow
def test_settings_of_ray_have_no_effect_in_this_process() -> None:
    from amodal_bench.config.compose import composed
    from amodal_bench.config.effect import without_effect

    words = ["model=tiny", "engine.actors=2"]
    assert without_effect(composed(words, []), words) == [
        "engine.actors=2 has no effect: it is Ray's, and the engine is local; add engine=ray"
    ]
    assert without_effect(composed([*words, "engine=ray"], []), words) == []


@pytest.mark.slow
def test_a_row_does_not_claim_a_setting_without_effect(run: Run) -> None:
    status, out, err = run("-m", "leakage=none,blend", "seed=1", *SMALL)
    assert status == 0 and "leakage" not in out.partition("all cells")[2]
    assert "leakage=none has no effect" in err


@pytest.mark.parametrize("words", [["help", "data"], ["data", "help"], ["data", "--help"]])
def test_help_may_stand_before_or_behind(run: Run, words: list[str]) -> None:
    assert run(*words) == run("data", "-h")
    assert run("data", "help", "check") == run("help", "data", "check") == run("data", "check", "--help")
