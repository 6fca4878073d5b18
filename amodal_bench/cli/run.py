"""A run: Hydra composes the settings, of each cell in a sweep, and `evaluate` does the work."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amodal_bench.cli.answers import FAILED, USAGE, answered, complain, is_expected, status_of, traceback_wanted
from amodal_bench.cli.sweep import Sweep
from amodal_bench.config.compose import refuse_choices, require_folders
from amodal_bench.config.effect import without_effect
from amodal_bench.config.faulty import faults_named, refuse_faulty
from amodal_bench.config.launchers import check_jobs, check_place
from amodal_bench.config.mistakes import explain
from amodal_bench.config.overrides import expand_home, has_several, readable, refuse_sweeps
from amodal_bench.config.own import name_folders
from amodal_bench.config.search import composer, own_folders, replaced
from amodal_bench.config.settings import config_folder, settings_from
from amodal_bench.core.errors import NothingToDo, UsageError, one_line
from amodal_bench.core.shown import shown
from amodal_bench.core.stops import KEPT

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra
    from omegaconf import DictConfig

CONFIG = "config"
COMMANDS = ("--run", "--multirun", "--cfg", "--info", "--shell-completion")


def run(words: Sequence[str]) -> int:
    """Do what the words of a run ask for; returns the exit status."""
    folders: list[Path] = []

    def work() -> int:
        options = _options(words)
        folders.extend(options.config_dir)
        return _run(options)

    return answered(work, KEPT, folders)


def typed(words: Sequence[str]) -> list[str]:
    """A command line as it was typed, without the folder of the program."""
    program = Path(words[0]).name
    return [*(["python", "-m", "amodal_bench"] if program == "__main__.py" else [program]), *words[1:]]


@dataclass
class Job:
    """What Hydra calls for each cell, and what came of the cells in this process.

    Attributes:
        sweep: where the cells are kept; None where there is one alone.
        line: the command's words as typed; a launcher's processes have others.
        process: the one that was asked for the sweep; a launcher may run cells in others.
    """

    sweep: Sweep | None
    line: list[str] = field(default_factory=lambda: typed(sys.argv))
    process: int = field(default_factory=os.getpid)

    def __call__(self, config: DictConfig) -> float:
        """One run; returns its headline number, so that Hydra's sweepers can optimise it."""
        from hydra.core.hydra_config import HydraConfig

        from amodal_bench.evaluation.command import check_errors, evaluate
        from amodal_bench.report.terminal import Cell, show
        from amodal_bench.runner.origin import Command

        hydra = HydraConfig.get()
        words = list(hydra.overrides.task)
        folders = own_folders(hydra.runtime.config_sources)
        name_folders(folders)
        cell = None
        try:
            refuse_faulty(hydra.runtime.choices, [config_folder(), *folders])
            for line in without_effect(config, words):
                print(f"warning: {line}", file=sys.stderr, flush=True)
            settings = settings_from(config)
            sweep = self.sweep.folder.name if self.sweep is not None else ""
            outcome, written = evaluate(settings, command=Command(self.line, words, sweep))
            show(outcome, written)
            unused = {line.partition(" has no effect")[0] for line in without_effect(config, words)}
            if self.sweep is not None:
                cell = Cell.of(outcome, [word for word in words if word not in unused])
                self.sweep.keep(hydra.job.num, words, cell)
            check_errors(outcome, settings.engine.max_error_share)
        except NothingToDo as nothing:
            print(f"{nothing}; nothing to do")
            return float("nan")
        except Exception as error:
            if self.sweep is not None:
                expected = is_expected(error)  # else it ends the sweep when the other cells are done
                why = explain(error) if expected else one_line(error)
                self.sweep.keep(hydra.job.num, words, cell, why, status_of(error) if expected else FAILED)
                if expected:
                    complain(why)  # at once: the other cells may take hours
                if expected and self.process == os.getpid():  # Hydra tells what is raised again, in its own words
                    return float("nan")
            raise
        return float(outcome.main.summary()[outcome.main.protocols[0].headline].iloc[0])


