"""TensorBoard: curves, numbers and the contact sheet of each run, in a folder of its own."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from amodal_bench.core.errors import ConfigError
from amodal_bench.core.shown import markdown
from amodal_bench.report.outcome import Outcome, RunInfo
from amodal_bench.report.told import numbers_of, rows_of, settings_of, tables_of


class TensorboardLogger:
    """Event files of a run under the name of its folder; steps are predictions done, so that a curve goes on.

    Args:
        folder: what `tensorboard --logdir` is given.
    """

    def __init__(self, folder: str) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigError(
                "logger=tensorboard needs the tensorboard package: pip install 'amodal-bench[tensorboard]', "
                "or use logger=csv"
            ) from error
        self._writer_of, self._folder = SummaryWriter, Path(folder)
        self._writer: Any = None

    def begin(self, run: RunInfo) -> None:
        self._writer = self._writer_of(str(self._folder / run.folder.name))
        told = json.dumps(settings_of(run), indent=2)
        self._writer.add_text("settings", "    " + told.replace("\n", "\n    "))

    def step(self, done: int, total: int, miou: float) -> None:  # noqa: ARG002
        if not math.isnan(miou):
            self._writer.add_scalar("running_miou", miou, done)

    def finish(self, outcome: Outcome) -> list[Path]:
        """Write numbers as scalars, tables as text (all but those of instances), and the contact sheet."""
        from PIL import Image

        done = len(outcome.main.counted)
        for name, value in numbers_of(outcome).items():
            if not isinstance(value, str):
                self._writer.add_scalar(name, value, done)
        for name, table in tables_of(outcome).items():
            if "id" not in table:
                self._writer.add_text(name, _in_markdown([list(table.columns), *rows_of(table)]), done)
        if outcome.sheet is not None:
            with Image.open(outcome.sheet) as sheet:
                self._writer.add_image("contact_sheet", np.asarray(sheet.convert("RGB")), done, dataformats="HWC")
        self.leave()
        return [self._folder / outcome.main.folder.name]

    def leave(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _in_markdown(rows: list[list[Any]]) -> str:
    lines = [["" if cell is None else markdown(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in [lines[0], ["---"] * len(lines[0]), *lines[1:]])
