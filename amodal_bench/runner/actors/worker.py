"""A worker: dataset and model built from the run's settings in a process of its own; batches in, rows out.

It runs the same loop as a command does, into a store of its own that lasts for one batch. So limits of time, halved
batches, and the record of what ended the process are those of any run. It knows nothing of Ray.
"""

from __future__ import annotations

import logging
import os
import pickle
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import Any

from amodal_bench.config.build import build
from amodal_bench.config.own import name_folders, own_places
from amodal_bench.core.errors import BenchError, ConfigError, one_line, unbroken
from amodal_bench.core.files import partial_of
from amodal_bench.core.stages import StageCost
from amodal_bench.datasets.base import Dataset, FromFiles
from amodal_bench.models.base import Model
from amodal_bench.runner.actors.ahead import Ahead, Prepared
from amodal_bench.runner.first_failures import AllFailed, FirstFailures
from amodal_bench.runner.guard import guarded
from amodal_bench.runner.identity import Identity, identify
from amodal_bench.runner.in_flight import Key, Stage, Suspect
from amodal_bench.runner.last_words import LastWords
from amodal_bench.runner.loop import run
from amodal_bench.runner.nearest import differences
from amodal_bench.runner.pictures import Noting
from amodal_bench.runner.predicting import failed_row
from amodal_bench.runner.store import STORE, Row, Store
from amodal_bench.runner.work import Work

PASSED_ON = ("AMODAL_BENCH_", "HF_HOME", "HF_HUB_", "XDG_CACHE_HOME")
"""How variables begin that caches and weights are found by. Tokens are not among them: log in on each machine."""


def passed_on() -> dict[str, str]:
    """What of this process's environment its workers need."""
    return {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}


@dataclass(frozen=True)
class Packed:
    """An object of a class that a worker finds once it looks into the user's folders.

    Attributes:
        data: its pickle.
        kind: the name of its class.
    """

    data: bytes
    kind: str


@dataclass(frozen=True)
class Recipe:
    """What a worker needs to do the work of a run.

    Attributes:
        dataset, model: how they are built, with the class as `_target_`; or the object itself, where it was given,
            which may be packed.
        target: the dotted path of the model's class.
        identity: of the run; a worker that would make another one is refused.
        seed, hidden, time_limit, overlap: as in `Work`.
        folder: the working folder, which paths may start from.
        places: folders with the user's own classes.
        environment: variables that weights and caches are found by.
    """

    dataset: Any
    model: Any
    target: str
    identity: Identity
    seed: int
    hidden: bool
    time_limit: float | None
    overlap: bool = True
    folder: str = field(default_factory=os.getcwd)
    places: Sequence[str] = field(default_factory=own_places)
    environment: Mapping[str, str] = field(default_factory=passed_on)


@dataclass(frozen=True)
class Answer:
    """What came of a batch.

    Attributes:
        rows: one for each of its predictions.
        pictures: (id, digest, stat) of the files that were read, as `Pictures` notes them.
        costs: of the model's stages.
        late: those that took too long.
        all_failed: (count, first error, its traceback) where this worker has seen nothing but failures so far.
        works: whether this worker has made a prediction, or one was declined.
        said: the texts of warnings.
        stop: an error that would fail every sample; there are no rows then.
    """

    rows: Sequence[Row] = ()
    pictures: Sequence[tuple[str, str, str]] = ()
    costs: Mapping[str, StageCost] = field(default_factory=dict)
    late: Sequence[Key] = ()
    all_failed: tuple[int, str, str] | None = None
    works: bool = False
    said: Sequence[str] = ()
    stop: BenchError | None = None


class _Watch(FirstFailures):
    """Looks on without stopping anything: the driver knows what other workers have seen."""

    def check(self) -> None:
        pass

    @property
    def told(self) -> tuple[int, str, str] | None:
        """What there is to tell: a count, the first error, and its traceback."""
        failed: AllFailed | None = self.all_failed()
        return None if failed is None else (failed.count, failed.first, failed.report)


