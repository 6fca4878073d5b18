"""A sweep leaves one table, failed cells included, whichever launcher runs its cells."""

from __future__ import annotations

import threading
from pathlib import Path

import pandas as pd
import pytest
from conftest import Run

from amodal_bench.cli.sweep import Sweep
from amodal_bench.core.errors import BenchError
from amodal_bench.runner.lock import locked
from amodal_bench.runner.place import opened


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
    assert first.failed() == ["a=1"] and first.cells() == []
