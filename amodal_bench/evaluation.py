"""One command's work: baselines and model on one dataset, then tables, contact sheet and loggers."""

from __future__ import annotations

import logging
import random
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from glob import escape
from pathlib import Path
from typing import Any

import pandas as pd

from amodal_bench.config.build import NAME, TARGET, build
from amodal_bench.config.settings import Settings
from amodal_bench.core.errors import BenchError, ConfigError, NothingToDo, one_line
from amodal_bench.core.files import is_regular, read_text, write_whole
from amodal_bench.core.ids import label, read_ids
from amodal_bench.core.progress import follow
from amodal_bench.core.seeds import sample_seed
from amodal_bench.datasets.base import Dataset
from amodal_bench.datasets.reading.doubts import doubts
from amodal_bench.metrics.protocols import ScoringProtocol, with_draws
from amodal_bench.metrics.selection import select_for_all
from amodal_bench.models.absent import check_weights
from amodal_bench.models.base import Explains, Finite, Framed, Model, draws_of
from amodal_bench.report.completeness import check_complete
from amodal_bench.report.listeners import Listeners
from amodal_bench.report.outcome import Outcome, RunInfo
from amodal_bench.report.progress import Progress, compiles, earlier_of
from amodal_bench.report.rows import Shown, categories_of, choose, legend_of_predictions, run_row
from amodal_bench.report.scored import Scored, has_random_weights
from amodal_bench.report.settings import row_text
from amodal_bench.report.sheet import DRAWN_AS, Row, Sheet, save_sheet
from amodal_bench.runner.actors.worker import Recipe
from amodal_bench.runner.bulk import Done
from amodal_bench.runner.engines import Runs, engine_of
from amodal_bench.runner.first_failures import AllFailed
from amodal_bench.runner.guard import guarded
from amodal_bench.runner.identity import Identity, identify
from amodal_bench.runner.merging import take_in
from amodal_bench.runner.nearest import because
from amodal_bench.runner.origin import Command, Origin
from amodal_bench.runner.pictures import Pictures
from amodal_bench.runner.place import check_writable, opened, room
from amodal_bench.runner.regions import complete
from amodal_bench.runner.run_json import FILE as RUN_JSON
from amodal_bench.runner.run_json import finish, last_day, read_facts, write_again, write_facts
from amodal_bench.runner.shards import Shard, shards_of
from amodal_bench.runner.store import STORE, Store
from amodal_bench.runner.work import Work

log = logging.getLogger(__name__)
SHEET = -1
"""The number that the contact sheet has among the draws that are in flight."""


@dataclass(frozen=True)
class Entry:
    """A model of the command, as specified and as built; `given` where it was given as an object."""

    name: str
    spec: Mapping[str, Any]
    model: Model
    given: bool = False

    @property
    def target(self) -> str:
        """The dotted path of its class."""
        return str(self.spec[TARGET])


@dataclass(frozen=True)
class Given:
    """What a caller gives as objects, instead of naming it in the settings.

    Attributes:
        dataset: what is run on, in place of `settings.dataset`.
        model: the command's own model, in place of `settings.model`.
        name: that model's name in tables; its class's where it is None.
        ids: the instances to run, in place of the file `settings.ids`.
    """

    dataset: Dataset | None = None
    model: Model | None = None
    name: str | None = None
    ids: Sequence[str] | None = None


@dataclass(frozen=True)
class _Job:
    """What all runs of one command share.

    Attributes:
        settings: of the command.
        dataset: what is run on.
        specification: how the dataset is opened; None where it was given as an object.
        index: all rows of its index.
        records: the selected ones.
        protocols: the command's own first.
        bar: whether a progress bar is shown.
        listed: whether the instances were listed one by one, so that no protocol's filter applies.
        origin: what the command was, for `run.json`.
        shard: the part of the instances that is run; None for all of them.
    """

    settings: Settings
    dataset: Dataset
    specification: Mapping[str, Any] | None
    index: pd.DataFrame
    records: pd.DataFrame
    protocols: Sequence[ScoringProtocol]
    bar: bool
    listed: bool
    origin: Origin
    shard: Shard | None = None


