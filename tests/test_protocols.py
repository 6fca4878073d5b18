"""Protocols against loops over dense masks that know nothing of counts, and the filter's bookkeeping."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from amodal_bench.config.build import build
from amodal_bench.config.settings import config_folder
from amodal_bench.core.errors import ConfigError
from amodal_bench.core.types import Floats, Integers, Mask
from amodal_bench.metrics.counts import joint_counts
from amodal_bench.metrics.numbers.base import Rows, Score
from amodal_bench.metrics.numbers.iou import MeanIou, PooledIou
from amodal_bench.metrics.protocols import Filter, ScoringProtocol, occlusion_rate
from amodal_bench.metrics.protocols import shipped as shipped_as
from amodal_bench.metrics.rebuild import in_order

Instance = tuple[Mask, Mask, Mask]
"""Predicted, amodal, visible."""


class Used:
    """Both numbers of one aggregation, asked with counts alone."""

    def __init__(self, aggregate: str, union_visible: bool) -> None:
        self.prediction = "united" if union_visible else "given"
        whole = {"instance": MeanIou, "pooled": PooledIou}[aggregate](prediction=self.prediction)
        part = MeanIou("beyond_visible", hidden_only=True) if aggregate == "instance" else PooledIou("beyond_visible")
        numbers = {"miou": whole, "occluded_miou": part}
        self.protocol = ScoringProtocol("test", 1, numbers, Filter())

    def scores(self, counts: Integers) -> dict[str, Score]:
        found = self.protocol.scores(rows_of(counts))
        return {name: score for name, score in found.items() if isinstance(score, Score)}

    def iou(self, counts: Integers) -> Floats:
        return MeanIou(prediction=self.prediction).values(rows_of(counts))

    def occluded_iou(self, counts: Integers) -> Floats:
        return MeanIou("beyond_visible", hidden_only=True).values(rows_of(counts))


def rows_of(counts: Integers) -> Rows:
    return Rows(counts, pd.DataFrame({"image_id": [str(n) for n in range(len(counts))]}), {})


def protocol(aggregate: str = "instance", union_visible: bool = False) -> Used:
    return Used(aggregate, union_visible)


def count(*instances: Instance) -> Integers:
    return np.stack([joint_counts(p, a, v, np.zeros_like(a)) for p, a, v in instances])


def population(n: int = 40) -> list[Instance]:
    """Rectangles occluded from the right to different degrees; predictions miss and spill at random."""
    rng = np.random.default_rng(7)
    instances: list[Instance] = []
    for i in range(n):
        amodal = np.zeros((17, 23), bool)
        top, left = rng.integers(0, 9, 2)
        amodal[top : top + rng.integers(1, 9), left : left + rng.integers(2, 14)] = True
        visible = amodal.copy()
        if i % 4:  # every fourth is not occluded
            columns = np.flatnonzero(amodal.any(axis=0))
            visible[:, columns[rng.integers(1, len(columns)) :]] = False
        predicted = visible ^ (rng.random(amodal.shape) < rng.choice([0.0, 0.05, 0.3]))
        instances.append((predicted | (amodal & (rng.random(amodal.shape) < 0.5)), amodal, visible))
    instances.append((np.zeros((17, 23), bool), *instances[1][1:]))
    instances.append((instances[2][1], *instances[2][1:]))
    return instances


def pixels(mask: Mask) -> set[tuple[int, int]]:
    """A mask as a set of its pixels: the reference works on sets, not on arrays."""
    return {(int(y), int(x)) for y, x in zip(*np.nonzero(mask), strict=True)}


def reference(instances: list[Instance], aggregate: str, union_visible: bool) -> dict[str, float]:
    """C2F-Seg's convention (`instance`) and that of PCNet and SDAmodal (`pooled`), as loops."""
    full: list[tuple[int, int]] = []
    occluded: list[tuple[int, int]] = []
    for masks in instances:
        p, a, v = map(pixels, masks)
        if union_visible:
            p = p | v
        full.append((len(p & a), len(p | a)))
        if aggregate == "pooled" or a - v:
            occluded.append((len((p - v) & (a - v)), len((p - v) | (a - v))))

    def summary(pairs: list[tuple[int, int]]) -> float:
        if aggregate == "pooled":
            return sum(both for both, _ in pairs) / sum(either for _, either in pairs)
        return sum(both / either for both, either in pairs) / len(pairs) if pairs else math.nan

    return {"miou": summary(full), "occluded_miou": summary(occluded)}


