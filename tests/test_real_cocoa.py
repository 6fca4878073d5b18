"""The harness on real COCO-A records; skipped where the sample files are not at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from params import mostly_slow
from test_cocoa import MEAN_IOU

from amodal_bench.report.outcome import Outcome

Bench = Callable[..., Outcome]


@pytest.mark.parametrize("model", mostly_slow(["visible", "hull"]))
def test_baselines_run_on_real_records(bench: Bench, real_cocoa: Path, model: str) -> None:
    root = f"dataset.root={real_cocoa}"
    outcome = bench("dataset=cocoa", root, f"model={model}", "baselines=null", "protocol.filter.stuff=true")
    assert outcome.main.errors().empty
    instances = outcome.main.instances()
    assert len(instances) == 32
    if model == "visible":
        # Published, image by image, by another implementation.
        means = instances.groupby(instances["image_id"].astype(int))["iou"].mean()
        assert means.to_dict() == pytest.approx(MEAN_IOU, abs=1e-9)


@pytest.mark.slow
def test_the_method_runs_on_real_records(bench: Bench, real_cocoa: Path) -> None:
    outcome = bench("dataset=cocoa", f"dataset.root={real_cocoa}", "limit=4", "model.steps=4", "sheet=2")
    assert outcome.main.errors().empty
    assert len(outcome.main.instances()) == 4
    assert outcome.sheet is not None
