"""The README's table and the page of protocols: what the shipped model reaches on the toy test split."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from amodal_bench.metrics.numbers.base import Score
from amodal_bench.metrics.statistics import Bootstrap, interval
from amodal_bench.report.numbers import names, title
from amodal_bench.report.outcome import Outcome

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "scripts"))
from readme_rows import FILE, ROWS  # noqa: E402

if TYPE_CHECKING:
    from amodal_bench.core.types import Floats

TINY = [name for name in ROWS if name.startswith("tiny")]
DEFAULT = "tiny, leakage `conditioning`"
EVERY = 18
"""One of so many instances is predicted again for each row: thirty of 531."""


@pytest.fixture(scope="module")
def expected() -> pd.DataFrame:
    """The IoUs of all instances in all rows, by id; they are what `scripts/readme_rows.py` has written."""
    return pd.read_csv(FILE, index_col="id")


def cells_of(name: str) -> list[str]:
    """The cells of a row of the README's table."""
    lines = (REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if line.startswith(f"| {name}")]
    return [cell.strip().replace("**", "") for cell in line.split("|")[2:6]]


def percent(value: float, drawn: Floats, clusters: int, sign: str = "") -> str:
    """A number with its interval, as the README writes both."""
    found = interval(drawn, clusters)
    ends = ", ".join(re.sub(r"^-0\.0$", "-0.0", f"{100 * end:.1f}") for end in (found.low, found.high))
    return f"{100 * value:{sign}.1f} [{ends}]"


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_the_readme_is_the_mean_over_all_instances(expected: pd.DataFrame, name: str) -> None:
    """Means, intervals over images, paired gains and the share of worse ones, all from the IoUs alone."""
    images = [str(id).rpartition("-")[0] for id in expected.index]
    bootstrap = Bootstrap(images)
    iou, occluded = expected[name].to_numpy(), expected[f"{name}, occluded"].to_numpy()
    base = expected["visible mask"].to_numpy()
    scores = [Score(np.nan_to_num(values), (~np.isnan(values)).astype(float)) for values in (iou, occluded, base)]
    drawn = bootstrap.values([(score, images) for score in scores])
    counted = [bootstrap.counted(score, images) for score in scores]
    cells = [percent(iou.mean(), drawn[0], counted[0]), percent(np.nanmean(occluded), drawn[1], counted[1])]
    if name == "visible mask":
        cells += ["", ""]
    else:
        gain = percent(iou.mean() - base.mean(), drawn[0] - drawn[2], counted[0], "+")
        cells += [gain, f"{100 * (iou < base).mean():.1f}"]
    assert len(expected) >= 500 and cells_of(name) == cells


def test_the_default_beats_both_baselines_and_no_leakage_loses_to_the_visible_mask() -> None:
    low, high = 0, 1
    ends = {
        (name, column): [float(end) for end in cells_of(name)[column].partition("[")[2].rstrip("]").split(",")]
        for name in ROWS
        for column in (0, 1)
    }
    for column in (0, 1):
        for baseline in ("visible mask", "convex hull"):
            assert ends[DEFAULT, column][low] > ends[baseline, column][high]
    assert ends["tiny, leakage `none`", 0][high] < ends["visible mask", 0][low]


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_the_shipped_model_still_scores_what_the_rows_say(
    bench: Callable[..., Outcome], expected: pd.DataFrame, tmp_path: Path, name: str
) -> None:
    some = expected.iloc[::EVERY]
    (tmp_path / "ids.txt").write_text("\n".join(map(str, some.index)), encoding="utf-8")
    found = bench(*ROWS[name], f"ids={tmp_path / 'ids.txt'}", "baselines=null").main.instances().set_index("id")
    assert list(found.index) == list(some.index) and found["error"].isna().all()
    for column, column_name in (("iou", name), ("occluded_iou", f"{name}, occluded")):
        apart = (found[column] - some[column_name]).abs()
        # The last bits of another machine's convolutions may move a pixel or two at a contour.
        assert apart.max() < 0.02 and apart.mean() < 0.002, apart.sort_values().tail(3)


def lines_of_the_page() -> list[str]:
    """The rows of docs/protocols/one-run.md."""
    page = (REPOSITORY / "docs/protocols/one-run.md").read_text(encoding="utf-8")
    return [line for line in page.splitlines() if re.match(r"\| \w+@\d", line)]


def page_of_protocols(summary: pd.DataFrame) -> list[str]:
    """The rows that the page should have of a run: first and occluded number, against those of `instance`."""
    base, lines = summary.iloc[0], []
    for place, row in enumerate(summary.to_dict("records")):
        own = names(summary.iloc[[place]])
        told: list[str] = []
        for name, other in ((next(iter(own), None), "miou"), ("occluded_miou", "occluded_miou")):
            if name in own:
                text = f"{100 * row[name]:.1f}"
                said = f"{title(name)} {text}" if other == "miou" else text
                told += [said, f"{100 * (row[name] - base[other]):+.1f}"]
            else:
                told += ["-", "-"]
        rest = [f"{title(name)} {100 * row[name]:.1f}" for name in own[1:] if name != "occluded_miou"]
        cells = [row["protocol"], str(row["instances"]), *told, ", ".join(rest) or "-"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


@pytest.mark.slow
def test_the_page_shows_the_default_run_under_every_protocol(bench: Callable[..., Outcome], tmp_path: Path) -> None:
    """The whole test split; predictions that the README's command has left in this folder are not made again."""
    for run in (REPOSITORY / "results/runs").glob("toy-tiny-*"):
        shutil.copytree(run, tmp_path / "results/runs" / run.name, ignore=shutil.ignore_patterns("scores", ".lock"))
    outcome = bench("experiment=protocols", "baselines=null")
    assert outcome.main.errors().empty
    assert page_of_protocols(outcome.main.summary()) == lines_of_the_page()
