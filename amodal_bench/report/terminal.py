"""The table on the terminal."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

from amodal_bench.report.outcome import Outcome


def show(outcome: Outcome, written: list[Path]) -> None:
    """Print both numbers of every model under every protocol, what was left out, and where everything lies."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    # Rich takes 80 columns where there is no terminal, and would cut the numbers in a log file.
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)
    table = Table(box=box.SIMPLE_HEAD, title=f"{outcome.dataset}, % with 95 % intervals", title_justify="left")
    table.add_column("model", overflow="fold")
    for column in ("mIoU", "occluded mIoU", "instances", "errors", "protocol"):
        table.add_column(column, justify="right", no_wrap=True)
    rows = outcome.table().to_dict("records")
    for index, row in enumerate(rows):
        last = index + 1 < len(rows) and rows[index + 1]["protocol"] != row["protocol"]
        table.add_row(
            f"{row['model']} {row['settings']}".strip(),
            percent(row, "miou"),
            percent(row, "occluded_miou"),
            f"{row['instances']} ({row['occluded_instances']} occluded)",
            str(row["errors"]),
            row["protocol"],
            end_section=last,
        )
    console.print(table)
    if outcome.excluded:
        left_out = ", ".join(f"{count} for {reason}" for reason, count in outcome.excluded.items())
        console.print(f"left out: {left_out}")
    console.print(f"instances {outcome.ids}")
    for scored in outcome.scored:
        errors = scored.errors()
        for record in errors.head(5).itertuples():
            console.print(f"error, {scored.name}, {record.id}: {record.error}", markup=False)
        if len(errors) > 5:
            console.print(f"... and {len(errors) - 5} more in {scored.folder / 'errors.csv'}", markup=False)
    if costs := _costs(outcome):
        console.print(costs, markup=False)
    console.print("wrote", markup=False)
    for path in written:
        console.print(f"  {path}", markup=False)


def _costs(outcome: Outcome) -> str:
    """Seconds per instance of the command's model by stage; empty where nothing was run."""
    timing = outcome.main.timing().dropna(subset="seconds_per_instance")
    parts = [f"{row.stage} {row.seconds_per_instance:.2g}" for row in timing.itertuples()]
    peak = timing["peak_gb"].max()
    memory = "" if math.isnan(peak) else f"; {peak:.1f} GB of GPU memory at most"
    return f"seconds per instance: {', '.join(parts)}{memory}" if parts else ""


def percent(row: dict[Any, Any], name: str) -> str:
    """A number in percent with its interval, such as `81.2 [79.9, 82.5]`."""
    value, low, high = (100 * row[f"{name}{end}"] for end in ("", "_low", "_high"))
    if math.isnan(value):
        return "-"
    return f"{value:.1f}" if math.isnan(low) else f"{value:.1f} [{low:.1f}, {high:.1f}]"
