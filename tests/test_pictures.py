"""Files that change between two commands: noticed by stat, judged by content, and predicted again."""

from __future__ import annotations

import importlib
import inspect
import json
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import composed
from PIL import Image as Pillow

import amodal_bench
from amodal_bench.config.build import build
from amodal_bench.core import digests
from amodal_bench.core.errors import InputError
from amodal_bench.core.rle import encode
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Dataset, FromFiles, Query
from amodal_bench.datasets.reading.indexed import IndexedDataset
from amodal_bench.datasets.sailvos.sailvos import SailVos
from amodal_bench.datasets.toy import Toy
from amodal_bench.models.predictions import Predictions
from amodal_bench.report.outcome import Outcome
from amodal_bench.runner.pictures import Pictures
from amodal_bench.runner.store import Store

KINDS = [
    ("bsds", {}),
    ("cocoa", {}),
    ("cocoa_cls", {}),
    ("kins", {}),
    ("fishbowl", {}),
    ("fishbowl", {"layout": "savos"}),
    ("sailvos", {}),
    ("sailvos", {"source": "folders"}),
]


class Bright:
    """A model of a user's whose answer depends on pixels: the whole picture where the first is bright, else V."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def describe(self) -> dict[str, Any]:
        return {"name": "bright"}

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
        self.seen += [query.id for query in queries]
        return [query.visible | (query.image[0, 0, 0] > 250) for query in queries[: len(seeds)]]


def opened(root: Path, name: str, options: dict[str, Any]) -> Any:
    spec = composed(f"dataset={name}", f"dataset.root={root}").dataset
    return build(spec | options, "dataset")


@pytest.fixture
def tree(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, str, dict[str, Any]]:
    """Two scenes in an official format, its name and the options that open it."""
    name, options = request.param
    export = importlib.import_module(f"amodal_bench.testing.export.{name}").export
    layout = {"layout": options["layout"]} if "layout" in options else {}
    export(tmp_path / name, images=2, **layout)
    split = {"split": inspect.signature(export).parameters["split"].default}
    return tmp_path / name, name, options | split


def evaluated(dataset: Dataset, tmp_path: Path, **choices: Any) -> tuple[Outcome, list[str]]:
    """A run's outcome, and the instances that the model was asked for."""
    model = Bright()
    settings = {"results": str(tmp_path / "results"), "baselines": None, "engine.max_error_share": 1}
    outcome = amodal_bench.evaluate(
        dataset=dataset, model=model, name="bright", settings=settings, sheet=0, protocol="instance", **choices
    )
    return outcome, sorted(model.seen)


