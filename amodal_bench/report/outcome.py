"""What one command has found, and who is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.report.marks import with_corrected
from amodal_bench.report.scored import Scored
from amodal_bench.report.summary import summarise


@dataclass(frozen=True)
class RunInfo:
    """A run as it begins, goes on, or is scored again.

    Attributes:
        name: the model's name in tables.
        dataset: its name.
        digest: of the run's identity.
        facts: the identity.
        folder: where the run is kept; it is there, and its `run.json` too.
        protocols: that the command scores by, its own first.
        selection: which instances the command is about, as plain values: `ids` (their number and digest), the
            protocol's `filter` (None where they were listed one by one), `limit` and `samples`.
        sweep: the name of the sweep that the command is a cell of; "" where it is none.
        said: of the command that runs it, what `run.json` would say, as far as it is known: a run that another
            command began keeps that one's words in the file. Empty where the run is only scored again.
    """

    name: str
    dataset: str
    digest: str
    facts: Mapping[str, Any]
    folder: Path
    protocols: Sequence[ScoringProtocol] = ()
    selection: Mapping[str, Any] = field(default_factory=dict)
    sweep: str = ""
    said: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """The results of one command.

    Attributes:
        dataset: its name.
        scored: baselines first and the command's own model last.
        excluded: instances that the protocol's filter left out, by reason.
        sheet: the contact sheet, or None.
    """

    dataset: str
    scored: Sequence[Scored]
    excluded: Mapping[str, int]
    sheet: Path | None

    @property
    def main(self) -> Scored:
        """The command's own model."""
        return self.scored[-1]

    @property
    def ids(self) -> str:
        """Number and digest of the instances that every model of the command was run on."""
        return self.main.ids

    @cached_property
    def _summary(self) -> pd.DataFrame:
        # Resampled once: terminal, loggers and sweeper all ask for it.
        table = summarise(self.scored)
        table.insert(0, "dataset", self.dataset)
        return with_corrected(table)

    def table(self) -> pd.DataFrame:
        """One row per model and protocol: numbers, 95 % intervals, and paired gains over `A_hat = V`."""
        return self._summary

    def by_occlusion(self) -> pd.DataFrame:
        """One row per model and bin of the occlusion rate."""
        return pd.concat([scored.by_occlusion() for scored in self.scored], ignore_index=True)


class Logger(Protocol):
    """Is told of a command's own model as it runs, and of the outcome.

    What it raises while a run goes on is a warning, and it is told no more. A fault that can be seen before the work
    begins, such as a package that is missing, is a `ConfigError` of its `__init__`.
    """

    def begin(self, run: RunInfo) -> None:
        """Open a record of the run before its first prediction."""
        ...

    def step(self, done: int, total: int, miou: float) -> None:
        """Note how many of `total` predictions are done, and their mean IoU in [0, 1] so far."""
        ...

    def finish(self, outcome: Outcome) -> Sequence[Path]:
        """Report the outcome; returns the files that were written."""
        ...


@runtime_checkable
class Essential(Protocol):
    """A logger that keeps results which nothing else keeps: what it raises ends the command."""

    essential: bool


@runtime_checkable
class Leaves(Protocol):
    """A logger with something to close where a run ends without an outcome."""

    def leave(self) -> None:
        """Close the record of a run that has failed or was interrupted."""
        ...


@runtime_checkable
class Hints(Protocol):
    """A logger that has something to say to the user when it has finished: one line, or "" for nothing."""

    hint: str
