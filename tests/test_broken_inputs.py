"""Broken files, end to end: one clear line where nothing can be done, else counted error rows and nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from trees import edit

from amodal_bench.core.errors import BenchError, InputError
from amodal_bench.evaluation.command import check_errors
from amodal_bench.report.outcome import Outcome
from amodal_bench.testing.export.cocoa import export as export_cocoa

Bench = Callable[..., Outcome]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    export_cocoa(tmp_path / "cocoa", "val", 4, 0)
    return tmp_path / "cocoa"


def run(bench: Bench, tree: Path) -> Outcome:
    return bench("model=hull", "dataset=cocoa", f"dataset.root={tree}", "engine.max_error_share=1.0")


def occluded_fish(data: dict[str, Any]) -> dict[str, Any]:
    """The first region that is scored and has masks of its own."""
    regions = (region for annotation in data["annotations"] for region in annotation["regions"])
    return next(region for region in regions if not region["isStuff"] and "visible_mask" in region)


def other_size(data: dict[str, Any]) -> None:
    occluded_fish(data)["visible_mask"]["size"] = [5, 5]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: occluded_fish(data).pop("segmentation"), "no segmentation"),
        (other_size, "mask is 5x5 but the image is"),
        (
            lambda data: occluded_fish(data).update(segmentation=[1, 2, 3, 4]),
            "polygon has no part with three points",
        ),
    ],
    ids=["no segmentation", "mask of another size", "no polygon"],
)
def test_a_bad_record_is_one_error_row(
    bench: Bench, tree: Path, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    whole = run(bench, tree).main
    edit(tree, change)
    outcome = run(bench, tree).main
    errors = outcome.errors()
    assert len(errors) == 1
    message = errors["error"].iloc[0]
    assert "COCO_amodal_val2014.json" in message
    assert "annotation " in message
    assert "region " in message
    assert reason in message
    assert outcome.summary()["errors"].tolist() == [0, 0]
    assert outcome.summary()["unreadable"].tolist() == [1, 1]
    assert outcome.summary()["instances"].iloc[0] == whole.summary()["instances"].iloc[0] - 1
    assert len(outcome.instances()) == len(whole.instances())
    listed = pd.read_csv(outcome.score_folder / "errors.csv")
    assert listed["id"].tolist() == errors["id"].tolist()


@pytest.mark.slow
def test_an_unreadable_image_costs_its_own_instances_only_and_is_tried_again(bench: Bench, tree: Path) -> None:
    picture = tree / "val2014" / "COCO_val2014_000000000002.png"
    good = picture.read_bytes()
    picture.write_bytes(good[: len(good) // 2])
    outcome = run(bench, tree).main
    lost = outcome.records[outcome.records["image_id"] == "2"]
    assert set(outcome.errors()["id"]) == set(lost["id"])
    assert outcome.errors()["error"].str.contains("COCO_val2014_000000000002.png").all()
    picture.write_bytes(good)
    mended = run(bench, tree).main
    assert mended.folder == outcome.folder
    assert mended.errors().empty


@pytest.mark.slow
def test_too_many_errors_fail_the_run_after_everything_is_written(bench: Bench, tree: Path) -> None:
    for picture in (tree / "val2014").iterdir():
        picture.unlink()
    outcome = run(bench, tree)
    with pytest.raises(BenchError, match=r"instances failed, more than engine\.max_error_share=0\.1"):
        check_errors(outcome, 0.1)
    assert (outcome.main.score_folder / "errors.csv").exists()
    check_errors(outcome, 1.0)


def test_a_truncated_annotation_file_is_one_line(bench: Bench, tree: Path) -> None:
    file = tree / "annotations" / "COCO_amodal_val2014.json"
    file.write_text(file.read_text()[:1000])
    with pytest.raises(InputError, match=r"COCO_amodal_val2014\.json: .*line 1") as caught:
        run(bench, tree)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_one_line(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: the folder of COCO-A does not exist; "):
        run(bench, tmp_path / "nowhere")


def test_a_filter_that_leaves_nothing_says_what_it_left_out(bench: Bench, tree: Path) -> None:
    with pytest.raises(
        BenchError,
        match=r"instance@2 with filter\.min_occlusion=0\.95 selects no instance of cocoa \(.*for occlusion rate",
    ):
        bench("model=hull", "dataset=cocoa", f"dataset.root={tree}", "protocol.filter.min_occlusion=0.95")