def _run(options: argparse.Namespace) -> int:
    """Compose what the options ask for, then run it, or print it."""
    if options.experimental_rerun:
        Job(sweep=None)(_kept_settings(options.experimental_rerun, options.overrides))
        return 0
    with _composer(options) as hydra:
        name, overrides = options.config_name or CONFIG, options.overrides
        if options.hydra_help:
            hydra.hydra_help(config_name=name, args_parser=_parser(), args=options)
        elif options.cfg:
            refuse_sweeps(overrides)
            _show_settings(hydra, name, options)
        elif options.shell_completion:
            hydra.shell_completion(name, overrides)
        elif options.info:
            hydra.show_info(options.info, name, overrides)
        else:
            return _start(hydra, name, overrides, options.multirun)
    return 0


def _kept_settings(file: str, overrides: list[str]) -> DictConfig:
    """The settings of a job that Hydra has kept in a file. Raises `UsageError` where it cannot be read."""
    from hydra.main import _get_rerun_conf

    try:
        return _get_rerun_conf(file, overrides)
    except Exception as error:  # of a pickle, which may be anything
        problem = f"{file} cannot be read as settings that Hydra has kept ({one_line(error)})"
        raise UsageError(f"--experimental-rerun: {problem}") from error


def _start(hydra: Hydra, name: str, overrides: list[str], several: bool) -> int:
    """One run, or a sweep where it is asked for, be it by the settings, as `experiment=leakage` does."""
    from hydra.errors import HydraException
    from hydra.types import RunMode

    sweep = [*overrides, "hydra.mode=MULTIRUN"]

    def of_several(words: list[str]) -> DictConfig:
        return hydra.compose_config(name, words, RunMode.MULTIRUN, validate_sweep_overrides=False)

    if several:
        config = of_several(sweep)
    elif any(map(has_several, overrides)):
        config = of_several(overrides)
    else:
        try:
            config = hydra.compose_config(name, overrides, RunMode.RUN, with_log_configuration=True)
        except HydraException:  # settings that ask for a sweep may leave a choice to its cells
            config = of_several(overrides)
            if config.hydra.mode is not RunMode.MULTIRUN:
                raise
    if config.hydra.mode is RunMode.MULTIRUN:
        return _run_sweep(hydra, name, sweep, _sweep_of(config))
    refuse_sweeps(overrides, of_a_run=True)
    return _single(hydra, name, config)


def _single(hydra: Hydra, name: str, config: DictConfig) -> int:
    """One run, as `Hydra.run` does it, except that a failed job raises and adds no line of Hydra's."""
    from hydra._internal.callbacks import Callbacks
    from hydra.core.utils import JobStatus, run_job
    from hydra.types import HydraContext, RunMode

    config.hydra.mode = RunMode.RUN
    config.hydra.overrides.hydra.append("hydra.mode=RUN")
    _check_folder("hydra.run.dir", config.hydra.run.dir)
    callbacks = Callbacks(config)
    callbacks.on_run_start(config=config, config_name=name)
    context = HydraContext(config_loader=hydra.config_loader, callbacks=callbacks)
    done = run_job(Job(sweep=None), config, "hydra.run.dir", None, context)
    callbacks.on_run_end(config=config, config_name=name, job_return=done)
    if done.status is JobStatus.FAILED:
        error: BaseException = done._return_value
        raise error
    return 0


def _run_sweep(hydra: Hydra, name: str, overrides: list[str], sweep: Sweep) -> int:
    """Every cell; one that fails leaves the others to run, and what is done stands in one table."""
    from amodal_bench.runner.stopped import put_down

    job = Job(sweep)
    try:
        with put_down(sweep.folder.parents[1]):
            hydra.multirun(config_name=name, task_function=job, overrides=overrides)
    except Exception as error:
        if traceback_wanted() or not is_expected(error):
            raise
        if explain(error) not in [each.error for each in sweep.failed()]:  # a launcher's, and not a cell's
            raise
    finally:
        _finish(sweep)
    if failed := sweep.failed():  # each has said why
        cells = "1 cell" if len(failed) == 1 else f"{len(failed)} cells"
        complain(f"{cells} of the sweep failed: {'; '.join(each.settings for each in failed)}")
        return USAGE if all(each.status == USAGE for each in failed) else FAILED
    return 0


