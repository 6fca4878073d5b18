"""Runs cells through Hydra's launcher, so that any of them works: in this process, joblib, submitit."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amodal_bench.config.compose import compose
from amodal_bench.config.launchers import check_jobs, check_place
from amodal_bench.config.overrides import in_quotes
from amodal_bench.config.search import composer
from amodal_bench.config.settings import config_folder
from amodal_bench.core.errors import UsageError, unbroken
from amodal_bench.paper.cells import Cell
from amodal_bench.paper.frozen import registered
from amodal_bench.paper.job import CellJob
from amodal_bench.paper.record import Record, code_digest, write
from amodal_bench.runner.stopped import put_down

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra
    from omegaconf import DictConfig

QUIET = ("baselines=null", "sheet=0")
"""V and the hull are rows of a table and runs of their own; a contact sheet takes as long as its predictions."""


def launch(
    cells: Sequence[Cell],
    results: Path,
    hydra_words: Sequence[str],
    config_dirs: Sequence[Path],
    line: Sequence[str],
    inputs: Mapping[str, str] | None = None,
) -> None:
    """Run cells, each once; what became of each stands in its record.

    Args:
        cells: those that are wanted.
        results: the folder of results.
        hydra_words: settings of Hydra's own, such as `hydra/launcher=joblib`.
        config_dirs: folders of the user's.
        line: the command as typed.
        inputs: of each cell the digest of what it is made from, by its key; see `inputs.digests`.

    Raises:
        UsageError: Hydra's settings, or those of every cell, cannot be composed.
    """
    from hydra._internal.callbacks import Callbacks
    from hydra.core.plugins import Plugins
    from hydra.errors import HydraException
    from hydra.types import HydraContext

    once = composable({cell.key: cell for cell in cells}, results, config_dirs)
    commands = {key: [*cell.command, *QUIET, f"results={results}"] for key, cell in once.items()}
    try:
        with composer(config_folder(), config_dirs) as hydra:
            config = _launcher_settings(hydra, results, hydra_words)
            check_place(config)
            context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(config))
            keys = {"\n".join(words): key for key, words in commands.items()}
            job = CellJob(keys, results, list(line), registered(results), inputs or {})
            launcher: Any = Plugins.instance().instantiate_launcher(
                hydra_context=context, task_function=job, config=config
            )
            with put_down(results):
                launcher.launch(list(commands.values()), initial_job_idx=0)
    except HydraException as error:
        raise UsageError(unbroken(error)) from error


def check_launcher(results: Path, hydra_words: Sequence[str], config_dirs: Sequence[Path]) -> None:
    """Raise `UsageError` where cells could not be launched with these settings of Hydra's; launches nothing."""
    from hydra.errors import HydraException

    try:
        with composer(config_folder(), config_dirs) as hydra:
            _launcher_settings(hydra, results, hydra_words)
    except HydraException as error:
        raise UsageError(unbroken(error)) from error


def _launcher_settings(hydra: Hydra, results: Path, hydra_words: Sequence[str]) -> DictConfig:
    """Settings with those of Hydra's launcher. Raises `UsageError` where it could not start anything."""
    from hydra.types import RunMode

    words = [*hydra_words, f"results={in_quotes(str(results))}"]
    config = hydra.compose_config("config", words, RunMode.MULTIRUN, with_log_configuration=True)
    check_jobs(config)
    return config


def composable(cells: Mapping[str, Cell], results: Path, config_dirs: Sequence[Path]) -> dict[str, Cell]:
    """The cells whose settings can be composed; each other one is noted as failed, so that it ends no table.

    Raises:
        UsageError: none of them can be composed.
    """
    found: dict[str, Cell] = {}
    wrong: dict[str, UsageError] = {}
    for key, cell in cells.items():
        try:
            compose(cell.command, config_dirs)
            found[key] = cell
        except UsageError as refused:
            wrong[key] = refused
    if wrong and not found:
        raise next(iter(wrong.values()))
    for key, error in wrong.items():
        cell = cells[key]
        print(f"failed: {cell.row} / {cell.column}: {unbroken(error)}", file=sys.stderr, flush=True)
        write(
            results, key, Record([*cell.command], "", unbroken(error), code=code_digest(), plans=registered(results))
        )
    return found
