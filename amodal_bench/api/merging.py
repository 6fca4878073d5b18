"""Join the shards of a run, and other stores of it, into one store."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from amodal_bench.core.errors import BenchError, UsageError
from amodal_bench.core.ids import label
from amodal_bench.runner.lock import is_held
from amodal_bench.runner.merging import take_in, taken_from
from amodal_bench.runner.nearest import differences
from amodal_bench.runner.place import opened, room
from amodal_bench.runner.run_json import FILE, finish, read_facts, require_own, write_again
from amodal_bench.runner.schema import has_table
from amodal_bench.runner.shards import Shard, named, shards_of
from amodal_bench.runner.store import STORE, read_store


@dataclass
class Merged:
    """What came of a merge.

    Attributes:
        taken: new predictions by the folder that they came from.
        predicted, errors: what the run has now.
        ids: number and digest of its instances.
        gaps: what is lacking, a line each.
    """

    taken: dict[Path, int] = field(default_factory=dict)
    predicted: int = 0
    errors: int = 0
    ids: str = ""
    gaps: list[str] = field(default_factory=list)


def merge(run: Path, others: Sequence[Path] = ()) -> Merged:
    """Copy into a run what its shards and other stores of it have, each prediction once; those are left as they are.

    Args:
        run: the run's folder, such as `results/runs/cocoa-sdxl-0123456789ab`; it may hold nothing but shards.
        others: folders of shards, or of the same run as another machine has it, with its shards.

    Raises:
        UsageError: there is nothing to merge, or a store is of another run.
        BenchError: another process works on the run.
        InputError: a store cannot be read, or the run cannot be written.
    """
    sources = list(dict.fromkeys([*shards_of(run).values(), *(each for other in others for each in _stores(other))]))
    sources = [folder for folder in sources if folder.resolve() != run.resolve()]
    if not sources:
        raise UsageError(f"{run}: has no shards; run with engine.shard=k/K first, or name other folders of the run")
    bare = [folder for folder in sources if named(folder.absolute()) is not None and _is_bare(folder)]
    sources = [folder for folder in sources if folder not in bare]
    own = (run / STORE).is_file() and not _is_bare(run)
    if not sources and not own:
        raise UsageError(f"{run}: none of its shards has begun; give the command of each again")
    first = run if own else sources[0]
    identity = read_facts(first)
    for folder in sources:
        facts = read_facts(folder)
        if facts.digest != identity.digest:
            why = differences(facts.identity, identity.identity)
            raise UsageError(f"{folder}: is of another run than {first}: {why}")
        with room(folder):
            read_store(folder / STORE, partial(require_own, folder, digest=identity.digest))
    if not run.name.endswith(identity.digest):
        raise UsageError(f"{run}: is not the folder of {first}; its name ends with {identity.digest}")
    merged = Merged()
    with opened(run) as store:
        require_own(run, store, identity.digest)
        if store.told(FILE) is None:
            store.write_told(FILE, _said((sources or [run])[0]))
        write_again(run, store, always=not (run / FILE).is_file())
        for folder in sources:
            with room(folder):
                merged.taken[folder] = take_in(store, identity.digest, [folder])
        finish(run, store)
        rows, known = store.drawn(), taken_from(store)
    failed = rows["error"].notna()
    merged.predicted, merged.errors = int((~failed).sum()), int(failed.sum())
    merged.ids = label(rows["id"].astype(str).unique())
    merged.gaps = _gaps(sources, known, {shard for folder in bare if (shard := named(folder.absolute())) is not None})
    return merged


def _stores(folder: Path) -> list[Path]:
    """A folder's own store and those of its shards. Raises `UsageError` where there is none."""
    found = [*([folder] if (folder / STORE).is_file() else []), *shards_of(folder).values()]
    if not found:
        raise UsageError(f"{folder}: is neither a run nor a shard: it has no {STORE}, and no shards/k-of-K with one")
    return found


def _is_bare(folder: Path) -> bool:
    """Whether a store is that of a job that was killed before it had begun: it says nothing of its run."""
    if (folder / FILE).is_file():
        return False
    with room(folder):
        return read_store(folder / STORE, lambda store: not has_table(store.db, "instances") or not store.draws())


def _said(folder: Path) -> str:
    """What a shard's store says of its run."""
    with room(folder):
        text = read_store(folder / STORE, lambda store: store.told(FILE))
    if text is None:
        raise BenchError(f"{folder}: its store does not say what run it is; give the shard's command again")
    return text


def _gaps(sources: Sequence[Path], known: Collection[str], bare: Collection[Shard]) -> list[str]:
    """Which shards of as many are not there and were never taken in, have not begun, are at work or not finished."""
    there: dict[Shard, list[Path]] = {}
    for folder in sources:
        if (shard := named(folder.absolute())) is not None:
            there.setdefault(shard, []).append(folder)
    found = []
    for count in sorted({shard.count for shard in (*there, *bare)}):
        for shard in (Shard(number, count) for number in range(count)):
            if shard not in there:
                state = "has not begun" if shard in bare else "is not there"
                found += [] if shard.name in known else [f"shard {shard.number}/{count} {state}"]
            elif all(read_facts(folder).dates["finished"] is None for folder in there[shard]):
                state = "is still at work" if any(is_held(folder) for folder in there[shard]) else "is not finished"
                found.append(f"shard {shard.number}/{count} {state}")
    return found
