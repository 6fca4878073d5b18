"""What earlier runs of a cell's settings have already, whatever sample they were of: growing costs the rest alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from amodal_bench.api.runs import open_run
from amodal_bench.core.errors import BenchError
from amodal_bench.paper.cells import Cell
from amodal_bench.paper.record import Record, is_done

NOT_OF_THE_RUN = ("ids", "baselines", "sheet", "results")
"""Settings of a command that are not among those that tell runs apart."""


def kept_ids(cell: Cell, known: Sequence[Record], results: Path, inputs: Mapping[str, str]) -> Collection[str]:
    """The ids of the instances that are stored of a cell's run; none where code or inputs have changed since.

    Args:
        cell: of a table.
        known: every record in the folder of results.
        results: that folder.
        inputs: of each cell the digest of what it is made from, by its key; one that is not there is not looked at.
    """
    wanted = _settings(cell.words)
    found: set[str] = set()
    for run in dict.fromkeys(
        each.run for each in known if _settings(each.words) == wanted and is_done(results, each, inputs.get(cell.key))
    ):
        found |= _ids_of(results / run)
    return found


def _settings(words: Sequence[str]) -> list[str]:
    return sorted(word for word in words if word.lstrip("+").partition("=")[0] not in NOT_OF_THE_RUN)


def _ids_of(folder: Path) -> frozenset[str]:
    try:
        return frozenset(open_run(folder).instances()["id"].astype(str))
    except BenchError:
        return frozenset()
