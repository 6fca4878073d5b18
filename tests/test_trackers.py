"""TensorBoard and MLflow: what they have written is read back with their own readers."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from told_outcomes import SHOWN, info, told_outcome

from amodal_bench.report.cells import as_csv
from amodal_bench.report.kept import kept
from amodal_bench.report.mlflow_logger import MlflowLogger
from amodal_bench.report.outcome import Outcome
from amodal_bench.report.tensorboard_logger import TensorboardLogger
from amodal_bench.report.told import numbers_of, tables_of


@pytest.fixture
def outcome(tmp_path: Path) -> Outcome:
    """A score with a contact sheet, and an id that a terminal would obey."""
    found = told_outcome(tmp_path, hostile=True)
    sheet = tmp_path / "sheet.png"
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(sheet)
    return Outcome(found.dataset, found.scored, {}, sheet)


@pytest.mark.slow
def test_event_files_hold_curve_numbers_tables_and_the_sheet(tmp_path: Path, outcome: Outcome) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for start in (0, 6):  # the second command goes on
        logger = TensorboardLogger(str(tmp_path / "events"))
        logger.begin(info(outcome.main))
        for done in range(start + 2, start + 7, 2):
            logger.step(done, 12, done / 100)
        logger.step(start + 6, 12, float("nan"))
        (folder,) = logger.finish(outcome)
    assert folder == tmp_path / "events" / outcome.main.folder.name
    read = accumulator.EventAccumulator(str(folder)).Reload()
    assert [(event.step, round(event.value, 4)) for event in read.Scalars("running_miou")] == [
        (done, done / 100) for done in range(2, 13, 2)
    ]
    numbers = {name: value for name, value in numbers_of(outcome).items() if not isinstance(value, str)}
    assert set(read.Tags()["scalars"]) == {"running_miou", *numbers}
    for name, value in numbers.items():
        assert read.Scalars(name)[-1].value == pytest.approx(value), name
    (image, _) = read.Images("contact_sheet")
    assert (image.width, image.height, image.step) == (4, 4, 11)
    texts = {tag: read.Tensors(tag)[-1].tensor_proto.string_val[0].decode() for tag in read.Tags()["tensors"]}
    assert set(texts) == {f"{name}/text_summary" for name in ("settings", "summary", "by_occlusion", "timing")}
    assert json.loads(texts["settings/text_summary"])["run"] == outcome.main.digest
    assert texts["summary/text_summary"].count("\n") == len(outcome.table()) + 1


@pytest.mark.slow
def test_an_mlflow_run_holds_numbers_and_tables_and_goes_on(tmp_path: Path, outcome: Outcome) -> None:
    pytest.importorskip("sqlalchemy")
    client_of = pytest.importorskip("mlflow").MlflowClient
    for start in (0, 6):
        logger = MlflowLogger(None, "amodal-bench", str(tmp_path / "mlflow"))
        logger.begin(info(outcome.main, "monday"))
        logger.step(start + 2, 12, 0.25)
        assert logger.finish(outcome) == [tmp_path / "mlflow"]
    client = client_of(tracking_uri=f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("amodal-bench")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_id == kept(outcome.main.folder, "mlflow")["id"] and run.info.status == "FINISHED"
    numbers = {name: value for name, value in numbers_of(outcome).items() if not isinstance(value, str)}
    said = dict(run.data.metrics)
    assert said.pop("running_miou") == 0.25
    assert said == {name.replace("@", "-"): pytest.approx(value) for name, value in numbers.items()}
    assert [each.step for each in client.get_metric_history(run.info.run_id, "running_miou")] == [2, 8]
    assert run.data.tags["sweep"] == "monday" and run.data.tags["run"] == outcome.main.digest
    files = tmp_path / "mlflow" / "files" / run.info.run_id / "artifacts"
    for name, table in tables_of(outcome).items():
        assert (files / f"{name}.csv").read_text(encoding="utf-8") == as_csv(table), name
    instances = list(csv.DictReader(io.StringIO((files / "instances.csv").read_text(encoding="utf-8"))))
    assert instances[0]["id"] == f"{SHOWN}id-000" and (files / "sheet.png").is_file()
    assert json.loads((files / "settings.json").read_text())["protocol"]["label"] == "instance@2"