def rectangle(left: int, right: int) -> Mask:
    mask = np.zeros((10, 20), bool)
    mask[:, left:right] = True
    return mask


def occluded(predicted: Mask) -> Instance:
    """A is 100 pixels wide by area, 40 of them hidden."""
    return predicted, rectangle(0, 10), rectangle(0, 6)


def unoccluded(predicted: Mask) -> Instance:
    return predicted, rectangle(0, 10), rectangle(0, 10)


EMPTY = rectangle(0, 0)


@pytest.mark.parametrize("union_visible", [False, True])
@pytest.mark.parametrize("aggregate", ["instance", "pooled"])
def test_scores_equal_a_loop_over_dense_masks(aggregate: str, union_visible: bool) -> None:
    instances = population()
    scores = protocol(aggregate, union_visible).scores(count(*instances))
    expected = reference(instances, aggregate, union_visible)
    assert scores.keys() == expected.keys()
    for name, value in expected.items():
        assert 0.05 < value < 0.95  # the comparison would be idle at the ends
        assert scores[name].value == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("union_visible", [False, True])
def test_iou_of_each_instance_equals_a_loop(union_visible: bool) -> None:
    instances = population()
    used = protocol(union_visible=union_visible)
    full, hidden = used.iou(count(*instances)), used.occluded_iou(count(*instances))
    assert full.shape == hidden.shape == (len(instances),)
    assert np.isnan(hidden).any()
    assert not np.isnan(hidden).all()
    for i, instance in enumerate(instances):
        expected = reference([instance], "instance", union_visible)
        assert full[i] == pytest.approx(expected["miou"], abs=1e-12)
        assert hidden[i] == pytest.approx(expected["occluded_miou"], abs=1e-12, nan_ok=True)


def test_the_aggregates_weigh_instances_differently() -> None:
    small = (rectangle(0, 1), rectangle(0, 1), rectangle(0, 1))  # 10 pixels, perfect
    large = (rectangle(0, 5), rectangle(0, 20), rectangle(0, 5))  # 200 pixels, a quarter found
    counts = count(small, large)
    assert protocol("instance").scores(counts)["miou"].value == pytest.approx((1 + 0.25) / 2)
    assert protocol("pooled").scores(counts)["miou"].value == pytest.approx(60 / 210)


@pytest.mark.parametrize("aggregate", ["instance", "pooled"])
def test_union_with_the_visible_mask(aggregate: str) -> None:
    # The prediction is the hidden part alone: without V it misses 60 of 100 pixels.
    counts = count(occluded(rectangle(6, 10)))
    without, united = protocol(aggregate).scores(counts), protocol(aggregate, True).scores(counts)
    assert without["miou"].value == pytest.approx(0.4)
    assert united["miou"].value == pytest.approx(1)
    assert without["occluded_miou"].value == united["occluded_miou"].value == pytest.approx(1)


def test_union_counts_visible_pixels_outside_the_amodal_mask_as_predicted() -> None:
    # Annotated V is not always within A.
    counts = count((rectangle(0, 10), rectangle(0, 10), rectangle(5, 15)))
    assert protocol().iou(counts)[0] == pytest.approx(1)
    assert protocol(union_visible=True).iou(counts)[0] == pytest.approx(100 / 150)


