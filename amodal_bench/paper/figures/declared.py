"""A figure as a declared thing: which table's cells it shows, which rows and instances of them, and in what form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from amodal_bench.config.build import suggest
from amodal_bench.core.errors import ConfigError
from amodal_bench.paper.declarations import Declarations, refuse_unknown, refuse_unpublished

DECLARED = Declarations("figure", Path(__file__).parent / "shipped")

BARS = ("groups", "averages")
"""Kinds of figures of numbers; they are drawn from the stores of all cells of a table."""

OF_RUNS = ("examples", "gains")
"""Kinds of figures of pictures with the predictions of runs."""

OF_A_MODEL = ("scene", "denoising")
"""Kinds of figures that show a model at work on one instance."""


@dataclass(frozen=True)
class Declared:
    """A figure of the paper.

    Attributes:
        name: as in `amodal-bench paper NAME`.
        title: what it shows.
        kind: one of `BARS`, `OF_RUNS` or `OF_A_MODEL`.
        table: whose rows, columns and runs it has.
        rows: names of the table's rows, the first one there is for a kind of `OF_A_MODEL`; empty for all.
        columns: names of the table's columns; empty for all.
        count: how many instances are shown, of all columns together.
        occlusion: the least and the largest occlusion rate of an instance that is chosen.
        sample: how many instances of each column are run where neither a sample nor ids are asked for.
        groups: of `groups`, the columns of each group, by its name; the gap is that between the first two.
        published: of `BARS`, what the published values have in the ledger, such as `{place: Table 1}`.
        note: what has to be known to read it.
    """

    name: str
    title: str
    kind: str
    table: str = "table1"
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    count: int = 1
    occlusion: Sequence[float] = (0.0, 1.0)
    sample: int = 24
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    published: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


def figure_names(config_dirs: Sequence[Path] = ()) -> dict[str, Path]:
    """The file of each figure by name, those of a user's folders instead of the package's."""
    return DECLARED.files(config_dirs)


def load_figure(name: str, config_dirs: Sequence[Path] = ()) -> Declared:
    """Read a figure.

    Raises:
        UsageError: there is none of that name.
        ConfigError: its file is not a figure.
    """
    return read_figure(DECLARED.file_of(name, config_dirs))


@cache
def read_figure(file: Path) -> Declared:
    """The figure that a YAML file declares. Raises `ConfigError` where it declares none."""

    def made(said: dict[str, Any]) -> Declared:
        refuse_unknown(said, [each.name for each in fields(Declared)], file)
        refuse_unpublished(said.get("published") or {}, file)
        return Declared(**said)

    found = DECLARED.read(file, made)
    kinds = [*BARS, *OF_RUNS, *OF_A_MODEL]
    if found.kind not in kinds:
        raise ConfigError(f"{file}: kind: {found.kind!r} is not known; {suggest(str(found.kind), kinds)}")
    return found
