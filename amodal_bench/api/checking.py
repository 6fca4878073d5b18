"""Check a run's folder: every row by its checksum, every count by masks and dataset; and repair what follows."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amodal_bench.api.verified import alike
from amodal_bench.core.disk import cannot_write
from amodal_bench.core.errors import UsageError, one_line
from amodal_bench.core.files import not_a_file, partial_of, read_text
from amodal_bench.core.ids import among
from amodal_bench.core.progress import follow, stage
from amodal_bench.core.rle import decode
from amodal_bench.core.types import Integers
from amodal_bench.datasets.base import RECORD_COLUMNS, TRACK_COLUMNS, Dataset, Sample, records_of
from amodal_bench.metrics.numbers.base import MAJORITY, PAIRS
from amodal_bench.runner.lock import locked
from amodal_bench.runner.place import room
from amodal_bench.runner.predicting import failed_row
from amodal_bench.runner.regions import complete
from amodal_bench.runner.run_json import FILE, write_again
from amodal_bench.runner.salvage import Salvaged, fill, put_in_place, salvage
from amodal_bench.runner.schema import COUNTS, DRAW, ERROR, ID, INSTANCES
from amodal_bench.runner.store import STORE, Store, prediction_row
from amodal_bench.runner.sums import row_sum
from amodal_bench.runner.whole import CONTENTS

_NAMES = list(INSTANCES)
_HEIGHT, _WIDTH, _RLE = (_NAMES.index(name) for name in ("height", "width", "rle"))
_COUNTS = slice(_NAMES.index(COUNTS[0]), _NAMES.index(COUNTS[-1]) + 1)
_DERIVED = ("regions", "pairs", "majorities")


@dataclass
class Checked:
    """What a check has found.

    Attributes:
        rows: how many predictions and failed ones could be read.
        recounted: how many of them were counted again.
        faults: what is wrong, a line each.
        lost: how many predictions cannot be had back: the run's command makes them again.
        uncounted: whether the store no longer says how many there were, so that more than `lost` may be.
        notes: what a reader has to know, a line each.
        kept: where the damaged store lies, once it is repaired.
    """

    rows: int = 0
    recounted: int = 0
    faults: list[str] = field(default_factory=list)
    lost: int = 0
    uncounted: bool = False
    notes: list[str] = field(default_factory=list)
    kept: Path | None = None


def check_run(folder: Path, dataset: Dataset | None, repair: bool = False) -> Checked:
    """Check the folder of a run, and repair it.

    Mended is what follows from something else: counts and sizes from masks and dataset, what the store keeps of the
    index from the dataset, counts of regions, pairs and majorities, and `run.json` from the store's copy. A row that
    does not follow is left out, so that the run's command makes it again.

    Args:
        folder: of the run.
        dataset: what the run was made on; without it nothing is counted again.
        repair: whether to write; the damaged store is kept beside the new one.

    Raises:
        UsageError: it is not the folder of a run.
        InputError: the store is another program's or a newer version's, or the disk refuses.
        BenchError: another process works on the run.
    """
    if not (folder / STORE).is_file() and not not_a_file(folder / STORE):
        raise UsageError(f"{folder}: is not the folder of a run (it has no {STORE}); runs lie in results/runs")
    found = Checked()
    with ExitStack() as stack, room(folder):
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="amodal_bench-")))
        if repair:
            try:
                stack.enter_context(locked(folder, wait=False))
                place = partial_of(folder / STORE)  # beside the store, so that it can be renamed
                stack.callback(shutil.rmtree, place, ignore_errors=True)
                place.mkdir()
            except OSError as error:
                raise cannot_write(folder, error) from error
        with stage("reading the store"):
            salvaged = salvage(folder / STORE)
        with room(place), Store(place / STORE) as store:
            _Check(found, salvaged, store, dataset).run()
            _check_run_json(found, folder, store, repair)
        if repair and found.faults:
            found.kept = put_in_place(place / STORE, folder / STORE)
    return found


@dataclass
class _Check:
    """A check at work: what a store has goes into a new one, as far as it is sound or can be made again."""

    found: Checked
    salvaged: Salvaged
    store: Store
    dataset: Dataset | None
    last: tuple[str, Sample | Exception] | None = None

    def run(self) -> None:
        self.found.faults += [f"{STORE}: {line}" for line in self.salvaged.faults]
        self._contents()
        derived = () if self.dataset is not None else _DERIVED
        fill(self.store, self.salvaged, ("stages", "told", *derived))
        self._records()
        self._instances()
        if self.dataset is not None:
            self._derived(self.dataset)
        for table in ("stages", "told", *derived):
            for row in self.salvaged.broken[table]:
                self.found.faults.append(f"{table}, row {row[1]!r:.80}: it is not as it was written; left out")

    def _contents(self) -> None:
        """Compare which rows there are with what a finished run has noted."""
        told = dict(self.salvaged.sound["told"])
        self.salvaged.sound["told"] = [row for row in self.salvaged.sound["told"] if row[0] != CONTENTS]
        stated = json.loads(told.get(CONTENTS, "{}"))
        self.found.uncounted = not stated and bool(self.salvaged.faults)
        for table, (count, total) in stated.items():
            sound, broken = self.salvaged.sound[table], self.salvaged.broken[table]
            if missing := count - len(sound) - len(broken):
                what = "are gone" if missing > 0 else "are not this run's"
                self.found.faults.append(f"{table}: {abs(missing)} of {count} rows {what}")
                self.found.lost += max(missing, 0) if table == "instances" else 0
            elif not broken and sum(map(row_sum, sound)) != total:
                self.found.faults.append(f"{table}: the rows are not those that were written; left out")
                self.found.lost += len(sound) if table == "instances" else 0
                sound.clear()

    def _records(self) -> None:
        sound, broken = self.salvaged.sound["records"], self.salvaged.broken["records"]
        for _, id, _ in broken:
            self.found.faults.append(f"records, instance {id!r:.80}: it is not as it was written")
        if self.dataset is None:
            with self.store.db:
                self.store.put("records", sound)
            return
        index = records_of(self.dataset)
        own = {str(row["id"]): row for row in index.to_dict("records")}
        for id, line in sound:
            theirs = own.get(id, {})
            kept = json.loads(line)
            for name in (*RECORD_COLUMNS, *TRACK_COLUMNS):
                if name in kept and name in theirs and not alike(kept[name], theirs[name]):
                    values = f"{kept[name]!r:.40} kept, {theirs[name]!r:.40} in the dataset"
                    self.found.faults.append(f"records, instance {id!r:.80}: {name}: {values}")
        self.store.write_records(index)

    def _instances(self) -> None:
        every = [(True, None, row) for row in self.salvaged.sound["instances"]]
        every += [(False, row[0], row[1:]) for row in self.salvaged.broken["instances"]]
        every.sort(key=lambda each: (str(each[2][ID]), str(each[2][DRAW])))  # the draws of an instance together
        kept = []
        for sound, stored, row in follow(every, "checking predictions", "pred"):
            self.found.rows += 1
            again = self._again(row) if self.dataset is not None else None
            where = f"instance {row[ID]!r:.80}" + (f", draw {row[DRAW]}" if row[DRAW] else "")
            if sound:
                if again is not None and again != row:
                    self.found.faults.append(f"{where}: its counts are not those of its mask")
                kept.append(row if again is None else again)
            elif again is not None and row_sum(again) == stored:
                self.found.faults.append(f"{where}: counts or size are not as they were written; can be made again")
                kept.append(again)
            else:
                self.found.faults.append(f"{where}: it is not as it was written; left out")
                self.found.lost += 1
        with self.store.db:
            self.store.put("instances", kept)

    def _again(self, row: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """A row with size and counts made again of its mask; None where there is nothing to make them of."""
        sample = self._sample(row[ID])
        if isinstance(sample, Exception):
            return None
        shape, counts = sample.amodal.shape, row[_COUNTS]
        if row[_RLE] is None:
            if counts[0] is None:
                return None  # the sample could not be read
            recounted = failed_row(sample, str(row[ERROR]))
        else:
            try:
                mask = decode({"size": list(shape), "counts": row[_RLE]}, *shape)
            except (ValueError, TypeError):
                return None
            recounted = prediction_row(sample.id, mask, sample.amodal, sample.visible, sample.others, 0.0, 0.0)
        assert recounted.counts is not None
        self.found.recounted += 1
        again = list(row)
        again[_HEIGHT], again[_WIDTH] = int(shape[0]), int(shape[1])
        again[_COUNTS] = [int(count) for count in recounted.counts]
        return tuple(again)

    def _sample(self, id: Any) -> Sample | Exception:
        assert self.dataset is not None
        if self.last is None or self.last[0] != id:
            try:
                self.last = id, self.dataset.sample(id)
            except Exception as error:  # a dataset of a user's own may fail in any way
                self.last = id, error
        return self.last[1]

    def _derived(self, dataset: Dataset) -> None:
        """Make the counts of regions, pairs and majorities again; what differs is a fault."""
        sound, broken, index = self.salvaged.sound, self.salvaged.broken, records_of(dataset)

        def make(name: str, ids: set[str], draws: int = 1) -> bool:
            try:
                complete(self.store, dataset, [name], index[among(index["id"], ids)], draws)
            except Exception as error:  # a picture may be gone; the run's command says so, too
                self.found.notes.append(f"{name} cannot be counted again here ({one_line(error)})")
                return False
            return True

        for name in dict.fromkeys(str(row[0]) for row in sound["regions"]):
            known = {row[1]: row[2:] for row in sound["regions"] if row[0] == name}
            if make(name, {*known, *(str(row[2]) for row in broken["regions"])}):
                self._compare(f"region {name}", known, self.store.regions(name))
        for draws in dict.fromkeys(row[1] for row in sound["majorities"]):
            known = {row[0]: row[2:] for row in sound["majorities"] if row[1] == draws}
            if make(MAJORITY, {*known, *(str(row[1]) for row in broken["majorities"])}, draws):
                self._compare(f"majority of {draws} draws", known, self.store.majorities(draws))
        if sound["pairs"]:
            images = {str(id) for row in (*sound["pairs"], *(row[1:] for row in broken["pairs"])) for id in row[:2]}
            if make(PAIRS, images):
                again = self.store.pairs()
                made = {(p, a): iou for p, a, iou in again.itertuples(index=False)}
                for predicted, amodal, iou in sound["pairs"]:
                    if (predicted, amodal) in made and not alike(iou, made[predicted, amodal]):
                        both = f"{predicted!r:.80} and {amodal!r:.80}"
                        self.found.faults.append(f"pairs, instances {both}: their IoU is not that of their masks")
        for table in _DERIVED:
            for row in broken[table]:
                self.found.faults.append(f"{table}, row {row[1]!r:.80}: is not as it was written; can be made again")

    def _compare(self, what: str, known: Mapping[Any, Sequence[int]], made: dict[str, Integers]) -> None:
        for id, counts in known.items():
            if id in made and list(counts) != made[id].tolist():
                self.found.faults.append(f"{what}, instance {id!r:.80}: its counts are not those of its mask")


def _check_run_json(found: Checked, folder: Path, store: Store, repair: bool) -> None:
    """Compare `run.json` with the store's copy, and write either of them again from the other."""
    text, told = store.told(FILE), None
    with suppress(OSError, UnicodeDecodeError):
        told = read_text(folder / FILE)
    if text is None:
        found.notes.append(f"{FILE}: the store has no copy of it; the run's command adds one when it goes on")
    elif told is None or _without_dates(told) != _without_dates(text):
        found.faults.append(f"{FILE}: is not as it was written; the store has a copy")
        if repair:
            write_again(folder, store, always=True)


def _without_dates(text: str) -> Any:
    """What a file says, without the dates, of which one kill may leave another copy."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return {**said, "dates": None} if isinstance(said, dict) else said
