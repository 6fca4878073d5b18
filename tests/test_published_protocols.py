"""Numbers that bear a paper's name against what the paper's own code printed, and against dense masks."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from protocol_rows import Case, images, videos

from amodal_bench.core.types import Mask
from amodal_bench.metrics.numbers.average_precision import AveragePrecision
from amodal_bench.metrics.numbers.base import Number
from amodal_bench.metrics.numbers.boundary import BoundaryIou
from amodal_bench.metrics.numbers.c2fseg import C2FSegFull, C2FSegInvisible, C2FSegVideo
from amodal_bench.metrics.numbers.diffusion_vas import DiffusionVasIou, DiffusionVasOccludedIou
from amodal_bench.metrics.numbers.eoras import EorasIou
from amodal_bench.metrics.numbers.iou import PooledIou, PooledRecall
from amodal_bench.metrics.numbers.savos import SavosIou
from amodal_bench.metrics.numbers.tabe51 import Tabe51Iou

CASES = {"images": cache(images), "videos": cache(videos)}


def printed(case: Case, path: str) -> float:
    found: Any = case.expected
    for key in path.split("/"):
        found = found[key]
    return float(found["value"] if isinstance(found, dict) else found)


@pytest.mark.parametrize(
    ("case", "path", "number"),
    [
        ("images", "pcnet/full", PooledIou()),
        ("images", "pcnet/pacc", PooledRecall()),
        ("images", "sdamodal/full", PooledIou()),
        ("images", "sdamodal/invisible", PooledIou("beyond_visible")),
        ("images", "c2f_seg_kins/full", C2FSegFull()),
        ("images", "c2f_seg_kins/full_post", C2FSegFull("united")),
        ("images", "c2f_seg_kins/invisible", C2FSegInvisible()),
        ("images", "c2f_seg_kins/invisible_post", C2FSegInvisible()),
        ("images", "c2f_seg_gtV/full", C2FSegFull()),
        ("images", "c2f_seg_gtV/invisible", C2FSegInvisible(drop_hidden=True)),
        ("images", "boundary_iou_002/mean_boundary_iou", BoundaryIou(0.02)),
        ("images", "boundary_iou_002/mean_min_mask_boundary", BoundaryIou(0.02, with_mask=True)),
        ("images", "boundary_iou_0005/mean_boundary_iou", BoundaryIou(0.005)),
        ("images", "boundary_iou_0005/mean_min_mask_boundary", BoundaryIou(0.005, with_mask=True)),
        ("images", "boundary_iou_005/mean_boundary_iou", BoundaryIou(0.05)),
        ("videos", "savos_fishbowl/metric1_IoU", SavosIou()),
        ("videos", "savos_fishbowl/metric1_invisible_IoU", SavosIou("covered")),
        ("videos", "savos_fishbowl/metric2_IoU", SavosIou(by_frame=False)),
        ("videos", "savos_fishbowl/metric2_invisible_IoU", SavosIou("covered", by_frame=False)),
        ("videos", "c2f_video_fishbowl/iou", C2FSegVideo()),
        ("videos", "c2f_video_fishbowl/invisible_iou_", C2FSegVideo("beyond_visible")),
        ("videos", "c2f_video_fishbowl/iou_post", C2FSegVideo("whole", "visible_unless_covered")),
        (
            "videos",
            "c2f_video_fishbowl/invisible_iou_post",
            C2FSegVideo("beyond_visible", "visible_unless_covered"),
        ),
        ("videos", "eoras_movi/iou_full", EorasIou()),
        ("videos", "eoras_movi/iou_occ", EorasIou("beyond_visible")),
        ("videos", "diffusion_vas_sailvos/miou", DiffusionVasIou()),
        ("videos", "diffusion_vas_sailvos/miou_occ", DiffusionVasOccludedIou()),
        ("videos", "tabe51/mIOU", Tabe51Iou()),
        ("videos", "tabe51/mIOUffo", Tabe51Iou("fully_occluded")),
        ("videos", "tabe51/mIOUfo", Tabe51Iou("occluded")),
        ("videos", "tabe51/mIOUocc", Tabe51Iou("occluded_by_sum", hidden=True)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_number_is_what_the_authors_code_prints(case: str, path: str, number: Number) -> None:
    found = CASES[case]()
    assert number.score(found.rows).value == pytest.approx(printed(found, path), abs=1e-6)


@pytest.mark.parametrize(
    ("path", "number", "scale"),
    [
        ("coco_ap/AP", AveragePrecision(), 1),
        ("coco_ap/AP50", AveragePrecision(0.5), 1),
        ("coco_ap/AP75", AveragePrecision(0.75), 1),
        ("aisformer_amodal_ap/AP", AveragePrecision(max_visible=1.0), 100),
        ("aisformer_amodal_ap/AP50", AveragePrecision(0.5, 1.0), 100),
        ("aisformer_amodal_ap/AP_visible_ratio_le_085", AveragePrecision(max_visible=0.85), 100),
        ("aisformer_amodal_ap/AP_visible_ratio_le_075", AveragePrecision(max_visible=0.75), 100),
        ("aisformer_amodal_ap/AP_visible_ratio_le_060", AveragePrecision(max_visible=0.6), 100),
    ],
)
def test_average_precision_is_what_the_authors_code_prints(path: str, number: AveragePrecision, scale: int) -> None:
    found = CASES["images"]()
    assert scale * number.value(found.rows) == pytest.approx(printed(found, path), abs=1e-6)


def dense(p: Mask, a: Mask, empty: float) -> float:
    union = int((p | a).sum())
    return int((p & a).sum()) / union if union else empty


@pytest.mark.parametrize("case", list(CASES))
def test_corrected_twins_equal_a_loop_over_dense_masks(case: str) -> None:
    found = CASES[case]()
    hidden = [dense(p & ~v, a & ~v, np.nan) for p, a, v, _ in found.masks if (a & ~v).any()]
    assert 0.05 < float(np.mean(hidden)) < 0.95
    for number in (C2FSegInvisible(corrected=True), EorasIou("beyond_visible", corrected=True)):
        assert number.score(found.rows).value == pytest.approx(float(np.mean(hidden)), abs=1e-12)
        assert number.score(found.rows).instances == len(hidden)


def test_corrected_twins_of_videos_equal_a_loop_over_dense_masks() -> None:
    found = CASES["videos"]()
    by_video: dict[tuple[str, str], list[float]] = {}
    for (p, a, v, _), record in zip(found.masks, found.rows.records.itertuples(), strict=True):
        if (a & ~v).any():
            key = str(record.video_id), str(record.object_id)
            by_video.setdefault(key, []).append(dense(p & ~v, a & ~v, 0))
    expected = float(np.mean([np.mean(values) for values in by_video.values()]))
    corrected = Tabe51Iou("occluded", hidden=True, corrected=True)
    assert corrected.score(found.rows).value == pytest.approx(expected, abs=1e-12)


def test_a_quirk_and_its_correction_differ_on_these_instances() -> None:
    """Otherwise the twins would be idle, and the comparisons above could not tell them apart."""
    pictures, frames = CASES["images"]().rows, CASES["videos"]().rows
    for rows, quirky, mended in (
        (pictures, C2FSegInvisible(drop_hidden=True), C2FSegInvisible(corrected=True)),
        (frames, EorasIou("beyond_visible"), EorasIou("beyond_visible", corrected=True)),
        (frames, DiffusionVasOccludedIou(), DiffusionVasOccludedIou(corrected=True)),
        (frames, Tabe51Iou("occluded_by_sum", True), Tabe51Iou("occluded", True, True)),
    ):
        assert abs(quirky.score(rows).value - mended.score(rows).value) > 1e-3