@pytest.mark.parametrize("union_visible", [False, True])
def test_other_instances_do_not_change_a_score(union_visible: bool) -> None:
    p, a, v = occluded(rectangle(3, 12))
    counts = np.stack([joint_counts(p, a, v, others) for others in (EMPTY, a & ~v, ~EMPTY)])
    for values in (protocol("pooled", union_visible).iou(counts), protocol().occluded_iou(counts)):
        assert len(set(values.tolist())) == 1


def test_spill_over_an_unoccluded_object_counts_only_in_the_pooled_occluded_score() -> None:
    perfect, spilling = occluded(rectangle(0, 10)), unoccluded(rectangle(0, 16))
    counts = count(perfect, spilling)
    by_instance = protocol("instance").scores(counts)["occluded_miou"]
    assert by_instance.value == pytest.approx(1)
    assert by_instance.instances == 1
    assert protocol("pooled").scores(counts)["occluded_miou"].value == pytest.approx(40 / (40 + 60))


def test_an_unoccluded_object_without_spill_changes_no_occluded_score() -> None:
    half = occluded(rectangle(0, 8))
    for aggregate in ("instance", "pooled"):
        used = protocol(aggregate)
        alone, beside = used.scores(count(half)), used.scores(count(half, unoccluded(rectangle(0, 10))))
        assert alone["occluded_miou"].value == beside["occluded_miou"].value == pytest.approx(0.5)
        assert beside["occluded_miou"].instances == 1
        assert beside["miou"].instances == 2


def test_an_empty_prediction_scores_zero_and_not_nan() -> None:
    counts = count(occluded(EMPTY))
    assert protocol().iou(counts)[0] == 0
    assert protocol().occluded_iou(counts)[0] == 0


@pytest.mark.parametrize("aggregate", ["instance", "pooled"])
def test_empty_against_empty_is_nan_and_left_out_of_the_mean(aggregate: str) -> None:
    nothing = (EMPTY, EMPTY, EMPTY)
    used = protocol(aggregate)
    assert math.isnan(used.iou(count(nothing))[0])
    assert math.isnan(used.occluded_iou(count(nothing))[0])
    for score in used.scores(count(nothing)).values():
        assert math.isnan(score.value)
        assert score.instances == 0
    beside = used.scores(count(nothing, occluded(rectangle(0, 8))))
    assert beside["miou"].value == pytest.approx(0.8)
    assert beside["miou"].instances == 1


def test_a_prediction_over_an_empty_amodal_mask_counts_as_wrong() -> None:
    counts = count((rectangle(0, 3), EMPTY, EMPTY))
    assert protocol().iou(counts)[0] == 0
    assert math.isnan(protocol().occluded_iou(counts)[0])


@pytest.mark.parametrize("aggregate", ["instance", "pooled"])
def test_no_instance_at_all_gives_nan(aggregate: str) -> None:
    for score in protocol(aggregate).scores(np.zeros((0, 16), np.int64)).values():
        assert math.isnan(score.value)
        assert score.instances == 0


@pytest.mark.parametrize("aggregate", ["instance", "pooled"])
def test_a_score_has_one_entry_per_instance_and_no_nan(aggregate: str) -> None:
    counts = count(*population(), (EMPTY, EMPTY, EMPTY))
    for score in protocol(aggregate).scores(counts).values():
        for part in (score.numerator, score.denominator):
            assert part.shape == (len(counts),)
            assert np.isfinite(part).all()


@pytest.mark.parametrize(
    ("numerator", "denominator", "value", "instances"),
    [
        ([], [], math.nan, 0),
        ([0.0, 0.0], [0.0, 0.0], math.nan, 0),
        ([0.0], [5.0], 0.0, 1),
        ([3.0, 0.0, 1.0], [4.0, 0.0, 4.0], 0.5, 2),
    ],
)
def test_score_is_a_ratio_of_sums(
    numerator: list[float], denominator: list[float], value: float, instances: int
) -> None:
    score = Score(np.array(numerator, float), np.array(denominator, float))
    assert score.value == pytest.approx(value, nan_ok=True)
    assert score.instances == instances


