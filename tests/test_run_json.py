"""What a run's folder says of the run: command, configuration, code, dates and machine, and nothing private."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Run, composed

import amodal_bench
from amodal_bench.cli.run import typed
from amodal_bench.core.seeds import sample_seed
from amodal_bench.evaluation.command import evaluate
from amodal_bench.evaluation.entries import Given
from amodal_bench.report.outcome import Outcome
from amodal_bench.runner import checkout, run_json
from amodal_bench.runner.environment import environment
from amodal_bench.runner.identity import Identity
from amodal_bench.runner.nearest import because
from amodal_bench.runner.private import private
from amodal_bench.runner.store import Store

SMALL = ("model=hull", "dataset.images=2", "sheet=0")


def said(folder: Path) -> Any:
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_a_run_says_what_it_was_asked_for(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/amodal-bench", *SMALL, "seed=3"])
    assert run(*SMALL, "seed=3")[0] == 0
    (folder,) = (tmp_path / "results" / "runs").glob("toy-hull-*")
    facts = said(folder)
    assert facts["command"] == ["amodal-bench", *SMALL, "seed=3"]
    assert facts["overrides"] == [*SMALL, "seed=3"]
    configuration = facts["configuration"]
    assert configuration["dataset"]["images"] == 2 and configuration["engine"]["batch_size"] == 16
    assert set(configuration) == set(vars(composed()))
    label, digest = ([each[key] for each in facts["protocols"]] for key in ("label", "digest"))
    assert label == ["instance@2", "pooled@2"] and all(len(each) == 8 for each in digest)
    assert facts["protocols"][0]["filter"]["max_occlusion"] == 1
    assert facts["split"] == "test"


def test_a_command_is_told_as_it_is_typed() -> None:
    assert typed(["/venv/bin/amodal-bench", "model=hull"]) == ["amodal-bench", "model=hull"]
    assert typed(["/x/amodal_bench/__main__.py", "seed=1"]) == ["python", "-m", "amodal_bench", "seed=1"]


@pytest.mark.slow
def test_a_call_from_python_has_overrides_and_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Given:
        def describe(self) -> dict[str, Any]:
            return {}

        def predict(self, queries: Any, seeds: Any) -> Any:
            return [query.visible.copy() for query in queries]

    monkeypatch.chdir(tmp_path)
    outcome = amodal_bench.evaluate(model=Given(), settings={"dataset.images": 2}, sheet=0)
    facts = said(outcome.main.folder)
    assert facts["command"] is None and "dataset.images=2" in facts["overrides"]
    assert facts["configuration"]["model"].endswith(".Given")


@pytest.mark.slow
def test_dates_tell_when_a_run_began_went_on_and_ended(
    monkeypatch: pytest.MonkeyPatch, bench: Callable[..., Outcome]
) -> None:
    clock = iter(range(0, 100 * 86400, 86400))
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))
    folder = bench(*SMALL, "baselines=null", "limit=3").main.folder
    assert said(folder)["dates"] == {
        "begun": "1970-01-01T00:00:00+00:00",
        "continued": None,
        "finished": "1970-01-02T00:00:00+00:00",
    }
    outcome = bench(*SMALL, "baselines=null")
    assert said(folder)["dates"] == {
        "begun": "1970-01-01T00:00:00+00:00",
        "continued": "1970-01-03T00:00:00+00:00",
        "finished": "1970-01-04T00:00:00+00:00",
    }
    assert outcome.main.reused == "3 predictions of 1970-01-01"
    before = (folder / "run.json").read_bytes()
    assert bench(*SMALL, "baselines=null").main.reused.endswith("of 1970-01-03")
    assert (folder / "run.json").read_bytes() == before
    assert amodal_bench.open_run(folder).recorded.dates["finished"] == "1970-01-04T00:00:00+00:00"


@pytest.mark.slow
def test_a_run_that_is_stopped_is_not_finished(tmp_path: Path) -> None:
    class Stopped:
        def describe(self) -> dict[str, Any]:
            return {}

        def predict(self, queries: Any, seeds: Any) -> Any:
            raise KeyboardInterrupt

    settings = composed(f"results={tmp_path / 'results'}", "dataset.images=2", "baselines=null", "sheet=0")
    with pytest.raises(KeyboardInterrupt):
        evaluate(settings, Given(model=Stopped()))
    (file,) = tmp_path.glob("results/runs/*/run.json")
    dates = json.loads(file.read_text())["dates"]
    assert dates["begun"] and dates["finished"] is None


def test_the_file_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(**facts: Any) -> None:
        run_json.write_facts(tmp_path, "hull", "", Identity(facts), None, {})

    write(seed=0)
    before = (tmp_path / "run.json").read_bytes()

    def fails(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OSError, match="No space"):
        write(seed=1)
    assert (tmp_path / "run.json").read_bytes() == before and [*tmp_path.iterdir()] == [tmp_path / "run.json"]


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, "-C", str(folder), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repositories(tmp_path: Path) -> tuple[Path, Path]:
    """A checkout of a package, and a user's own with a commit."""
    for name, file in (("code", "package/__init__.py"), ("work", "model.py")):
        (tmp_path / name / file).parent.mkdir(parents=True)
        (tmp_path / name / file).write_text("x = 1\n")
        git(tmp_path / name, "init", "-q")
        git(tmp_path / name, "add", ".")
        git(tmp_path / name, "commit", "-qm", "first")
    return tmp_path / "code" / "package", tmp_path / "work"


