"""One command's work: baselines and model on one dataset, then tables, contact sheet and loggers."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from amodal_bench.config.build import NAME, TARGET, build
from amodal_bench.config.settings import Settings
from amodal_bench.core.errors import BenchError, ConfigError, InputError
from amodal_bench.core.files import write_whole
from amodal_bench.core.seeds import sample_seed
from amodal_bench.datasets.base import Dataset
from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.metrics.selection import select
from amodal_bench.models.base import Explains, Finite, Model
from amodal_bench.report.completeness import check_complete
from amodal_bench.report.outcome import Logger, Outcome, RunInfo
from amodal_bench.report.progress import Progress
from amodal_bench.report.scored import Scored
from amodal_bench.report.settings import row_text
from amodal_bench.report.sheet import choose, draw_row, save_sheet
from amodal_bench.runner.environment import environment
from amodal_bench.runner.identity import identify
from amodal_bench.runner.loop import Work, run
from amodal_bench.runner.store import Store


@dataclass(frozen=True)
class Entry:
    """A model of the command, as specified and as built."""

    name: str
    spec: Mapping[str, Any]
    model: Model

    @property
    def target(self) -> str:
        """The dotted path of its class."""
        return str(self.spec[TARGET])


def evaluate(settings: Settings) -> tuple[Outcome, list[Path]]:
    """Run what is missing of the baselines and the model, then report all of it.

    Returns:
        The outcome, and the files that hold it.

    Raises:
        BenchError: settings or files cannot be used, or too many instances failed.
    """
    protocols: list[ScoringProtocol] = [build(settings.protocol, "protocol")]
    others: dict[str, dict[str, Any]] = settings.other_protocols or {}
    protocols += [build(spec, f"other_protocols.{name}") for name, spec in others.items()]
    protocols = list({protocol.label: protocol for protocol in protocols}.values())
    loggers: list[Logger] = [build(spec, f"logger.{name}") for name, spec in settings.logger.items()]
    entries = _entries(settings)
    dataset: Dataset = build(settings.dataset, "dataset")
    records, excluded = select(dataset, protocols[0], settings.ids, settings.limit)

    scored: list[Scored] = []
    for entry in entries:
        listeners = loggers if entry is entries[-1] else []
        scored.append(_run(settings, dataset, records, entry, protocols, listeners))
    sheet = _sheet(settings, dataset, entries[-1].model, scored[-1])
    outcome = Outcome(dataset.name, scored, excluded, sheet)
    written = [path for logger in loggers for path in logger.finish(outcome)]
    written += [outcome.main.folder / "store.sqlite", *([sheet] if sheet else [])]
    return outcome, written


def check_errors(outcome: Outcome, allowed: float) -> None:
    """Raise `BenchError` where more than a share of `allowed` of a model's instances failed."""
    for scored in outcome.scored:
        errors, total = len(scored.errors()), len(scored.records)
        if errors > allowed * total:
            raise BenchError(
                f"{scored.name}: {errors} of {total} instances failed, more than engine.max_error_share={allowed} "
                f"allows; {scored.folder / 'errors.csv'} lists them, and the same command tries them again"
            )


def _entries(settings: Settings) -> list[Entry]:
    """Baselines first and the model last; a baseline that is the model itself stands once."""
    main = _entry(settings.model, "model")
    baselines: dict[str, dict[str, Any]] = settings.baselines or {}
    entries = [_entry(spec, f"baselines.{name}") for name, spec in baselines.items()]
    return [*(entry for entry in entries if entry.name != main.name), main]


def _entry(spec: Mapping[str, Any], where: str) -> Entry:
    model = build(spec, where)
    name = str(spec.get(NAME, str(spec[TARGET]).rpartition(".")[2]))
    if not name.strip() or "/" in name or "\\" in name:
        raise ConfigError(f"{where}.{NAME}: {name!r} cannot be part of a folder's name; give it one without slashes")
    return Entry(name, spec, model)


def _run(
    settings: Settings,
    dataset: Dataset,
    records: pd.DataFrame,
    entry: Entry,
    protocols: Sequence[ScoringProtocol],
    loggers: Sequence[Logger],
) -> Scored:
    """Run the instances that the run's store lacks."""
    identity = identify(dataset, entry.model, entry.target, settings.seed)
    folder = Path(settings.results) / "runs" / f"{dataset.name}-{entry.name}-{identity.digest}"
    ids = [str(id) for id in records["id"]]
    said = row_text(entry.name, entry.spec, entry.model, settings.seed)
    if isinstance(entry.model, Finite):
        check_complete(ids, entry.model, folder / "completeness.csv")
    for logger in loggers:
        logger.begin(RunInfo(entry.name, dataset.name, identity.digest, identity.facts, folder))
    with _opened(folder) as store:
        done = store.done()
        missing = [id for id in ids if id not in done]
        if missing:
            facts = {"identity": identity.facts, "digest": identity.digest, "environment": environment()}
            facts |= {"settings": said}
            text = json.dumps(facts, indent=2, sort_keys=True) + "\n"
            write_whole(folder / "run.json", lambda partial: partial.write_text(text))
            if settings.engine.shuffle:
                random.Random(settings.seed).shuffle(missing)
            work = Work(dataset, entry.model, missing, settings.seed, settings.engine.batch_size)
            title = f"{dataset.name} {entry.name}"
            with Progress(title, protocols[0], ids, store.table(), _all_steps(loggers)) as progress:
                run(work, store, progress.report)
        rows, stages = store.table(), store.stages()
        return Scored(entry.name, identity.digest, identity.facts, folder, protocols, records, rows, stages, said)


@contextmanager
def _opened(folder: Path) -> Iterator[Store]:
    """A run's store, locked against other processes; the lock ends with the process, however it ends."""
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(folder / ".lock", timeout=0))
            store = stack.enter_context(Store(folder / "store.sqlite"))
        except Timeout:
            raise BenchError(f"{folder}: another process works on this run; wait until it ends") from None
        except OSError as error:
            problem = f"cannot be written ({error.strerror or error})"
            raise InputError(folder, problem, "set results to a folder that can") from error
        except sqlite3.Error as error:
            remedy = "move its folder away, and the run is made anew"
            raise InputError(folder / "store.sqlite", f"is no run's store ({error})", remedy) from error
        yield store


def _all_steps(loggers: Sequence[Logger]) -> Callable[[int, int, float], None]:
    def step(done: int, total: int, miou: float) -> None:
        for logger in loggers:
            logger.step(done, total, miou)

    return step


def _sheet(settings: Settings, dataset: Dataset, model: Model, scored: Scored) -> Path | None:
    """The contact sheet of the command's model; one that shows the same instances already is kept."""
    instances = scored.instances()
    chosen = choose(instances, settings.sheet)
    if not chosen:
        return None
    path, listed = scored.folder / "sheet.png", scored.folder / "sheet.txt"
    wanted = "\n".join(chosen) + "\n"
    if path.exists() and listed.exists() and listed.read_text() == wanted:
        return path
    ious = instances.set_index("id")["iou"]
    rows = []
    with _opened(scored.folder) as store:
        for id in chosen:
            sample = dataset.sample(id)
            seed = sample_seed(settings.seed, id)
            between = model.explain(sample.query, seed) if isinstance(model, Explains) else {}
            rows.append(draw_row(sample, store.prediction(id), float(ious[id]), between))
    save_sheet(rows, path)
    listed.write_text(wanted)
    return path