def test_occlusion_rate_equals_the_share_of_hidden_pixels() -> None:
    rates: Floats = occlusion_rate(
        count(occluded(EMPTY), unoccluded(EMPTY), (EMPTY, EMPTY, EMPTY), (EMPTY, rectangle(0, 10), EMPTY))
    )
    assert rates.tolist() == pytest.approx([0.4, 0, math.nan, 1], nan_ok=True)


def shipped(**changes: Any) -> ScoringProtocol:
    spec: Any = OmegaConf.to_container(OmegaConf.load(config_folder() / "protocol" / "instance.yaml"))
    for key, value in changes.items():
        place = spec
        *parents, last = key.split("__")
        for parent in parents:
            place = place[parent]
        place[last] = value
    found: ScoringProtocol = build(spec, "protocol")
    return found


def test_a_label_is_plain_for_the_shipped_content_only() -> None:
    """Else two numbers of one label could be about different things."""
    plain = shipped()
    assert plain.label == "instance@2"
    changed = {
        "instance@2 with filter.min_occlusion=0.2": shipped(filter__min_occlusion=0.2),
        "instance@2 with numbers.miou.prediction=united": shipped(numbers__miou__prediction="united"),
        "instance@2 with errors=exclude": shipped(errors="exclude"),
        "instance@2 with clusters=image": shipped(clusters="image"),
    }
    assert [one.label for one in changed.values()] == list(changed)
    assert len({plain.digest, *(one.digest for one in changed.values())}) == len(changed) + 1


def test_a_label_names_numbers_that_were_added_or_left_out() -> None:
    plain = shipped()
    fewer = replace(plain, numbers={"miou": plain.numbers["miou"]})
    more = replace(plain, numbers={**plain.numbers, "pooled": PooledIou()})
    assert fewer.label == "instance@2 with no numbers.occluded_miou"
    assert more.label == "instance@2 with numbers.pooled"


def test_a_protocol_of_the_users_own_has_the_label_that_he_gives_it() -> None:
    assert ScoringProtocol("mine", 3, {"miou": MeanIou()}, Filter()).label == "mine@3"


def test_hidden_records_are_scored_on_request() -> None:
    frame = records(hidden=[False, True], stuff=[False, False])
    assert kept(Filter(hidden=True), frame) == (["0", "1"], {})


def records(**columns: list[Any]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    frame = pd.DataFrame({"id": [str(i) for i in range(n)]})
    for name, default in {"occlusion_rate": 0.5, "stuff": False, "crowd": False, "hidden": False}.items():
        frame[name] = columns.get(name, [default] * n)
    return frame


def kept(chosen: Filter, frame: pd.DataFrame) -> tuple[list[str], dict[str, int]]:
    selected, excluded = chosen.select(frame)
    return selected["id"].tolist(), excluded


def test_the_default_filter_leaves_out_stuff_and_hidden_records() -> None:
    frame = records(stuff=[False, True, False, True], hidden=[False, False, True, False])
    assert kept(Filter(), frame) == (["0"], {"hidden": 1, "stuff": 2})


def test_stuff_is_scored_on_request_and_hidden_records_are_not() -> None:
    frame = records(stuff=[False, True, False, True], hidden=[False, False, True, True])
    assert kept(Filter(stuff=True), frame) == (["0", "1"], {"hidden": 2})


def test_a_crowd_is_scored_on_request_only() -> None:
    frame = records(crowd=[False, True, True, True], stuff=[False, False, True, False], hidden=[False] * 3 + [True])
    assert kept(Filter(), frame) == (["0"], {"hidden": 1, "stuff": 1, "crowd": 1})
    assert kept(Filter(crowd=True), frame) == (["0", "1"], {"hidden": 1, "stuff": 1})
    assert kept(Filter(stuff=True, crowd=True), frame) == (["0", "1", "2"], {"hidden": 1})


def test_a_flag_that_is_not_stated_is_false() -> None:
    """A user's dataset may be older than the column, or leave gaps in it."""
    frame = records(stuff=[True, False, None, False]).drop(columns=["crowd", "hidden"])
    assert kept(Filter(), frame) == (["1", "2", "3"], {"stuff": 1})


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, ["0", "1", "2", "3", "4", "5"]),
        (0.2, 0.5, ["1", "2", "3", "5"]),
        (0.5, 0.5, ["3", "5"]),
        (0.0, 0.19, ["0", "5"]),
        (0.51, 1.0, ["4", "5"]),
    ],
)
def test_occlusion_bounds_are_inclusive_and_an_unknown_rate_passes(
    low: float, high: float, expected: list[str]
) -> None:
    frame = records(occlusion_rate=[0.0, 0.2, 0.3, 0.5, 1.0, math.nan])
    ids, excluded = kept(Filter(min_occlusion=low, max_occlusion=high), frame)
    assert ids == expected
    left_out = len(frame) - len(expected)
    assert excluded == ({"occlusion rate": left_out} if left_out else {})