def evaluate(
    settings: Settings, given: Given | None = None, bar: bool = True, command: Command | None = None
) -> tuple[Outcome, list[Path]]:
    """Run what is missing of the baselines and the model, then report all of it.

    Args:
        settings: of the command.
        given: objects that take the place of components in the settings.
        bar: whether a progress bar is shown.
        command: how it was given, for `run.json`.

    Returns:
        The outcome, and the files that hold it.

    Raises:
        BenchError: settings or files cannot be used, or too many instances failed.
    """
    given = given or Given()
    protocols: list[ScoringProtocol] = [build(settings.protocol, "protocol")]
    others: dict[str, dict[str, Any]] = settings.other_protocols or {}
    protocols += [build(spec, f"other_protocols.{name}") for name, spec in others.items()]
    protocols = with_draws({protocol.digest: protocol for protocol in protocols}.values(), settings.samples)
    listeners = Listeners({name: build(spec, f"logger.{name}") for name, spec in (settings.logger or {}).items()})
    entries = _entries(settings, given)
    check_weights(entry.model for entry in entries)
    ids = settings.ids if given.ids is None else given.ids
    if isinstance(ids, str):
        read_ids(ids)  # an index may take long, and a path is easily mistyped
    check_writable(Path(settings.results))
    dataset: Dataset = build(settings.dataset, "dataset") if given.dataset is None else given.dataset
    _checked_name(str(dataset.name), "dataset")
    for line in doubts(dataset):
        log.warning("%s: %s", dataset.name, line)
    index = dataset.records()
    records, excluded = select_for_all(dataset.name, index, protocols, ids, settings.limit)
    shard = None if settings.engine.shard is None else Shard.parsed(settings.engine.shard)
    if shard is not None:
        whole, records = len(records), shard.of(records)
        log.info("shard %s: %s of %s instances", settings.engine.shard, len(records), whole)
        if records.empty:
            raise NothingToDo(f"engine.shard={settings.engine.shard}: none of the {whole} instances is in it")
    specification = settings.dataset if given.dataset is None else None
    origin = Origin(command, _configuration(settings, given), protocols, _split(dataset, specification))
    job = _Job(settings, dataset, specification, index, records, protocols, bar, ids is not None, origin, shard)

    scored: list[Scored] = []
    with listeners:
        with engine_of(settings.engine) as engine:  # what it holds is free before the sheet is drawn in this process
            for entry in entries:
                scored.append(_run(job, entry, listeners if entry is entries[-1] else Listeners({}), engine))
        with room(scored[-1].folder):
            sheet = _sheet(settings, dataset, entries[-1].model, scored[-1], bar)
            outcome = Outcome(dataset.name, scored, excluded, sheet)
            written = listeners.finish(outcome)
    for hint in listeners.hints:
        log.info("%s", hint)
    written += [outcome.main.folder / STORE, *([sheet] if sheet else [])]
    return outcome, written


def check_errors(outcome: Outcome, allowed: float) -> None:
    """Raise `BenchError` where more than a share of `allowed` of a model's predictions failed."""
    for scored in outcome.scored:
        errors, total = len(scored.errors()), len(scored.predictions)
        what = "instances" if scored.draws == 1 else "predictions"
        if errors > allowed * total:
            raise BenchError(
                f"{scored.name}: {errors} of {total} {what} failed, more than engine.max_error_share={allowed} "
                f"allows; {scored.score_folder / 'errors.csv'} lists them, and the same command tries them again"
            )


def _entries(settings: Settings, given: Given) -> list[Entry]:
    """Baselines first and the model last; a baseline that is the model itself stands once."""
    main = _entry(settings.model, "model") if given.model is None else _given_entry(given.model, given.name)
    baselines: dict[str, dict[str, Any]] = settings.baselines or {}
    entries = [_entry(spec, f"baselines.{name}") for name, spec in baselines.items()]
    same = (main.name, main.target)  # a name alone may be any class's
    return [*(entry for entry in entries if (entry.name, entry.target) != same), main]


def _entry(spec: Mapping[str, Any], where: str) -> Entry:
    model = build(spec, where)
    name = str(spec.get(NAME, str(spec[TARGET]).rpartition(".")[2]))
    return Entry(_checked_name(name, where), spec, model)


def _given_entry(model: Model, name: str | None) -> Entry:
    """An object as an entry: its run has the identity that a YAML with its class as `_target_` would give it."""
    kind = type(model)
    target = f"{kind.__module__}.{kind.__qualname__}"
    return Entry(_checked_name(name or kind.__name__, "model"), {TARGET: target}, model, given=True)


def _checked_name(name: str, where: str) -> str:
    """A name that becomes part of a run's folder. Raises `ConfigError` where it cannot."""
    if not name.strip() or "/" in name or "\\" in name:
        raise ConfigError(
            f"{where}.{NAME}: {name!r} cannot be part of a folder's name; choose a name without slashes"
        )
    return name


def _configuration(settings: Settings, given: Given) -> dict[str, Any]:
    """All settings as plain values; an object that was given is named by its class."""
    objects = {"dataset": given.dataset, "model": given.model}
    named = {key: f"an object of {type(each).__qualname__}" for key, each in objects.items() if each is not None}
    return {**asdict(settings), **named, **({} if given.ids is None else {"ids": list(given.ids)})}


