"""The denoising as a strip of pictures (the paper's Figure 3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from amodal_bench.models.base import Step
from amodal_bench.report.panels import Panel, whole
from amodal_bench.report.sheet import Row, Sheet, save_sheet

LONGEST = 10
"""Pictures in a row."""

SAMPLE, ESTIMATE = "sample x_t", "estimate of x_0 that the next step takes from it"

NO_NEXT = ", and the last sample, which no step follows"
"""Stands behind `ESTIMATE` in the part with the last step."""

NO_ESTIMATE = "no estimate of x_0: the solver draws noise at its steps, so that it is not known"


def save_strip(steps: Sequence[Step], path: Path, title: str = "") -> None:
    """Write all steps as one PNG: the sample x_t after each, and below it the x_0 that is seen in it.

    More than `LONGEST` steps go on below, in parts of equal length, each of which repeats the steps' numbers. Where
    the solver tells no estimate, a line says so; where some steps have none, their places do.

    Args:
        steps: from the start on.
        path: the file.
        title: stands at the top, once.
    """
    length = math.ceil(len(steps) / math.ceil(len(steps) / LONGEST))
    parts = [steps[start : start + length] for start in range(0, len(steps), length)]
    known = any(step.estimate is not None for step in steps)
    rows = []
    for part in parts:
        numbers = f"steps {part[0].number} to {part[-1].number}, " if len(parts) > 1 else ""
        samples = [Panel(step.sample, text=f"step {step.number}") for step in part]
        rows.append(_row(numbers + SAMPLE, part, samples))
        if known:
            estimates = [Panel(step.estimate, text="" if step.estimate is not None else "none") for step in part]
            rows.append(_row(numbers + ESTIMATE + NO_NEXT * (part[-1] is steps[-1]), part, estimates))
    save_sheet(Sheet(title, rows, {}, [] if known else [NO_ESTIMATE], headed=False), path)


def _row(label: str, part: Sequence[Step], panels: Sequence[Panel]) -> Row:
    height, width = part[0].sample.shape[:2]
    return Row(label, whole((height, width)), {str(place): panel for place, panel in enumerate(panels)})
