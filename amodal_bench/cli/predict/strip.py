"""The denoising as a strip of pictures (the paper's Figure 3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from amodal_bench.core.types import Image
from amodal_bench.models.base import Step
from amodal_bench.report.sheet import save_sheet

LONGEST = 10
"""Pictures in a row."""


def save_strip(steps: Sequence[Step], path: Path) -> None:
    """Write all steps as one PNG, in rows of equal length: `x_t`, and below it the `x_0` that is seen in it."""
    rows: list[dict[str, Image]] = []
    length = math.ceil(len(steps) / math.ceil(len(steps) / LONGEST))
    for start in range(0, len(steps), length):
        part = steps[start : start + length]
        rows.append({f"step {step.number}: x_t": step.sample for step in part})
        if estimates := {f"step {step.number}: x_0": step.estimate for step in part if step.estimate is not None}:
            rows.append(estimates)
    save_sheet(rows, path)