def _finish(sweep: Sweep) -> None:
    """Print and write what every cell has come to, the failed ones included; nothing where no cell has begun."""
    done, failed = sweep.cells(), sweep.failed()
    if not done and not failed:
        return
    from amodal_bench.report.terminal import joined, show_cells

    if len(done) + len(failed) > 1 and done:
        show_cells(done)
    for each in failed:
        print(f"failed: {shown(f'{each.settings}: {each.error}')}")
    print(f"wrote {sweep.write_table(joined(done) if done else None)}")


def _sweep_of(config: DictConfig) -> Sweep:
    """The folder of a sweep.

    Raises:
        UsageError: its launcher could not start anything here, or the folder cannot be made.
    """
    check_jobs(config)
    check_place(config)
    _check_folder("hydra.sweep.dir", config.hydra.sweep.dir)
    return Sweep.new(Path(config.hydra.sweep.dir))


def _check_folder(setting: str, folder: str) -> None:
    """Raise `UsageError` where Hydra could not make a folder of its own."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{setting}: {folder} cannot be made ({error.strerror}); name another folder") from error


def _show_settings(hydra: Hydra, name: str, options: argparse.Namespace) -> None:
    """Print the settings, or a part of them. Raises `UsageError` where there is no such part."""
    try:
        with redirect_stderr(StringIO()):
            hydra.show_cfg(name, options.overrides, options.cfg, options.package, options.resolve)
    except SystemExit as error:  # Hydra's answer to a package that is not there
        where = " (with --cfg hydra or --cfg all: hydra)" if options.package == "hydra" else ""
        raise UsageError(f"--package {options.package}: these settings have no such part{where}") from error


@contextmanager
def _composer(options: argparse.Namespace) -> Iterator[Hydra]:
    """Hydra with the harness's configuration and the user's folders."""
    main = Path(expand_home(options.config_path)).absolute() if options.config_path else config_folder()
    with faults_named(options.config_dir), composer(main, options.config_dir) as hydra:
        yield hydra


class _Parser(argparse.ArgumentParser):
    """Hydra's own parser, whose complaints are errors like all others."""

    def error(self, message: str) -> Any:
        raise UsageError(f"{message}; `amodal-bench --help` shows the options of a run")


def _parser() -> _Parser:
    """All options of Hydra's, and several folders of configurations, as verbs take them."""
    from hydra._internal.utils import get_args_parser

    parser = _Parser(
        prog="amodal-bench",
        parents=[get_args_parser()],
        add_help=False,
        conflict_handler="resolve",
    )
    parser.add_argument("--config-dir", "-cd", action="append", default=[], help="adds a folder of configurations")
    return parser


def _options(words: Sequence[str]) -> argparse.Namespace:
    """The words, parsed and checked.

    Raises:
        UsageError: one is unknown, or they exclude each other.
    """
    options = _parser().parse_intermixed_args(list(words))
    asked = [options.run, options.multirun, options.cfg, options.info, options.shell_completion]
    if sum(map(bool, asked)) > 1:
        raise UsageError(f"only one of {', '.join(COMMANDS)} can be given")
    if options.resolve and not options.cfg:
        raise UsageError("--resolve: goes with --cfg only")
    options.config_dir = [Path(expand_home(folder)) for folder in options.config_dir]
    require_folders(options.config_dir)
    name_folders(options.config_dir)
    for line in replaced(options.config_dir):
        print(f"note: {line}", file=sys.stderr, flush=True)
    options.overrides = options.overrides if options.shell_completion else readable(options.overrides)
    if not options.shell_completion:
        refuse_choices(options.overrides, options.config_dir)
    return options
