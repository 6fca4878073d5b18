"""The evaluated subset of the SaVos release: the rows of `test_subtest.csv`."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from amodal_bench.core.errors import InputError, first_line, unreadable
from amodal_bench.core.files import open_regular
from amodal_bench.core.foreign import LOOKED_AT, foreign, wide
from amodal_bench.datasets.base import Problem
from amodal_bench.datasets.reading.fields import share
from amodal_bench.datasets.reading.files import COPY_AGAIN, require_own

KEYS = ("v_id", "obj_id", "frame_id")
RATE, COUNTED = "OCC_R", "test"
_USED = frozenset({*KEYS, RATE, COUNTED})


@dataclass(frozen=True)
class Listed:
    """A row: its line, counting from the header as line 1, and the occlusion rate that it states, NaN for none."""

    line: int
    occlusion_rate: float


@dataclass(frozen=True)
class Subset:
    """The rows by video, then by (fish, frame), and what is wrong with the file.

    The videos are numbers: the file holds `12` where the folder is named `00012`.
    """

    file: Path
    videos: dict[int, dict[tuple[int, int], Listed]]
    problems: list[Problem]


def read_subset(file: Path, stride: int) -> Subset:
    """Read the rows that SaVos evaluates: those with `test` = 1, or all where there is no such column.

    Args:
        file: `test_files/test_subtest.csv` of the SaVos release.
        stride: rows of frames that are no multiple of it are left out.

    Raises:
        InputError: the file is missing, is no CSV, or lacks a column.
    """
    table = _table(file)
    videos: dict[int, dict[tuple[int, int], Listed]] = {}
    problems: list[Problem] = []
    for line, row in enumerate(table.to_dict("records"), start=2):
        counted = _number(row[COUNTED]) if COUNTED in row else 1
        if counted == 0:
            continue
        keys = [_number(row[key]) for key in KEYS]
        if counted != 1 or not all(value >= 0 and value.is_integer() for value in keys):
            what = f"{', '.join(KEYS)} must be whole numbers, and {COUNTED} 0 or 1"
            problems.append(Problem(str(file), f"line {line}", what))
            continue
        video, fish, frame = map(int, keys)
        if frame % stride:
            continue
        rows = videos.setdefault(video, {})
        if (fish, frame) in rows:
            what = f"it lists the instance of line {rows[fish, frame].line} again"
            problems.append(Problem(str(file), f"line {line}", what))
            continue
        rate = share(_number(row[RATE]))
        if str(row[RATE]).strip() and math.isnan(rate):
            problems.append(
                Problem(
                    str(file), f"line {line}", f"{RATE} is not a number between 0 and 1: the rate is measured instead"
                )
            )
        rows[fish, frame] = Listed(line, rate)
    return Subset(file, videos, problems)


def _table(file: Path) -> pd.DataFrame:
    """The file with every field as text."""
    try:
        with open_regular(file) as opened:
            head = opened.read(LOOKED_AT)
        require_own(file, head, foreign(head) or wide(head), "a CSV")
        with warnings.catch_warnings(action="ignore", category=pd.errors.ParserWarning):
            # Else the first fields of a line that has too many would be taken for its name, and all others shift.
            table = pd.read_csv(file, dtype=str, keep_default_na=False, index_col=False, usecols=_USED.__contains__)
    except OSError as error:
        raise unreadable(file, error) from error
    except ValueError as error:  # pandas' own errors and a wrong encoding are kinds of it
        raise InputError(file, f"cannot be read as a CSV ({first_line(error)})", COPY_AGAIN) from error
    if missing := [name for name in (*KEYS, RATE) if name not in table.columns]:
        remedy = "use test_subtest.csv of test_files.zip of the SaVos release"
        raise InputError(file, f"it has no column {', '.join(missing)}", remedy)
    return table


def _number(text: str) -> float:
    """A number, NaN where it is none or infinite."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        return math.nan
    return value if math.isfinite(value) else math.nan
