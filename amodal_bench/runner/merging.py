"""What other stores of the same run have predicted, taken into one: each prediction once, whoever made it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from amodal_bench.core.errors import BenchError
from amodal_bench.core.stages import StageCost
from amodal_bench.runner.pictures import NOTE, TABLE
from amodal_bench.runner.run_json import read_facts, require_own
from amodal_bench.runner.schema import DRAW, ERROR, ID, has_table
from amodal_bench.runner.store import STORE, Store, read_store

_TOLD = "taken in"
"""Under which name a store says what it has taken of the costs of others."""

Found = tuple[list[tuple[Any, ...]], list[tuple[str, str]], list[tuple[Any, ...]], dict[str, StageCost]]
"""A store's predictions, records, noted pictures, and costs of stages."""


def take_in(store: Store, digest: str, folders: Iterable[Path], ids: Collection[str] | None = None) -> int:
    """Copy predictions that a store lacks out of other stores of the same run, in one transaction for each.

    What failed there is copied where nothing is known here, and gives way to a prediction. What was noted of a
    picture comes along with its predictions; what can be derived is derived again.

    Args:
        store: that is written, under its run's lock.
        digest: of the run.
        folders: of the others, which are only read; one that another process writes to gives what it has by now.
        ids: the instances that are wanted; None for all.

    Returns:
        How many predictions were new.

    Raises:
        InputError: a store says that it is another run's.
        sqlite3.Error: a store cannot be read or written.
    """
    return sum(_take(store, digest, folder, ids) for folder in folders)


def _take(store: Store, digest: str, folder: Path, ids: Collection[str] | None) -> int:
    def lacking(other: Store) -> Found:
        require_own(folder, other, digest)
        return _lacking(store, other, ids)

    wanted, records, pictures, costs = read_store(folder / STORE, lacking)
    predicted = [row for row in wanted if row[ERROR] is None]
    db = store.db
    with db:
        store.put("instances", wanted)
        store.forget_derived([(row[ID], row[DRAW]) for row in wanted])
        store.put("records", records)
        if pictures:
            db.execute(TABLE)
            db.executemany(NOTE, pictures)
        if ids is None:  # a part of a store has an unknown part of its costs
            begun = _begun(folder)
            if costs or begun:
                _add_costs(store, f"{folder.name} {begun}", costs)
    return len(predicted)


def _lacking(store: Store, other: Store, ids: Collection[str] | None) -> Found:
    """What another store has and this one has not; one whose maker was killed before it had tables has nothing."""
    if not has_table(other.db, "instances"):
        return [], [], [], {}
    here = {(id, draw): error for id, draw, error in store.db.execute("SELECT id, draw, error FROM instances")}
    # First what there is: mostly all of it has been taken by an earlier start, and nothing need be read.
    lacking = {
        (id, draw)
        for id, draw, error in other.db.execute("SELECT id, draw, error FROM instances")
        if (ids is None or id in ids) and _is_better(id, draw, error, here)
    }
    every = other.rows("instances", "ORDER BY id, draw") if lacking else ()
    rows = [row for row in every if (row[ID], row[DRAW]) in lacking]
    known = {id for (id,) in store.db.execute("SELECT id FROM records")}
    new = any(id not in known for (id,) in other.db.execute("SELECT id FROM records"))
    listed = other.rows("records", "ORDER BY rowid") if new else ()
    records = [row for row in listed if row[0] not in known]
    taken = {row[ID] for row in rows}
    pictures: Sequence[Any] = []
    if taken and has_table(other.db, "pictures"):
        pictures = [row for row in other.db.execute("SELECT id, digest, stat FROM pictures") if row[0] in taken]
    return rows, records, list(pictures), other.costs()


def _is_better(id: str, draw: int, error: str | None, here: dict[tuple[str, int], str | None]) -> bool:
    place = id, draw
    return place not in here or (error is None and here[place] is not None)


def _begun(folder: Path) -> str | None:
    """When a store was begun, which with its name tells it apart from others of the run, wherever it is copied to."""
    with suppress(BenchError):
        return read_facts(folder).dates["begun"]
    return None


def _add_costs(store: Store, mark: str, costs: dict[str, StageCost]) -> None:
    """Add what another store's stages have cost since it was last taken in."""
    told = _told(store)
    before = {stage: StageCost(*values) for stage, values in told.get(mark, {}).items()}
    new = {}
    for stage, cost in costs.items():
        earlier = before.get(stage, StageCost())
        seconds, instances = cost.seconds - earlier.seconds, cost.instances - earlier.instances
        new[stage] = StageCost(seconds, instances, cost.batch, cost.peak)
    store.add_costs(new)
    told[mark] = {stage: list(vars(cost).values()) for stage, cost in costs.items()}
    store.put("told", [(_TOLD, json.dumps(told))])


def taken_from(store: Store) -> set[str]:
    """The names of the folders that a store has ever taken from as a whole."""
    return {mark.partition(" ")[0] for mark in _told(store)}


def _told(store: Store) -> dict[str, Any]:
    text = store.told(_TOLD)
    return {} if text is None else dict(json.loads(text))