def test_a_record_is_counted_under_its_first_reason_only() -> None:
    frame = records(
        hidden=[True, True, True, False, False],
        stuff=[True, False, True, True, False],
        crowd=[True, False, False, True, False],
        occlusion_rate=[1.0, 1.0, 0.2, 1.0, 1.0],
    )
    ids, excluded = kept(Filter(max_occlusion=0.5), frame)
    assert ids == []
    assert excluded == {"hidden": 3, "stuff": 1, "occlusion rate": 1}


def test_select_works_on_any_index_and_leaves_the_records_alone() -> None:
    frame = records(stuff=[True, False, False], occlusion_rate=[0.1, 0.9, 0.2]).set_index(pd.Index([7, 3, 5]))
    before = frame.copy()
    selected, _ = Filter(max_occlusion=0.5).select(frame)
    assert selected["id"].tolist() == ["2"]
    assert selected.columns.tolist() == frame.columns.tolist()
    pd.testing.assert_frame_equal(frame, before)


def test_select_of_no_records_is_empty() -> None:
    frame = records(stuff=[False]).iloc[:0]
    assert kept(Filter(), frame) == ([], {})


@pytest.mark.parametrize(("low", "high"), [(-0.1, 1.0), (0.0, 1.1), (0.6, 0.5), (math.nan, 1.0), (0.0, math.nan)])
def test_an_impossible_occlusion_range_is_refused(low: float, high: float) -> None:
    with pytest.raises(ConfigError, match="min_occlusion"):
        Filter(min_occlusion=low, max_occlusion=high)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"errors": "ignore"}, r"protocol\.errors: 'ignore' is not one of 'zero', 'exclude'"),
        ({"clusters": "frame"}, r"protocol\.clusters"),
        ({"numbers": {}}, r"protocol\.numbers: must name at least one number"),
        ({"numbers": {"x": 3}}, r"protocol\.numbers\.x: must be a dataclass"),
        ({"numbers__miou__region": "left"}, "region: 'left' is not one of 'whole', 'beyond_visible', 'covered'"),
    ],
)
def test_a_wrong_setting_is_refused(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        shipped(**changes)


@pytest.mark.parametrize("name", sorted(file.stem for file in (config_folder() / "protocol").glob("*.yaml")))
def test_numbers_that_a_file_has_sorted_stand_in_their_own_order_again(name: str) -> None:
    protocol = shipped_as(name)
    assert protocol is not None
    numbers = dict(sorted(protocol.content["numbers"].items()))
    assert [key for key, _ in in_order({**protocol.content, "numbers": numbers})] == list(protocol.numbers)