class Worker:
    """Does the work of one run after the other, batch by batch. Ray makes an actor of it.

    Args:
        base: a folder for those of all workers, on this machine; None for the system's.
    """

    def __init__(self, base: str | None = None) -> None:
        if base is not None:
            Path(base).mkdir(parents=True, exist_ok=True)
        # As something partial: what a worker that was killed has left is swept up by later ones.
        self.folder = partial_of(Path(base or tempfile.gettempdir()) / f"amodal_bench-{token_hex(4)}")
        self.folder.mkdir(0o700)
        self._stack = ExitStack()
        self._store: Store | None = None
        self._dataset: tuple[Any, Dataset] | None = None
        self._made: _Made | None = None

    def where(self) -> tuple[str, int]:
        """The worker's folder, and the number of its process."""
        return str(self.folder), os.getpid()

    def begin(self, recipe: Recipe) -> tuple[str, BenchError | None]:
        """Build what a run needs; the text says why this worker would make another run, "" where it would not.

        Weights are loaded by the first batch.
        """
        self._forget()
        try:
            _settle(recipe)
            dataset = self._opened(recipe.dataset)
            model: Model = _component(recipe.model, "model")
            found = identify(dataset, model, recipe.target, recipe.seed)
            if found.digest != recipe.identity.digest and (other := _other(found.facts, recipe)):
                return other, None
            if self._store is None:
                self._store = self._stack.enter_context(Store(self.folder / STORE))
            self._made = _Made(recipe, dataset, model, self._store)
        except BenchError as error:
            return "", error
        return "", None

    def predict(self, keys: Sequence[Key], then: Sequence[Key] = ()) -> Answer:
        """Read and predict a batch; the samples of the next one are read meanwhile."""
        assert self._made is not None, "begin comes first"
        return self._made.predict(keys, then)

    def fail(self, suspect: Suspect) -> Answer:
        """The row of a prediction that is not tried any more: it counts as an empty one."""
        assert self._made is not None, "begin comes first"
        return self._made.fail(suspect)

    def end(self) -> None:
        """Leave nothing behind."""
        self._forget()
        self._stack.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _forget(self) -> None:
        """Give the memory of a run back."""
        if self._made is not None:
            self._made.ahead.end()
        self._made = None

    def _opened(self, dataset: Any) -> Dataset:
        if self._dataset is None or (self._dataset[0] is not dataset and self._dataset[0] != dataset):
            self._dataset = dataset, _component(dataset, "dataset")
        return self._dataset[1]


@dataclass
class _Made:
    """What a worker has built for one run."""

    recipe: Recipe
    dataset: Dataset
    model: Model
    store: Store
    watch: _Watch = field(default_factory=lambda: _Watch(True))

    notes: dict[str, tuple[str, str, str]] = field(default_factory=dict)

    @cached_property
    def ahead(self) -> Ahead:
        """The dataset; the files of what is read are noted."""

        def note(found: tuple[str, str, str]) -> None:
            self.notes[found[0]] = found

        dataset = self.dataset
        read = Noting(dataset, dataset, note) if isinstance(dataset, FromFiles) else dataset
        return Ahead(read, self.model, self.recipe.seed)

    def predict(self, keys: Sequence[Key], then: Sequence[Key]) -> Answer:
        recipe, rows = self.recipe, list[Row]()
        ids = list(dict.fromkeys(id for id, _ in keys))
        self.ahead.expect(keys, then if recipe.overlap else ())
        draws = 1 + max(draw for _, draw in keys)
        done = {(id, draw) for id in ids for draw in range(draws)} - set(keys)
        work = Work(
            self.ahead,
            Prepared(self.model, self.ahead),
            ids,
            recipe.seed,
            len(keys),
            recipe.hidden,
            draws,
            done,
            tolerant=True,
            time_limit=recipe.time_limit,
        )
        with _heard() as said:
            try:
                run(work, self.store, rows.extend, self.watch)
                stop = None
            except BenchError as error:
                stop = error
        return self._answer(ids, rows, said, stop)

    def fail(self, suspect: Suspect) -> Answer:
        id, draw = suspect.key
        row = Row(id, error=suspect.error, draw=draw)
        if suspect.stage is Stage.READING:
            return self._answer([id], [row], [])
        with _heard() as said, guarded(self.store, [suspect.key], self.recipe.time_limit, False) as guard:
            guard.begin([suspect.key])
            try:
                with guard.limit.of(1):
                    row = failed_row(self.ahead.sample(id), suspect.error, draw)
            except BaseException as error:
                guard.failure(error)
            guard.end([suspect.key])
        return self._answer([id], [row], said)

    def _answer(
        self, ids: Sequence[str], rows: Sequence[Row], said: Sequence[str], stop: BenchError | None = None
    ) -> Answer:
        """What the worker's store has, which is empty then."""
        db, costs = self.store.db, self.store.costs()
        late = [(str(id), int(draw)) for id, draw in db.execute("SELECT id, draw FROM in_flight WHERE NOT running")]
        with db:
            for table in ("in_flight", "instances", "stages"):
                db.execute(f"DELETE FROM {table}")
        pictures = [self.notes.pop(id) for id in ids if id in self.notes]
        return Answer(rows, pictures, costs, late, self.watch.told, self.watch.over, list(dict.fromkeys(said)), stop)


