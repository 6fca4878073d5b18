"""Baselines that ride: the data are read once for a command's models, and every row is as of a run of its own."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

import amodal_bench
from amodal_bench.core.errors import BenchError
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Problem, Query, Sample
from amodal_bench.datasets.toy import Toy
from amodal_bench.models.hull import ConvexHull
from amodal_bench.models.visible import VisibleMask
from amodal_bench.report.outcome import Outcome
from amodal_bench.runner import riders
from amodal_bench.runner.place import opened
from amodal_bench.runner.store import Store

SETTINGS = {"engine.batch_size": 2, "sheet": 0}
ALONE = {"baselines": None}
IDS = [f"test-{picture:05d}-{number}" for picture, number in ((0, 0), (0, 1), (0, 3), (1, 0), (1, 1), (1, 4), (1, 5))]
"""What the protocol selects of two images: everything but plants."""


class Counted:
    """The toy's samples, counted as they are read; `does` is done with each id first."""

    name, read_ahead = "counted", True

    def __init__(self, does: Callable[[str], object] = lambda id: None) -> None:
        self.toy, self.read, self.does = Toy(images=2), Counter[str](), does

    def records(self) -> pd.DataFrame:
        return self.toy.records()

    def sample(self, id: str) -> Sample:
        self.read[id] += 1
        self.does(id)
        return self.toy.sample(id)

    def fingerprint(self) -> str:
        return self.toy.fingerprint()

    def check(self) -> Sequence[Problem]:
        return []


class FromOnePicture(Counted):
    """Samples that are counted, and that have a file."""

    def __init__(self, picture: Path) -> None:
        super().__init__()
        self.picture = picture

    def files_of(self, ids: Sequence[str]) -> dict[str, Sequence[Path]]:
        return dict.fromkeys(ids, (self.picture,))


