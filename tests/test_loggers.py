"""Loggers: what they are told, that none of them ends a run, and what is said where one cannot be used."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import composed
from told_outcomes import HOSTILE, SHOWN, info, told_outcome

from amodal_bench.cli.results import logged, score
from amodal_bench.config.build import build
from amodal_bench.config.settings import Settings
from amodal_bench.core.errors import ConfigError
from amodal_bench.report.csv_logger import CsvLogger
from amodal_bench.report.kept import keep, kept
from amodal_bench.report.listeners import Listeners
from amodal_bench.report.outcome import Outcome, RunInfo
from amodal_bench.report.told import numbers_of, rows_of, sample_of, settings_of, tables_of
from amodal_bench.report.wandb_logger import WandbLogger


class Recorder:
    """A logger of a user's: it notes what it is told, and fails where it is asked to."""

    def __init__(self, fails_at: str = "") -> None:
        self.told: list[str] = []
        self.fails_at = fails_at
        self.hint = "look here"

    def _hear(self, what: str) -> None:
        self.told.append(what)
        if what == self.fails_at:
            raise OSError(28, f"No space left on device {HOSTILE}")

    def begin(self, run: RunInfo) -> None:
        self._hear("begin")

    def step(self, done: int, total: int, miou: float) -> None:
        self._hear("step")

    def finish(self, outcome: Outcome) -> Sequence[Path]:
        self._hear("finish")
        return [Path("written")]

    def leave(self) -> None:
        self._hear("leave")


@pytest.mark.parametrize(
    ("fails_at", "told"),
    [("begin", ["begin", "leave"]), ("step", ["begin", "step", "leave"]),
     ("finish", ["begin", "step", "step", "finish", "leave"])],
)  # fmt: skip
def test_a_logger_that_fails_is_told_no_more_and_costs_one_line(
    fails_at: str, told: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outcome = told_outcome(tmp_path)
    bad, good = Recorder(fails_at), Recorder()
    with Listeners({"bad": bad, "good": good}) as listeners:
        listeners.begin(info(outcome.main))
        for done in (1, 2):
            listeners.step(done, 2, 0.5)
        assert listeners.finish(outcome) == [Path("written")]
    assert bad.told == told and good.told == ["begin", "step", "step", "finish"]
    assert listeners.hints == ["look here"]
    (line,) = caplog.messages
    assert line.startswith("logger.bad: ") and SHOWN in line and line.endswith("; the run goes on without it")


def test_results_are_not_lost_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from amodal_bench.report import csv_logger

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(csv_logger, "write_whole", refuse)
    outcome = told_outcome(tmp_path)
    with pytest.raises(OSError, match="No space"):
        Listeners({"csv": CsvLogger()}).finish(outcome)


def test_a_run_that_ends_in_an_error_leaves_no_record_open() -> None:
    logger = Recorder("leave")
    with pytest.raises(KeyboardInterrupt), Listeners({"mine": logger}):
        raise KeyboardInterrupt
    assert logger.told == ["leave"]


def test_numbers_are_all_that_the_summary_says(tmp_path: Path) -> None:
    outcome = told_outcome(tmp_path)
    numbers, table = numbers_of(outcome), outcome.table()
    assert list(table["protocol"]) == ["instance@2", "pooled@2"]
    own = {"dataset", "model", "settings", "seed", "but_for_seed", "protocol", "run"}
    wanted = {
        f"{row['protocol']}/{name}": value
        for row in table.to_dict("records")
        for name, value in row.items()
        if name not in own and not pd.isna(value)
    }
    assert numbers == wanted and {"instance@2/miou", "pooled@2/occluded_miou_high"} <= set(numbers)
    assert {type(value) for value in numbers.values()} == {float, int, str}


def test_settings_say_what_was_run_by_what(tmp_path: Path) -> None:
    main = told_outcome(tmp_path).main
    said = settings_of(info(main, "monday"))
    assert json.loads(json.dumps(said)) == said
    first, second = main.protocols
    assert said["protocol"] == {"label": "instance@2", "digest": first.digest, "content": first.content}
    assert {key: each["digest"] for key, each in said["protocols"].items()} == {
        "instance@2": first.digest,
        "pooled@2": second.digest,
    }
    assert said["identity"] == main.facts and said["sweep"] == "monday"
    assert {"command", "overrides", "git", "split", "environment"} <= set(said)


@pytest.mark.slow
def test_no_secret_and_no_control_character_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "0123456789abcdef")
    outcome = told_outcome(tmp_path, hostile=True)
    facts = {**outcome.main.facts, HOSTILE: f"{HOSTILE} 0123456789abcdef"}
    told = settings_of(RunInfo(HOSTILE, "things", "0" * 12, facts, tmp_path))
    assert told["model"] == SHOWN and told["identity"][SHOWN] == f"{SHOWN} ***"
    for name, table in tables_of(outcome).items():
        assert HOSTILE not in repr(rows_of(table)), name
    texts = [cell for name in ("instances", "errors") for row in rows_of(tables_of(outcome)[name]) for cell in row]
    assert f"{SHOWN}id-000" in texts and any(isinstance(t, str) and t.startswith(f"broken {SHOWN}") for t in texts)


