"""`amodal-bench results`: what is exported reads back with pycocotools, and with the harness itself."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pycocotools.mask
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from amodal_bench.api.load import load_protocol
from amodal_bench.api.runs import open_run
from amodal_bench.api.score import scored_run
from amodal_bench.cli.results.coco import CocoIds, results
from amodal_bench.cli.results.command import main as command
from amodal_bench.core.errors import InputError
from amodal_bench.datasets.base import Sample
from amodal_bench.datasets.toy import Toy
from amodal_bench.report.csv_logger import CsvLogger
from amodal_bench.report.outcome import Outcome
from amodal_bench.runner.store import COUNTS

Bench = Callable[..., Outcome]
DATASET = ["dataset.images=6"]


@pytest.fixture
def hull(bench: Bench) -> Outcome:
    """A run of the hull whose scores are of the bare prediction, with its tables."""
    outcome = bench("model=hull", *DATASET)
    CsvLogger().finish(outcome)
    return outcome


@pytest.mark.slow
def test_both_files_read_back_with_pycocotools_and_give_the_same_iou(hull: Outcome, tmp_path: Path) -> None:
    output, truth = tmp_path / "hull.json", tmp_path / "truth.json"
    arguments = ["export", str(hull.main.folder), "-o", str(output), "--ground-truth", str(truth), *DATASET]
    assert command(arguments) == 0
    ground = COCO(str(truth))
    found = ground.loadRes(str(output))
    table = pd.read_csv(hull.main.score_folder / "instances.csv").set_index("id")
    of_instance = {annotation["annotation_id"]: annotation for annotation in found.dataset["annotations"]}
    assert set(of_instance) == set(table.index)
    for annotation in ground.dataset["annotations"]:
        id, predicted = annotation["annotation_id"], of_instance[annotation["annotation_id"]]
        ((iou,),) = pycocotools.mask.iou([predicted["segmentation"]], [annotation["segmentation"]], [0])
        assert iou == pytest.approx(table.loc[id, "iou"], abs=1e-12)
        assert predicted["image_id"] == annotation["image_id"] == table.loc[id, "image_id"]
        assert predicted["category_id"] == annotation["category_id"]
        assert ground.cats[annotation["category_id"]]["name"] == table.loc[id, "category"]
        assert annotation["area"] == ground.annToMask(annotation).sum()
        assert ground.annToMask(annotation).shape == tuple(table.loc[id, ["height", "width"]])


@pytest.mark.slow
def test_entries_have_no_name_that_fiftyone_keeps_for_itself(hull: Outcome, tmp_path: Path) -> None:
    """It makes attributes of a detection of all other keys, and refuses some, such as `instance_id`."""
    output, truth = tmp_path / "hull.json", tmp_path / "truth.json"
    assert command(["export", str(hull.main.folder), "-o", str(output), "--ground-truth", str(truth), *DATASET]) == 0
    own = {"image_id", "category_id", "segmentation", "bbox", "area", "iscrowd", "score", "id"}
    for entry in (*json.loads(output.read_text()), *json.loads(truth.read_text())["annotations"]):
        assert set(entry) - own == {"annotation_id"}


@pytest.mark.slow
def test_pycocotools_own_evaluation_runs_and_finds_the_truth_perfect(hull: Outcome, tmp_path: Path) -> None:
    output, truth = tmp_path / "hull.json", tmp_path / "truth.json"
    assert command(["export", str(hull.main.folder), "-o", str(output), "--ground-truth", str(truth), *DATASET]) == 0
    ground = COCO(str(truth))
    perfect = [{**annotation, "score": 1.0} for annotation in ground.dataset["annotations"]]
    precision = []
    for predicted in (perfect, json.loads(output.read_text())):
        evaluation = COCOeval(ground, ground.loadRes(predicted), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        precision.append(evaluation.stats[0])
    assert precision[0] == 1
    assert 0 < precision[1] < 1


@pytest.mark.slow
def test_an_exported_run_scores_the_same_as_predictions(bench: Bench, hull: Outcome) -> None:
    assert command(["export", str(hull.main.folder)]) == 0
    file = hull.main.folder / "predictions.json"
    again = bench("model=predictions", f"model.path={file}", *DATASET)
    first, second = hull.main.instances(), again.main.instances()
    assert first["id"].tolist() == second["id"].tolist()
    assert np.array_equal(first[COUNTS].to_numpy(), second[COUNTS].to_numpy())
    assert again.main.errors().empty


@pytest.mark.slow
def test_an_entry_has_everything_that_coco_asks_for(hull: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["export", str(hull.main.folder)]) == 0
    file = hull.main.folder / "predictions.json"
    entries = json.loads(file.read_text())
    assert capsys.readouterr().out == f"wrote {file}: {len(hull.main.records)} predictions\n"
    assert len(entries) == len(hull.main.records)
    for entry in entries:
        assert entry["score"] == 1.0
        assert isinstance(entry["segmentation"]["counts"], str)
        mask = pycocotools.mask.decode(entry["segmentation"]).astype(bool)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        sides = [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]
        assert entry["bbox"] == sides
        assert entry["area"] == mask.sum()


@pytest.mark.slow
def test_failed_instances_are_told_and_left_out_but_stay_in_the_truth(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str], hull: Outcome
) -> None:
    assert command(["export", str(hull.main.folder)]) == 0
    few = tmp_path / "few.json"
    few.write_text(json.dumps(json.loads((hull.main.folder / "predictions.json").read_text())[2:]))
    outcome = bench("model=predictions", f"model.path={few}", *DATASET)
    CsvLogger().finish(outcome)
    capsys.readouterr()
    truth = tmp_path / "truth.json"
    assert command(["export", str(outcome.main.folder), "--ground-truth", str(truth), *DATASET]) == 0
    total = len(hull.main.records)
    assert f"{total - 2} predictions; 2 failed and are not in it" in capsys.readouterr().out
    assert len(json.loads(truth.read_text())["annotations"]) == total


def test_image_ids_are_numbers_where_all_of_them_are() -> None:
    rle = {"size": [1, 1], "counts": "01"}

    def exported(*images: str) -> list[object]:
        rows = [{"id": f"i{n}", "image_id": image, "category": "c"} for n, image in enumerate(images)]
        table = pd.DataFrame(rows)
        return [entry["image_id"] for entry in results(table, CocoIds(table), lambda _: rle)]  # type: ignore[arg-type, return-value]

    assert exported("12", "0") == [12, 0]
    assert exported("12", "012") == ["12", "012"]  # as a number it would be the other image
    assert exported("12", "a/3") == ["12", "a/3"]
    assert exported("²") == ["²"]


@pytest.mark.slow
def test_mistakes_are_one_line(hull: Outcome, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = hull.main.folder

    def answer(*arguments: str) -> tuple[int, str]:
        status = command(list(arguments))
        return status, capsys.readouterr().err.strip()

    assert answer("exprot") == (
        2,
        "error: results exprot: there is no such verb; did you mean 'export'? valid: check, compare, export, list, "
        "merge, pack, page, score, table, unpack, verify",
    )
    assert answer("export", str(tmp_path / "x")) == (
        2,
        f"error: {tmp_path / 'x'}: is not the folder of a run (it has no store.sqlite); runs lie in results/runs",
    )
    status, line = answer("export", str(folder), "dataset=toy")
    assert (status, line) == (2, "error: dataset=toy: settings are for --ground-truth FILE only")
    truth = str(tmp_path / "truth.json")
    status, line = answer("export", str(folder), "--ground-truth", truth, "dataset.images=3")
    assert status == 2
    assert line.endswith("give the dataset settings of the run, such as dataset=toy")
    assert line.count("\n") == 0
    status, line = answer("export", str(folder), "--ground-truth", truth, "dataset=nothing")
    assert status == 2
    assert "there is no such choice" in line
    for output, says in ((tmp_path, "it is a folder"), (tmp_path / "no" / "x.json", "it lies in no folder")):
        assert answer("export", str(folder), "-o", str(output)) == (
            2,
            f"error: {output}: cannot be a file, since {says}",
        )
    assert not list(tmp_path.glob("*.json"))
    assert answer("export", str(folder), "-o", truth, "--ground-truth", truth)[1].endswith("name another with -o")
    for own in ("store.sqlite", "run.json", "timing.csv"):
        status, line = answer("export", str(folder), "-o", str(folder / own))
        assert (status, line) == (
            2,
            f"error: {folder / own}: is a file of the run and would be overwritten; name another file",
        )
    (folder / "run.json").write_text("[]")
    with closing(sqlite3.connect(folder / "store.sqlite")) as database, database:
        database.execute("DELETE FROM told")  # else the store's copy is read
    status, line = answer("export", str(folder), "--ground-truth", truth, *DATASET)
    assert (status, "run.json: does not describe a run" in line) == (1, True)


def test_a_damaged_run_is_one_line(hull: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    folder = hull.main.folder
    with sqlite3.connect(folder / "store.sqlite") as store:
        store.execute("DELETE FROM records")
    assert command(["export", str(folder)]) == 1
    assert "is damaged (predictions or records are gone" in capsys.readouterr().err
    (folder / "store.sqlite").write_bytes(b"no database" * 100)
    assert command(["export", str(folder)]) == 1
    err = capsys.readouterr().err
    assert "store.sqlite: is damaged (" in err and "`amodal-bench results check " in err


@pytest.mark.slow
def test_the_ids_that_are_asked_for_are_exported(
    hull: Outcome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, every, some = hull.main.folder, tmp_path / "all.json", tmp_path / "some.json"
    assert command(["export", str(folder), "-o", str(every)]) == 0
    entries = json.loads(every.read_text())
    wanted, ids = {entries[3]["annotation_id"], entries[0]["annotation_id"]}, tmp_path / "ids.txt"
    ids.write_text("# two\n" + "\n".join(wanted) + "\n")
    assert command(["export", str(folder), "-o", str(some), "--ids", str(ids)]) == 0
    assert json.loads(some.read_text()) == [entry for entry in entries if entry["annotation_id"] in wanted]
    capsys.readouterr()
    ids.write_text("nobody\n")
    assert command(["export", str(folder), "-o", str(some), "--ids", str(ids)]) == 1
    assert capsys.readouterr().err == (
        f"error: {ids}: nobody: 1 of its 1 ids are not in {folder}; list what was run\n"
    )
    assert len(json.loads(some.read_text())) == 2


@pytest.mark.slow
def test_all_of_a_run_is_exported_whatever_was_scored_last(hull: Outcome, bench: Bench, tmp_path: Path) -> None:
    """A quick look at a few instances leaves the run as it is."""
    bench("model=hull", *DATASET, "limit=2")
    assert command(["export", str(hull.main.folder), "-o", str(tmp_path / "all.json")]) == 0
    assert len(json.loads((tmp_path / "all.json").read_text())) == len(hull.main.records) > 2


@pytest.mark.slow
def test_a_score_of_its_own_leaves_the_others_alone(hull: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    before = {file: file.read_bytes() for file in hull.main.folder.rglob("*.csv")}
    folder = str(hull.main.folder)
    assert command(["score", folder, "protocol.filter.min_occlusion=0.2"]) == 0
    assert "instance@2 with filter.min_occlusion=0.2" in " ".join(capsys.readouterr().out.split())
    assert command(["score", folder, "protocol=pcnet"]) == 0
    assert command(["score", folder, "protocol=boundary"]) == 2
    assert "boundary@1 needs the masks again" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in before} == before
    labels = {json.loads(f.read_text())[0]["label"] for f in hull.main.folder.rglob("protocols.json")}
    assert labels == {"instance@2", "instance@2 with filter.min_occlusion=0.2", "pcnet@2"}


@pytest.mark.slow
def test_a_run_is_scored_under_every_protocol_at_once(hull: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    """Each number and interval is that of the protocol alone; what needs masks again is named and left out."""
    CsvLogger().finish(hull)
    before = {file: file.read_bytes() for file in hull.main.folder.rglob("*.csv")}
    assert command(["score", str(hull.main.folder), "experiment=protocols"]) == 0
    printed = capsys.readouterr().out
    assert "left out: aisformer_ap, boundary, coco_ap, diffusion_vas, diffusion_vas_corrected: they need" in printed
    (file,) = hull.main.folder.rglob("all_protocols.csv")
    table = pd.read_csv(file).set_index("protocol")
    assert {"instance@2", "pooled@2", "tabe51@1", "samba@1"} <= set(table.index) and len(table) == 14
    assert {path: path.read_bytes() for path in before} == before
    run = open_run(hull.main.folder)
    for name in ("instance", "pcnet", "savos", "synergy"):
        scored, _ = scored_run(run, load_protocol(name))
        (alone,) = scored.summary().to_dict("records")
        beside = table.loc[alone["protocol"]]
        for number in load_protocol(name).numbers:
            for end in ("", "_low", "_high"):
                assert beside[number + end] == pytest.approx(alone[number + end], nan_ok=True), (name, number)
        assert beside["ids"] == alone["ids"]


@pytest.mark.slow
def test_a_record_that_cannot_be_read_costs_itself_alone(
    hull: Outcome, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, whole = str(hull.main.records["id"].iloc[1]), Toy.sample

    def sample(self: Toy, id: str) -> Sample:
        if id == bad:
            raise InputError("file", "is cut short", "copy it again")
        return whole(self, id)

    monkeypatch.setattr(Toy, "sample", sample)
    truth = tmp_path / "truth.json"
    assert command(["export", str(hull.main.folder), "--ground-truth", str(truth), *DATASET]) == 0
    shown = capsys.readouterr()
    total = len(hull.main.records)
    assert f"{total - 1} amodal masks in 6 images; 1 cannot be read\n" in shown.out
    assert shown.err == "left out: file: is cut short; copy it again\n"
    annotations = json.loads(truth.read_text())["annotations"]
    assert bad not in {annotation["annotation_id"] for annotation in annotations}
    assert [annotation["id"] for annotation in annotations] == list(range(1, total))


@pytest.mark.slow
def test_runs_are_listed_with_their_predictions_and_errors(
    bench: Bench, hull: Outcome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = hull.main.records["id"].tolist()
    (tmp_path / "few.json").write_text(json.dumps([{"id": id, "segmentation": []} for id in ids[1:]]))
    theirs = bench("model=predictions", f"model.path={tmp_path / 'few.json'}", *DATASET).main.folder
    damaged = tmp_path / "results" / "runs" / "x"
    damaged.mkdir()
    (damaged / "store.sqlite").write_bytes(b"no database" * 100)
    assert command(["list", str(tmp_path / "results")]) == 0
    rows = {line.split()[2]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert rows["run"][:3] == ["predicted", "errors", "run"]
    found = rows[str(hull.main.folder)]
    assert found[:2] == [str(len(ids)), "0"] and found[3:8] == ["toy", "test", "hull", "0", "1"]
    assert found[8] == hull.ids and " ".join(found[9:]).startswith("instance@2 (")
    assert rows[str(theirs)][:2] == [str(len(ids) - 1), "1"]
    assert "is damaged" in " ".join(rows[f"{damaged}:"])
    (damaged / "store.sqlite").write_bytes(b"")
    assert command(["list", str(tmp_path / "results")]) == 0
    assert "is damaged (no such table: instances)" in capsys.readouterr().out
    assert (damaged / "store.sqlite").stat().st_size == 0  # to list is not to write
    assert command(["list", str(tmp_path)]) == 2
    assert "there is no run in" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["list", "table"])
def test_a_folder_of_results_is_named_as_a_run_names_it(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command([verb, "results=nowhere"]) == 2
    assert capsys.readouterr().err.startswith("error: nowhere: ")


@pytest.mark.slow
@pytest.mark.parametrize("width", [80, 120])
def test_two_protocols_and_two_seeds_of_one_model_are_told_apart_at_a_glance(
    bench: Bench,
    tmp_path: Path,
    width: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for seed in ("0", "1"):
        for protocol in ("instance", "pooled"):
            words = ["dataset.images=2", "model=tiny", "model.steps=1", f"seed={seed}"]
            CsvLogger().finish(bench(*words, f"protocol={protocol}", "protocol.errors=exclude"))
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    capsys.readouterr()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert command(["table", str(tmp_path / "results")]) == 0
    out = capsys.readouterr().out
    lines = [line for line in out.splitlines() if not line.startswith("wrote")]
    assert max(len(line) for line in lines[1:] if len(line.split()) > 1) <= width
    titles = {line.partition(" (")[0]: place for place, line in enumerate(lines) if line.startswith("toy test, ")}
    changed = {f"toy test, {name}@2 with errors=exclude" for name in ("instance", "pooled")}
    assert changed <= set(titles)
    for title in changed:
        place = titles[title]
        head = next(line for line in lines[place:] if line.split()[:2] == ["model", "seed"])
        column, first = head.index("seed"), lines.index(head, place) + 2
        assert "instances 7:" in " ".join(lines[place:first])
        block = lines[first : lines.index("", place)]
        seeds = [line[column : column + 4].strip() for line in block if line.startswith("  tiny")]
        assert sorted(seeds) == ["0", "1"]  # in the first line of each row, where the eye is
        assert "[" in " ".join(block)  # every number with its interval, beside or below it
    assert command(["list", str(tmp_path / "results")]) == 0
    heads = [line for line in capsys.readouterr().out.splitlines() if line.startswith("tiny")]
    assert len(heads) == 2 and {line.partition(", seed ")[2] for line in heads} == {
        f"{n}, on toy test" for n in (0, 1)
    }
