"""The one door in this process: which words do what, how mistakes are answered, and what the shell completes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from conftest import Run
from params import mostly_slow

from amodal_bench.cli.help import SETTINGS
from amodal_bench.cli.main import COMPLETE, main
from amodal_bench.cli.toy.train import STAGES
from amodal_bench.cli.tree import VERBS
from amodal_bench.config.settings import Engine, Settings, config_folder
from amodal_bench.core.version import __version__
from amodal_bench.evaluation import command
from amodal_bench.tiny import train as training

DATASETS = ", ".join(sorted(file.stem for file in (config_folder() / "dataset").glob("*.yaml")))
SMALL = ["dataset.images=1", "sheet=0"]


def test_help_shows_the_settings_of_a_run_and_the_verbs(run: Run, tmp_path: Path) -> None:
    (tmp_path / "conf" / "leakage").mkdir(parents=True)
    (tmp_path / "conf" / "leakage" / "mine.yaml").write_text("_target_: my.Leakage\n")
    status, out, err = run("--help")
    assert (status, err) == (0, "")
    for group in ("dataset", "model", "leakage"):
        for file in (config_folder() / group).glob("*.yaml"):
            assert file.stem in out.partition(f"\n  {group}: ")[2].partition(": ")[0]
    assert all(f"\n  {verb} " in out for verb in VERBS)
    assert max(map(len, out.splitlines())) < 80, "it fits the narrowest usual terminal"
    for words in (["--config-dir", "conf", "-h"], ["-h", "-cd=conf", "model=hull"]):
        assert "leakage: blend, conditioning, mine, none" in run(*words)[1]
    assert run("help")[1] == out


@pytest.mark.parametrize("verb", [name for name in VERBS if name not in ("predict", "published")])
def test_a_verb_without_a_word_shows_its_verbs_as_a_usage_error(run: Run, verb: str) -> None:
    status, out, err = run(verb)
    assert status == 2 and out == "" and err.startswith(f"Usage: amodal-bench {verb} VERB ...")
    assert run(verb, "--help") == run(verb, "help") == (0, err, "")


@pytest.mark.parametrize("folder", [["--config-dir", "."], ["-cd=."], ["-cd", ".", "--config-dir=."]])
def test_a_folder_of_configurations_may_stand_before_the_verb(run: Run, folder: list[str]) -> None:
    after = run("results", "page", "-o", "look", *folder)
    assert run(*folder, "results", "page", "-o", "look") == after
    assert after[0] == 2 and "takes the folders of one run or more" in after[2]


@pytest.mark.parametrize("verb", ["results page", "data preview", "predict"])
def test_the_help_of_a_verb_fits_a_narrow_terminal(run: Run, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    narrow = run(*verb.split(), "--help")[1]
    assert max(map(len, narrow.splitlines())) <= 80
    monkeypatch.setenv("COLUMNS", "130")
    letters = [sorted(re.sub(r"[\s\\]", "", text)) for text in (narrow, run(*verb.split(), "--help")[1])]
    assert letters[0] == letters[1], "no word is lost"


def test_every_output_takes_both_spellings(run: Run) -> None:
    for spelling in ("-o", "--output", "--out"):
        assert "takes the folders of one run" in run("results", "page", spelling, "look")[2]
        assert "give either --mask FILE or --point" in run("predict", "a.jpg", spelling, "look")[2]
        assert "x.txt does not end in .png" in run("data", "preview", "toy", spelling, "x.txt")[2]


def test_the_version_is_ours(run: Run) -> None:
    assert run("--version") == (0, f"amodal-bench {__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "guess"),
    [
        ("dta list", "did you mean 'data list'? "),
        ("modells list", "did you mean 'models list'? "),
        ("results lst", "did you mean 'list'? "),
        ("list", "did you mean 'data list' or 'models list' or 'results list' or 'published list'? "),
        ("exprot", "did you mean 'results export' or 'toy export'? "),
        ("predikt x.jpg", "did you mean 'predict'? "),
        ("cocoa", "did you mean 'dataset=cocoa'? "),
        ("tasks", ""),
        ("photo.jpg", ""),
    ],
)
def test_an_unknown_word_gets_did_you_mean_over_verbs(run: Run, words: str, guess: str) -> None:
    status, out, err = run(*words.split())
    assert (status, out) == (2, "") and err.startswith("error: ") and err.count("\n") == 1
    assert ("did you mean" in err) == bool(guess) and guess in err
    assert all(verb in err for verb in (["list", "export"] if "lst" in words else VERBS))


@pytest.mark.parametrize(
    ("words", "answer"),
    mostly_slow(
        [
            (["--foo"], "unrecognized arguments: --foo"),
            (["--cfg", "nothing"], "argument --cfg/-c: invalid choice: 'nothing'"),
            (["--experimental-rerun", "none.pickle"], "--experimental-rerun: none.pickle cannot be read as settings"),
            (["--cfg", "job", "-m"], "only one of --run, --multirun, --cfg, --info, --shell-completion"),
            (["--resolve"], "--resolve: goes with --cfg only"),
            (["--config-dir", "nowhere"], "--config-dir: there is no folder nowhere"),
            (["model=hull", "data", "list"], "data: is not a setting; a setting is KEY=VALUE"),
            (["model=hull", "leakage=blend,none"], "leakage=blend,none: has several values"),
            (["seed=abc"], "seed: must be a whole number, not 'abc'\n"),
            (["-m", "model=hull", "sed=1,2"], "sed: unknown key; did you mean 'seed'?"),
            (["model=random/sdx"], "model=random/sdx: there is no such choice; did you mean 'random/sdxl'?"),
            (["hydra/launcher=nothing"], "hydra/launcher=nothing: there is no such choice; valid: basic"),
            (["limit=0"], "limit: 0 must be >= 1"),
            (["ids=mine.txt"], "mine.txt: no such file of ids; make a list with `amodal-bench data ids"),
            (["dataset=cocaa"], f"dataset=cocaa: there is no such choice; did you mean 'cocoa'? valid: {DATASETS}\n"),
            (["dataset=xyz"], f"dataset=xyz: there is no such choice; valid: {DATASETS}\n"),
            (["dataset.imagse=3"], "dataset.imagse: unknown key; did you mean 'images'?"),
            (["model=hull", "protocol.errors=ignore"], "'ignore' is not one of 'zero', 'exclude'"),
            (["model=hull", "protocol.filter.min_occlusion=1.5"], "protocol.filter: min_occlusion 1.5"),
            (["~model"], "model: has no _target_"),
            (["model=hull", "model.name=a/b"], "model.name: 'a/b' cannot be part of a folder's name"),
            (["model=hull", "model._target_=json.Nothing"], "model._target_: cannot import json.Nothing"),
        ],
        4,
    ),
)
def test_a_usage_error_of_a_run_has_status_2(run: Run, words: list[str], answer: str) -> None:
    status, out, err = run(*words)
    assert (status, out) == (2, "") and answer in err
    assert err.startswith("error: ") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["results=/dev/null"], "cannot be written (Not a directory); set results to a folder that you can write to"),
    ],
)
def test_a_failure_of_a_run_has_status_1(run: Run, words: list[str], answer: str) -> None:
    status, out, err = run("model=hull", *words)
    assert (status, out) == (1, "") and answer in err
    assert err.startswith("error: ") and err.count("\n") == 1


@pytest.mark.slow
def test_a_failure_has_status_1_and_names_the_setting_and_the_verb_that_helps(run: Run) -> None:
    status, _, err = run("model=hull", "dataset=kins")
    assert status == 1 and err == (
        "error: datasets/kins: the folder of KINS does not exist; `amodal-bench data fetch kins` gets it or tells "
        "how to; or set dataset.root to where it is\n"
    )


@pytest.mark.slow
def test_an_interruption_has_status_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "evaluate", interrupted)
    kept = "interrupted: all finished batches are kept; give the same command again to continue\n"
    assert run("model=hull", *SMALL) == (130, "", kept)
    status, _, err = run("-m", "model=hull", *SMALL)
    assert (status, err) == (130, kept)
    monkeypatch.setattr("amodal_bench.cli.data.info.open_dataset", interrupted)
    assert run("data", "info", "toy") == (130, "", "interrupted\n")


@pytest.mark.parametrize("words", [["model=hull", "sed=1"], ["data", "info", "toi"]])
def test_a_traceback_is_shown_where_the_user_asks_for_it(
    run: Run, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(*words)[0] == 2
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(Exception, match=r"sed|toi"):
        run(*words)


def test_main_ends_the_process_with_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["amodal-bench", "tasks"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2


@pytest.mark.slow
def test_a_choice_without_effect_is_a_warning_and_the_run_goes_on(run: Run) -> None:
    status, out, err = run("model=hull", "leakage=none", *SMALL)
    assert status == 0 and "hull" in out
    assert "warning: leakage=none has no effect: the model hull does not use leakage\n" in err


@pytest.mark.slow
def test_settings_are_printed_with_the_folders_of_the_user(run: Run, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "leakage").mkdir(parents=True)
        (tmp_path / name / "leakage" / f"{name}.yaml").write_text(f"_target_: my.{name}\n")
    for words in (["--config-dir", "one", "-cd", "two"], ["--config-dir=one", "-cd=two"]):
        for name in ("one", "two"):
            status, out, _ = run(*words, "--cfg", "job", f"leakage={name}", "-p", "leakage")
            assert (status, out) == (0, f"# @package leakage\n_target_: my.{name}\n")
    assert "config-dir" in run("--hydra-help")[1]
    assert str(tmp_path / "one") in run("--config-dir", "one", "--info", "searchpath")[1]


@pytest.mark.slow
def test_options_may_stand_between_settings(run: Run) -> None:
    status, out, _ = run("model=hull", "-m", "seed=1,2", *SMALL)
    assert status == 0 and "hull seed=2" in out


# What the shell completes


@pytest.fixture
def completed(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """What is offered for a line, whose words are given as the shell cuts them; the last one is incomplete."""

    def call(*words: str, shell: str = "bash") -> list[str]:
        monkeypatch.setenv(COMPLETE, f"{shell}_complete")
        monkeypatch.setenv("COMP_WORDS", "\n".join(["amodal-bench", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        status, out, err = run()
        assert (status, err) == (0, "")
        if shell == "zsh":
            return out.splitlines()[1::3]
        return [line.partition(",")[2] for line in out.splitlines()]

    return call


def test_verbs_and_settings_are_completed(completed: Callable[..., list[str]]) -> None:
    assert [word for word in completed("") if "=" not in word] == list(VERBS)
    assert completed("mod") == ["models", *(word for word in completed("mod") if word.startswith("model="))]
    assert completed("data", "ch") == ["check"]
    assert "data" not in completed("model", "=", "hull", "d")
    assert completed("data", "check", "coc") == ["cocoa", "cocoa_cls"]
    assert completed("models", "check", "random/fl") == ["random/flux"]
    assert completed("toy", "export", "k") == ["kins"]
    assert completed("--conf") == ["--config-dir"]


def test_bash_cuts_a_setting_at_its_sign_and_gets_what_follows_it(completed: Callable[..., list[str]]) -> None:
    for words in (["leakage", "=", "co"], ["model", "=", "hull", "leakage", "=", "co"]):
        assert completed(*words) == ["conditioning"]
    assert completed("leakage", "=") == ["blend", "conditioning", "none", "soft", "strength"]
    assert completed("predict", "x.jpg", "leakage", "=", "co") == ["conditioning"]
    assert completed("leakage=co") == ["leakage=conditioning"]  # in a bash that does not cut there
    assert completed("leakage=co", shell="zsh") == ["leakage=conditioning"]


def test_run_folders_and_the_users_choices_are_completed(completed: Callable[..., list[str]], tmp_path: Path) -> None:
    for name in ("toy-a", "toy-b"):
        (tmp_path / "results" / "runs" / name).mkdir(parents=True)
        (tmp_path / "results" / "runs" / name / "store.sqlite").touch()
    assert completed("results", "export", "res") == ["results/runs/toy-a", "results/runs/toy-b"]
    assert completed("results", "export", "other") == ["other"]
    (tmp_path / "conf" / "dataset").mkdir(parents=True)
    (tmp_path / "conf" / "dataset" / "mine.yaml").touch()
    assert completed("data", "check", "--config-dir", "conf", "mi") == ["mine"]


def test_own_choices_paths_options_and_sweeps_are_completed(
    completed: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "grow.yaml").write_text("_target_: my.Grow\n")
    (tmp_path / "ids.txt").touch()
    assert completed("--config-dir", "conf", "model=g", shell="zsh") == ["model=grow"]
    assert completed("--cfg", "") == ["job", "hydra", "all"]
    assert completed("--config-dir", "co") == ["co"]  # the shell completes folders
    assert completed("leakage=blend,co", shell="zsh") == ["leakage=blend,conditioning"]
    assert completed("ids=i", shell="zsh") == ["ids=ids.txt"]
    assert completed("dataset.root=c", shell="zsh") == ["dataset.root=conf/"]
    assert completed("results=i", shell="zsh") == []


def test_help_lists_the_settings_that_are_no_choices(run: Run) -> None:
    kinds = {each.name: each for each in fields(Settings)}
    plain = {name for name, each in kinds.items() if each.type in ("int", "str", "str | None", "int | None")}
    engine = {f"engine.{each.name}" for each in fields(Engine)}
    assert set(SETTINGS) == plain | engine | {"dataset.root"}
    out = run("--help")[1]
    assert all(f"\n  {key} " in out for key in SETTINGS)
    page = (config_folder().parent / "docs" / "command-line.md").read_text()
    fish = "_AMODAL_BENCH_COMPLETE=fish_source amodal-bench > ~/.config/fish/completions/amodal-bench.fish"
    assert fish in out.replace(" \\\n        ", " ") and fish in page


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_its_function(run: Run, shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMPLETE, f"{shell}_source")
    status, out, _ = run()
    assert status == 0 and f"{COMPLETE}={shell}_complete" in out
    monkeypatch.delenv(COMPLETE)
    assert f"{COMPLETE}={shell}_source" in run("--help")[1]


# The verbs of the toy


def test_training_gets_what_was_typed(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert set(STAGES) == set(training.STAGES)
    asked: list[object] = []
    monkeypatch.setitem(training.STAGES, "denoiser", asked.append)
    words = ["--folder", "kept", "--out", "w", "--steps", "7", "--minutes", "0.5", "--seed", "3", "--threads", "1"]
    assert run("toy", "train", "denoiser", *words)[0] == 0
    assert asked == [training.Training(Path("kept"), Path("w"), 7, 0.5, 3, 1)] and (tmp_path / "kept").is_dir()
    status, _, err = run("toy", "train", "denoisr")
    assert status == 2 and "'denoisr' is not one of" in err


def test_a_wrong_format_is_answered_and_a_folder_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    status, _, err = run("toy", "export", "kin", "x")
    assert status == 2 and "there is no such format; did you mean 'kins'?" in err
    (tmp_path / "file").touch()
    status, _, err = run("toy", "export", "kins", "file/x", "--images", "1")
    assert status == 1 and err.startswith("error: file/x: cannot be written (Not a directory); ")
