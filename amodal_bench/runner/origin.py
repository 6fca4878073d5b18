"""What a run was asked for by: the command, the configuration that it came to, and the state of the code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.runner.checkout import checkouts


@dataclass(frozen=True)
class Command:
    """How a command was given.

    Attributes:
        line: the words as they were typed; None where it was a call from Python.
        overrides: each `KEY=VALUE`, of this cell where there are several.
        sweep: the name of the sweep whose cell it is; "" where it is none. It is not kept: any sweep may use a run.
    """

    line: Sequence[str] | None
    overrides: Sequence[str]
    sweep: str = ""


@dataclass(frozen=True)
class Origin:
    """What the runs of one command share.

    Attributes:
        command: None where nobody says.
        configuration: all settings, resolved.
        protocols: that the command scores by.
        split: of the dataset; None where it has none.
    """

    command: Command | None
    configuration: Mapping[str, Any]
    protocols: Sequence[ScoringProtocol]
    split: str | None

    @cached_property
    def told(self) -> dict[str, Any]:
        """All of it as plain values, with the commits of the code."""
        command = self.command
        return {
            "command": list(command.line) if command and command.line is not None else None,
            "overrides": list(command.overrides) if command else None,
            "configuration": self.configuration,
            "protocols": [{**each.content, "label": each.label, "digest": each.digest} for each in self.protocols],
            "split": self.split,
            "git": checkouts(),
        }
