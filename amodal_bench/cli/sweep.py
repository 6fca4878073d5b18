"""What the cells of a sweep have found, kept in the sweep's folder: a launcher may run them in other processes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amodal_bench.core.files import read_text, write_whole

if TYPE_CHECKING:
    import pandas as pd

    from amodal_bench.report.terminal import Cell

TABLE = "table.csv"


@dataclass(frozen=True)
class Failed:
    """A cell that failed.

    Attributes:
        settings: the cell's words.
        error: why, in one line.
        status: the exit status that it would have alone.
    """

    settings: str
    error: str
    status: int


@dataclass(frozen=True)
class Sweep:
    """The folder of one sweep.

    Attributes:
        folder: where its cells and its table lie.
    """

    folder: Path

    @classmethod
    def new(cls, results: Path) -> Sweep:
        """A folder for a sweep that begins now, such as `results/sweeps/2026-11-29_14-03-59`; it is not made yet."""
        day = f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
        names = (day, *(f"{day}-{number}" for number in range(2, 1000)))
        return cls(next(at for name in names if not (at := results / "sweeps" / name).exists()))

    def keep(
        self, number: int, overrides: Sequence[str], cell: Cell | None, error: str = "", status: int = 1
    ) -> None:
        """Keep what a cell has found, or why it has found nothing."""
        folder = self.folder / "cells"
        folder.mkdir(parents=True, exist_ok=True)
        rows = None if cell is None else cell.rows.to_dict("records")
        words = list(overrides if cell is None else cell.overrides)
        text = json.dumps({"overrides": words, "rows": rows, "error": error, "status": status}, default=str) + "\n"
        write_whole(folder / f"{number:05d}.json", lambda partial: partial.write_text(text, encoding="utf-8"))

    def cells(self) -> list[Cell]:
        """The cells that are done, in their order."""
        import pandas as pd

        from amodal_bench.report.terminal import Cell

        return [Cell(said["overrides"], pd.DataFrame(said["rows"])) for said in self._said() if said["rows"]]

    def failed(self) -> list[Failed]:
        """The cells that failed, in their order, whichever process they ran in."""
        return [
            Failed(" ".join(said["overrides"]), said["error"], said["status"])
            for said in self._said()
            if said["error"]
        ]

    def _said(self) -> Iterator[dict[str, Any]]:
        for file in sorted((self.folder / "cells").glob("*.json")):
            yield json.loads(read_text(file))

    def write_table(self, joined: pd.DataFrame | None) -> Path:
        """Write the joined table of all cells, those that failed with their error; returns its file.

        Args:
            joined: of the cells that are done; None where all failed.
        """
        import pandas as pd

        from amodal_bench.report.csv_logger import write_csv

        errors = [{"settings": cell.settings, "error": cell.error} for cell in self.failed()]
        parts = [*([] if joined is None else [joined]), *([pd.DataFrame(errors)] if errors else [])]
        table = pd.concat(parts, ignore_index=True)
        file = self.folder / TABLE
        write_csv(table, file)
        return file
