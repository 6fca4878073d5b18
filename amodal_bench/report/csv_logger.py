"""CSV tables in the run's folder."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from amodal_bench.core.files import write_whole
from amodal_bench.report.outcome import Outcome, RunInfo


class CsvLogger:
    """Writes the outcome's tables; a table that is interrupted while it is written never replaces a whole one."""

    def begin(self, run: RunInfo) -> None:
        pass

    def step(self, done: int, total: int, miou: float) -> None:
        pass

    def finish(self, outcome: Outcome) -> list[Path]:
        for scored in outcome.scored:
            write_csv(scored.instances(), scored.folder / "instances.csv")
            write_csv(scored.errors(), scored.folder / "errors.csv")
            write_csv(scored.timing(), scored.folder / "timing.csv")
        folder = outcome.main.folder
        write_csv(outcome.table(), folder / "summary.csv")
        write_csv(outcome.by_occlusion(), folder / "by_occlusion.csv")
        return [folder / f"{name}.csv" for name in ("summary", "by_occlusion", "instances", "errors", "timing")]


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as a whole or not at all; numbers keep all their digits."""
    write_whole(path, lambda partial: table.to_csv(partial, index=False, lineterminator="\n"))
