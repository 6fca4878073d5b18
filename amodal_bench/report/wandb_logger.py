"""Weights & Biases, online or offline; the package is imported only when this logger is chosen."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from amodal_bench.core.errors import ConfigError
from amodal_bench.report.outcome import Outcome, RunInfo
from amodal_bench.report.scored import RANDOM_WEIGHTS, has_random_weights

MODES = ("online", "offline")


class WandbLogger:
    """One W&B run per run of the harness, under the same id, so that a resumed run goes on with its curve.

    Args:
        project, entity: where the run belongs.
        mode: `online` or `offline` (a run directory for `wandb sync`).
        folder: where W&B keeps its files.
    """

    def __init__(self, project: str, entity: str | None, mode: str, folder: str) -> None:
        if mode not in MODES:
            raise ConfigError(f"logger.wandb.mode: {mode!r} is not one of {', '.join(MODES)}")
        try:
            import wandb
        except ImportError as error:
            raise ConfigError(
                "logger=wandb needs the wandb package: pip install 'amodal-bench[wandb]', or use logger=csv"
            ) from error
        self._wandb: Any = wandb
        self._settings = {"project": project, "entity": entity, "mode": mode}
        self._folder = Path(folder)
        self._run: Any = None

    def begin(self, run: RunInfo) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        quiet = self._wandb.Settings(silent=True, console="off")
        try:
            self._run = self._wandb.init(
                **self._settings,
                id=f"{run.dataset}-{run.name}-{run.digest}",
                name=f"{run.dataset}/{run.name}",
                group=run.dataset,
                job_type="evaluation",
                config=dict(run.facts),
                tags=[RANDOM_WEIGHTS] if has_random_weights(run.facts) else None,
                dir=str(self._folder),
                resume="allow",
                settings=quiet,
            )
        except self._wandb.Error as error:
            raise ConfigError(
                f"logger=wandb: {error}; log in with `wandb login`, or set logger.wandb.mode=offline"
            ) from error

    def step(self, done: int, total: int, miou: float) -> None:  # noqa: ARG002
        self._run.log({"predictions": done, "running_miou": miou})

    def finish(self, outcome: Outcome) -> list[Path]:
        """Log the numbers, the tables and the contact sheet, and close the run."""
        tables = {"table": outcome.table(), "by_occlusion": outcome.by_occlusion()}
        logged: dict[str, Any] = {key: self._wandb.Table(dataframe=table) for key, table in tables.items()}
        if outcome.sheet is not None:
            logged["contact_sheet"] = self._wandb.Image(str(outcome.sheet))
        self._run.log(logged)
        numbers = outcome.main.summary().iloc[0].to_dict()
        self._run.summary.update({k: v for k, v in numbers.items() if not _nan(v)})
        written = Path(self._run.dir).parent
        self._run.finish()
        return [written]


def _nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
