"""A run that lies on disk, opened to be read and never to be changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from amodal_bench.api.given import a_kind
from amodal_bench.core.errors import InputError, UsageError
from amodal_bench.core.files import not_a_file
from amodal_bench.core.types import Integers, Mask
from amodal_bench.metrics.numbers.base import DRAWS, MAJORITY, PAIRS
from amodal_bench.report.timing import timing_table
from amodal_bench.runner.place import room
from amodal_bench.runner.run_json import RunFacts, read_facts, require_own
from amodal_bench.runner.store import STORE as STORE
from amodal_bench.runner.store import Store, read_store

Read = TypeVar("Read")


@dataclass(frozen=True)
class Run:
    """A stored run, read only.

    Each method reads the store anew, so a run that another process is working on can be followed.

    Attributes:
        folder: where the run lies.
        recorded: what its `run.json` says.
    """

    folder: Path
    recorded: RunFacts

    @property
    def name(self) -> str:
        """The model's name in tables."""
        return self.recorded.name

    @property
    def digest(self) -> str:
        """Twelve hex digits that tell runs with other results apart."""
        return self.recorded.digest

    @property
    def facts(self) -> Mapping[str, Any]:
        """The run's identity: dataset, model, seed and version, all that can change a result."""
        return self.recorded.identity

    def instances(self) -> pd.DataFrame:
        """Draw 0 of every instance, by ascending id: id, error, height, width, c00 to c15, data_s, predict_s."""
        return self._read(lambda store: store.table())

    def draws(self, samples: int | None = None) -> pd.DataFrame:
        """The first draws of every instance, or all, by ascending id and draw: `draw`, and what `instances` has."""
        return self._read(lambda store: store.drawn(samples))

    def errors(self) -> pd.DataFrame:
        """The instances without a draw 0, and why: id, error."""
        table = self.instances()
        return table.loc[table["error"].notna(), ["id", "error"]].reset_index(drop=True)

    def prediction(self, id: str, draw: int = 0) -> Mask:
        """The mask of one prediction, (H, W) bool. Raises `UsageError` where the run has none."""
        try:
            return self._read(lambda store: store.prediction(id, draw))
        except KeyError:
            rows = self.draws()
            errors = rows.loc[(rows["id"] == id) & (rows["draw"] == draw), "error"].to_list()
            why = f"it failed: {errors[0]}" if errors else "draws() lists what the run has"
            which = f"instance {id!r}" + (f" in draw {draw}" if draw else "")
            raise UsageError(f"{self.folder}: has no prediction of {which}; {why}") from None

    def majority(self, id: str, samples: int) -> Mask:
        """The pixels that more than half of the first draws have, (H, W) bool; a draw that failed has none.

        Raises `UsageError` where the run has fewer draws of it, or none has a prediction.
        """
        try:
            return self._read(lambda store: store.majority(id, samples))
        except KeyError:
            made = int((self.draws()["id"] == id).sum())
            which = "none of them has a prediction" if made >= samples else f"{samples} are asked for"
            raise UsageError(f"{self.folder}: has {made} draws of instance {id!r}, and {which}") from None

    def timing(self) -> pd.DataFrame:
        """Seconds per prediction of reading, of predicting, and of each of the model's stages; one row for each."""
        rows, stages = self._read(lambda store: (store.drawn(), store.stages()))
        return timing_table(self.name, rows[rows["error"].isna()], stages)

    def stages(self) -> pd.DataFrame:
        """What the model's stages have cost in all: stage, seconds, instances, batch, peak (bytes)."""
        return self._read(lambda store: store.stages())

    def records(self, every: bool = False) -> pd.DataFrame:
        """What the dataset's index said of the run's instances, or of `every` one; empty for a run of 0.1."""
        return self._read(lambda store: store.records(every))

    def regions(self, names: Collection[str]) -> tuple[dict[str, dict[str, Integers]], pd.DataFrame | None]:
        """The counts of regions by name and instance, and the IoUs of pairs where `names` has "pairs"."""
        wanted = [name for name in names if name not in (PAIRS, DRAWS, MAJORITY)]
        pairs = self._read(lambda store: store.pairs()) if PAIRS in names else None
        return self._read(lambda store: {name: store.regions(name) for name in wanted}), pairs

    def majorities(self, samples: int) -> dict[str, Integers]:
        """The (16,) joint counts of the majority of the first draws, by instance; empty where nobody has asked."""
        return self._read(lambda store: store.majorities(samples))

    def _read(self, read: Callable[[Store], Read]) -> Read:
        with room(self.folder):
            return read_store(self.folder / STORE, read)


_NAME = re.compile(r".*-([0-9a-f]{12})")
"""The name of a run's folder ends with its digest, unless somebody has given it another one."""


def open_run(folder: str | Path) -> Run:
    """Open a run's folder, such as `results/runs/toy-hull-0123456789ab`; nothing in it is changed.

    Raises:
        UsageError: it is not the folder of a run.
        InputError: its files cannot be read.
    """
    if not isinstance(folder, str | Path):
        hint = "; give its main.folder" if hasattr(folder, "main") else ""
        raise UsageError(f"a run is named by its folder, which is text or a path, not by {a_kind(folder)}{hint}")
    path = Path(folder).expanduser()
    if not (path / STORE).is_file() and not not_a_file(path / STORE):
        raise UsageError(f"{path}: is not the folder of a run (it has no {STORE}); runs lie in results/runs")
    run = Run(path, facts := read_facts(path))
    if (named := _NAME.fullmatch(path.absolute().name)) and named[1] != facts.digest:
        remedy = f"put run.json and {STORE} of the run back that its name ends with, or give the folder another name"
        raise InputError(path, f"holds another run than its name says, {facts.digest}", remedy)
    run._read(lambda store: require_own(path, store, facts.digest))
    run.stages()  # a damaged store is told of here, rather than in the middle of the caller's work
    return run
