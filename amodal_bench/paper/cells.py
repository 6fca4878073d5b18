"""From a table to the runs that it needs: one cell for each row and column, each with the settings of its run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from amodal_bench.config.compose import nested_choices
from amodal_bench.config.overrides import in_quotes
from amodal_bench.core.errors import UsageError
from amodal_bench.paper.table import TOY, Line, Table

RANDOM, TINY = "random/", "tiny"
WEIGHTS = ("published", "random")
TOY_WORD = "dataset=toy"
TOY_COLUMN = Line(TOY, (TOY_WORD,))
TOY_SAMPLE = 24


@dataclass(frozen=True)
class Plan:
    """What is asked for beside the table itself.

    Attributes:
        toy: whether the toy aquarium takes the place of all datasets, and the tiny model that of an ablation's.
        weights: `published`, or `random`: every model that has published weights in small, with random ones.
        data: a folder that has each dataset in a folder of its name; None where the settings say where they lie.
        sample: of how many instances each dataset is sampled; None for all of them.
        overrides: settings of all runs.
        config_dirs: folders of the user's.
        ids: of each column the file that lists its sample.
    """

    toy: bool = False
    weights: str = "published"
    data: Path | None = None
    sample: int | None = None
    overrides: Sequence[str] = ()
    config_dirs: Sequence[Path] = ()
    ids: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """One run of a table.

    Attributes:
        row, column: their names.
        words: the settings of the run, as on a command line.
        sampled: the file that lists its instances; None where all are run.
    """

    row: str
    column: str
    words: Sequence[str]
    sampled: Path | None = None

    @property
    def key(self) -> str:
        """Sixteen hex digits that tell runs apart: tables that need the same run have it once."""
        listed = self.sampled.stem if self.sampled else ""  # it ends in the digest of the ids
        return hashlib.sha256(json.dumps([sorted(self.words), listed]).encode()).hexdigest()[:16]

    @property
    def command(self) -> list[str]:
        """The overrides of its run."""
        return [*self.words, *([f"ids={in_quotes(str(self.sampled))}"] if self.sampled else [])]


def adapted(table: Table, plan: Plan) -> Table:
    """The table for a plan: rows and columns that it has, and the settings of their runs."""
    random = nested_choices("model", plan.config_dirs)
    rows = [line for line in table.rows if line.only != TOY or plan.toy]
    columns = [_placed(line, plan) for line in table.columns]
    run = list(table.run)
    average = table.average
    if plan.toy:
        columns = _on_toy(table)
        average = average if columns == list(table.columns) else ""  # one of datasets that are not there
        run = [f"model={TINY}" if word.startswith("model=") else word for word in run]
    elif plan.weights == "random":
        run = [_small(word, random) for word in run]
    if plan.toy or plan.weights == "random":
        rows = [replace(line, run=[_small(word, random) for word in line.run]) for line in rows]
    return replace(table, rows=rows, columns=columns, run=run, average=average)


def cells(table: Table, plan: Plan) -> list[Cell]:
    """The cells of an adapted table, row by row."""
    found = []
    refuse_fixed(table, plan)
    for row in table.rows:
        for column in table.columns:
            words = [*_protocols(table), *table.run, *column.run, *row.run, *plan.overrides]
            if column.name in plan.ids and any(_key(word) == "ids" for word in words):
                raise UsageError(f"{table.name}: {row.name} / {column.name} sets ids itself; leave sample out")
            found.append(Cell(row.name, column.name, _last_of_each(words), plan.ids.get(column.name)))
    return found


def _on_toy(table: Table) -> list[Line]:
    """The columns that are the toy aquarium already, and one for all that are other datasets.

    Raises:
        UsageError: columns differ in other things and are no datasets, or a row is of another dataset.
    """
    for row in table.rows:
        if other := [word for word in row.run if _key(word) == "dataset" and word != TOY_WORD]:
            raise UsageError(f"toy: row {row.name} of {table.name} sets {other[0]}, so it would not be toy")
    columns = list(table.columns)
    if TOY_WORD in table.run and not any(_key(word) == "dataset" for column in columns for word in column.run):
        return columns
    kept = [column for column in columns if TOY_WORD in column.run]
    others = [column for column in columns if column not in kept]
    if any(not any(_key(word) == "dataset" for word in column.run) for column in others):
        raise UsageError("toy: the columns of this table are not datasets")
    if not others or any(list(column.run) == [TOY_WORD] for column in kept):
        return kept
    taken = any(column.name == TOY for column in kept)
    return [*kept, replace(TOY_COLUMN, name="toy aquarium") if taken else TOY_COLUMN]


def _placed(column: Line, plan: Plan) -> Line:
    """A column with the folder of its dataset."""
    names = [word.partition("=")[2] for word in column.run if word.startswith("dataset=")]
    if plan.data is None or not names or plan.toy:
        return column
    return replace(column, run=[*column.run, f"dataset.root={in_quotes(str(plan.data / names[0]))}"])


def _small(word: str, random: Sequence[str]) -> str:
    """A model in small, with random weights, where it has such; a segmenter that a row names, too."""
    key, _, name = word.partition("=")
    if key == "model" and f"{RANDOM}{name}" in random:
        return f"model={RANDOM}{name}"
    return f"segmenter={RANDOM}{name}" if key == "segmenter" and name.startswith("sam") else word


def _protocols(table: Table) -> list[str]:
    """The protocols of a table's numbers, each once as it is shipped: what a run has to count for them."""
    named = [
        word.partition("=")[2] for shown in table.shown for word in shown.protocol if word.startswith("protocol=")
    ]
    first, *others = dict.fromkeys(named)
    beside = [name for name in others if name != "pooled"]  # which every run has beside its own
    return [f"protocol={first}", *(f"+protocol@other_protocols.{name}={name}" for name in beside)]


def refuse_fixed(table: Table, plan: Plan) -> None:
    """Raise `UsageError` for the first setting of the user's that rows or columns have themselves."""
    fixed = {_key(word) for line in [*table.rows, *table.columns] for word in line.run} | {
        "protocol",
        "baselines",
        "ids",
        "sheet",
        "results",
    }
    for word in plan.overrides:
        if _key(word) in fixed or _key(word).partition(".")[0] == "protocol":
            raise UsageError(f"{word}: {table.name} sets {_key(word)} itself, so its rows would not be what they say")


def _key(word: str) -> str:
    """The setting that a word is about."""
    return word.lstrip("+~").partition("=")[0]


def _last_of_each(words: Sequence[str]) -> list[str]:
    """The words with the last value of each setting: a row overrules the table, and the user overrules both."""
    return list({word.partition("=")[0]: word for word in words}.values())


def told(table: Table) -> dict[str, Any]:
    """A table as plain values, such as a plan keeps."""
    return json.loads(json.dumps(table, default=vars))  # type: ignore[no-any-return]
