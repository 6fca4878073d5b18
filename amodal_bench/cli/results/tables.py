"""The tables of a score in a run's own folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from amodal_bench.core.files import is_regular, read_bytes

if TYPE_CHECKING:
    import pandas as pd

    from amodal_bench.api.runs import Run
    from amodal_bench.metrics.protocols import ScoringProtocol
    from amodal_bench.report.scored import Scored


def write_tables(run: Run, protocol: ScoringProtocol) -> Path:
    """Score a run under a protocol and write its tables; returns their folder.

    Raises:
        BenchError: the run has none of the instances, or lacks counts that the protocol needs.
    """
    from amodal_bench.api.score import scored_run, summary_beside

    scored, _ = scored_run(run, protocol)
    summary = summary_beside(run, scored)
    write_summary(scored, summary[summary["run"] == scored.digest])
    return scored.score_folder


def write_summary(scored: Scored, own: pd.DataFrame) -> bool:
    """Write the rows of a run's own numbers, and the tables beside them; returns whether they were there already."""
    from amodal_bench.report.csv_logger import write_joined, write_score

    folder = scored.score_folder
    folder.mkdir(parents=True, exist_ok=True)
    before = _bytes(folder / "summary.csv")
    write_joined(own, folder / "summary.csv")
    write_joined(scored.by_occlusion(), folder / "by_occlusion.csv")
    known = before is not None and before == _bytes(folder / "summary.csv")
    if not known:
        write_score(scored)
    return known


def _bytes(file: Path) -> bytes | None:
    return read_bytes(file) if is_regular(file) else None
