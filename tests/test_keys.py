"""Visible masks under the keys of sister formats, records without a pixel of A, and what a run warns of."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from one_picture import AMODAL, DATASETS, FORMATS, SIZE, VISIBLE, mask_under, written
from params import mostly_slow

from amodal_bench.core.errors import InputError
from amodal_bench.core.rle import encode
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Dataset
from amodal_bench.datasets.reading.doubts import doubts
from amodal_bench.datasets.toy import Toy
from amodal_bench.metrics.protocols import Filter
from amodal_bench.report.outcome import Outcome

Bench = Callable[..., Outcome]


@pytest.mark.parametrize("key", FORMATS)
@pytest.mark.parametrize("name", DATASETS)
def test_the_visible_mask_is_found_under_every_formats_key(tmp_path: Path, name: str, key: str) -> None:
    dataset = written(tmp_path, name, [mask_under(key)])
    (record,) = dataset.records().to_dict("records")
    sample = dataset.sample(record["id"])
    assert np.array_equal(sample.visible, VISIBLE) and np.array_equal(sample.amodal, AMODAL)
    assert record["occlusion_rate"] == pytest.approx(1 - 25 / 40)
    own = key in dataset.visible_keys
    told = [line for line in dataset.remarks() if line.startswith("V of")]
    whence = "which is A without V" if key == "invisible_mask" else "the key of another format"
    assert told == ([] if own else [f"V of 1 of 1 instances is read from {key}, {whence}"])
    assert not list(doubts(dataset, dataset.records())) and not dataset.check()


@pytest.mark.parametrize("name", DATASETS)
def test_a_datasets_own_key_goes_first(tmp_path: Path, name: str) -> None:
    own = "i_segm" if name == "kins" else "visible_mask"
    wrong = {key: encode(AMODAL) for key in FORMATS if key not in (own, "invisible_mask")}
    dataset = written(tmp_path, name, [wrong | mask_under(own)])
    assert np.array_equal(dataset.sample(dataset.records()["id"][0]).visible, VISIBLE)


@pytest.mark.parametrize("name", DATASETS)
def test_a_hidden_part_that_cannot_be_read_is_an_error_that_names_its_key(tmp_path: Path, name: str) -> None:
    dataset = written(tmp_path, name, [{"invisible_mask": {"size": [1, 1], "counts": [1]}}])
    assert any("invisible_mask: mask is 1x1" in problem.what for problem in dataset.check())


@pytest.mark.parametrize("name", DATASETS)
def test_an_object_without_a_pixel_cannot_be_used_whatever_area_is_stated(tmp_path: Path, name: str) -> None:
    nothing: Mask = np.zeros(SIZE, bool)
    empty = {"segmentation": encode(nothing), "area": 800, "visible_mask": encode(VISIBLE)}
    dataset = written(tmp_path, name, [empty, mask_under("visible_mask")])
    records = dataset.records()
    kept, excluded = Filter().select(records)
    assert len(kept) == 2 and not excluded and np.isnan(records["amodal_pixels"][0])
    with pytest.raises(InputError, match=r"(annotation|instance) 1.*: the amodal mask is empty"):
        dataset.sample(records["id"][0])
    assert dataset.sample(records["id"][1]).amodal.any()
    assert [problem.what for problem in dataset.check()] == ["the amodal mask is empty"]


@pytest.mark.slow
def test_an_object_without_a_pixel_is_an_error_row(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    empty = {"segmentation": [[10, 10, 50, 10, 30, 10]], "visible_mask": encode(VISIBLE)}
    written(tmp_path / "tree", "cocoa", [empty, mask_under("visible_mask")])
    settings = ("dataset=cocoa", f"dataset.root={tmp_path / 'tree'}", "sheet=0", "engine.max_error_share=1")
    outcome = bench(*settings, "model=hull")
    assert outcome.excluded == {}
    assert outcome.main.summary()[["instances", "unreadable"]].to_numpy().tolist() == [[1, 1]] * 2
    assert outcome.main.errors()["error"].str.contains("region 1: the amodal mask is empty").tolist() == [True]


def test_records_that_say_to_be_empty_are_left_out(tmp_path: Path) -> None:
    records = written(tmp_path, "cocoa", [{}, {}]).records().assign(amodal_pixels=[0.0, 9.0])
    kept, excluded = Filter().select(records)
    assert list(kept["id"]) == ["1-2"] and excluded == {"empty amodal mask": 1}


@pytest.mark.parametrize(
    ("name", "fields", "line"),
    mostly_slow(
        [
            ("kins", [{}, {}], "none of its 2 instances has a visible mask: V = A is assumed"),
            ("cocoa", [{}, {}], "none of its 2 instances has a visible mask: V = A is assumed"),
            ("kins", [{}] * 30 + [mask_under("i_segm")], "only 1 of its 31 instances has a visible mask"),
            (
                "cocoa",
                [{"occlude_rate": 0.4}, mask_under("visible_mask")],
                "1 of its 2 instances state an occlusion rate and no visible mask",
            ),
        ]
    ),
)
def test_a_run_warns_of_missing_visible_masks_in_one_line(
    bench: Bench,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    fields: list[dict[str, Any]],
    line: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "tree", name, fields)
    with caplog.at_level(logging.WARNING):
        bench(f"dataset={name}", f"dataset.root={tmp_path / 'tree'}", "model=hull", "sheet=0")
    (said,) = [record.getMessage() for record in caplog.records if "visible mask" in record.getMessage()]
    assert said.startswith(f"{name}: {line}") and "\n" not in said


def test_a_sound_dataset_is_not_doubted_and_one_without_occlusion_is() -> None:
    class Bare(Toy):
        """Whose index knows nothing of keys."""

        def records(self) -> Any:
            return super().records().assign(occlusion_rate=0.0)

    sound: Dataset = Toy(images=2)
    assert not list(doubts(sound, sound.records()))
    bare = Bare(images=2)
    assert list(doubts(bare, bare.records())) == [
        f"none of its {len(sound.records())} instances is occluded: V = A, and the baseline V is perfect"
    ]