def test_commits_of_the_package_and_of_the_working_folder(repositories: tuple[Path, Path]) -> None:
    package, work = repositories
    found = checkout.checkouts(package, work)
    assert found["package"] == {"commit": git(package, "rev-parse", "HEAD"), "changed": False}
    assert found["folder"] == {"commit": git(work, "rev-parse", "HEAD"), "changed": False}
    (work / "model.py").write_text("x = 2\n")
    (package / "results.txt").write_text("a file that git does not follow\n")
    found = checkout.checkouts(package, work)
    assert (found["package"]["changed"], found["folder"]["changed"]) == (False, True)
    assert checkout.checkouts(package, package)["folder"] is None


def test_a_package_that_is_installed_in_a_users_checkout_is_not_that_checkout(
    repositories: tuple[Path, Path],
) -> None:
    _, work = repositories
    installed = work / ".venv" / "package"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    found = checkout.checkouts(installed, work)
    assert found["package"] is None and found["folder"]["commit"]


@pytest.mark.slow
def test_no_checkout_no_commit_no_git_and_a_git_that_hangs_are_null(
    tmp_path: Path, repositories: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = {"package": None, "folder": None}
    (tmp_path / "plain").mkdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert checkout.checkouts(tmp_path / "plain", tmp_path / "plain") == nothing
    git(tmp_path / "plain", "init", "-q")
    assert checkout.checkouts(tmp_path / "plain", tmp_path / "plain") == nothing
    (tmp_path / "bin").mkdir()
    slow = tmp_path / "bin" / "git"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    monkeypatch.setattr(checkout, "TIMEOUT", 0.2)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
        begun = time.perf_counter()
        assert checkout.checkouts(*repositories) == nothing
        assert time.perf_counter() - begun < 5
    monkeypatch.setenv("PATH", str(tmp_path / "plain"))
    assert checkout.checkouts(*repositories) == nothing


def test_the_machine_is_told_by_its_kind_and_not_by_its_name() -> None:
    import platform

    found = environment()
    assert found["processor"] and found["cpus"] >= 1 and found["memory_gb"] > 0.1
    assert {"numpy", "torch", "pycocotools", "opencv"} <= set(found["packages"])
    assert not platform.node() or platform.node() not in found["platform"]


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("logger.wandb.api_key=abc123", "logger.wandb.api_key=***"),
        ("logger.wandb={api_key: abc123, mode: offline}", "logger.wandb={api_key: ***, mode: offline}"),
        ('+hub.token="a b c"', "+hub.token=***"),
        ("https://me:pass@example.org/x?sig=abc&n=3", "https://***@example.org/x?sig=***&n=3"),
        ("model.weights=hf_abcdefghijklmnopqrstuvwxyz", "model.weights=***"),
        ("x is verysecretvalue, too", "x is ***, too"),
        ({"api_key": "abc", "text_tokens": 77, "parts": [{"password": "p"}]},
         {"api_key": "***", "text_tokens": 77, "parts": [{"password": "***"}]}),
        (["prog", "--token", "abc", "--seed", "1"], ["prog", "--token", "***", "--seed", "1"]),
        ("model.backbone.text_tokens=77", "model.backbone.text_tokens=77"),
        ("segmenter.hq_token_only=true", "segmenter.hq_token_only=true"),
        ("model.revision=0123456789012345678901234567890123456789",
         "model.revision=0123456789012345678901234567890123456789"),
        ("dataset.root=/home/someone/data", "dataset.root=~/data"),
        ("ids='/home/someone'", "ids='~'"),
        ("dataset.root=/home/someoneelse/data", "dataset.root=/home/someoneelse/data"),
        (None, None), (3, 3), (True, True),
    ],
    ids=str,
)  # fmt: skip
def test_nothing_private_is_written(told: Any, kept: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("SOME_SERVICE_TOKEN", "verysecretvalue")
    assert private(told) == kept


@pytest.mark.slow
def test_no_secret_and_no_home_reach_a_runs_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef")
    words = [*SMALL, f"results={tmp_path / 'results'}"]
    monkeypatch.setattr("sys.argv", ["amodal-bench", *words, "# 0123456789abcdef"])
    assert run(*words)[0] == 0
    (file,) = (tmp_path / "results" / "runs").glob("toy-hull-*/run.json")
    text = file.read_text()
    assert str(tmp_path) not in text and "0123456789abcdef" not in text
    assert json.loads(text)["configuration"]["results"] == "~/results"


def facts(**changes: Any) -> Identity:
    model = {"target": "a.B", "versions": {"torch": "2.12.0"}, "leakage": {"name": "none"}}
    plain = {"seed": 0, "code": "0" * 16, "dataset": {"name": "toy", "fingerprint": "f"}, "model": model}
    return Identity({**plain, **changes})


def test_another_run_says_what_differs_from_the_nearest(tmp_path: Path) -> None:
    def keep(identity: Identity, name: str = "tiny") -> None:
        folder = tmp_path / f"toy-{name}-{identity.digest}"
        folder.mkdir()
        run_json.write_facts(folder, name, "", identity, None, {})

    assert because(tmp_path, facts(), "tiny") == ""
    keep(facts())
    keep(facts(seed=5), "other")
    assert because(tmp_path, facts(), "tiny") == ""
    assert because(tmp_path, facts(seed=1), "tiny") == "seed 1, was 0"
    torch = {**facts().facts["model"], "versions": {"torch": "2.13.0"}}
    assert because(tmp_path, facts(seed=1, model=torch), "tiny") == "seed 1, was 0; torch 2.13.0, was 2.12.0"
    keep(facts(seed=1))
    assert because(tmp_path, facts(seed=1, model=torch), "tiny") == "torch 2.13.0, was 2.12.0"
    assert because(tmp_path, facts(code="1" * 16), "tiny") == "the code that predicts changed"
    (tmp_path / "toy-tiny-broken").mkdir()
    (tmp_path / "toy-tiny-broken" / "run.json").write_text("{")
    assert because(tmp_path, facts(seed=2), "tiny") in ("seed 2, was 0", "seed 2, was 1")
    many = because(tmp_path, facts(model={"a": 1, "b": 2, "c": "x" * 99, "target": "c.D"}), "tiny")
    assert many.endswith("; and 2 more") and "x" * 37 + "..., was not there" in many and "\n" not in many


@pytest.mark.slow
def test_a_run_that_differs_from_another_says_so_once(
    bench: Callable[..., Outcome], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "amodal_bench"):
        bench(*SMALL, "baselines=null")
        bench(*SMALL, "baselines=null")
        assert "other run" not in caplog.text
        bench(*SMALL, "baselines=null", "seed=1")
        assert [record.message for record in caplog.records] == ["hull: other run because: seed 1, was 0"]
        bench(*SMALL, "baselines=null", "seed=1")
    assert len(caplog.records) == 1


def test_a_folder_whose_name_is_not_utf_8_is_written_and_read_again(tmp_path: Path) -> None:
    """Python has such a name with halves of surrogate pairs, which SQLite and UTF-8 refuse."""
    name = os.fsdecode(b"/data/\xe9t\xe9")
    with Store(tmp_path / "store.sqlite") as store:
        run_json._write(tmp_path, {"root": name}, store)
        told = store.told("run.json")
    assert said(tmp_path) == {"root": name} and told == (tmp_path / "run.json").read_text(encoding="utf-8")
    assert sample_seed(0, name) != sample_seed(0, "/data/t")