def _split(dataset: Dataset, specification: Mapping[str, Any] | None) -> str | None:
    split = (specification or {}).get("split") or getattr(dataset, "split", None)
    return str(split) if isinstance(split, str | int) else None


def _namesakes(runs: Path, name: str) -> set[str]:
    """The classes of the runs that bear a name, in a folder of runs; those that cannot be read are in no table."""
    found = set()
    for file in runs.glob(f"*-{escape(name)}-*/{RUN_JSON}"):
        with suppress(BenchError):
            facts = read_facts(file.parent)
            if facts.name == name:
                found.add(str(facts.identity["model"].get("target")))
    return found


def _run(job: _Job, entry: Entry, listeners: Listeners, runs: Runs) -> Scored:
    """Run the instances that the run's store lacks; another process that works on the same run is waited for."""
    settings, dataset, protocols = job.settings, job.dataset, job.protocols
    identity = identify(dataset, entry.model, entry.target, settings.seed)
    whole = Path(settings.results) / "runs" / f"{dataset.name}-{entry.name}-{identity.digest}"
    folder = whole if job.shard is None else job.shard.folder(whole)
    ids = [str(id) for id in job.records["id"].to_list()]
    draws = draws_of(entry.model, settings.samples)
    namesakes = _namesakes(whole.parent, entry.name)
    said = row_text(entry.name, entry.spec, entry.model, settings.seed, entry.given, namesakes)
    if isinstance(entry.model, Finite):
        check_complete(job.records, entry.model, folder / "completeness.csv")
    if not whole.exists() and (why := because(whole.parent, identity, entry.name)):
        log.info("%s: other run because: %s", entry.name, why)
    with opened(folder, wait=True) as store:
        # All of the index, and at once: a score of another selection knows then what this run has not tried.
        store.write_records(job.index)
        if taken := _taken(job, whole, store, ids):
            log.info("%s: %s predictions are taken from other stores of this run", entry.name, taken)
        pictures = Pictures(dataset, store.unchecked, store.require_whole)
        if redone := pictures.forget_changed(ids):
            log.warning("%s: %s", entry.name, redone)
            for listed in folder.glob("scores/*/sheet.txt"):
                listed.unlink()  # contact sheets show the old pictures: they are drawn again
        done = Done(store.unchecked, ids, draws)
        missing = done.lacking
        reused = _reused(folder, done.among)
        earlier = earlier_of(store, ids, draws, done) if missing else None
        if missing or not write_again(folder, store):
            alike, scored_with = draws_of(entry.model, 2) == 1, settings.protocol
            write_facts(folder, entry.name, said, identity, job.specification, scored_with, job.origin, alike, store)
        listeners.begin(_told(job, entry.name, identity, folder))
        if earlier is not None:
            if settings.engine.shuffle:
                random.Random(settings.seed).shuffle(missing)
            hidden = any(protocol.filter.hidden for protocol in protocols)
            engine = settings.engine
            work = Work(
                pictures.dataset,
                entry.model,
                missing,
                settings.seed,
                engine.batch_size,
                hidden,
                draws,
                done,
                tolerant=engine.max_error_share >= 1,
                time_limit=engine.time_limit,
                retry_fatal=engine.retry_fatal,
                overlap=engine.overlap,
                note=pictures.keep,
            )
            title = f"{dataset.name} {entry.name}"
            steps, compiled = listeners.step, compiles(identity.facts["model"])
            with Progress(title, ids, earlier, steps, job.bar, draws, compiled) as progress:
                try:
                    runs(work, store, progress.report, _recipe(job, entry, identity, hidden))
                except AllFailed as error:
                    raise _stopped(folder, entry.name, error) from error
            finish(folder, store)
        regions = tuple(dict.fromkeys(region for protocol in protocols for region in protocol.regions))
        complete(store, dataset, regions, job.records, draws)
        return Scored(
            entry.name,
            identity.digest,
            identity.facts,
            folder,
            protocols,
            job.records,
            store.table(),
            store.stages(),
            said,
            job.listed,
            {name: store.regions(name) for name in regions},
            store.pairs() if regions else None,
            reused,
            settings.samples,
            draws,
            store.drawn(draws) if draws > 1 else None,
            store.majorities(draws),
        )


def _recipe(job: _Job, entry: Entry, identity: Identity, hidden: bool) -> Recipe:
    """How another process builds what a run needs."""
    return Recipe(
        job.dataset if job.specification is None else job.specification,
        entry.model if entry.given else entry.spec,
        entry.target,
        identity,
        job.settings.seed,
        hidden,
        job.settings.engine.time_limit,
        job.settings.engine.overlap,
    )


