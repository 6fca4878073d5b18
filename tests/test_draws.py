"""Several predictions of each instance: their seeds, what is kept, what is scored, and what stays as it was."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Run, composed
from params import mostly_slow

import amodal_bench
from amodal_bench.config.build import build
from amodal_bench.core.errors import ConfigError, PredictionError, UsageError
from amodal_bench.core.seeds import sample_seed
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Query
from amodal_bench.datasets.toy import Toy
from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.models.base import draws_of
from amodal_bench.report.outcome import Outcome
from amodal_bench.report.summary import summarise
from amodal_bench.runner.identity import identify
from amodal_bench.runner.store import COUNTS, Store

TOY = {"dataset.images": 6, "engine.max_error_share": 1}


@dataclasses.dataclass
class Guess:
    """A generative model of a user's: V moved by chance, and the union of both.

    Attributes:
        fails: whether a prediction of this id and seed fails.
        asked: (id, seed) of all that was predicted.
        stops_after: so many predictions, then the process is interrupted.
    """

    fails: Callable[[str, int], bool] = lambda id, seed: False
    asked: list[tuple[str, int]] = dataclasses.field(default_factory=list)
    stops_after: int | None = None

    def describe(self) -> dict[str, Any]:
        return {"model": "guess"}

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
        if self.stops_after is not None and len(self.asked) + len(queries) > self.stops_after:
            raise KeyboardInterrupt
        self.asked += [(query.id, seed) for query, seed in zip(queries, seeds, strict=True)]
        return [self._one(query, seed) for query, seed in zip(queries, seeds, strict=True)]

    def _one(self, query: Query, seed: int) -> Mask:
        if self.fails(query.id, seed):
            self.asked.remove((query.id, seed))
            raise PredictionError("no idea")
        moves = np.random.default_rng(seed).integers(-6, 7, 2)
        return query.visible | np.roll(query.visible, moves, (0, 1))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def evaluated(model: Guess | None = None, settings: dict[str, Any] | None = None, **choices: Any) -> Outcome:
    every = TOY | (settings or {})
    return amodal_bench.evaluate(model=model or Guess(), name="guess", settings=every, sheet=0, **choices)


def stored(outcome: Outcome, draws: int) -> dict[tuple[str, int], bytes]:
    with Store(outcome.main.folder / "store.sqlite", read_only=True) as store:
        return {
            (str(id), draw): store.prediction(str(id), draw).tobytes()
            for id in outcome.main.records["id"]
            for draw in range(draws)
        }


def row(outcome: Outcome, protocol: str = "draws@1", model: str = "guess") -> dict[str, Any]:
    table = outcome.table()
    (found,) = table[(table["protocol"] == protocol) & (table["model"] == model)].to_dict("records")
    return {str(key): value for key, value in found.items()}


def ious_of(outcome: Outcome) -> np.typing.NDArray[np.float64]:
    """The IoU of each draw from the stored masks alone, (N, K)."""
    toy, draws = Toy("test", TOY["dataset.images"]), outcome.main.draws
    found = []
    with Store(outcome.main.folder / "store.sqlite", read_only=True) as store:
        for id in map(str, outcome.main.records["id"]):
            amodal = toy.sample(id).amodal
            masks = [store.prediction(id, draw) for draw in range(draws)]
            found.append([(mask & amodal).sum() / (mask | amodal).sum() for mask in masks])
    return np.array(found)


# Seeds


def test_the_first_draw_has_the_seed_that_it_always_had() -> None:
    # SHA-256 of "seed of draw 0/draw d"; a change makes old runs unrepeatable.
    assert sample_seed(0, "a", 0) == sample_seed(0, "a") == 7606779636460171844
    assert sample_seed(0, "a", 1) == 2912181021456387079


def test_draws_have_seeds_of_their_own() -> None:
    ids = ["a", "a/draw 1", "a/1", "1", str(sample_seed(0, "a"))]
    seeds = [sample_seed(run, id, draw) for run in range(20) for id in ids for draw in range(20)]
    assert len(set(seeds)) == len(seeds)
    assert min(seeds) >= 0 and max(seeds) < 2**63


# What is kept


@pytest.mark.slow
def test_draws_are_added_and_nothing_is_predicted_twice() -> None:
    one, three, again = Guess(), Guess(), Guess()
    first = stored(evaluated(one), 1)
    found = evaluated(three, samples=3)
    everything = stored(found, 3)
    ids = [id for id, _ in first]
    assert sorted(one.asked) == sorted((id, sample_seed(0, id)) for id in ids)
    assert sorted(three.asked) == sorted((id, sample_seed(0, id, draw)) for id in ids for draw in (1, 2))
    assert {key: mask for key, mask in everything.items() if key[1] == 0} == first
    few = evaluated(again, samples=1)
    assert again.asked == []
    assert few.main.digest == found.main.digest and few.main.draws == 1
    assert few.main.reused.startswith(f"{len(ids)} predictions")
    assert found.main.reused.startswith(f"{len(ids)} predictions")


@pytest.mark.slow
def test_samples_is_no_part_of_a_runs_identity() -> None:
    toy = Toy("test", 1)
    digests = set()
    for samples in (1, 3):
        settings = composed("model=tiny", f"samples={samples}")
        digests.add(identify(toy, build(settings.model, "model"), "tiny", settings.seed).digest)
    assert len(digests) == 1


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"engine.batch_size": 1}, {"engine.batch_size": 7, "engine.shuffle": True}])
def test_a_draw_is_the_same_whatever_batch_order_and_samples(settings: dict[str, Any], tmp_path: Path) -> None:
    usual = stored(evaluated(samples=2), 2)
    other = stored(evaluated(settings=settings, samples=4, results=str(tmp_path / "other")), 4)
    assert {key: other[key] for key in usual} == usual
    assert len({mask for (id, _), mask in other.items() if id == next(iter(usual))[0]}) > 1


@pytest.mark.slow
def test_the_methods_draws_are_the_same_alone_and_in_company(tmp_path: Path) -> None:
    words = ["dataset.images=1", "limit=2", "model.steps=2", "baselines=null", "sheet=0"]
    found = []
    for number, more in enumerate((["samples=3", "engine.batch_size=6"], ["samples=1"], ["samples=2"])):
        results = tmp_path / ("whole" if number == 0 else "in parts")
        found.append(amodal_bench.evaluate(*words, *more, f"results={results}"))
    whole, parts = stored(found[0], 2), stored(found[2], 2)
    assert whole == parts
    assert any(whole[id, 0] != whole[id, 1] for id, _ in whole)


@pytest.mark.slow
def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """The draws of an instance may lie on both sides of the interruption."""
    batches = {"engine.batch_size": 4, "engine.shuffle": True}
    whole = Guess()
    expected = evaluated(whole, batches, samples=3, results=str(tmp_path / "whole"))
    asked: list[tuple[str, int]] = []
    for stop in (10, 7):
        model = Guess(stops_after=stop)
        with pytest.raises(KeyboardInterrupt):
            evaluated(model, batches, samples=3)
        asked += model.asked
    assert len(asked) == 8 + 4  # batches that were finished
    last = Guess()
    outcome = evaluated(last, batches, samples=3)
    assert Counter(asked + last.asked) == Counter(whole.asked)
    assert max(Counter(whole.asked).values()) == 1
    for name in ("summary", "instances", "draws", "errors", "by_occlusion"):
        cut, uncut = (each.main.score_folder / f"{name}.csv" for each in (outcome, expected))
        assert cut.read_bytes() == uncut.read_bytes(), name


# What is scored


@pytest.mark.slow
def test_numbers_equal_those_of_the_stored_masks() -> None:
    outcome = evaluated(samples=3)
    found, ious = row(outcome), ious_of(outcome)
    assert found["draws"] == 3
    assert found["mean_miou"] == pytest.approx(ious.mean())
    assert found["best_miou"] == found["best_of_3_miou"] == pytest.approx(ious.max(axis=1).mean())
    assert found["miou_spread"] == pytest.approx(ious.mean(axis=0).std(ddof=1))
    assert found["pass_at_1"] == pytest.approx((ious >= 0.5).mean())
    pairs = [np.maximum(ious[:, a], ious[:, b]).mean() for a, b in ((0, 1), (0, 2), (1, 2))]
    assert found["best_of_2_miou"] == pytest.approx(np.mean(pairs))
    assert found["mean_miou"] < found["best_of_2_miou"] < found["best_miou"]
    assert found["mean_miou_low"] < found["mean_miou"] < found["mean_miou_high"]
    assert np.isnan(found["miou_spread_low"])
    toy, voted = Toy("test", TOY["dataset.images"]), []
    with Store(outcome.main.folder / "store.sqlite", read_only=True) as store:
        for id in map(str, outcome.main.records["id"]):
            masks, amodal = [store.prediction(id, draw) for draw in range(3)], toy.sample(id).amodal
            mask = masks[0] & masks[1] | masks[0] & masks[2] | masks[1] & masks[2]
            voted.append((mask & amodal).sum() / (mask | amodal).sum())
    assert found["majority_miou"] == pytest.approx(np.mean(voted))
    assert abs(found["majority_miou"] - found["mean_miou"]) > 1e-4


@pytest.mark.slow
def test_other_protocols_score_the_first_draw_alone() -> None:
    one, three = evaluated(), evaluated(samples=3)
    for protocol in ("instance@2", "pooled@2"):
        first, last = row(one, protocol), row(three, protocol)
        assert {key: first[key] for key in first if first[key] == first[key]} == {
            key: last[key] for key in first if first[key] == first[key]
        }
    assert row(three, "instance@2")["miou"] == pytest.approx(ious_of(three)[:, 0].mean())


@pytest.mark.slow
def test_the_protocol_is_shown_where_there_are_several_draws_and_only_once(run: Run) -> None:
    assert set(evaluated().table()["protocol"]) == {"instance@2", "pooled@2"}
    assert set(evaluated(samples=2).table()["protocol"]) == {"instance@2", "pooled@2", "draws@1"}
    own = evaluated(samples=2, protocol="draws", settings={"protocol.numbers.pass_at_1.threshold": 0.75})
    assert set(own.table()["protocol"]) == {"draws@1 with numbers.pass_at_1.threshold=0.75", "pooled@2"}
    words = ["model=hull", "dataset.images=2", "sheet=0"]
    assert "draws" not in run(*words)[1]
    status, out, _ = run(*words, "samples=2")
    assert status == 0 and "majority mIoU" in out and "draws@1" in out


@pytest.mark.slow
def test_deterministic_models_have_one_draw() -> None:
    outcome = evaluated(samples=3)
    for name in ("visible", "hull"):
        found, alone = row(outcome, model=name), row(outcome, "instance@2", name)
        assert found["draws"] == 1
        for number in ("mean_miou", "majority_miou", "best_miou", "best_of_2_miou", "best_of_3_miou"):
            assert found[number] == pytest.approx(alone["miou"]), number
            assert found[f"occluded_{number}"] == pytest.approx(alone["occluded_miou"]), number
        assert found["miou_spread"] == 0
    assert row(outcome)["mean_miou_gain"] == pytest.approx(
        row(outcome)["mean_miou"] - row(outcome, model="visible")["mean_miou"]
    )
    with Store(outcome.scored[0].folder / "store.sqlite", read_only=True) as store:
        assert store.draws() == 1


@pytest.mark.parametrize(
    ("name", "draws"), mostly_slow([("visible", 1), ("hull", 1), ("tiny", 3), ("random/pix2gestalt", 3)])
)
def test_a_model_says_whether_it_is_deterministic(name: str, draws: int) -> None:
    assert draws_of(amodal_bench.load_model(name), 3) == draws
    assert draws_of(Guess(), 3) == 3


@pytest.mark.slow
def test_a_failed_draw_is_an_empty_one() -> None:
    whole = evaluated(samples=3)
    lost = str(whole.main.records["id"].iloc[0])
    model = Guess(lambda id, seed: id == lost and seed == sample_seed(0, lost, 1))
    found = evaluated(model, samples=3, results="elsewhere")
    ious = ious_of(whole)
    ious[0, 1] = 0
    assert row(found)["mean_miou"] == pytest.approx(ious.mean())
    assert row(found)["best_miou"] == pytest.approx(ious.max(axis=1).mean())
    assert (row(found)["errors"], row(found, "instance@2")["errors"]) == (1, 0)
    assert row(found)["instances"] == row(whole)["instances"]
    expected = {"id": lost, "draw": 1, "kind": "failed", "error": "no idea"}
    assert found.main.errors().to_dict("records") == [expected]
    assert pd.read_csv(found.main.score_folder / "errors.csv").to_dict("records") == [expected]
    with Store(found.main.folder / "store.sqlite", read_only=True) as store:
        assert np.array_equal(store.majority(lost, 3), store.prediction(lost, 0) & store.prediction(lost, 2))
    kept = amodal_bench.score(found.main.folder, amodal_bench.load_protocol("draws", errors="exclude"))
    assert kept.summary["instances"][0] == len(ious) - 1
    assert kept.summary["mean_miou"][0] == pytest.approx(ious[1:].mean())
    # It is tried again, and what was derived of it is made again.
    mended = evaluated(samples=3, results="elsewhere")
    assert row(mended)["majority_miou"] == row(whole)["majority_miou"] != row(found)["majority_miou"]
    assert mended.main.errors().empty


@pytest.mark.slow
def test_too_many_failed_predictions_are_an_error() -> None:
    model = Guess(lambda id, seed: seed % 2 == 0)
    with pytest.raises(amodal_bench.BenchError, match=r"guess: \d+ of \d+ predictions failed"):
        evaluated(model, {"engine.max_error_share": 0.1}, samples=3)


@pytest.mark.slow
def test_draws_move_with_the_cluster_of_their_instance() -> None:
    """More draws of the same instances are no more images: the interval of their mean stays about as wide."""
    outcome = evaluated(samples=8, settings={"dataset.images": 30})
    many, one = row(outcome), row(outcome, "instance@2")
    assert many["clusters"] == one["clusters"] == 30
    widths = [many["mean_miou_high"] - many["mean_miou_low"], one["miou_high"] - one["miou_low"]]
    assert 0.7 < widths[0] / widths[1] < 1.1


# Folders and later scores


@pytest.mark.slow
def test_no_number_of_draws_overwrites_another() -> None:
    one = evaluated().main
    kept = {file: file.read_bytes() for file in one.folder.rglob("*.csv") if file.name != "timing.csv"}
    folders = {one.score_folder.name}
    for samples in (3, 2):
        found = evaluated(samples=samples).main
        folders.add(found.score_folder.name)
        assert found.score_folder.name == f"{one.score_folder.name}-samples{samples}"
    assert len(folders) == 3
    assert {file: file.read_bytes() for file in kept} == kept
    hull = sorted(file.name for file in Path("results/runs").glob("toy-hull-*/scores/*"))
    assert [name.rpartition("-")[2] for name in hull[1:]] == ["samples2", "samples3"]


@pytest.mark.slow
def test_a_run_is_scored_again_for_as_many_draws_as_are_asked_for(run: Run) -> None:
    outcome = evaluated(samples=3)
    folder = outcome.main.folder
    tables = amodal_bench.score(folder, "draws")
    expected = row(outcome)
    for number in ("mean_miou", "majority_miou", "occluded_best_miou", "miou_spread", "pass_at_k", "draws"):
        assert tables.summary[number][0] == expected[number], number
    one = amodal_bench.score(folder, "draws", samples=1).summary
    assert (one["draws"][0], one["mean_miou"][0]) == (1, row(outcome, "instance@2")["miou"])
    assert np.isnan(one["miou_spread"][0]) and np.isnan(one["best_of_2_miou"][0])
    with pytest.raises(ConfigError, match="instance@2 is about draw 0 alone"):
        amodal_bench.score(folder, "instance", samples=2)
    with pytest.raises(UsageError, match=r"majority of 2 draws.*protocol=draws samples=2: that adds them"):
        amodal_bench.score(folder, "draws", samples=2)
    with pytest.raises(UsageError, match=r"has samples=4 of none"):
        amodal_bench.score(folder, "draws", samples=4)
    evaluated(samples=2)
    two = amodal_bench.score(folder, "draws", samples=2).summary
    assert two["best_miou"][0] == two["best_of_2_miou"][0] < expected["best_miou"]
    status, out, err = run("results", "score", str(folder), "protocol=draws")
    assert (status, err) == (0, "") and f"{100 * expected['miou_spread']:.1f}" in out
    assert (folder / "scores" / out.split()[-1].rpartition("/")[2]).name.endswith("-samples3")


@pytest.mark.slow
def test_instances_without_all_draws_are_counted_as_missing() -> None:
    everything, few = evaluated(), evaluated(samples=3, limit=4)
    tables = amodal_bench.score(few.main.folder, "draws")
    assert tables.missing == len(everything.main.records) - 4
    assert tables.summary["instances"][0] == 4
    alone = amodal_bench.score(few.main.folder, "draws", samples=1)
    assert (alone.missing, alone.summary["instances"][0]) == (0, len(everything.main.records))


@pytest.mark.slow
def test_scoring_again_leaves_the_runs_own_table_with_its_baselines(run: Run) -> None:
    main = evaluated(samples=2).main
    before = {file: file.read_bytes() for file in main.score_folder.iterdir()}
    status, out, _ = run("results", "score", str(main.folder), "samples=2")
    assert status == 0 and "unchanged: " in out and out.rstrip().endswith(main.score_folder.name)
    assert {file: file.read_bytes() for file in before} == before


@pytest.mark.slow
def test_the_table_of_all_runs_tells_numbers_of_draws_apart(run: Run) -> None:
    for samples in (2, 3):
        evaluated(samples=samples)
    assert run("results", "table")[0] == 0
    table = pd.read_csv("results/table.csv")
    guesses = table[(table["model"] == "guess") & (table["protocol"] == "draws@1")]
    assert sorted(guesses["draws"]) == [2, 3] and guesses["run"].nunique() == 1
    instance = table[(table["model"] == "guess") & (table["protocol"] == "instance@2")]
    assert instance["draws"].tolist() == [1]


@pytest.mark.slow
@pytest.mark.parametrize("which", [None, "2", "majority"])
def test_an_exported_draw_scores_as_it_did_here(run: Run, which: str | None) -> None:
    outcome = evaluated(samples=3)
    words = [] if which is None else ["--draw", which]
    status, out, err = run("results", "export", str(outcome.main.folder), "-o", "out.json", *words)
    assert (status, err) == (0, "") and f"{len(outcome.main.records)} predictions" in out
    again = amodal_bench.evaluate(
        "model=predictions", "model.path=out.json", settings=TOY, sheet=0, results="elsewhere"
    )
    expected = row(outcome)["majority_miou"] if which == "majority" else ious_of(outcome)[:, int(which or 0)].mean()
    assert row(again, "instance@2", "predictions")["miou"] == pytest.approx(expected)


@pytest.mark.slow
def test_an_export_of_a_draw_that_is_not_there_is_one_line(run: Run) -> None:
    folder = evaluated(samples=2).main.folder
    for draw, said in (("2", "has draws 0 to 1"), ("-1", "must be a whole number >= 0, or majority")):
        status, _, err = run("results", "export", str(folder), "--draw", draw)
        assert status == 2 and said in err and err.count("\n") == 1
    evaluated(samples=3, limit=4)
    status, out, _ = run("results", "export", str(folder), "--draw", "2")
    assert status == 0 and "predictions-draw-2.json: 4 predictions; " in out and "have not been run for it" in out
    assert len(json.loads((folder / "predictions-draw-2.json").read_text())) == 4


@pytest.mark.slow
def test_every_draw_is_listed_with_its_counts() -> None:
    main = evaluated(samples=2).main
    table = pd.read_csv(main.score_folder / "draws.csv")
    assert table[["id", "draw"]].to_numpy().tolist() == [
        [id, draw] for id in sorted(main.records["id"]) for draw in (0, 1)
    ]
    assert np.allclose(table["iou"].to_numpy().reshape(-1, 2).mean(), ious_of(evaluated(samples=2)).mean())
    opened = amodal_bench.open_run(main.folder)
    pd.testing.assert_frame_equal(
        opened.draws()[["id", "draw", *COUNTS]], table[["id", "draw", *COUNTS]], check_dtype=False
    )
    id = str(main.records["id"].iloc[0])
    assert np.array_equal(opened.majority(id, 2), opened.prediction(id) & opened.prediction(id, 1))
    with pytest.raises(UsageError, match=f"no prediction of instance '{id}' in draw 5"):
        opened.prediction(id, 5)


@pytest.mark.slow
def test_progress_counts_predictions(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    count = len(evaluated().main.records)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    capsys.readouterr()
    evaluated(samples=3, progress=True)
    assert f"{3 * count}/{3 * count}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "said"), [(0, "samples: 0 must be >= 1"), (2.5, "samples: must be a whole number")]
)
def test_samples_is_a_whole_number_of_at_least_one(value: float, said: str) -> None:
    with pytest.raises(amodal_bench.BenchError, match=said):
        evaluated(settings={"samples": value})


@pytest.mark.slow
def test_a_store_of_one_draw_per_instance_goes_on_with_more() -> None:
    """A run of an earlier version keeps its predictions as draws 0."""
    main = evaluated().main
    with sqlite3.connect(main.folder / "store.sqlite") as database:
        columns = ["id", "error", "height", "width", "rle", *COUNTS, "data_s", "predict_s"]
        counts = ", ".join(f"{name} INTEGER" for name in COUNTS)
        database.execute(
            "CREATE TABLE earlier (id TEXT PRIMARY KEY, error TEXT, height INTEGER, width INTEGER, rle BLOB, "
            f"{counts}, data_s REAL, predict_s REAL)"
        )
        database.execute(f"INSERT INTO earlier SELECT {', '.join(columns)} FROM instances")
        database.execute("DROP TABLE instances")
        database.execute("DROP TABLE majorities")
        database.execute("ALTER TABLE earlier RENAME TO instances")
        database.execute("PRAGMA user_version = 2")
    database.close()
    assert amodal_bench.score(main.folder, "instance").summary["miou"][0] == main.summary()["miou"][0]
    model = Guess()
    outcome = evaluated(model, samples=2)
    assert sorted(model.asked) == sorted((id, sample_seed(0, id, 1)) for id in map(str, main.records["id"]))
    assert row(outcome, "instance@2")["miou"] == main.summary()["miou"][0]


@pytest.mark.slow
def test_a_protocol_of_draws_reads_no_mask_of_other_protocols() -> None:
    protocol = amodal_bench.load_protocol("draws")
    assert isinstance(protocol, ScoringProtocol) and protocol.of_draws
    assert not any(amodal_bench.load_protocol(name).of_draws for name in ("instance", "pooled", "coco_ap"))


@pytest.mark.slow
@pytest.mark.usefixtures("run")
def test_a_model_without_chance_is_scored_as_its_command_did() -> None:
    """One prediction stands for all draws, also where the run is scored again, and V beside it."""
    hull = next(one for one in evaluated(samples=3).scored if one.name == "hull")
    table = amodal_bench.score(hull.folder, "draws", samples=3).summary
    assert table["draws"].tolist() == [1] and table["miou_spread"].tolist() == [0.0]
    expected = summarise([hull]).set_index("protocol").loc["draws@1"]
    assert table["best_of_3_miou"].item() == pytest.approx(expected["best_of_3_miou"])
    assert table["mean_miou_gain"].notna().all()
