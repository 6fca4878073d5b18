"""Many commands at once on one folder of results."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from amodal_bench.runner.store import Store


@pytest.mark.slow
def test_ten_commands_at_once_share_a_folder(tmp_path: Path) -> None:
    """Two for each of five runs: who comes second waits, and finds the work done; the baseline V is common to all."""
    words = ["dataset.images=6", "model=hull", "sheet=0", f"results={tmp_path / 'results'}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "AMODAL_BENCH_CACHE": str(tmp_path / "cache")}
    at_work = [
        subprocess.Popen(
            [sys.executable, "-m", "amodal_bench", *words, f"seed={number % 5}"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(10)
    ]
    told = [process.communicate(timeout=300) for process in at_work]
    assert [process.returncode for process in at_work] == [0] * 10, told
    runs = sorted((tmp_path / "results/runs").iterdir())
    assert sorted(run.name.split("-")[1] for run in runs) == ["hull"] * 5 + ["visible"] * 5
    counted = []
    for run in runs:
        with Store(run / "store.sqlite", read_only=True) as store:
            counted.append(store.table().drop(columns=["data_s", "predict_s"]))
            # Each prediction was made once: the loop's clocks count what went through.
            assert store.costs()["count"].instances == len(counted[-1])
    for same in counted[1:5]:
        pd.testing.assert_frame_equal(same, counted[0])
    tables = {path.read_bytes() for path in (tmp_path / "results/runs").glob("*-hull-*/scores/*/summary.csv")}
    assert len(tables) == 5 and not list((tmp_path / "results").rglob("*.tmp"))