def _component(value: Any, where: str) -> Any:
    """A component of a recipe. Raises `ConfigError` where it cannot be made here."""
    if isinstance(value, Mapping):
        return build(value, where)
    if not isinstance(value, Packed):
        return value
    try:
        return pickle.loads(value.data)
    except Exception as error:  # of anybody's class
        raise ConfigError(
            f"{where}: an object of {value.kind} cannot be made on {os.uname().nodename} ({one_line(error)}); "
            "name its class in a YAML, or use engine=local"
        ) from error


def _settle(recipe: Recipe) -> None:
    """Be where the run's command was given, as far as another machine can. Raises `ConfigError` where it cannot."""
    for name, value in recipe.environment.items():
        os.environ.setdefault(name, value)
    try:
        os.chdir(recipe.folder)
    except OSError as error:
        raise ConfigError(
            f"engine: the working folder {recipe.folder} cannot be used on {os.uname().nodename} ({error.strerror}); "
            "give the command in a folder that all machines share"
        ) from error
    for place in recipe.places:
        if place not in sys.path:
            sys.path.append(place)
    name_folders(recipe.places)


def _other(facts: Mapping[str, Any], recipe: Recipe) -> str:
    """What of a worker's facts makes another run than the recipe's; "" where nothing does.

    The code of an object that was given came with it, and which libraries its file imports is known where that is.
    """
    both = [{**each, "dataset": dict(each["dataset"])} for each in (facts, recipe.identity.facts)]
    named = set.intersection(*(set(each["versions"]) for each in both))
    for each in both:
        if not isinstance(recipe.model, Mapping):
            each.pop("code")
        if not isinstance(recipe.dataset, Mapping):
            each["dataset"].pop("code")
        if not (isinstance(recipe.model, Mapping) and isinstance(recipe.dataset, Mapping)):
            each["versions"] = {name: version for name, version in each["versions"].items() if name in named}
    return differences(*both)


@contextmanager
def _heard() -> Iterator[list[str]]:
    """The warnings that are logged meanwhile."""
    ear, log = _Ear(logging.WARNING), logging.getLogger("amodal_bench")
    log.addHandler(ear)
    try:
        yield ear.said
    finally:
        log.removeHandler(ear)


class _Ear(logging.Handler):
    """Keeps the texts of what is logged."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(Exception):  # of anybody's arguments
            self.said.append(unbroken(record.getMessage()))


def last_of(folder: str) -> tuple[str, Stage]:
    """What ended a worker, "" where nothing shows it, and what it did then; its folder is gone afterwards."""
    place = Path(folder)
    why, stage = LastWords(place, str).found(), Stage.PREDICTING
    with suppress(sqlite3.Error), Store(place / STORE) as store:
        found = store.db.execute("SELECT stage FROM in_flight WHERE running LIMIT 1").fetchone()
        stage = Stage(found[0]) if found else stage
    shutil.rmtree(place, ignore_errors=True)
    return why, stage
