"""Marks on a table: Holm's correction of the gains that stand in it together, and the spread over seeds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Run
from scipy import stats

from amodal_bench.metrics.numbers.base import Score
from amodal_bench.metrics.statistics import Bootstrap, p_value
from amodal_bench.report.marks import spread, with_corrected
from amodal_bench.report.numbers import HOLM_NOTE, gain, holm_note, spread_lines
from amodal_bench.report.outcome import Outcome


def rows(*p_values: float, dataset: str = "toy") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": dataset,
            "protocol": "instance@2",
            "miou": 0.8,
            "miou_low": 0.79,
            "miou_high": 0.81,
            "miou_gain": 0.02,
            "miou_gain_low": [0.01 if p < 0.05 else -0.01 for p in p_values],
            "miou_gain_high": 0.03,
            "miou_gain_p": p_values,
        }
    )


def stepped_down(p_values: list[float]) -> list[float]:
    """Holm's procedure by its definition: the smallest level at which each hypothesis is rejected, by bisection."""

    def rejected(level: float) -> set[int]:
        out: set[int] = set()
        for rank, place in enumerate(np.argsort(p_values)):
            if p_values[place] > level / (len(p_values) - rank):
                break
            out.add(int(place))
        return out

    found = []
    for place in range(len(p_values)):
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if place in rejected(middle) else (middle, high)
        found.append(high)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_the_correction_is_the_smallest_level_that_holm_rejects_at(seed: int) -> None:
    p_values = list(np.random.default_rng(seed).beta(0.3, 2, 9))
    found = with_corrected(rows(*p_values))["miou_gain_holm"]
    assert found.tolist() == pytest.approx(stepped_down(p_values), abs=1e-9)


def test_each_table_is_corrected_for_itself_and_a_row_without_gain_counts_nowhere() -> None:
    both = pd.concat([rows(0.01, 0.03, float("nan")), rows(0.03, dataset="kins")])
    found = with_corrected(both)["miou_gain_holm"].tolist()
    assert found[:2] == pytest.approx([0.02, 0.03]) and np.isnan(found[2]) and found[3] == pytest.approx(0.03)
    again = with_corrected(with_corrected(both))["miou_gain_holm"].tolist()
    np.testing.assert_array_equal(again, found)


def test_a_gain_that_is_decisive_alone_is_marked_among_many() -> None:
    table = with_corrected(rows(0.03, 0.04, 0.2, 0.001))
    texts = [gain(row, "miou") for row in table.to_dict("records")]
    ends = [text.partition("] ")[2] for text in texts]
    assert ends == ["not decisive among many", "not decisive among many", "not decisive", ""]
    assert holm_note(table) == HOLM_NOTE and holm_note(with_corrected(rows(0.001, 0.6))) == ""


@pytest.mark.parametrize("shift", [0.0, 0.02, 0.05])
def test_the_p_value_agrees_with_a_test_of_paired_differences(shift: float) -> None:
    """With one instance an image, the p-value is near the paired t-test's: one tail holds some 60 of 20,000 draws."""
    rng = np.random.default_rng(3)
    one, other = (rng.normal(mean, 0.1, 400) for mean in (0.5 + shift, 0.5))
    images = [f"image-{k}" for k in range(400)]
    ones = np.ones(400)
    drawn = Bootstrap(images, 20000).values([(Score(one, ones), images), (Score(other, ones), images)])
    expected = stats.ttest_rel(one, other).pvalue
    assert p_value(drawn[0] - drawn[1]) == pytest.approx(expected, rel=0.4, abs=2e-4)


def seeds(*values: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": "toy",
            "model": "tiny",
            "settings": ["steps=3" + (f" seed={k}" if k else "") for k in range(len(values))],
            "seed": range(len(values)),
            "protocol": "instance@2",
            "ids": "531 abc",
            "miou": values,
            "miou_low": 0.0,
            "miou_high": 1.0,
        }
    )


def test_the_spread_is_that_of_the_seeds_of_one_model() -> None:
    table = pd.concat([seeds(0.80, 0.83, 0.82), seeds(0.5).assign(model="other"), seeds(0.9).assign(ids="16 def")])
    (row,) = spread(table).to_dict("records")
    assert row["seeds"] == 3 and row["settings"] == "steps=3"
    assert row["miou"] == pytest.approx(np.mean([0.80, 0.83, 0.82]))
    assert row["miou_sd"] == pytest.approx(np.sqrt(sum((v - 0.81666667) ** 2 for v in (0.8, 0.83, 0.82)) / 2))
    assert spread_lines(spread(table)) == ["toy tiny steps=3, instance@2, 3 seeds: mIoU 81.7 ± 1.5 (80.0 to 83.0)"]


def test_the_same_seed_twice_is_no_spread() -> None:
    assert spread(pd.concat([seeds(0.8), seeds(0.8)])).empty


@pytest.mark.slow
def test_a_table_of_two_seeds_prints_their_spread(bench: Callable[..., Outcome], run: Run, tmp_path: Path) -> None:
    found = [bench("dataset.images=3", "model.steps=2", f"seed={seed}").main for seed in (0, 1)]
    means = [100 * scored.summary()["miou"][0] for scored in found]
    status, printed, _ = run("results", "table", str(tmp_path / "results"))
    assert status == 0 and "mean ± standard deviation over seeds" in printed
    assert "toy hull" not in printed.partition("mean ± standard deviation")[2]  # it draws nothing
    (line,) = [line for line in printed.splitlines() if line.startswith("toy tiny") and "instance@2, 2 seeds" in line]
    assert f"mIoU {np.mean(means):.1f} ± {np.std(means, ddof=1):.1f} ({min(means):.1f} to {max(means):.1f})" in line
