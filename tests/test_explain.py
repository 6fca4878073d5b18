"""Which way of scoring explains a number: on toy runs, where the right answer is known by construction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Run
from params import mostly_slow

from amodal_bench.api.candidates import candidates
from amodal_bench.api.load import load_protocol
from amodal_bench.api.runs import open_run
from amodal_bench.api.score import score
from amodal_bench.metrics.counts import joint_counts
from amodal_bench.metrics.numbers.overlap import PREDICTIONS, recounted
from amodal_bench.metrics.protocols import shipped
from amodal_bench.metrics.variations import numbers_of, variations
from amodal_bench.report.explained import Target, held_out, ranked, verdict
from amodal_bench.report.outcome import Outcome

Bench = Callable[..., Outcome]


def ran(bench: Bench, *words: str, images: int = 8) -> Path:
    """The folder of a run of the hull on a few scenes."""
    return bench("dataset=toy", f"dataset.images={images}", "model=hull", *words).main.folder


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_counts_of_a_changed_prediction_are_those_of_its_mask(prediction: str) -> None:
    rng = np.random.default_rng(3)
    p, a, v, o = (rng.random((4, 20, 17)) < 0.5).astype(bool)
    holds = PREDICTIONS[prediction]
    changed = np.vectorize(lambda *bits: holds(*map(bool, bits)))(p, a, v, o).astype(bool)
    found = recounted(np.stack([joint_counts(p, a, v, o)] * 2), prediction)
    assert found.tolist() == [joint_counts(changed, a, v, o).tolist()] * 2


def test_numbers_of_one_level_of_occlusion_are_not_tried() -> None:
    names = {name: numbers_of(protocol, "miou") for name in ("samba", "draws", "savos", "coco_ap", "tabe51")
             if (protocol := shipped(name)) is not None}  # fmt: skip
    assert names["samba"] == names["tabe51"] == ["miou"]
    assert names["savos"] == ["miou", "miou_rows"] and names["coco_ap"] == []
    assert "best_of_3_miou" in names["draws"] and not any("occluded" in name for name in names["draws"])
    draws = shipped("draws")
    assert draws is not None and "occluded_best_miou" in numbers_of(draws, "occluded_miou")


def test_protocols_that_score_alike_are_one_way_and_all_are_named() -> None:
    protocols = [shipped(name) for name in ("instance", "synergy", "pooled", "pcnet", "sdamodal")]
    found = variations([protocol for protocol in protocols if protocol is not None], "miou")
    named = {each.shipped for each in found if each.shipped and each.prediction == "given"}
    assert named == {("instance@2", "synergy@1"), ("pooled@2",), ("pcnet@2", "sdamodal@1")}
    assert len(found) == len({each.key for each in found}) == 2 * 16 * 3


@pytest.mark.parametrize("name", mostly_slow(["instance", "pooled", "pcnet", "samba", "c2fseg_image", "tabe51"], 0))
def test_the_protocol_that_a_number_was_made_with_is_found_first(bench: Bench, run: Run, name: str) -> None:
    folder = ran(bench, "protocol=pcnet")
    tables = score(folder, name)
    value = 100 * float(tables.summary["miou"].iloc[0])
    status, out, err = run("published", "explain", "--run", str(folder), "--value", f"{value:.6f}", "-o", "all.csv")
    assert (status, err) == (0, "")
    first = out.splitlines()[2]
    assert first.split()[0] == "0.00" and str(tables.summary["protocol"].iloc[0]) in first and " yes " in first
    # With so few scenes others fit as well, and that is said.
    assert "ambiguous: " in out and "does not tell them apart" in out
    ways = pd.read_csv("all.csv")
    assert f"A fit to one number proves little: {len(ways)} ways of scoring were tried on 1 run\n" in out
    exact = ways[(ways["value"] - value).abs() < 1e-5]
    assert name in {label.partition("@")[0] for labels in exact["shipped"].dropna() for label in labels.split(" ")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "label", "prediction"),
    [
        (["protocol.filter.min_occlusion=1e-9"], "instance@2 with filter.min_occlusion=1e-09", "as given"),
        (["+protocol.numbers.miou.prediction=visible_unless_covered"], "instance@2", "V unless covered"),
        (["+protocol.numbers.miou.prediction=united"], "instance@2", "united with V"),
        (["protocol.filter.stuff=true"], None, "as given"),
    ],
)
def test_a_way_has_the_number_and_the_interval_of_its_protocol(
    bench: Bench, overrides: list[str], label: str | None, prediction: str
) -> None:
    folder = ran(bench, "protocol=pcnet")
    expected = score(folder, load_protocol("instance", *overrides)).summary.iloc[0]
    table = candidates(open_run(folder)).table
    known = {"value": "miou", "low": "miou_low", "high": "miou_high"}
    rows = table[(table["prediction"] == prediction) & ((table["label"] == label) if label else True)]
    same = [np.isclose(rows[name], 100 * expected[key]) for name, key in known.items()]
    hits = rows[np.logical_and.reduce(same)]
    assert len(hits) >= 1 and set(hits["instances"]) == {expected["instances"]}


@pytest.mark.slow
def test_what_was_not_run_is_not_tried(bench: Bench, run: Run) -> None:
    folder = ran(bench)
    found = candidates(open_run(folder))
    assert found.left_out["stuff was not run"] > 0 and (found.table["missing"] == 0).all()
    assert not any("pcnet@2" in names for names in found.table["shipped"])
    out = run("published", "explain", "--run", str(folder), "--value", "5")[1]
    assert "unexplained: 5 lies in the 95 % interval of none" in out
    assert f"not tried, {folder}: {found.left_out['stuff was not run']} ways (stuff was not run)" in out


@pytest.mark.slow
def test_several_draws_are_tried(bench: Bench) -> None:
    folder = bench("dataset.images=1", "limit=2", "model=random/pix2gestalt", "samples=2").main.folder
    table = candidates(open_run(folder)).table
    expected = score(folder, "draws").summary.iloc[0]
    for number in ("best_miou", "mean_miou", "majority_miou"):
        row = table[(table["label"] == f"{number} of draws@1") & (table["prediction"] == "as given")].iloc[0]
        assert row["value"] == pytest.approx(100 * expected[number])


def rows_of(dataset: str, **values: float) -> list[dict[str, object]]:
    """Candidates on a dataset: a value for each way, with an interval of one point to each side."""
    shared = {"dataset": dataset, "model": "m", "run": "r", "prediction": "as given", "instances": 9, "missing": 0}
    return [
        shared | {"label": name, "shipped": (name,), "changes": n, "number": "miou", "value": value,
                  "low": value - 1, "high": value + 1, "keys": (name,)}
        for n, (name, value) in enumerate(values.items())
    ]  # fmt: skip


def test_ways_with_one_number_share_a_row_and_the_verdict_counts_them() -> None:
    table = pd.DataFrame(rows_of("toy", a=50.0, b=50.0, c=52.5, d=70.0))
    rows = ranked(table, 51.9)
    assert rows["names"].tolist() == ["c", "a, b", "d"] and rows["ways"].tolist() == [1, 2, 1]
    assert rows["inside"].tolist() == [True, False, False]
    assert verdict(rows, 51.9).startswith("one way of scoring has 51.9")
    assert "of 2 ways of scoring with 1 different numbers" in verdict(ranked(table, 50.2), 50.2)
    assert verdict(ranked(table, 60.0), 60.0).startswith("unexplained: 60 ")
    # A value that was rounded may lie outside by half of its last digit.
    assert ranked(table, 71.04)["inside"].any() and not ranked(table, 71.06)["inside"].any()


def test_where_no_number_has_an_interval_nothing_is_called_unexplained() -> None:
    """One image gives none, though its number may be the published one itself."""
    table = pd.DataFrame(rows_of("toy", a=57.648)).assign(low=float("nan"), high=float("nan"))
    said = verdict(ranked(table, 57.6), 57.6)
    assert said.startswith("undecided: one image or video gives no interval") and "57.65, is 0.05 away" in said


def test_the_way_that_fits_all_datasets_but_one_is_tested_on_that_one() -> None:
    table = pd.DataFrame(rows_of("x", a=50.0, b=60.0) + rows_of("y", a=40.0, b=43.0) + rows_of("z", a=30.0, b=20.0))
    targets = [Target("x", 50.5, "paper"), Target("y", 40.5, "paper"), Target("z", 20.0, "paper"),
               Target("x", 60.0, "another")]  # fmt: skip
    found = held_out(table, targets).set_index("dataset")
    assert set(found["source"]) == {"paper"}  # the other source has one dataset
    assert found["label"].to_dict() == {"x": "b", "y": "b", "z": "a"}
    assert found.loc["z", "fit"] == pytest.approx(0.5) and found.loc["z", "distance"] == pytest.approx(10)
    assert found["inside"].to_dict() == {"x": False, "y": False, "z": False}
    assert held_out(table[table["label"] == "a"], targets[:2])["inside"].all()


@pytest.mark.slow
def test_values_on_several_datasets_are_tested_on_each_other(bench: Bench, run: Run) -> None:
    assert run("toy", "export", "kins", "kins", "--images", "12")[0] == 0
    on_kins = bench("dataset=kins", "dataset.root=kins", "model=hull", "limit=40", "protocol=pcnet").main.folder
    runs = [ran(bench, "protocol=pcnet"), on_kins]
    words = []
    for folder in runs:
        value = 100 * float(score(folder, "pooled").summary["miou"].iloc[0])
        words += ["--run", str(folder), "--value", f"{value:.4f}"]
    status, out, err = run("published", "explain", *words)
    assert (status, err) == (0, "") and "fit to all datasets but one, tested on that one (given)" in out
    assert "inside on 2 of 2 datasets" in out and "instances that a way of scoring selects" in out
    out = run("published", "explain", "--run", str(on_kins), "--method", "sam")[1]
    assert "kins, miou 40.8 % (tuning-free, AAAI-26, Table 1)\n" in out
    of_hull = [folder for folder in on_kins.parent.iterdir() if "-hull-" in folder.name]
    named = [word for folder in sorted(of_hull) for word in ("--run", str(folder))]
    words = ["--results", str(on_kins.parent.parent), "--model", "hull", "--method", "sam"]
    assert run("published", "explain", *words) == run("published", "explain", *named, "--method", "sam")


@pytest.mark.slow
def test_runs_of_a_results_folder_that_cannot_be_chosen_are_refused(bench: Bench, run: Run) -> None:
    results = ran(bench, images=2).parent.parent
    for words, said in (
        (["--results", str(results)], "is of visible, not of hull; explain one at a time"),
        (
            ["--results", str(results), "--model", "hul"],
            f"--model hul: has no run in {results}; did you mean 'hull'?",
        ),
        (["--results", "nowhere"], "nowhere: there is no run in nowhere/runs; run something first"),
        (["--model", "hull"], "--model hull: chooses among the runs of --results FOLDER"),
        ([], "published explain: needs --run RUN_FOLDER or --results FOLDER"),
    ):
        status, out, err = run("published", "explain", "--value", "5", *words)
        assert (status, out) == (2, "") and said in err and err.count("\n") == 1


def test_of_several_values_of_one_source_each_way_is_held_against_the_nearest() -> None:
    table = pd.DataFrame(rows_of("x", a=50.0) + rows_of("y", a=50.0))
    found = held_out(table, [Target("x", 49, "s"), Target("x", 90, "s"), Target("y", 50, "s")])
    assert found["published"].to_list() == [49, 50] and found["distance"].to_list() == [1, 0]


@pytest.mark.parametrize(
    ("words", "said"),
    mostly_slow(
        [
            ("", "published explain: needs --value NUMBER, or --method NAME"),
            ("--value 5 --method sam", "published explain: needs --value NUMBER, or --method NAME"),
            ("--value 0", "--value 0: must be > 0 and at most 100"),
            ("--value 5 --variant sdxl", "--variant sdxl: is about published values"),
            ("--value 5 --metric seconds", "--metric seconds: ways of scoring are not tried for it"),
            ("--method sma", "--method sma: has no published value; did you mean 'sam'?"),
            ("--method sam", "--method sam: has no published miou on toy; give --value"),
            ("--value 5 --run {visible}", "--run {visible}: is of visible, not of hull; explain one at a time"),
        ]
    ),
)
def test_a_question_that_cannot_be_answered_is_refused(bench: Bench, run: Run, words: str, said: str) -> None:
    folder = ran(bench, images=2)
    visible = next(folder.parent.glob("toy-visible-*"))
    status, out, err = run("published", "explain", "--run", str(folder), *words.format(visible=visible).split())
    assert (status, out) == (2, "") and err.startswith(f"error: {said.format(visible=visible)}")
    assert err.count("\n") == 1
