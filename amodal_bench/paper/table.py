"""A table as a declared thing: rows and columns with the settings of their runs, and what each cell shows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from amodal_bench.core.errors import ConfigError
from amodal_bench.paper.declarations import Declarations, refuse_unknown, refuse_unpublished

DECLARED = Declarations("table", Path(__file__).parent / "tables")

TOY = "toy"

NOT_OF_A_RUN = {
    "results": "give it on the command line, for all runs",
    "hydra": "give it on the command line, for all runs",
    "baselines": "make V and the hull rows of their own",
    "sheet": "a table has no contact sheets",
}
"""Settings that a row cannot have, since a table decides them for every run, and what to do instead."""

RATIOS = {"speed_ratio": "seconds", "memory_ratio": "memory"}
"""Costs of another row's run divided by those of a run, and which cost each is of."""

COSTS = {"seconds": "seconds_per_instance", "memory": "peak_gb", **RATIOS}
"""Numbers of a run that no protocol has, and their columns in its timing."""


@dataclass(frozen=True)
class Line:
    """A row or a column.

    Attributes:
        name: its heading.
        run: settings of its runs, each `KEY=VALUE`.
        published: what its published values have in the ledger, such as `{method: sam}`; empty where there are none.
        only: `toy` where it stands in the table for the toy aquarium alone.
    """

    name: str
    run: Sequence[str] = ()
    published: Mapping[str, str] = field(default_factory=dict)
    only: str = ""


@dataclass(frozen=True)
class Shown:
    """What is shown of a run in each column.

    Attributes:
        name: the heading.
        number: of the protocol, or `seconds`, `memory`, `speed_ratio` or `memory_ratio` of the run.
        protocol: settings of the protocol, the first being `protocol=NAME`.
        published: what its published values have in the ledger.
        category: of the instances that it is about; "" for all.
        to: the row to which a ratio is: how many times its cost is the run's.
    """

    name: str
    number: str = "miou"
    protocol: Sequence[str] = ("protocol=instance",)
    published: Mapping[str, str] = field(default_factory=dict)
    category: str = ""
    to: str = ""


@dataclass(frozen=True)
class Table:
    """A table of runs.

    Attributes:
        name: as in `amodal-bench paper NAME`.
        title: what it shows.
        rows, columns: with the settings of their runs; a cell's run has the table's, its column's and its row's.
        shown: of each cell's run, one number or more.
        run: settings of all runs; a `model=` among them is `model=tiny` on the toy aquarium.
        average: heading of a column with the mean over all columns, where all are there; "" for none.
        by: `category` where the first number of `shown` has a column for each category of the data; else "".
        note: what has to be known to read it.
    """

    name: str
    title: str
    rows: Sequence[Line]
    columns: Sequence[Line]
    shown: Sequence[Shown] = (Shown("mIoU"),)
    run: Sequence[str] = ()
    average: str = ""
    by: str = ""
    note: str = ""


def names(config_dirs: Sequence[Path] = ()) -> dict[str, Path]:
    """The file of each table by name, those of a user's folders instead of the package's; the package's first."""
    found = DECLARED.files(config_dirs)
    return dict(sorted(found.items(), key=lambda item: (not item[0].startswith("table"), item[0])))


def load_table(name: str, config_dirs: Sequence[Path] = ()) -> Table:
    """Read a table.

    Raises:
        UsageError: there is none of that name.
        ConfigError: its file is not a table.
    """
    return _read(DECLARED.file_of(name, config_dirs))


def title_of(file: Path) -> str:
    """The title of a table."""
    return _read(file).title


@cache
def _read(file: Path) -> Table:
    return DECLARED.read(file, lambda said: of_plain_values(said, file))


def of_plain_values(said: Any, file: Path) -> Table:
    """A table from plain values; `file` is where they are from. Raises `ConfigError` where they are none."""
    table = _with_parts(_made(Table, said, file), file)
    for where, words in [("run", table.run), *((each.name, each.run) for each in [*table.rows, *table.columns])]:
        _refuse_not_of_a_run(where, words, file)
    for lines in (table.rows, table.columns, table.shown):
        said_names = [line.name for line in lines]
        for name in said_names:
            if not isinstance(name, str) or not name.strip() or name.splitlines() != [name]:
                raise ConfigError(
                    f"{file}: name: {name!r} must be one line of text, and not empty; a number needs quotes"
                )
        if twice := [name for name in said_names if said_names.count(name) > 1]:
            raise ConfigError(
                f"{file}: {twice[0]!r} stands there twice; give each row, column and number its own name"
            )
    if not table.rows or not table.columns or not table.shown:
        raise ConfigError(f"{file}: must have rows, columns and shown; compare it with {DECLARED.shipped}")
    return table


def _refuse_not_of_a_run(where: str, words: Sequence[str], file: Path) -> None:
    """Raise `ConfigError` for the first setting that the table would overrule without a word."""
    for word in words:
        key = re.split(r"[=./@]", str(word).lstrip("+~"), maxsplit=1)[0]
        if key in NOT_OF_A_RUN:
            raise ConfigError(f"{file}: {where}: {word}: cannot be set of a row or column; {NOT_OF_A_RUN[key]}")


def _with_parts(table: Table, file: Path) -> Table:
    lines = {key: [_made(Line, each, file) for each in getattr(table, key)] for key in ("rows", "columns")}
    shown = [each if isinstance(each, Shown) else _made(Shown, each, file) for each in table.shown]
    return Table(**{**vars(table), **lines, "shown": shown})


def _made(kind: type[Any], said: Any, file: Path) -> Any:
    """A part of a table. Raises `ConfigError` where the file says something that it has not."""
    if not isinstance(said, Mapping):
        raise ConfigError(f"{file}: {said!r}: must be a mapping with {', '.join(kind.__dataclass_fields__)}")
    refuse_unknown(said, list(kind.__dataclass_fields__), file)
    for each in fields(kind):
        if each.name not in said and each.default is MISSING and each.default_factory is MISSING:
            which = "" if kind is Table else f"{dict(said)!r}: "
            raise ConfigError(f"{file}: {which}{each.name} is missing; compare it with {DECLARED.shipped}")
    refuse_unpublished(said.get("published") or {}, file)
    return kind(**said)