class Squares:
    """Fills the box around V."""

    stop_at: ClassVar[str] = ""

    def describe(self) -> dict[str, Any]:
        return {"model": "squares"}

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
        return [self._box(query) for query in queries]

    def _box(self, query: Query) -> Mask:
        if query.id == self.stop_at:
            raise KeyboardInterrupt
        rows, columns = np.nonzero(query.visible)
        box = np.zeros_like(query.visible)
        box[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
        return box


def evaluated(
    dataset: Any, results: Path, model: Any = None, more: Mapping[str, Any] | None = None, name: str = "squares"
) -> Outcome:
    settings = {**SETTINGS, "results": str(results), **(more or {})}
    return amodal_bench.evaluate(dataset=dataset, model=model or Squares(), name=name, settings=settings)


def rows(folder: Path) -> list[tuple[Any, ...]]:
    """Everything of a run's rows but the clocks', masks included."""
    with Store(folder / "store.sqlite", read_only=True) as store:
        return [row[:-2] for row in store.rows("instances", "ORDER BY id, draw")]


def pictures_of(folder: Path) -> dict[str, str]:
    """By instance, the digest of what its prediction was made from."""
    with Store(folder / "store.sqlite", read_only=True) as store:
        return dict(store.db.execute("SELECT id, digest FROM pictures"))


@pytest.mark.parametrize("overlap", [True, False])
def test_the_data_are_read_once_for_all_models_of_a_command(tmp_path: Path, overlap: bool) -> None:
    together, apart = Counted(), Counted()
    outcome = evaluated(together, tmp_path / "together", more={"engine.overlap": overlap})
    assert [scored.name for scored in outcome.scored] == ["visible", "hull", "squares"]
    assert sorted(together.read) == IDS and set(together.read.values()) == {1}
    assert not any(scored.reused for scored in outcome.scored)
    for model, scored in zip((VisibleMask(), ConvexHull()), outcome.scored, strict=False):
        alone = evaluated(apart, tmp_path / "apart", model, ALONE).main
        assert rows(scored.folder) == rows(alone.folder)
        assert scored.summary()["miou"].equals(alone.summary()["miou"])
    assert set(apart.read.values()) == {2}
    evaluated(together, tmp_path / "together")
    assert set(together.read.values()) == {1}


def test_a_model_that_has_all_leaves_the_baselines_to_one_another(tmp_path: Path) -> None:
    dataset = Counted()
    evaluated(dataset, tmp_path, more=ALONE)
    dataset.read.clear()
    assert len(evaluated(dataset, tmp_path).scored) == 3
    assert set(dataset.read.values()) == {1}


def test_what_cannot_be_read_has_an_error_in_every_run(tmp_path: Path) -> None:
    bad = IDS[1]

    def fail(id: str) -> None:
        if id == bad:
            raise OSError("the picture is torn")

    dataset = Counted(fail)
    outcome = evaluated(dataset, tmp_path, more={"engine.max_error_share": 1})
    assert [list(scored.errors()["id"]) for scored in outcome.scored] == [[bad]] * 3
    assert {id: count for id, count in dataset.read.items() if count > 1} == {bad: 3}  # each run's own turn says why


def test_what_rode_is_kept_when_the_model_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = Counted()
    monkeypatch.setattr(Squares, "stop_at", IDS[4])
    with pytest.raises(KeyboardInterrupt):
        evaluated(dataset, tmp_path)
    monkeypatch.undo()
    kept = {folder.name.split("-")[1]: {row[0] for row in rows(folder)} for folder in (tmp_path / "runs").iterdir()}
    assert kept == {name: set(IDS[:4]) for name in ("visible", "hull", "squares")}
    dataset.read.clear()
    outcome = evaluated(dataset, tmp_path)
    assert [sorted(scored.predictions["id"]) for scored in outcome.scored] == [IDS] * 3
    assert dataset.read == Counter(IDS[4:])


def test_a_store_that_another_process_has_is_waited_for_at_the_end_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(riders, "EVERY", 1)
    tried = list[str]()

    def busy(folder: Path, wait: bool = False) -> Any:
        tried.append(folder.name.split("-")[1])
        if "visible" in folder.name:
            raise BenchError("another process works on it")
        return opened(folder, wait)

    monkeypatch.setattr(riders, "opened", busy)
    dataset = Counted()
    outcome = evaluated(dataset, tmp_path)
    assert (tried.count("hull"), tried.count("visible")) == (4, 5)
    assert [sorted(scored.predictions["id"]) for scored in outcome.scored] == [IDS] * 3
    assert set(dataset.read.values()) == {1}


def test_what_another_process_has_written_meanwhile_is_left_as_it_is(tmp_path: Path) -> None:
    """Two cells of a sweep have the same baseline: who comes second has nothing to write."""
    others = list[str]()

    def run_the_other(id: str) -> None:
        if not others:
            others.append(id)
            evaluated(dataset, tmp_path, VisibleMask(), ALONE, "visible")

    dataset = Counted(run_the_other)
    evaluated(dataset, tmp_path)
    (visible,) = (folder for folder in (tmp_path / "runs").iterdir() if "visible" in folder.name)
    with Store(visible / "store.sqlite", read_only=True) as store:
        assert store.costs()["count"].instances == len(store.table()) == len(IDS)


def test_the_pictures_that_it_was_shown_are_noted_with_what_rode(tmp_path: Path) -> None:
    dataset = FromOnePicture(tmp_path / "picture.png")
    dataset.picture.write_bytes(b"0")
    outcome = evaluated(dataset, tmp_path / "results")
    noted = [pictures_of(scored.folder) for scored in outcome.scored]
    assert noted[0] == noted[1] == noted[2] and sorted(noted[0]) == IDS
    dataset.picture.write_bytes(b"1")
    dataset.read.clear()
    again = [pictures_of(scored.folder) for scored in evaluated(dataset, tmp_path / "results").scored]
    assert again[0] == again[1] == again[2] and not set(again[0].values()) & set(noted[0].values())
    assert dataset.read == Counter(IDS)


def test_one_that_takes_too_long_is_left_to_its_own_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The own turn of a rider tries it alone, so that nothing of the model beside it is lost."""
    slow = IDS[2]
    monkeypatch.setattr(
        VisibleMask, "predict", lambda self, queries, seeds: [patient(query, slow) for query in queries]
    )
    more = {"engine.max_error_share": 1, "engine.time_limit": 0.2}
    outcome = evaluated(Counted(), tmp_path, more=more)
    assert [list(scored.errors()["id"]) for scored in outcome.scored] == [[slow], [], []]
    assert "took longer than engine.time_limit" in outcome.scored[0].errors()["error"].iloc[0]


def patient(query: Query, slow: str) -> Mask:
    """V, after a while of short sleeps for one of them."""
    until = time.monotonic() + 5 * (query.id == slow)
    while time.monotonic() < until:
        time.sleep(0.01)
    return query.visible
