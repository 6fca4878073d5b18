"""Tables and contact sheet, from stores alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from amodal_bench.datasets.toy import Toy
from amodal_bench.metrics.counts import CELLS
from amodal_bench.report.numbers import troubles
from amodal_bench.report.outcome import Outcome
from amodal_bench.report.terminal import show_rows
from amodal_bench.runner.store import COUNTS

Bench = Callable[..., Outcome]


@pytest.mark.slow
def test_tables_can_be_recomputed_from_the_instances_table_by_hand(bench: Bench) -> None:
    outcome = bench("model=hull", "dataset.images=8")
    table = outcome.main.instances()
    counts = table[COUNTS].to_numpy(np.int64)

    def pixels(holds: Callable[[int], bool]) -> np.typing.NDArray[np.int64]:
        taken = counts[:, [cell for cell in range(CELLS) if holds(cell)]]
        summed: np.typing.NDArray[np.int64] = taken.sum(axis=1)
        return summed

    iou = pixels(lambda c: bool(c & 1) and bool(c & 2)) / pixels(lambda c: bool(c & 1 or c & 2))
    assert np.allclose(table["iou"].astype(float), iou)
    summary = outcome.main.summary().set_index("protocol")
    assert summary.loc["instance@2", "miou"] == pytest.approx(iou.mean())
    occluded = table["occluded_iou"].dropna()
    assert summary.loc["instance@2", "occluded_miou"] == pytest.approx(occluded.mean())
    assert summary.loc["instance@2", "occluded_instances"] == len(occluded) == (table["occlusion_rate"] > 0).sum()


@pytest.mark.slow
def test_bins_of_the_occlusion_rate_hold_every_instance_once(bench: Bench) -> None:
    outcome = bench("model=hull", "dataset.images=10")
    bins = outcome.main.by_occlusion()
    assert bins["instances"].sum() == len(outcome.main.records)
    assert bins["occlusion_rate"].tolist() == ["0", "(0, 0.2]", "(0.2, 0.4]", "(0.4, 0.7]", "(0.7, 1]"]
    weighted = (bins["miou"].fillna(0) * bins["instances"]).sum() / bins["instances"].sum()
    assert weighted == pytest.approx(outcome.main.summary()["miou"].iloc[0])


@pytest.mark.slow
def test_every_table_shows_the_trivial_baselines_and_its_protocol(bench: Bench) -> None:
    table = bench("model=hull", "dataset.images=2").table()
    assert set(table["fingerprint"]) == {Toy("test", 2, 0).fingerprint()[:12]}
    assert table.groupby("protocol")["model"].agg(list).to_dict() == {
        "instance@2": ["visible", "hull"],
        "pooled@2": ["visible", "hull"],
    }
    assert {"miou_low", "miou_high", "occluded_miou_low", "occluded_miou_high", "instances", "errors"} <= set(table)


@pytest.mark.slow
def test_limit_takes_the_first_instances_and_a_larger_limit_goes_on(bench: Bench) -> None:
    few, more = bench("model=hull", "dataset.images=6", "limit=3").main, bench("model=hull", "dataset.images=6").main
    assert few.folder == more.folder
    assert len(few.instances()) == 3 < len(more.instances())
    assert set(few.instances()["id"]) <= set(more.instances()["id"])


@pytest.mark.slow
def test_scoring_under_another_protocol_predicts_nothing_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    first = bench("model=hull", "dataset.images=4").main
    from amodal_bench.models.hull import ConvexHull

    def refuse(*_: object) -> None:
        raise AssertionError("predicted again")

    monkeypatch.setattr(ConvexHull, "predict", refuse)
    second = bench("model=hull", "dataset.images=4", "protocol=pooled").main
    assert second.folder == first.folder
    assert second.summary()["protocol"].iloc[0] == "pooled@2"
    assert second.errors().empty


@pytest.mark.slow
def test_the_timing_table_has_a_row_for_every_stage_of_the_model(bench: Bench) -> None:
    outcome = bench("model=tiny", "dataset.images=1", "limit=2", "model.steps=2", "baselines=null")
    timing = outcome.main.timing().set_index("stage")
    model, loop = ["encode", "denoise", "decode", "segment"], ["idle", "count", "write"]
    assert timing.index.tolist()[:3] == ["read", "predict", "prepare"]
    assert sorted(timing.index[3:]) == sorted([*model, *loop])
    assert (timing["instances"] == 2).all()
    assert (timing["seconds_per_instance"] > 0).all()
    seconds = timing["seconds_per_instance"].astype(float)
    assert 0.5 * seconds["predict"] < seconds[model].sum() <= seconds["predict"]
    assert timing.loc["denoise", "batch"] == 8
    assert timing["peak_gb"].isna().all()  # nobody counts the CPU's memory
    baseline = bench("model=hull", "dataset.images=1", "limit=2").main.timing()
    assert baseline["stage"].tolist() == ["read", "predict", *loop]


@pytest.mark.slow
def test_a_sheet_is_kept_until_its_instances_or_its_way_of_drawing_change(bench: Bench) -> None:
    words = ("model=hull", "baselines=null", "dataset.images=1")
    sheet = bench(*words, "sheet=1").sheet
    assert sheet is not None
    drawn, listed = sheet.read_bytes(), sheet.with_name("sheet.txt")
    sheet.write_bytes(b"kept")
    assert bench(*words, "sheet=1").sheet == sheet and sheet.read_bytes() == b"kept"
    listed.write_text(listed.read_text().partition("\n")[2])  # as before there were contours
    bench(*words, "sheet=1")
    assert sheet.read_bytes() == drawn
    bench(*words, "sheet=2")
    assert sheet.read_bytes() != drawn


def test_a_table_says_beside_the_errors_what_was_never_read(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"model": "own", "settings": "", "protocol": "instance@2", "draws": 1, "clusters": 30, "instances": 5}
    row |= {"occluded_instances": 2, "miou": 0.5, "miou_low": 0.4, "miou_high": 0.6, "errors": 0}
    show_rows("toy", pd.DataFrame([{**row, "unreadable": 12}, {**row, "errors": 3, "unreadable": 0}]))
    lines = [
        line.split("(2 occluded)")[1].split("instance@2")[0].strip()
        for line in capsys.readouterr().out.splitlines()
        if "occluded)" in line
    ]
    assert lines == ["0 (12 not read)", "3"] and troubles({"errors": 1}) == "1"