def _taken(job: _Job, run: Path, store: Store, ids: Collection[str]) -> int:
    """Take what other stores of the run have: a shard from the run's own, the run from its shards."""
    if job.shard is None:
        return take_in(store, shards_of(run).values())
    return take_in(store, [run], set(ids)) if (run / STORE).is_file() else 0


def _stopped(folder: Path, name: str, error: AllFailed) -> BenchError:
    """What to say of a model that fails from the first instance on; its traceback lies in the run's folder."""
    file = folder / "traceback.txt"
    write_whole(file, lambda path: path.write_text(error.report, encoding="utf-8", errors="backslashreplace"))
    return BenchError(
        f"{name}: the first {error.count} predictions all failed, so nothing more is tried ({error.first}); "
        f"{file} has the traceback; correct the model and give the same command again, "
        "or run all in any case with engine.max_error_share=1"
    )


def _reused(folder: Path, count: int) -> str:
    """What to say of predictions that an earlier command has made, with the day on which it began."""
    return f"{count} predictions of {day}" if count and (day := last_day(folder)) else ""


def _told(job: _Job, name: str, identity: Identity, folder: Path) -> RunInfo:
    """What loggers are told of a run as it begins."""
    command, limit = job.origin.command, job.settings.limit
    selection = {
        "ids": label(map(str, job.records["id"].to_list())),
        "filter": None if job.listed else asdict(job.protocols[0].filter),
        "limit": limit,
        "samples": job.settings.samples,
    }
    sweep = command.sweep if command else ""
    # Words of this command: a run that another one began keeps that one's in its file.
    said = {key: job.origin.told[key] for key in ("command", "overrides", "git")} if command else {}
    run = identity.digest, identity.facts, folder
    return RunInfo(name, job.dataset.name, *run, job.protocols, selection, sweep, said)


def _sheet(settings: Settings, dataset: Dataset, model: Model, scored: Scored, bar: bool) -> Path | None:
    """The contact sheet of the command's model; one that shows the same instances already is kept."""
    instances = scored.instances()
    instances = instances[instances["error"].isna()]
    chosen = choose(instances, settings.sheet)
    if not chosen:
        return None
    folder = scored.score_folder
    folder.mkdir(parents=True, exist_ok=True)
    path, listed = folder / "sheet.png", folder / "sheet.txt"
    wanted = "\n".join([DRAWN_AS, *chosen]) + "\n"
    if is_regular(path) and is_regular(listed) and read_text(listed) == wanted:
        return path
    ious = instances.set_index("id")["iou"]
    categories = categories_of(instances)
    random_weights = has_random_weights(scored.facts)
    drawn: dict[str, Row] = {}
    engine, keys = settings.engine, [(id, SHEET) for id in chosen]
    with opened(scored.folder) as store, guarded(store, keys, engine.time_limit, engine.retry_fatal) as guard:
        failed = {suspect.key[0]: suspect.error for suspect in guard.guilty}
        for ((id, _),) in follow(guard.batches(1), "drawing the contact sheet", "row", len(chosen), show=bar):
            seed = sample_seed(settings.seed, id)
            if guilty := guard.tried([(id, SHEET)], partial(_explain_alone, dataset, model, id, seed)):
                failed[id] = guilty.error
                continue
            guard.begin([(id, SHEET)])
            try:
                with guard.limit.of(1):
                    sample = dataset.sample(id)
                    guard.predicting([(id, SHEET)])
                    between = model.explain(sample.query, seed) if isinstance(model, Explains) else {}
                    window = model.explained_window(sample.query) if isinstance(model, Framed) else None
                shown = Shown(store.prediction(id), float(ious[id]), random_weights)
                drawn[id] = run_row(sample, shown, between, window, categories[id])
            except BaseException as error:  # one that cannot be shown costs no table
                failed[id] = one_line(guard.failure(error))
            guard.end([(id, SHEET)])
    for id, why in failed.items():
        log.warning("%s: is not in the contact sheet (%s)", id, why)
    if not drawn:
        return None
    rows = [drawn[id] for id in chosen if id in drawn]
    save_sheet(Sheet(f"{dataset.name}: {scored.name} {scored.settings}", rows, legend_of_predictions()), path)
    if not failed:
        listed.write_text(wanted)
    return path


def _explain_alone(dataset: Dataset, model: Model, id: str, seed: int) -> None:
    """What the contact sheet asks of a model, as a trial."""
    query = dataset.sample(id).query
    if isinstance(model, Explains):
        model.explain(query, seed)
