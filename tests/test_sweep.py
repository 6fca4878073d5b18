"""A sweep leaves one table, failed cells included, whichever launcher runs its cells."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import Run
from hydra.types import RunMode

from amodal_bench.cli.run import _finish
from amodal_bench.cli.sweep import Sweep
from amodal_bench.config.search import composer
from amodal_bench.config.settings import config_folder
from amodal_bench.core.errors import BenchError
from amodal_bench.runner.in_flight import InFlight, Stage
from amodal_bench.runner.lock import locked
from amodal_bench.runner.place import opened
from amodal_bench.runner.stopped import put_down_since
from amodal_bench.runner.store import STORE, Store


def swept(run: Run, *words: str) -> tuple[int, str, pd.DataFrame]:
    status, out, _ = run("-m", *words, "dataset.images=1", "sheet=0")
    (folder,) = Path("results/sweeps").iterdir()
    assert f"wrote {folder / 'table.csv'}" in out
    return status, out, pd.read_csv(folder / "table.csv")


@pytest.mark.slow
def test_a_failed_cell_is_a_row_with_its_error(run: Run) -> None:
    status, _, table = swept(run, "limit=1,2", "dataset.seed=0,-1")
    assert status == 2
    failed = table[table["error"].notna()]
    assert len(failed) == 2 and failed["error"].str.contains("dataset.seed: -1 must be >= 0").all()
    assert failed["settings"].str.contains("dataset.seed=-1").all()
    assert table[table["error"].isna()]["miou"].between(0, 1).all()


@pytest.mark.slow
def test_settings_that_ask_for_a_sweep_may_leave_a_choice_to_its_cells(run: Run, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for group in config_folder().iterdir():
        (own / ("shipped.yaml" if group.name == "config.yaml" else group.name)).symlink_to(group)
    sweeper = "hydra: {mode: MULTIRUN, sweeper: {params: {model: 'visible,hull'}}}"
    (own / "config.yaml").write_text(f"defaults: [shipped, {{override /model: '???'}}, _self_]\n{sweeper}\n")
    words = ("--config-path", str(own), "dataset.images=1", "sheet=0")
    status, out, _ = run(*words)
    (table,) = Path("results/sweeps").glob("*/table.csv")
    assert status == 0 and f"wrote {table}" in out
    assert pd.read_csv(table)["model"].tolist() == ["visible", "hull"]
    status, _, err = run(*words, "hydra.mode=RUN")
    assert status == 2 and "You must specify 'model'" in err


@pytest.mark.slow
def test_a_baseline_of_several_datasets_is_told_apart(run: Run) -> None:
    _, _, table = swept(run, "model=hull", "dataset.seed=3,4", "seed=0,1", "results=results")
    rows = table[["model", "settings"]].fillna("").to_numpy().tolist()
    assert rows[:2] == [["visible", "dataset.seed=3"], ["visible", "dataset.seed=4"]]
    assert [model for model, _ in rows] == ["visible"] * 2 + ["hull"] * 4


def in_flight(folder: Path) -> list[tuple[Any, ...]]:
    with Store(folder / STORE) as store:
        return list(store.db.execute("SELECT id, ends, running FROM in_flight ORDER BY id"))


def test_what_the_cells_of_a_stopped_sweep_were_at_is_put_down(tmp_path: Path) -> None:
    """Their processes are killed; one that is another command's goes on, and what was killed before is a suspect."""
    stopped, part, old, other = (tmp_path / "runs" / name for name in ("a", "b/shards/0-of-2", "c", "d"))
    for folder in (stopped, part, old, other):
        folder.mkdir(parents=True)
        with Store(folder / STORE) as store:
            InFlight(store.db).begin([("1", 0), ("2", 0)], Stage.PREDICTING)
            store.db.execute("UPDATE in_flight SET ends = 1 WHERE id = '2'")
            store.db.commit()
    for file in old.glob(f"{STORE}*"):
        os.utime(file, (0, 0))
    with locked(other, wait=False):
        put_down_since(tmp_path, 1e9)
    assert in_flight(stopped) == in_flight(part) == [("2", 1, 0)]
    assert in_flight(old) == in_flight(other) == [("1", 0, 1), ("2", 1, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [["joblib", "hydra.launcher.n_jobs=2"], ["submitit_local"]])
def test_cells_in_other_processes_leave_the_same_table(run: Run, launcher: list[str]) -> None:
    """They start at once and share their baselines: one computes them, the other waits."""
    pytest.importorskip(f"hydra_plugins.hydra_{launcher[0].split('_')[0]}_launcher")
    _, _, alone = swept(run, "model=hull", "seed=0,1", "results=results")
    Path("results").rename("alone")
    status, _, beside = swept(run, "model=hull", "seed=0,1", f"hydra/launcher={launcher[0]}", *launcher[1:])
    assert status == 0
    pd.testing.assert_frame_equal(beside, alone)


@pytest.mark.slow
def test_a_baseline_that_another_process_runs_is_waited_for(tmp_path: Path) -> None:
    held, free = threading.Event(), threading.Event()

    def other() -> None:
        with locked(tmp_path, wait=False):
            held.set()
            free.wait(30)

    worker = threading.Thread(target=other)
    worker.start()
    assert held.wait(30)
    with pytest.raises(BenchError, match="another process is working on this run"), opened(tmp_path):
        pass
    threading.Timer(0.3, free.set).start()
    with opened(tmp_path, wait=True) as store:
        assert free.is_set() and store.done() == set()
    worker.join()


def test_two_sweeps_of_one_second_have_two_folders(tmp_path: Path) -> None:
    first = Sweep.new(tmp_path)
    first.keep(0, ["a=1"], None, "why")
    assert Sweep.new(tmp_path).folder != first.folder
    assert [each.settings for each in first.failed()] == ["a=1"] and first.cells() == []


def test_a_sweep_of_which_every_cell_failed_leaves_its_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = Sweep(tmp_path)
    _finish(sweep)
    assert capsys.readouterr().out == "" and not (tmp_path / "table.csv").exists()
    sweep.keep(0, ["a=1"], None, "why", 2)
    sweep.keep(1, ["a=2"], None, "why not", 1)
    _finish(sweep)
    assert capsys.readouterr().out == f"failed: a=1: why\nfailed: a=2: why not\nwrote {tmp_path / 'table.csv'}\n"
    table = pd.read_csv(tmp_path / "table.csv")
    assert table.to_dict("list") == {"settings": ["a=1", "a=2"], "error": ["why", "why not"]}
    assert [each.status for each in sweep.failed()] == [2, 1]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [[], ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]])
