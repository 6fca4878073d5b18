"""W&B, for real and offline: what it would send is read back from its own files."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import Run
from told_outcomes import SHOWN, info, told_outcome
from wandb_files import Session, sessions

from amodal_bench.core.shown import shown
from amodal_bench.report.outcome import Outcome, RunInfo
from amodal_bench.report.wandb_logger import WandbLogger

Bench = Callable[..., Outcome]
OFFLINE = ("logger=wandb", "logger.wandb.mode=offline")
SMALL = ("model=hull", "dataset.images=3")


def with_wandb(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test as one that needs W&B, and is slow by that."""
    skipped: Callable[..., None] = pytest.mark.skipif(find_spec("wandb") is None, reason="no wandb here")(test)
    slow: Callable[..., None] = pytest.mark.slow(skipped)
    return slow


def same(found: pd.DataFrame, file: Path) -> None:
    """Compare a table that was sent with a CSV: every field of every row, and every digit."""
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    assert list(found.columns) == list(table.columns) and len(found) == len(table) > 0
    for name in map(str, table.columns):
        for value, text in zip(found[name], table[name], strict=True):
            assert ("" if pd.isna(value) else value) == (text if isinstance(value, str) or not text else float(text))


@with_wandb
def test_an_offline_run_says_field_by_field_what_the_csv_files_say(bench: Bench, tmp_path: Path) -> None:
    outcome = bench(*SMALL, *OFFLINE, "sheet=2", "engine.batch_size=4", "limit=7")
    (session,) = sessions(tmp_path / "results")
    folder = outcome.main.score_folder
    for name in ("summary", "by_occlusion", "instances"):
        same(session.table(name), folder / f"{name}.csv")
    timing = session.table("timing")
    same(timing[timing["model"] == "hull"].reset_index(drop=True), outcome.main.folder / "timing.csv")
    summary = pd.read_csv(folder / "summary.csv").query("model == 'hull'")
    assert len(summary) == 2
    for row in summary.to_dict("records"):
        own = {"dataset", "model", "settings", "seed", "but_for_seed", "protocol", "run"}
        told = {f"{row['protocol']}/{name}": value for name, value in row.items() if name not in own}
        assert {k: v for k, v in told.items() if not pd.isna(v)}.items() <= session.summary.items()
    steps = [row for row in session.history if "running_miou" in row]
    assert [row["predictions"] for row in steps] == [4, 7]
    assert steps[-1]["running_miou"] == pytest.approx(summary["miou"].iloc[0])
    assert any("contact_sheet.path" in row for row in session.history) and session.exit_code == 0
    assert (session.run.job_type, session.run.run_group, session.run.resume) == ("hull", "", True)
    _check_config(session, outcome)


def _check_config(session: Session, outcome: Outcome) -> None:
    config, main = session.config, outcome.main
    assert config["identity"] == json.loads(json.dumps(main.facts))
    assert (config["dataset"], config["model"], config["run"], config["seed"]) == ("toy", "hull", main.digest, 0)
    own = main.protocols[0]
    content = json.loads(json.dumps(own.content))
    assert config["protocol"] == {"label": "instance@2", "digest": own.digest, "content": content}
    assert list(config["protocols"]) == ["instance@2", "pooled@2"]
    assert config["selection"]["ids"] == outcome.ids == "7:" + outcome.ids[2:]
    assert (config["selection"]["limit"], config["selection"]["samples"]) == (7, 1)
    assert config["selection"]["filter"] == content["filter"]
    said = json.loads((main.folder / "run.json").read_text(encoding="utf-8"))
    assert config["overrides"] == said["overrides"] and config["git"] == said["git"]


@with_wandb
def test_a_run_that_goes_on_or_is_scored_again_goes_on_with_its_wandb_run(run: Run, tmp_path: Path) -> None:
    status, half, err = run(*SMALL, *OFFLINE, "limit=4", "sheet=0")
    assert (status, err) == (0, "") and half.count("wandb sync") == 1
    assert run(*SMALL, *OFFLINE, "sheet=0")[0] == 0
    (folder,) = (tmp_path / "results" / "runs").glob("toy-hull-*")
    assert run("results", "score", str(folder), "protocol=pcnet", "protocol.errors=exclude", *OFFLINE)[0] == 0
    first, second, third = sessions(tmp_path / "results")
    kept = json.loads((folder / "wandb.json").read_text(encoding="utf-8"))
    assert {each.run.run_id for each in (first, second, third)} == {kept["id"]}
    done = [[row["predictions"] for row in each.history if "predictions" in row] for each in (first, second, third)]
    assert (done[0], done[1][0] > 4, done[1][-1], done[2]) == ([4], True, 9, [])
    assert all(each.run.resume for each in (first, second, third))
    assert first.summary["instance@2/instances"] == 4 and second.summary["instance@2/instances"] == 9
    # The last session alone has everything: W&B's server is not needed to put it together.
    (changed,) = (key for key in third.config["protocols"] if key.startswith("pcnet@2-"))
    assert {"instance@2", "pooled@2", changed} == set(third.config["protocols"])
    assert third.summary["instance@2/miou"] == second.summary["instance@2/miou"]
    assert third.summary[f"{changed}/instances"] == 9
    assert third.config["overrides"] == second.config["overrides"]


@with_wandb
def test_the_cells_of_a_sweep_are_one_group_and_hint_once(run: Run, tmp_path: Path) -> None:
    status, out, _ = run("-m", "model=hull,visible", "dataset.images=2", "sheet=0", *OFFLINE)
    assert status == 0 and out.count("wandb sync") == 1
    cells = sessions(tmp_path / "results")
    (sweep,) = (tmp_path / "results" / "sweeps").iterdir()
    assert len({cell.run.run_id for cell in cells}) == len(cells) == 2
    assert {(cell.run.run_group, cell.run.job_type) for cell in cells} == {
        (sweep.name, "hull"),
        (sweep.name, "visible"),
    }
    assert {f"model={cell.run.job_type}" in cell.config["overrides"] for cell in cells} == {True}