def whiten(picture: Path) -> None:
    """Write another picture, of the same size in pixels."""
    if picture.suffix == ".mp4":
        import cv2

        capture = cv2.VideoCapture(str(picture))
        width, height = (int(capture.get(prop)) for prop in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        capture.release()
        writer = cv2.VideoWriter(str(picture), cv2.VideoWriter.fourcc(*"mp4v"), 25, (width, height))
        writer.write(np.full((height, width, 3), 255, np.uint8))
        writer.release()
        return
    with Pillow.open(picture) as old:
        size = old.size
    Pillow.new("RGB", size, (255, 255, 255)).save(picture)


@pytest.mark.slow
@pytest.mark.parametrize("tree", KINDS, indirect=True, ids=str)
def test_a_replaced_picture_is_predicted_again_and_nothing_else(
    tree: tuple[Path, str, dict[str, Any]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = opened(*tree)
    assert isinstance(dataset, IndexedDataset) and isinstance(dataset, FromFiles)
    files = dataset.files_of([str(id) for id in dataset.records()["id"]])
    assert all(file.is_file() for each in files.values() for file in each)
    first, seen = evaluated(dataset, tmp_path)
    assert len(seen) == len(first.main.records) and set(seen) <= set(files)
    assert evaluated(opened(*tree), tmp_path)[1] == []

    picture = files[seen[0]][0]
    touched = [id for id in seen if files[id][0] == picture]
    assert 0 < len(touched) < len(seen)
    whiten(picture)
    with caplog.at_level(logging.WARNING):
        second, again = evaluated(dataset, tmp_path)  # the same object: nothing of the old picture may be left in it
    assert again == touched
    many = len(touched) > 1
    assert f"bright: 1 picture has changed since: its {len(touched)} predictions are made again" in caplog.text or (
        not many and "bright: 1 picture has changed since: its prediction is made again" in caplog.text
    )
    assert first.main.folder == second.main.folder
    before, after = (each.main.instances().set_index("id")["iou"] for each in (first, second))
    assert (after[touched] < before[touched]).all() and (after.drop(touched) == before.drop(touched)).all()
    assert evaluated(opened(*tree), tmp_path)[1] == []


@pytest.mark.slow
@pytest.mark.parametrize("tree", [("kins", {})], indirect=True)
def test_a_file_that_was_only_touched_is_read_once_and_nothing_is_predicted(
    tree: tuple[Path, str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = opened(*tree)
    _, seen = evaluated(dataset, tmp_path)
    picture = dataset.files_of(seen)[seen[0]][0]
    os.utime(picture, ns=(1, 1))
    read: list[Path] = []
    real = digests.sha256

    def noted(path: Path) -> str:
        read.append(path)
        return real(path)

    monkeypatch.setattr("amodal_bench.runner.pictures.sha256", noted)
    assert evaluated(opened(*tree), tmp_path)[1] == [] and read == [picture]
    assert evaluated(opened(*tree), tmp_path)[1] == [] and read == [picture]


@pytest.mark.slow
@pytest.mark.parametrize("tree", [("kins", {})], indirect=True)
def test_a_copy_of_the_dataset_elsewhere_is_the_same_run_unless_a_picture_differs(
    tree: tuple[Path, str, dict[str, Any]], tmp_path: Path
) -> None:
    root, name, options = tree
    _, seen = evaluated(opened(*tree), tmp_path)
    for file in [file for file in shutil.copytree(root, tmp_path / "copy").rglob("*") if file.is_file()]:
        os.utime(file)
    copy = opened(tmp_path / "copy", name, options)
    assert evaluated(copy, tmp_path)[1] == []
    whiten(copy.files_of(seen)[seen[0]][0])
    assert seen[0] in evaluated(copy, tmp_path)[1]


@pytest.mark.slow
@pytest.mark.parametrize("tree", [("kins", {})], indirect=True)
def test_a_look_at_some_instances_leaves_the_others_as_they_are(
    tree: tuple[Path, str, dict[str, Any]], tmp_path: Path
) -> None:
    dataset = opened(*tree)
    _, seen = evaluated(dataset, tmp_path)
    for picture, *_ in set(dataset.files_of(seen).values()):
        whiten(picture)
    first, _ = evaluated(dataset, tmp_path, ids=seen[:1])
    assert len(first.main.records) == 1
    with Store(first.main.folder / "store.sqlite", read_only=True) as store:
        assert store.done() == set(seen)
    assert evaluated(dataset, tmp_path)[1] == seen[1:]


@pytest.mark.slow
@pytest.mark.parametrize("tree", [("sailvos", {"source": "folders"})], indirect=True)
def test_masks_of_the_raw_folders_are_files_too(tree: tuple[Path, str, dict[str, Any]], tmp_path: Path) -> None:
    """Their fingerprint knows names and sizes alone: a map of other objects has the same size."""
    dataset = opened(*tree)
    assert isinstance(dataset, SailVos)
    _, seen = evaluated(dataset, tmp_path)
    before, fingerprint = dataset.sample(seen[0]).visible, dataset.fingerprint()
    (_, place, _) = dataset.files_of(seen)[seen[0]]
    np.save(place, np.load(place)[:, ::-1])
    assert opened(*tree).fingerprint() == fingerprint
    assert not np.array_equal(dataset.sample(seen[0]).visible, before)
    assert seen[0] in evaluated(dataset, tmp_path)[1]


@pytest.mark.parametrize("tree", [("kins", {})], indirect=True)
def test_a_picture_that_is_written_while_it_is_read_is_an_error_row(
    tree: tuple[Path, str, dict[str, Any]], tmp_path: Path
) -> None:
    dataset = opened(*tree)
    id = str(dataset.records()["id"].iloc[0])
    (picture,) = dataset.files_of([id])[id]
    real = dataset.sample

    def written(id: str) -> Any:
        sample = real(id)
        whiten(picture)
        os.utime(picture, ns=(1, 1))
        return sample

    dataset.sample = written
    with Store(tmp_path / "store.sqlite") as store:
        noting = Pictures(dataset, store.db).dataset
        with pytest.raises(InputError, match=r"changed while it was in use; start the command again"):
            noting.sample(id)
        assert store.db.execute("SELECT count(*) FROM pictures").fetchone() == (0,)


@pytest.mark.slow
def test_a_dataset_that_draws_its_pictures_has_no_files_to_look_at(tmp_path: Path) -> None:
    """The toy's fingerprint covers its pixels."""
    toy = Toy("test", 2)
    ids = [str(id) for id in toy.records()["id"]]
    assert toy.files_of(ids) == {}
    outcome, seen = evaluated(toy, tmp_path)
    assert evaluated(toy, tmp_path)[1] == [] and seen
    with Store(outcome.main.folder / "store.sqlite") as store:
        assert store.db.execute("SELECT count(*) FROM pictures").fetchone() == (0,)


class Plain:
    """A dataset of a user's own with the five members of the interface, and no word of files."""

    def __init__(self, inner: Toy) -> None:
        self.name, self._inner = "plain", inner
        self.records, self.sample, self.check = inner.records, inner.sample, inner.check
        self.fingerprint = inner.fingerprint


def test_a_dataset_that_says_nothing_of_files_is_used_as_it_is(tmp_path: Path) -> None:
    plain = Plain(Toy("test", 2))
    with Store(tmp_path / "store.sqlite") as store:
        pictures = Pictures(plain, store.db)
        assert pictures.dataset is plain and pictures.forget_changed(["test-00000-0"]) == ""


@pytest.mark.parametrize(
    "tree",
    [
        pytest.param(kind, marks=[pytest.mark.slow] * (place > 0))
        for place, kind in enumerate(KINDS)
        if kind[0] != "sailvos" or not kind[1]
    ],
    indirect=True,
    ids=str,
)
def test_annotations_are_in_the_fingerprint_and_cannot_change_under_a_run(
    tree: tuple[Path, str, dict[str, Any]],
) -> None:
    """A digit of a mask that changes without changing the file's size is another dataset."""
    root = tree[0]
    dataset = opened(*tree)
    ids = [str(id) for id in dataset.records()["id"]]
    before = dataset.fingerprint()
    for file in root.rglob("*.json"):
        text = file.read_text(encoding="utf-8")
        if (place := text.rfind("1")) >= 0:
            file.write_text(text[:place] + "2" + text[place + 1 :], encoding="utf-8")
        os.utime(file, ns=(1, 1))
    for id in (ids[0], ids[-1]):
        with pytest.raises(InputError, match="changed while it was in use; start the command again"):
            dataset.sample(id)
    assert opened(*tree).fingerprint() != before


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_predictions_that_change_under_a_run_stop_it(kind: str, tmp_path: Path) -> None:
    toy = Toy("test", 1)
    ids = [str(id) for id in toy.records()["id"]]
    if kind == "file":
        place = changed = tmp_path / "predictions.json"
        entries = [{"annotation_id": id, "segmentation": encode(toy.sample(id).amodal)} for id in ids]
        place.write_text(json.dumps(entries))
    else:
        place = tmp_path / "predictions"
        place.mkdir()
        for id in ids:
            Pillow.fromarray(toy.sample(id).amodal.astype(np.uint8)).save(place / f"{id}.png")
        changed = place / f"{ids[1]}.png"
    model = Predictions(str(place))
    model.describe()
    changed.write_bytes(changed.read_bytes())
    os.utime(changed, ns=(1, 1))
    with pytest.raises(InputError, match="changed while it was in use; start the command again"):
        model.predict([toy.sample(id).query for id in ids], [0] * len(ids))
    assert Predictions(str(place)).describe() == model.describe()  # the same content is the same run
