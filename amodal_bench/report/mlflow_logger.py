"""MLflow: one of its runs for each run of the harness, in a database beside the results or on a server."""

from __future__ import annotations

import logging
import math
import re
from pathlib import Path
from typing import Any

from amodal_bench.core.errors import ConfigError
from amodal_bench.core.shown import shown
from amodal_bench.report.cells import as_csv
from amodal_bench.report.kept import keep, kept
from amodal_bench.report.outcome import Outcome, RunInfo
from amodal_bench.report.told import numbers_of, settings_of, tables_of


class MlflowLogger:
    """An MLflow run, whose id lies in the run's folder (`mlflow.json`): it goes on, and is never made twice.

    Args:
        uri: of the tracking server; None for a database in `folder`.
        experiment: its name.
        folder: where database and files lie, where there is no `uri`.
    """

    def __init__(self, uri: str | None, experiment: str, folder: str) -> None:
        try:
            from mlflow import MlflowClient
        except ImportError as error:
            raise ConfigError(
                "logger=mlflow needs the mlflow package: pip install 'amodal-bench[mlflow]', or use logger=csv"
            ) from error
        self._client_of, self._experiment, self._folder = MlflowClient, experiment, Path(folder)
        self._uri, self._files = uri, None if uri else (self._folder.absolute() / "files").as_uri()
        self._client: Any = None  # made when a run begins, since it makes a database
        self._id = ""

    def begin(self, run: RunInfo) -> None:
        if self._uri is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of each table that it makes
        self._client = self._client_of(tracking_uri=self._uri or f"sqlite:///{self._folder.absolute() / 'mlflow.db'}")
        told, known = settings_of(run), kept(run.folder, "mlflow")
        if known.get("uri") == self._uri and known.get("id"):
            self._id = str(known["id"])
            self._client.update_run(self._id, status="RUNNING")
        else:
            name = shown(f"{run.dataset}/{run.name}")
            self._id = self._client.create_run(self._experiment_id(), run_name=name).info.run_id
            keep(run.folder, "mlflow", {"id": self._id, "uri": self._uri})
        commit = ((told["git"] or {}).get("package") or {}).get("commit")
        tags = {"commit": commit, "protocol": (told["protocol"] or {}).get("label")}
        tags |= {name: told[name] for name in ("dataset", "model", "run", "seed", "settings", "sweep")}
        for name, value in tags.items():
            if value is not None:
                self._client.set_tag(self._id, name, str(value)[:5000])
        self._client.log_dict(self._id, told, "settings.json")

    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self._experiment)
        return str(found.experiment_id if found else self._client.create_experiment(self._experiment, self._files))

    def step(self, done: int, total: int, miou: float) -> None:  # noqa: ARG002
        if not math.isnan(miou):
            self._client.log_metric(self._id, "running_miou", miou, step=done)

    def finish(self, outcome: Outcome) -> list[Path]:
        """Log the numbers as metrics, the tables as CSV files, and the contact sheet."""
        done = len(outcome.main.counted)
        for name, value in numbers_of(outcome).items():
            if not isinstance(value, str):  # MLflow takes fewer signs in a name
                self._client.log_metric(self._id, re.sub(r"[^\w\-. :/]", "-", name), value, step=done)
        for name, table in tables_of(outcome).items():
            self._client.log_text(self._id, as_csv(table), f"{name}.csv")
        if outcome.sheet is not None:
            self._client.log_artifact(self._id, str(outcome.sheet))
        self._client.set_terminated(self._id)
        return [self._folder] if self._files else []

    def leave(self) -> None:
        if self._id:
            self._client.set_terminated(self._id, status="FAILED")