@with_wandb
def test_wandb_that_fails_costs_one_line_and_no_result(run: Run, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "wandb").write_text("no folder")
    status, out, err = run(*SMALL, *OFFLINE, "sheet=0")
    assert status == 0 and err == "" and out.count("logger.wandb: ") == 1
    assert "the run goes on without it" in out and "instance@2" in out
    assert len(list((tmp_path / "results" / "runs").glob("toy-hull-*/scores/*/summary.csv"))) == 1


@with_wandb
def test_a_run_that_is_broken_off_closes_its_wandb_run(tmp_path: Path) -> None:
    outcome = told_outcome(tmp_path)
    logger = WandbLogger("p", None, "offline", str(tmp_path / "wandb"))
    logger.begin(info(outcome.main))
    logger.step(3, 9, 0.5)
    logger.leave()
    (session,) = sessions(tmp_path)
    assert session.exit_code == 1 and session.history[0]["predictions"] == 3


@with_wandb
def test_large_tables_hold_a_sample_and_say_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outcome = told_outcome(tmp_path, hostile=True)
    logger = WandbLogger("p", None, "offline", str(tmp_path / "wandb"), rows=4)
    logger.begin(info(outcome.main))
    with caplog.at_level("INFO"):
        logger.finish(outcome)
    (session,) = sessions(tmp_path)
    instances = outcome.main.instances()
    assert len(instances) > 4 == len(session.table("instances"))
    assert set(session.table("instances")["id"]) <= {shown(id) for id in instances["id"]}
    assert SHOWN in session.table("errors")["error"].iloc[0]
    line = f"a sample of 4 of {len(instances)} rows by seed 0; instances.csv has all"
    assert session.summary["instances_rows"] == line and line in caplog.text


@with_wandb
def test_a_smaller_selection_stands_beside_and_a_note_goes_with_its_sample(tmp_path: Path) -> None:
    outcome = told_outcome(tmp_path)
    fewer = told_outcome(tmp_path, listed=3)
    for each, rows in ((outcome, 4), (fewer, 20), (outcome, 20)):
        logger = WandbLogger("p", None, "offline", str(tmp_path / "wandb"), rows=rows)
        logger.begin(info(each.main, said={"overrides": [f"logger.wandb.rows={rows}"]}))
        logger.finish(each)
    first, second, third = sessions(tmp_path)
    beside = f"instance@2-ids-{fewer.ids.partition(':')[2]}"
    assert first.summary["instance@2/ids"] == second.summary["instance@2/ids"] == outcome.ids
    assert second.summary["instance@2/miou_low"] == first.summary["instance@2/miou_low"]
    assert second.summary[f"{beside}/ids"] == fewer.ids and f"{beside}/clusters" in second.summary
    assert f"instances-ids-{fewer.ids.partition(':')[2]}.path" in "".join(map(str, second.history))
    assert second.config["selection"] == first.config["selection"] == third.config["selection"]
    assert "a sample of 4" in first.summary["instances_rows"]
    assert third.summary["instances_rows"] is None and third.config["overrides"] == ["logger.wandb.rows=20"]


@pytest.fixture
def server() -> Iterator[str]:
    """Something at W&B's address that knows nobody."""

    class Refuses(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(401)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    listening = HTTPServer(("127.0.0.1", 0), Refuses)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_port}"
    listening.shutdown()


def online(home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A run that logs online, for a user who has nothing but these variables."""
    words = [*SMALL, "baselines=null", "sheet=0", "logger=wandb", "logger.wandb.mode=online"]
    environment = {"HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[1]), **variables}
    return subprocess.run([sys.executable, "-m", "amodal_bench", *words], cwd=home, env=environment,
                          capture_output=True, text=True, check=False)  # fmt: skip


@with_wandb
def test_without_a_login_nothing_runs_and_one_line_says_what_to_do(tmp_path: Path) -> None:
    done = online(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and "`wandb login`, or set logger.wandb.mode=offline" in done.stderr
    assert not (tmp_path / "results").exists()


@with_wandb
def test_a_login_that_is_refused_makes_the_run_an_offline_one(tmp_path: Path, server: str) -> None:
    done = online(tmp_path, WANDB_API_KEY="a" * 40, WANDB_BASE_URL=server)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" and done.stdout.count("it goes on offline") == 1 and done.stdout.count("wandb sync") == 1
    (session,) = sessions(tmp_path / "results")
    assert session.summary["instance@2/instances"] == 9


@pytest.mark.slow
def test_without_wandb_the_default_run_neither_warns_nor_breaks(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['wandb'] = None\n"
        "sys.argv = ['amodal_bench', 'model=hull', 'dataset.images=2', 'sheet=0']\n"
        "from amodal_bench.cli.main import main; main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "wandb" not in done.stderr + done.stdout


@with_wandb
@pytest.mark.parametrize(("random", "tags"), [(True, ["random weights"]), (False, [])])
def test_runs_with_random_weights_bear_a_tag(random: bool, tags: list[str], tmp_path: Path) -> None:
    logger = WandbLogger("p", None, "offline", str(tmp_path / "wandb"))
    logger.begin(RunInfo("sam", "toy", "0" * 12, {"model": {"segmenter": {"random_weights": random}}}, tmp_path))
    logger.leave()
    (session,) = sessions(tmp_path)
    assert list(session.run.tags) == tags
