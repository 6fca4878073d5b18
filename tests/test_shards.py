"""A run in parts: each picture in one of them, and joined they are the run, row for row."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conftest import Run, composed

from amodal_bench.api.merging import merge
from amodal_bench.api.runs import open_run
from amodal_bench.core.errors import ConfigError, InputError, NothingToDo, UsageError
from amodal_bench.datasets.toy import Toy
from amodal_bench.evaluation.command import evaluate
from amodal_bench.runner.run_json import FILE
from amodal_bench.runner.schema import INSTANCES
from amodal_bench.runner.shards import Shard, shards_of
from amodal_bench.runner.store import STORE, Row, Store

FAST = ("dataset=toy", "dataset.images=9", "baselines=null", "sheet=0")
TIMES = ("data_s", "predict_s")


@pytest.mark.parametrize("count", [1, 2, 3, 7, 100])
def test_each_picture_is_in_one_shard(count: int) -> None:
    records = Toy(images=20).records()
    parts = [Shard(number, count).of(records) for number in range(count)]
    assert sorted(id for part in parts for id in part["id"]) == sorted(records["id"])
    assert all(len({number for number, part in enumerate(parts) if image in set(part["image_id"])}) == 1
               for image in records["image_id"].unique())  # fmt: skip
    if count == 2:
        assert all(map(len, parts))


@pytest.mark.slow
def test_a_shard_does_not_depend_on_the_order_of_the_index() -> None:
    records = Toy(images=9).records()
    again = Shard(1, 3).of(records.iloc[::-1])
    assert set(again["id"]) == set(Shard(1, 3).of(records)["id"])


def begun(folder: Path, tables: bool) -> None:
    """What a job leaves that was killed as it made its store, or had made it."""
    folder.mkdir(parents=True)
    if tables:
        with Store(folder / STORE):
            return
    with closing(sqlite3.connect(folder / STORE)) as db:
        db.execute("PRAGMA journal_mode=WAL")
    assert (folder / STORE).stat().st_size


def with_bare_shard(base: Path, tables: bool) -> tuple[Path, Path]:
    """A run of the hull in a folder apart, and where it is to be run again: a shard's job was killed there."""
    alone = ran(base / "alone", "model=hull")
    run = base / "runs" / alone.name
    begun(run / "shards" / "1-of-2", tables)
    return alone, run


@pytest.mark.slow
@pytest.mark.parametrize("tables", [False, True])
def test_a_job_that_was_killed_as_it_made_its_store_stops_nobody(tmp_path: Path, tables: bool) -> None:
    alone, run = with_bare_shard(tmp_path, tables)
    part = ran(tmp_path, "model=hull", "engine.shard=0/2")
    merged = merge(run)
    assert list(merged.taken) == [part] and merged.gaps == ["shard 1/2 has not begun"]
    assert ran(tmp_path, "model=hull", "limit=1") == run  # takes from all shards
    assert merge(run).gaps == ["shard 1/2 has not begun"]
    assert ran(tmp_path, "model=hull") == run
    assert rows(run) == rows(alone)
    shutil.rmtree(run)
    begun(run, tables)
    assert ran(tmp_path, "model=hull", "engine.shard=0/1").parent.parent == run
    assert merge(run).predicted == len(rows(alone))
    assert ran(tmp_path, "model=hull") == run
    assert rows(run) == rows(alone)


@pytest.mark.slow
@pytest.mark.parametrize("tables", [False, True])
def test_where_no_shard_has_begun_merge_says_so(tmp_path: Path, tables: bool) -> None:
    _, run = with_bare_shard(tmp_path, tables)
    with pytest.raises(UsageError, match=r": none of its shards has begun; give the command of each again$"):
        merge(run)
    assert not (run / STORE).exists()
    assert ran(tmp_path, "model=hull", "limit=1") == run
    merged = merge(run)
    assert not merged.taken and merged.gaps == ["shard 0/2 is not there", "shard 1/2 has not begun"]


