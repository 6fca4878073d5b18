"""The method end to end with the shipped weights: independent of batches, resumable, and switchable in every part."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from amodal_bench.report.outcome import Outcome
from amodal_bench.runner.store import COUNTS, Store

Bench = Callable[..., Outcome]
FAST = ["dataset.images=3", "model.steps=3"]
TABLES = ["summary.csv", "by_occlusion.csv", "instances.csv", "errors.csv"]


def masks(outcome: Outcome) -> dict[str, bytes]:
    with Store(outcome.main.folder / "store.sqlite") as store:
        return {id: store.prediction(id).tobytes() for id in outcome.main.joined["id"]}


def test_batch_size_and_order_do_not_change_a_row(bench: Bench, tmp_path: Path) -> None:
    found = []
    ways = [["engine.batch_size=1"], ["engine.batch_size=7"], ["engine.batch_size=32"],
            ["engine.batch_size=7", "engine.shuffle=true"]]  # fmt: skip
    for number, way in enumerate(ways):
        outcome = bench(*FAST, *way, f"results={tmp_path / str(number)}")
        assert outcome.main.errors().empty
        found.append((outcome.main.digest, outcome.main.joined[["id", *COUNTS]].to_csv(), masks(outcome)))
    assert all(one == found[0] for one in found)


@pytest.mark.parametrize(
    "override",
    ["leakage=blend", "leakage=strength", "leakage=soft", "leakage=none", "area=hull", "area=bbox", "area=full",
     "condition.background=image", "condition.object_noise=0.3", "model.guidance=0.75", "protocol.view.mode=frame"],
)  # fmt: skip
def test_every_part_can_be_switched_and_matters(bench: Bench, override: str) -> None:
    usual, switched = bench(*FAST), bench(*FAST, override)
    assert switched.main.errors().empty
    assert switched.main.digest != usual.main.digest
    assert masks(switched) != masks(usual)


def test_the_table_says_which_view_leakage_and_area_were_used(bench: Bench) -> None:
    table = bench(*FAST, "leakage=blend", "area=full").table()
    assert "view=crop 0.15 leakage=blend area=full" in set(table["settings"])


def test_the_sheet_shows_every_stage(bench: Bench, tmp_path: Path) -> None:
    outcome = bench(*FAST, "sheet=2")
    assert outcome.sheet is not None
    assert outcome.sheet.exists()


def command(results: Path) -> list[str]:
    return [
        sys.executable, "-m", "amodal_bench", "dataset.images=8", "model.steps=8", "engine.batch_size=4", "sheet=0",
        f"results={results}",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kills", [1, 3])
def test_a_run_killed_in_the_middle_ends_with_the_same_bytes(tmp_path: Path, kills: int) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    subprocess.run(command(whole), env=environment, check=True, capture_output=True)
    (reference,) = (whole / "runs").glob("toy-tiny-*")
    total = len(pd.read_csv(reference / "instances.csv"))
    cut_folder = cut / "runs" / reference.name
    done = 0
    for _ in range(kills):
        process = subprocess.Popen(
            command(cut), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        before = done
        while done <= before:
            assert process.poll() is None, "the run ended before it was killed: make it longer"
            time.sleep(0.01)
            done = rows_in(cut_folder / "store.sqlite")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert 0 < rows_in(cut_folder / "store.sqlite") < total
    assert not (cut_folder / "summary.csv").exists()
    end = subprocess.run(command(cut), env=environment, check=True, capture_output=True, text=True)
    # The bar starts where the killed run stopped: nothing is done twice.
    assert f"{done}/{total}" in end.stderr
    for name in TABLES:
        assert (cut_folder / name).read_bytes() == (reference / name).read_bytes(), name


def rows_in(store: Path) -> int:
    """Committed predictions, seen as any reader sees them while the run goes on."""
    try:
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT count(*) FROM instances WHERE error IS NULL").fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # not created yet


@pytest.mark.slow
def test_the_shipped_model_beats_both_baselines(bench: Bench) -> None:
    """The README's table: the whole test split, occluded intervals apart, leakage well above none."""
    scores = bench("sheet=0").table().query("protocol == 'instance@1'").set_index("model")
    tiny, visible, hull = (scores.loc[name] for name in ("tiny", "visible", "hull"))
    assert tiny["instances"] >= 500 and tiny["errors"] == 0
    assert tiny["miou_low"] > max(visible["miou_high"], hull["miou_high"])
    assert tiny["occluded_miou_low"] > max(visible["occluded_miou_high"], hull["occluded_miou_high"])
    without = bench("sheet=0", "leakage=none").main.summary().iloc[0]
    assert without["miou_high"] < tiny["miou_low"]
    assert without["occluded_miou_high"] < tiny["occluded_miou_low"]


def test_a_second_process_is_kept_off_a_run(bench: Bench, tmp_path: Path) -> None:
    from filelock import FileLock

    from amodal_bench.errors import BenchError

    folder = bench("model=hull", "dataset.images=2").main.folder
    with FileLock(folder / ".lock"), pytest.raises(BenchError, match="another process works on this run"):
        bench("model=hull", "dataset.images=2")