def test_one_cell_that_succeeds_stands_in_a_table_with_those_that_failed(
    run: Run, launcher: list[str], tmp_path: Path
) -> None:
    """Told in the same words and with the same status, in whichever process the cell failed."""
    if launcher:
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    words = ("-m", "model=visible", "protocol.errors=zero,ignore", "dataset.images=1", "sheet=0", "baselines=null")
    results = tmp_path / "out"  # absolute, for processes of joblib that another test has begun elsewhere
    status, out, err = run(*words, f"results={results}", *launcher)
    (folder,) = (results / "sweeps").iterdir()
    table = pd.read_csv(folder / "table.csv")
    assert status == 2 and len(table) == 2 and table["error"].notna().tolist() == [False, True]
    assert "failed: model=visible protocol.errors=ignore " in out and "'ignore' is not one of" in out
    assert err.splitlines()[-1].startswith("error: 1 cell of the sweep failed: model=visible protocol.errors=ignore ")


def test_a_slurm_job_has_a_gpu_and_a_day() -> None:
    """The plugin's own settings have an hour and no GPU: too little for a cell of the paper's table."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    with composer(config_folder(), []) as hydra:
        words = ["hydra/launcher=slurm", "hydra.launcher.partition=a100"]
        made = hydra.compose_config("config", words, RunMode.MULTIRUN).hydra.launcher
    assert made._target_.endswith(".SlurmLauncher") and made.partition == "a100"
    assert (made.timeout_min, made.gpus_per_node, made.array_parallelism) == (1440, 1, 256)


@pytest.mark.parametrize(
    ("launcher", "said"),
    [
        (["slurm"], "hydra/launcher=slurm: this machine has no srun, so it is not of a SLURM cluster; start it on"),
        (["joblib", "hydra.launcher.n_jobs=0"], "hydra.launcher.n_jobs=0: must be how many cells run side by side"),
    ],
)
def test_a_launcher_that_cannot_start_is_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, launcher: list[str], said: str
) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    monkeypatch.setattr("amodal_bench.config.launchers.shutil.which", lambda _: None)
    status, out, err = run("-m", "model=visible,hull", f"hydra/launcher={launcher[0]}", *launcher[1:])
    assert (status, out) == (2, "") and err.startswith(f"error: {said}") and err.count("\n") == 1
    assert not Path("results").exists()
