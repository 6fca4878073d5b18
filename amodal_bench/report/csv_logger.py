"""CSV tables of a score, in a folder of its own in the run's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from amodal_bench.core.files import read_text, write_whole
from amodal_bench.report.cells import as_csv
from amodal_bench.report.joined import with_earlier
from amodal_bench.report.outcome import Outcome, RunInfo
from amodal_bench.report.scored import Scored


class CsvLogger:
    """Writes the outcome's tables; a table that is interrupted while it is written never replaces a whole one."""

    essential = True

    def begin(self, run: RunInfo) -> None:
        pass

    def step(self, done: int, total: int, miou: float) -> None:
        pass

    def finish(self, outcome: Outcome) -> list[Path]:
        for scored in outcome.scored:
            write_score(scored)
            write_csv(scored.timing(), scored.folder / "timing.csv")
        folder = outcome.main.score_folder
        write_joined(outcome.table(), folder / "summary.csv")
        write_joined(outcome.by_occlusion(), folder / "by_occlusion.csv")
        names = ["summary", "by_occlusion", "instances", "errors", *(["draws"] if outcome.main.draws > 1 else [])]
        tables = [folder / f"{name}.csv" for name in names]
        return [*tables, outcome.main.folder / "timing.csv"]


def write_score(scored: Scored) -> None:
    """Write what a run scored into the score's own folder: instances, their draws, errors and the protocols."""
    folder = scored.score_folder
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(scored.instances(), folder / "instances.csv")
    write_csv(scored.errors(), folder / "errors.csv")
    if scored.draws > 1:
        write_csv(scored.each_draw(), folder / "draws.csv")
    protocols = [{**each.content, "label": each.label, "digest": each.digest} for each in scored.protocols]
    protocols += _earlier(folder / "protocols.json", {each.digest for each in scored.protocols})
    text = json.dumps(protocols, indent=2, sort_keys=True) + "\n"
    write_whole(folder / "protocols.json", lambda partial: partial.write_text(text, encoding="utf-8"))


def _earlier(file: Path, known: set[str]) -> list[dict[str, Any]]:
    """The protocols that a file has beside those that are known: rows of an earlier command are about them."""
    try:
        found = json.loads(read_text(file))
        return [each for each in found if each["digest"] not in known]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def write_joined(table: pd.DataFrame, path: Path) -> None:
    """Write a table beside what an earlier command has said of other rows; nothing that is finished is lost."""
    write_csv(with_earlier(table, path), path)


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as a whole or not at all; numbers keep all their digits."""
    text = as_csv(table)
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8", newline=""))
