"""The command line: Hydra composes, `evaluate` or a verb works, and every mistake is answered in one line."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from amodal_bench.config.mistakes import explain
from amodal_bench.config.settings import config_folder, register_schema, settings_from
from amodal_bench.core.errors import BenchError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from amodal_bench.report.terminal import Cell

FULL_ERROR = "HYDRA_FULL_ERROR"
TRACEBACK_WANTED = os.environ.get(FULL_ERROR) == "1"


def main() -> None:
    """Entry point of `python -m amodal_bench` and of the console script."""
    # A user's own classes lie in the working folder; a console script does not look there by itself.
    sys.path.insert(0, os.getcwd())
    if sys.argv[1:2] == ["data"]:
        from amodal_bench.cli.data.command import main as data

        sys.exit(data(sys.argv[2:]))
    if sys.argv[1:2] == ["models"]:
        from amodal_bench.cli.models.command import main as models

        sys.exit(models(sys.argv[2:]))
    if sys.argv[1:2] == ["results"]:
        from amodal_bench.cli.results.command import main as results

        sys.exit(results(sys.argv[2:]))
    if sys.argv[1:2] == ["predict"]:
        from amodal_bench.cli.predict.command import main as predict

        sys.exit(predict(sys.argv[2:]))
    _run()


def _run() -> None:
    """Everything but commands with verbs: compose the settings, or those of each cell of a sweep, and evaluate."""
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    os.environ[FULL_ERROR] = "1"  # Hydra then raises instead of printing: the answer is ours.
    register_schema()
    cells: list[Cell] = []
    failed: list[str] = []

    def job(config: DictConfig) -> float:
        return _job(config, cells, failed)

    command = hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="config")(job)
    try:
        command()
    except (BenchError, HydraException, OmegaConfBaseException) as error:
        if TRACEBACK_WANTED:
            raise
        if len(failed) > 1:  # each has said why; only the first one is raised
            sys.exit(f"error: {len(failed)} cells of the sweep failed: {'; '.join(failed)}")
        sys.exit(f"error: {explain(error)}")
    except KeyboardInterrupt:
        sys.exit("interrupted: all finished batches are kept, and the same command goes on from here")
    finally:
        if len(cells) > 1:
            from amodal_bench.report.terminal import show_cells

            show_cells(cells)


def _job(config: DictConfig, cells: list[Cell], failed: list[str]) -> float:
    """One run, added to the sweep's cells; returns its mIoU, so that Hydra's sweepers can optimise it.

    One that fails is added to `failed` by its overrides.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from amodal_bench.evaluation import check_errors, evaluate
    from amodal_bench.report.terminal import Cell, show

    try:
        settings = settings_from(config)
        outcome, written = evaluate(settings)
        show(outcome, written)
        cells.append(Cell.of(outcome, list(HydraConfig.get().overrides.task)))
        check_errors(outcome, settings.engine.max_error_share)
    except BenchError as error:
        if HydraConfig.get().mode is RunMode.RUN and not TRACEBACK_WANTED:
            sys.exit(f"error: {error}")  # Raised, Hydra would add lines of its own.
        print(f"error: {error}", file=sys.stderr, flush=True)
        failed.append(" ".join(HydraConfig.get().overrides.task))
        raise
    return float(outcome.main.summary()["miou"].iloc[0])
