"""The bootstrap interval: what it resamples, how wide it is, and how often it covers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from amodal_bench.metrics.numbers.base import Score
from amodal_bench.metrics.statistics import RESAMPLES, Bootstrap, holm, interval, p_value


def bootstrap_interval(
    score: Score, clusters: list[str], level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """The interval of one number alone."""
    bootstrap = Bootstrap(clusters, resamples, seed)
    (values,) = bootstrap.values([(score, clusters)])
    found = interval(values, bootstrap.counted(score, clusters), level)
    return found.low, found.high


def clustered(images: int, seed: int, pooled: bool = False) -> tuple[Score, list[str]]:
    """One to six instances an image that share most of their luck; the population's value is 0.5.

    With `pooled`, the denominators are sizes: images weigh as much as their instances are large.
    """
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(images), rng.integers(1, 7, images))
    centre = rng.uniform(0.15, 0.85, images)[owner]
    values = centre + rng.uniform(-0.15, 0.15, len(owner))
    weight = rng.integers(1, 1000, len(owner)).astype(float) if pooled else np.ones(len(owner))
    return Score(values * weight, weight), [f"image-{i}" for i in owner]


def width(interval: tuple[float, float]) -> float:
    return interval[1] - interval[0]


def repeat(score: Score, times: int) -> Score:
    return Score(np.tile(score.numerator, times), np.tile(score.denominator, times))


def resampled(score: Score, images: list[str], level: float, resamples: int) -> tuple[float, float]:
    """The definition: draw images with replacement, take all their instances, score, and take percentiles."""
    rng = np.random.default_rng(99)
    names = sorted(set(images))
    rows = {name: [i for i, image in enumerate(images) if image == name] for name in names}
    values: list[float] = []
    for _ in range(resamples):
        drawn = [row for k in rng.integers(0, len(names), len(names)) for row in rows[names[k]]]
        values.append(score.numerator[drawn].sum() / score.denominator[drawn].sum())
    low, high = np.percentile(values, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


@pytest.mark.parametrize("pooled", [False, True])
def test_the_same_input_always_gives_the_same_interval(pooled: bool) -> None:
    score, images = clustered(30, 1, pooled)
    first = bootstrap_interval(score, images)
    np.random.default_rng().random(5)
    assert bootstrap_interval(score, images) == first
    assert bootstrap_interval(score, images, seed=1) != first


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_the_interval_contains_the_value_strictly(seed: int, pooled: bool) -> None:
    score, images = clustered(25, seed, pooled)
    low, high = bootstrap_interval(score, images)
    assert 0 <= low < score.value < high <= 1


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_close_to_an_explicit_resampling_loop(level: float, pooled: bool) -> None:
    # Both ends carry the error of a quantile of 2000 draws, about 1.5 % of the width each: 8 % is ample.
    score, images = clustered(30, 3, pooled)
    found = bootstrap_interval(score, images, level)
    expected = resampled(score, images, level, 2000)
    assert found == pytest.approx(expected, abs=0.08 * width(expected))


@pytest.mark.parametrize("pooled", [False, True])
def test_repeating_the_instances_of_an_image_adds_no_certainty(pooled: bool) -> None:
    score, images = clustered(30, 2, pooled)
    once = bootstrap_interval(score, images)
    assert bootstrap_interval(repeat(score, 9), images * 9) == pytest.approx(once, abs=1e-9)
    # As images of their own, nine copies would pretend to a third of the width.
    own = [f"{image}/{copy}" for copy in range(9) for image in images]
    assert width(bootstrap_interval(repeat(score, 9), own)) < 0.5 * width(once)


def test_instances_of_one_image_move_together() -> None:
    score, images = clustered(40, 5)
    own = [str(i) for i in range(len(images))]
    assert width(bootstrap_interval(score, images)) > 1.3 * width(bootstrap_interval(score, own))


def test_the_order_of_the_instances_does_not_matter() -> None:
    score, images = clustered(30, 4)
    order = np.random.default_rng(0).permutation(len(images))
    shuffled = Score(score.numerator[order], score.denominator[order])
    expected = pytest.approx(bootstrap_interval(score, images), abs=1e-12)
    assert bootstrap_interval(shuffled, [images[i] for i in order]) == expected


def test_instances_that_the_number_leaves_out_do_not_matter() -> None:
    score, images = clustered(30, 4)
    padded = Score(np.append(score.numerator, [0, 0, 0]), np.append(score.denominator, [0, 0, 0]))
    assert bootstrap_interval(padded, [*images, images[0], images[1], images[2]]) == bootstrap_interval(score, images)


def test_a_higher_level_is_wider() -> None:
    score, images = clustered(30, 6)
    narrow, middle, wide = (bootstrap_interval(score, images, level) for level in (0.5, 0.8, 0.99))
    assert wide[0] < middle[0] < narrow[0] < narrow[1] < middle[1] < wide[1]


def test_four_times_the_images_halve_the_width() -> None:
    few, many = (width(bootstrap_interval(*clustered(n, 8))) for n in (50, 200))
    assert few / many == pytest.approx(2, rel=0.25)


def test_no_spread_between_images_gives_a_point() -> None:
    score = Score(np.full(6, 0.25), np.ones(6))
    assert bootstrap_interval(score, list("aabbcc")) == pytest.approx((0.25, 0.25))


@pytest.mark.parametrize("resamples", [1, 99, 100, 101, 250])
def test_any_number_of_resamples_is_drawn(resamples: int) -> None:
    score, images = clustered(10, 0)
    (values,) = Bootstrap(images, resamples).values([(score, images)])
    assert values.shape == (resamples,)
    assert np.isfinite(values).all()
    assert len(set(values.tolist())) == resamples  # no block is drawn twice


def test_numbers_of_one_table_share_their_resamples() -> None:
    """A number and itself shifted by a constant differ by that constant in every resample."""
    score, images = clustered(30, 2)
    better = Score(score.numerator + 0.05 * score.denominator, score.denominator)
    first, second = Bootstrap(images).values([(score, images), (better, images)])
    assert second - first == pytest.approx(np.full(RESAMPLES, 0.05), abs=1e-12)
    found = interval(second - first, 30)
    assert (found.low, found.high) == pytest.approx((0.05, 0.05), abs=1e-9)


def test_rows_of_two_numbers_may_differ() -> None:
    """A protocol with a filter of its own has fewer rows, of the same clusters."""
    score, images = clustered(30, 2)
    part = Score(score.numerator[::2], score.denominator[::2])
    bootstrap = Bootstrap(images)
    every = bootstrap.values([(score, images), (part, images[::2])])
    assert every[0] == pytest.approx(Bootstrap(images).values([(score, images)])[0])
    assert interval(every[1], bootstrap.counted(part, images[::2])).low < part.value


def test_a_resample_in_which_nothing_counts_is_left_out() -> None:
    score = Score(np.array([0.5, 0.7, 0.0, 0.0, 0.0]), np.array([1.0, 1.0, 0.0, 0.0, 0.0]))
    (values,) = Bootstrap(list("abcde")).values([(score, list("abcde"))])
    assert np.isnan(values).any()
    found = interval(values, 2)
    assert (found.low, found.high) == pytest.approx((0.5, 0.7))


def test_few_clusters_are_marked() -> None:
    for count, few in ((2, True), (19, True), (20, False), (300, False)):
        score, images = clustered(count, 1)
        bootstrap = Bootstrap(images, 50)
        (values,) = bootstrap.values([(score, images)])
        assert interval(values, bootstrap.counted(score, images)).few is few


@pytest.mark.parametrize("pooled", [False, True])
def test_coverage_over_a_simulated_population(pooled: bool) -> None:
    # 400 repeats at a true coverage of 0.9 spread by 0.015; the percentile bootstrap falls a little short at
    # 40 images (0.88 over many repeats). Resampling instances instead of images covers about 0.6.
    hits = 0
    for seed in range(400):
        low, high = bootstrap_interval(*clustered(40, 1000 + seed, pooled), level=0.9, resamples=200)
        hits += low <= 0.5 <= high
    assert 0.83 <= hits / 400 <= 0.95


@pytest.mark.parametrize(
    ("denominator", "images"),
    [
        ([], []),
        ([1.0], ["a"]),
        ([1.0, 1.0, 1.0], ["a", "a", "a"]),
        ([1.0, 1.0, 0.0], ["a", "a", "b"]),
        ([0.0, 0.0], ["a", "b"]),
    ],
)
def test_fewer_than_two_images_that_count_give_nan(denominator: list[float], images: list[str]) -> None:
    below = np.array(denominator, float)
    assert all(math.isnan(end) for end in bootstrap_interval(Score(below / 2, below), images))


def test_images_must_match_the_instances() -> None:
    score, images = clustered(10, 0)
    with pytest.raises((IndexError, ValueError)):
        bootstrap_interval(score, images[:-1])


def of_videos(videos: int, frames: int, seed: int) -> tuple[Score, list[str], list[str]]:
    """Frames of a video share nearly all their luck, as those of a tracked object do; the true mean is 0.5."""
    rng = np.random.default_rng(seed)
    centre = np.repeat(rng.uniform(0.2, 0.8, videos), frames)
    values = centre + rng.uniform(-0.05, 0.05, videos * frames)
    owners = [f"v{i // frames}" for i in range(videos * frames)]
    return Score(values, np.ones(len(values))), owners, [f"f{i}" for i in range(len(values))]


@pytest.mark.slow
def test_only_resampling_videos_covers_a_population_of_videos() -> None:
    """20 videos of 32 frames: 95 % intervals over frames cover a fifth to a third of the time."""
    hits = {"videos": 0, "frames": 0}
    for seed in range(300):
        score, videos, frames = of_videos(20, 32, seed)
        for name, clusters in (("videos", videos), ("frames", frames)):
            low, high = bootstrap_interval(score, clusters, resamples=400)
            hits[name] += low <= 0.5 <= high
    assert hits["videos"] / 300 > 0.89  # the percentile interval of 20 clusters falls a little short of 0.95
    assert hits["frames"] / 300 < 0.4


def test_p_values_equal_a_count_of_the_resamples() -> None:
    assert p_value(np.array([0.1, 0.2, -0.1, 0.3])) == pytest.approx(2 * 2 / 5)
    assert p_value(np.array([0.1, 0.2, 0.4, 0.3])) == pytest.approx(2 / 5)
    assert p_value(np.zeros(9)) == 1
    assert math.isnan(p_value(np.full(3, np.nan)))


@pytest.mark.slow
def test_p_values_of_equal_populations_are_uniform() -> None:
    low = 0
    for seed in range(300):
        first, images = clustered(40, 5000 + seed)
        shift = dict(zip(sorted(set(images)), np.random.default_rng(seed).normal(0, 0.1, 40), strict=False))
        other = Score(first.numerator + [shift[image] for image in images], first.denominator)
        values = Bootstrap(images, 200, seed).values([(first, images), (other, images)])
        low += p_value(values[1] - values[0]) < 0.1
    assert 0.04 <= low / 300 <= 0.2


def test_holm_equals_a_worked_example() -> None:
    """Holm's step-down of 0.01, 0.04, 0.03 and 0.005: 0.03, 0.06, 0.06 and 0.02."""
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005, "e": float("nan")})
    assert {k: found[k] for k in "abcd"} == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert math.isnan(found["e"])