@pytest.mark.parametrize("text", ["", "1", "3/3", "-1/3", "0/0", "a/b", "1/2/3", "0.5/2"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"engine\.shard: .* is not k/K with 0 <= k < K"):
        Shard.parsed(text)
    assert Shard.parsed(" 2/16 ") == Shard(2, 16)


def ran(results: Path, *words: str) -> Path:
    """Run a model; returns the folder of what was run."""
    return evaluate(composed(*FAST, *words, f"results={results}"), bar=False)[0].main.folder


def rows(folder: Path) -> list[tuple[Any, ...]]:
    """All of a store's predictions without their times."""
    names = ", ".join(name for name in INSTANCES if name not in TIMES)
    with Store(folder / STORE, read_only=True) as store:
        return list(store.db.execute(f"SELECT {names} FROM instances ORDER BY id, draw"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "count"),
    [(("model=hull",), 1), (("model=hull",), 7), (("model=tiny", "model.steps=2", "samples=2"), 3)],
    ids=str,
)
def test_shards_that_are_merged_are_the_run(tmp_path: Path, model: tuple[str, ...], count: int) -> None:
    whole = ran(tmp_path / "whole", *model)
    for number in range(count):
        words = (*model, f"engine.shard={number}/{count}", f"engine.batch_size={3 + number}")
        try:
            part = ran(tmp_path / "parts", *words)
        except NothingToDo:
            continue
        assert part.parent.parent.name == whole.name
    folder = tmp_path / "parts/runs" / whole.name
    empty = {Shard(number, count) for number in range(count)} - set(shards_of(folder))
    merged = merge(folder)
    assert rows(folder) == rows(whole) and merged.predicted == len(rows(whole))
    assert merged.gaps == [f"shard {each.number}/{each.count} is not there" for each in sorted(empty)]
    # A second merge changes nothing, and the whole command finds nothing to do.
    before, costs = (folder / "run.json").read_bytes(), cost(folder)
    assert set(merge(folder).taken.values()) == {0} and rows(folder) == rows(whole) and cost(folder) == costs
    assert b'"finished": null' not in before
    scored = evaluate(composed(*FAST, *model, f"results={tmp_path / 'parts'}"), bar=False)[0].main
    assert scored.reused.startswith(f"{merged.predicted} predictions")
    if "model=tiny" in model:
        assert {stage: n for stage, (_, n) in costs.items()} == {stage: n for stage, (_, n) in cost(whole).items()}


def cost(folder: Path) -> dict[str, tuple[float, int]]:
    """Seconds and instances of each stage."""
    with Store(folder / STORE, read_only=True) as store:
        return {row["stage"]: (row["seconds"], row["instances"]) for row in store.stages().to_dict("records")}


@pytest.mark.slow
def test_what_failed_gives_way_and_what_is_there_stays(tmp_path: Path) -> None:
    first = ran(tmp_path, "model=hull", "engine.shard=0/2")
    second = ran(tmp_path, "model=hull", "engine.shard=1/2")
    run = first.parent.parent
    whole = merge(run)
    known = rows(run)
    id = str(rows(first)[0][0])
    for folder, error in ((run, "lost"), (second, "worse")):  # the other shard has failed at what the first has
        with Store(folder / STORE) as store:
            store.write([Row(id, error)])
    assert merge(run, [second]).errors == 0 and rows(run) == known
    assert merge(run).predicted == whole.predicted
    # The command of the whole run takes what its shards have made, without `merge`.
    (run / STORE).unlink()
    outcome = evaluate(composed(*FAST, "model=hull", f"results={tmp_path}"), bar=False)[0]
    assert outcome.main.reused and rows(run) == known
    # And a shard takes what the run has.
    shutil.rmtree(first)
    again = ran(tmp_path, "model=hull", "engine.shard=0/2")
    with Store(again / STORE, read_only=True) as store:
        assert store.stages().empty and len(store.done()) == len(rows(again))


@pytest.mark.slow
def test_gaps_are_named_and_other_runs_refused(run: Run, tmp_path: Path) -> None:
    part = ran(tmp_path / "r", "model=hull", "engine.shard=0/2")
    folder = part.parent.parent
    status, out, err = run("results", "merge", str(folder))
    assert (status, err) == (1, "") and out.splitlines()[-1] == "lacking: shard 1/2 is not there"
    other = ran(tmp_path / "r", "model=hull", "dataset.seed=1", "engine.shard=1/2")
    status, out, err = run("results", "merge", str(folder), str(other))
    assert (status, out) == (2, "") and "is of another run than" in err and "dataset" in err
    for words, said in (
        ([str(tmp_path)], "has no shards; run with engine.shard=k/K first"),
        ([str(folder), str(tmp_path)], "is neither a run nor a shard"),
    ):
        status, out, err = run("results", "merge", *words)
        assert (status, out) == (2, "") and said in err and err.count("\n") == 1
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with pytest.raises(UsageError, match="is not the folder of"):
        merge(elsewhere, [part])


@pytest.mark.slow
def test_a_store_in_the_place_of_another_runs_is_refused(tmp_path: Path) -> None:
    """Its folder says which run it is, and so does the store."""
    hull, part = ran(tmp_path, "model=hull"), ran(tmp_path, "model=visible", "engine.shard=0/2")
    visible, before = part.parent.parent, (part / STORE).read_bytes()
    shutil.copy(hull / STORE, part / STORE)
    problem = f"{part / STORE}: is the store of another run, {hull.name.split('-')[-1]}, where "
    with pytest.raises(InputError, match=problem):
        merge(visible)
    with pytest.raises(InputError, match=problem):
        ran(tmp_path, "model=visible")
    (part / STORE).write_bytes(before)
    assert ran(tmp_path, "model=visible") == visible
    shutil.copy(hull / STORE, visible / STORE)
    for command in (lambda: merge(visible), lambda: ran(tmp_path, "model=visible"), lambda: open_run(visible)):
        with pytest.raises(InputError, match=f"{visible / STORE}: is the store of another run, "):
            command()
    (visible / FILE).unlink()  # then the store alone says what it is
    with pytest.raises(InputError, match=f"{visible}: holds another run than its name says, "):
        open_run(visible)


@pytest.mark.slow
def test_a_job_whose_part_is_empty_ends_well(run: Run) -> None:
    records = Toy(images=9).records().head(1)
    number = next(number for number in range(2) if Shard(number, 2).of(records).empty)
    status, out, _ = run(*FAST, "model=hull", "limit=1", f"engine.shard={number}/2")
    assert status == 0 and "none of the 1 instances is in it; nothing to do" in out