def test_rows_are_plain_values() -> None:
    table = pd.DataFrame({"a": [1.5, np.nan], "b": pd.array([3, None], "Int64"), "c": ["x\n\x1b", None]})
    assert rows_of(table) == [[1.5, 3, "x\n\\x1b"], [None, None, None]]
    assert [type(cell) for cell in rows_of(table)[0]] == [float, int, str]


def test_a_sample_is_by_seed_and_id_alone() -> None:
    table = pd.DataFrame({"id": [f"{n:05d}" for n in range(5000)]})
    chosen = sample_of(table, 500, 0)
    assert len(chosen) == 500 and list(chosen["id"]) == sorted(chosen["id"])
    assert sample_of(table[::-1], 500, 0)["id"].tolist() == chosen["id"].tolist()[::-1]
    assert set(sample_of(table, 100, 0)["id"]) <= set(chosen["id"])
    assert set(sample_of(table, 500, 1)["id"]) != set(chosen["id"])
    assert 150 < (chosen["id"] < "02500").sum() < 350  # not the first rows of the table
    assert sample_of(table, 5000, 0) is table


def test_what_is_kept_is_read_again_and_damage_is_nothing(tmp_path: Path) -> None:
    keep(tmp_path, "mine", {"id": "x"})
    assert kept(tmp_path, "mine") == {"id": "x"}
    for text in ("[1]", "{", ""):
        (tmp_path / "mine.json").write_text(text)
        assert kept(tmp_path, "mine") == {}


@pytest.mark.parametrize(
    ("name", "module"), [("wandb", "wandb"), ("tensorboard", "tensorboard"), ("mlflow", "mlflow")]
)
def test_a_package_that_is_missing_is_one_line_with_its_extra(
    name: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for known in [each for each in sys.modules if each.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, known)
    monkeypatch.setitem(sys.modules, module, None)
    spec: dict[str, Any] = composed(
        f"logger={name}", *([f"logger.{name}.mode=offline"] if name == "wandb" else [])
    ).logger
    with pytest.raises(ConfigError, match=rf"pip install 'amodal-bench\[{name}\]', or use logger=csv") as refused:
        build(spec[name], f"logger.{name}")
    assert "\n" not in str(refused.value) and list(spec) == ["csv", name]


@pytest.mark.parametrize(
    ("mode", "rows", "said"),
    [("dryrun", 10, "'dryrun' is not one of disabled, offline, online"), ("offline", 200_001, "W&B's limit"),
     ("offline", 0, "between 1 and 200000")],
)  # fmt: skip
def test_settings_of_wandb_that_cannot_be_used_are_refused_at_once(mode: str, rows: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        WandbLogger("p", None, mode, "nowhere", rows=rows)


def test_wandb_that_is_disabled_needs_no_package_and_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    outcome = told_outcome(tmp_path)
    logger = WandbLogger("p", None, "disabled", str(tmp_path / "wandb"))
    logger.begin(info(outcome.main))
    logger.step(1, 2, 0.5)
    assert logger.finish(outcome) == [] and logger.hint == ""
    logger.leave()
    assert not (tmp_path / "wandb").exists() and kept(outcome.main.folder, "wandb") == {}


@pytest.mark.parametrize(("given", "wanted"), [([], "there, and here"), (["results=elsewhere"], "elsewhere")])
def test_a_score_tells_loggers_where_the_run_lies(
    given: list[str], wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the command is given, so that a record in files goes on where it began."""
    run = told_outcome(tmp_path / "there, and here", count=4).main.folder
    heard = []

    def heard_of(settings: Settings) -> Listeners:
        heard.append(settings.results)
        raise ConfigError("heard")

    monkeypatch.setattr(logged, "loggers_of", heard_of)
    assert score.main.callback is not None
    with pytest.raises(ConfigError, match="heard"):
        score.main.callback(run=run, overrides=given, config_dir=())
    assert [Path(each).name for each in heard] == [wanted]
