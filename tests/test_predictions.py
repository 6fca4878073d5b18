"""`model=predictions`: masks of another method from COCO results or PNGs, and the check that they are complete."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Pillow

from amodal_bench.core.errors import BenchError, ConfigError, InputError, PredictionError
from amodal_bench.core.rle import encode
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Query
from amodal_bench.datasets.toy import Toy
from amodal_bench.models.prediction_files import file_stem, id_of, open_source
from amodal_bench.models.predictions import Predictions
from amodal_bench.report.completeness import check_complete
from amodal_bench.report.outcome import Outcome
from amodal_bench.runner.store import COUNTS

Bench = Callable[..., Outcome]
SHAPE = (6, 9)


def box(left: int = 2, right: int = 5) -> Mask:
    mask = np.zeros(SHAPE, bool)
    mask[1:4, left:right] = True
    return mask


def write(path: Path, entries: Any) -> Path:
    path.write_text(json.dumps(entries))
    return path


def predicted(path: Path, id: str = "a") -> Mask:
    query = Query(id, np.zeros((*SHAPE, 3), np.uint8), np.ones(SHAPE, bool))
    (mask,) = Predictions(str(path)).predict([query], [0])
    return mask


def runs(mask: Mask) -> list[int]:
    """The uncompressed RLE of a mask, written without the harness."""
    flat = mask.flatten(order="F").astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flat)))).tolist()
    return [int(run) for run in np.diff([0, *edges, flat.size])]


def save(path: Path, pixels: Any, mode: str | None = None) -> None:
    Pillow.fromarray(pixels, mode).save(path)


@pytest.mark.parametrize(
    "segmentation",
    [
        encode(box()),
        {"size": [*SHAPE], "counts": runs(box())},
        [[2, 1, 5, 1, 5, 4, 2, 4]],
        [[2, 1, 4, 1, 4, 4, 2, 4], [4, 1, 5, 1, 5, 4, 4, 4]],
    ],
    ids=["compressed", "uncompressed", "polygon", "two polygons"],
)
@pytest.mark.parametrize("key", ["annotation_id", "instance_id", "id"])
def test_every_encoding_under_every_key_of_an_id_gives_the_same_mask(
    tmp_path: Path, segmentation: Any, key: str
) -> None:
    file = write(tmp_path / "r.json", [{key: "a", "image_id": 3, "category_id": 1, "segmentation": segmentation}])
    assert np.array_equal(predicted(file), box())


def test_ids_may_be_numbers_and_the_most_specific_key_counts(tmp_path: Path) -> None:
    file = write(tmp_path / "r.json", [{"id": 1, "instance_id": 17, "segmentation": encode(box())}])
    assert list(Predictions(str(file)).answers()) == ["17"]
    assert np.array_equal(predicted(file, "17"), box())


def test_of_several_entries_for_an_instance_the_best_score_counts_and_the_first_among_equals(tmp_path: Path) -> None:
    scored = [(0.2, box(0, 1)), (0.9, box(0, 2)), (None, box(0, 3)), (0.9, box(0, 4))]
    entries = [{"id": "a", "score": score, "segmentation": encode(mask)} for score, mask in scored]
    assert np.array_equal(predicted(write(tmp_path / "r.json", entries)), box(0, 2))
    assert np.array_equal(predicted(write(tmp_path / "none.json", entries[2:3])), box(0, 3))


def test_no_polygon_is_an_empty_mask_and_no_segmentation_an_error(tmp_path: Path) -> None:
    assert not predicted(write(tmp_path / "r.json", [{"id": "a", "segmentation": []}])).any()
    with pytest.raises(PredictionError, match=r"entry 0 \(a\): no segmentation"):
        predicted(write(tmp_path / "none.json", [{"id": "a"}]))


def test_a_mask_of_another_size_is_one_line_with_file_record_and_sizes(tmp_path: Path) -> None:
    entries = [{"id": "b"}, {"id": "a", "segmentation": encode(np.ones((4, 5), bool))}]
    file = write(tmp_path / "r.json", entries)
    with pytest.raises(PredictionError) as error:
        predicted(file)
    assert str(error.value) == (
        f"{file}: entry 1 (a): mask is 4x5 but the image is 6x9 (height x width); "
        "write this prediction again, on the grid of its image"
    )
    save(tmp_path / "a.png", np.ones((4, 5), np.uint8))
    with pytest.raises(PredictionError, match=r"a\.png: mask is 4x5 but the image is 6x9 \(height x width\)"):
        predicted(tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('[{"id": ', "not valid JSON, or cut short"),
        ('{"annotations": []}', "must hold a list of COCO results, not a dict"),
        ("[3]", "entry 0: is not an object"),
        ('[{"id": "a"}, {"image_id": 3}]', "entry 1: has no id (annotation_id, instance_id, id)"),
        ('[{"id": true}]', "entry 0: has no id"),
        ('[{"id": "\\ud800"}]', "entry 0: has no id"),
        ('[{"id": "a", "score": NaN}]', "entry 0: its score is not a number"),
        ('[{"id": "a", "score": "0.3"}]', "entry 0: its score is not a number"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(InputError) as error:
        predicted(tmp_path / "r.json")
    assert str(error.value).startswith(f"{tmp_path / 'r.json'}: {says}")


def test_a_path_is_needed_and_something_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.path: name the file"):
        Predictions()
    with pytest.raises(InputError, match="no such file or folder of predictions"):
        Predictions(str(tmp_path / "absent.json"))
    with pytest.raises(InputError, match="has no PNG in it"):
        Predictions(str(tmp_path)).describe()


ODD = ["seq/0001/3", "100%", "%2F", "..", "a b", "Bär", "a:b*c?", "a\\b", ".a", "\n", "x" * 30]


def test_escaped_names_are_names_of_files_and_lead_back_to_the_id(tmp_path: Path) -> None:
    stems = [file_stem(id) for id in ODD]
    assert [id_of(stem) for stem in stems] == ODD
    assert len(set(stems)) == len(ODD)
    assert all(not set(stem) & set('/\\:*?"<>| \n') and stem.isascii() for stem in stems)
    assert file_stem("seq/0001/3") == "seq%2F0001%2F3"
    for n, id in enumerate(ODD[:4]):
        save(tmp_path / f"{file_stem(id)}.png", box(0, n + 1).astype(np.uint8))
    (tmp_path / "._%2F.png").write_bytes(b"left by a system, no picture")
    assert set(Predictions(str(tmp_path)).answers()) == set(ODD[:4])
    for n, id in enumerate(ODD[:4]):
        assert np.array_equal(predicted(tmp_path, id), box(0, n + 1))


def test_two_pictures_of_one_instance_are_refused(tmp_path: Path) -> None:
    for name in ("a b.png", "a%20b.png"):
        save(tmp_path / name, box().astype(np.uint8))
    with pytest.raises(InputError, match=r"a%20b\.png: is for the same instance as a b\.png"):
        predicted(tmp_path, "a b")
    (tmp_path / "a b.png").rename(tmp_path / "b%ff.png")
    with pytest.raises(InputError, match="its escaped name is not UTF-8"):
        predicted(tmp_path, "a b")


def test_pixels_that_are_not_zero_are_the_object_in_every_mode(tmp_path: Path) -> None:
    object = box()
    grey = object.astype(np.uint8)
    palette = Pillow.fromarray(grey * 2, "P")
    palette.putpalette([9, 9, 9] * 2 + [0, 0, 0])  # the index counts, not its colour
    pictures = {
        "255": Pillow.fromarray(grey * 255),
        "1": Pillow.fromarray(grey),
        "bits": Pillow.fromarray(object),
        "palette": palette,
        "16": Pillow.fromarray(grey.astype(np.uint16) * 300),
        "colour": Pillow.fromarray(np.dstack([grey * 0, grey, grey * 0])),
        "alpha": Pillow.fromarray(np.dstack([grey, grey, grey, np.full(SHAPE, 255, np.uint8)])),
        "grey and alpha": Pillow.fromarray(np.dstack([grey, np.full(SHAPE, 255, np.uint8)]), "LA"),
    }
    for name, picture in pictures.items():
        picture.save(tmp_path / f"{name}.png")
    for name in pictures:
        assert np.array_equal(predicted(tmp_path, name), object), name


def test_a_damaged_picture_is_an_error_of_its_instance_alone(tmp_path: Path) -> None:
    save(tmp_path / "a.png", box().astype(np.uint8))
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    with pytest.raises(PredictionError, match=r"b\.png: cannot be read as a picture"):
        predicted(tmp_path, "b")
    assert predicted(tmp_path, "a").any()


def test_the_identity_follows_bytes_and_names_but_not_the_place(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        save(folder / "a.png", box(0, 2).astype(np.uint8))
        save(folder / "b.png", box(0, 3).astype(np.uint8))
    digests = [Predictions(str(folder)).describe()["digest"] for folder in (first, second)]
    assert digests[0] == digests[1]
    (second / "b.png").rename(second / "c.png")
    digests.append(Predictions(str(second)).describe()["digest"])
    (first / "a.png").rename(first / "x")
    (first / "b.png").rename(first / "a.png")
    (first / "x").rename(first / "b.png")
    digests.append(Predictions(str(first)).describe()["digest"])
    (first / "b.png").write_bytes((first / "b.png").read_bytes()[:-1] + b"x")  # of the same size
    os.utime(first / "b.png", (7, 7))
    digests.append(Predictions(str(first)).describe()["digest"])
    file = write(tmp_path / "r.json", [{"id": "a"}])
    digests.append(Predictions(str(file)).describe()["digest"])
    write(tmp_path / "r.json", [{"id": "a", "score": 1}])
    digests.append(Predictions(str(file)).describe()["digest"])
    assert len(set(digests)) == 6


def entries(toy: Toy) -> list[dict[str, Any]]:
    """The truth as predictions."""
    return [{"id": id, "segmentation": encode(toy.sample(id).amodal)} for id in toy.records()["id"]]


@pytest.mark.slow
def test_missing_and_surplus_predictions_are_counted_listed_and_never_dropped(
    bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    toy = Toy("test", 4, 0)
    selected = toy.records().query("not stuff and not hidden")["id"].tolist()
    kept = [entry for entry in entries(toy) if entry["id"] not in selected[:2]]
    kept[-1]["segmentation"] = encode(np.ones((4, 5), bool))
    wrong = kept[-1]["id"]
    plants = sorted(set(toy.records()["id"]) - set(selected))
    assert plants
    assert wrong in selected
    file = write(tmp_path / "r.json", kept)
    with caplog.at_level(logging.WARNING):
        run = bench("model=predictions", f"model.path={file}", "model.name=theirs", "dataset.images=4").main
    assert run.name == "theirs"
    assert run.folder.name.startswith("toy-theirs-")
    errors = run.errors().set_index("id")["error"]
    assert set(errors.index) == {*selected[:2], wrong}
    assert (errors[selected[:2]] == f"no prediction in {file}").all()
    assert "mask is 4x5 but the image is" in errors[wrong]
    assert run.summary()["errors"].iloc[0] == 3
    assert (run.instances()["iou"] == 0).sum() == 3  # a failure counts
    assert (run.instances()["iou"] == 1).sum() == len(selected) - 3
    table = pd.read_csv(run.folder / "completeness.csv")
    rows = [(id, "no prediction") for id in selected[:2]] + [(id, "not selected") for id in plants]
    assert list(table.itertuples(index=False, name=None)) == rows
    assert caplog.messages == [
        f"{file}: 2 of {len(selected)} selected instances have no prediction, and score zero: "
        f"{selected[0]}, {selected[1]}",
        f"{file}: {len(plants)} of {len(kept)} predictions belong to no selected instance: "
        + ", ".join(plants[:5])
        + (", ..." if len(plants) > 5 else ""),
        f"{run.folder / 'completeness.csv'} lists them all",
    ]


def test_a_complete_file_warns_of_nothing_and_leaves_an_empty_list(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = Predictions(str(write(tmp_path / "r.json", [{"id": "a"}, {"id": "b"}])))
    records = pd.DataFrame({"id": ["b", "a"], "image_id": "i"})
    check_complete(records, model, tmp_path / "completeness.csv")
    assert (tmp_path / "completeness.csv").read_text() == "id,problem\n"
    assert not caplog.messages


@pytest.mark.slow
def test_predictions_for_something_else_stop_the_run(bench: Bench, tmp_path: Path) -> None:
    file = write(tmp_path / "r.json", [{"id": 77}])
    with pytest.raises(
        InputError, match=r"has no prediction for any of the \d+ selected instances: its ids are like"
    ):
        bench("model=predictions", f"model.path={file}", "dataset.images=2")
    write(file, [])
    with pytest.raises(InputError, match="it holds none"):
        bench("model=predictions", f"model.path={file}", "dataset.images=2")


@pytest.mark.slow
def test_a_completed_file_is_another_run_and_the_same_file_predicts_nothing_again(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = Toy("test", 2, 0)
    everything, file = entries(toy), tmp_path / "r.json"
    selected = toy.records().query("not stuff and not hidden")["id"].tolist()
    command = ("model=predictions", f"model.path={file}", "dataset.images=2")
    write(file, [entry for entry in everything if entry["id"] != selected[0]])
    partial = bench(*command).main
    write(file, everything)
    whole = bench(*command).main
    assert partial.folder != whole.folder
    assert partial.errors()["id"].tolist() == [selected[0]]
    assert whole.errors().empty

    def refuse(*_: object) -> None:
        raise AssertionError("predicted again")

    monkeypatch.setattr(Predictions, "predict", refuse)
    assert bench(*command).main.folder == whole.folder


@pytest.mark.slow
def test_a_folder_of_pictures_scores_as_the_same_masks_in_a_file(bench: Bench, tmp_path: Path) -> None:
    toy, folder = Toy("test", 2, 0), tmp_path / "masks"
    folder.mkdir()
    for id in toy.records()["id"]:
        save(folder / f"{file_stem(id)}.png", toy.sample(id).visible.astype(np.uint8) * 255)
    outcome = bench("model=predictions", f"model.path={folder}", "dataset.images=2")
    visible, theirs = outcome.scored[0].instances(), outcome.main.instances()
    assert np.array_equal(visible[COUNTS].to_numpy(), theirs[COUNTS].to_numpy())


def test_a_run_without_a_path_is_refused_in_one_line(bench: Bench) -> None:
    with pytest.raises(BenchError, match=r"model\.path: name the file \(COCO results\) or the folder"):
        bench("model=predictions", "dataset.images=1")


def test_a_key_that_stands_twice_in_an_entry_is_no_prediction(tmp_path: Path) -> None:
    """Which instance it is of would depend on the parser."""
    file = tmp_path / "p.json"
    file.write_text('[{"annotation_id": 1, "annotation_id": 2, "segmentation": []}]')
    with pytest.raises(InputError, match='an object in it has the key "annotation_id" twice; leave one of them out'):
        open_source(file).ids()
