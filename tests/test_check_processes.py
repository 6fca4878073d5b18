"""`check` in processes finds what it finds in one, and names what ends a process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trees import edit

from amodal_bench.core.cores import cores
from amodal_bench.core.processes import can_fork
from amodal_bench.datasets.reading import indexed
from amodal_bench.datasets.reading.pairs import Pair
from amodal_bench.datasets.sailvos.sailvos import SailVos
from amodal_bench.testing.export.sailvos import FRAMES, export

pytestmark = pytest.mark.skipif(not can_fork() or cores() < 2, reason="there is one process only")


@pytest.fixture
def damaged(tmp_path: Path) -> SailVos:
    """Two videos; a third of the annotations have something wrong, and one picture is cut."""
    root = export(tmp_path / "tree", images=FRAMES + 1).parent

    def damage(data: dict[str, Any]) -> None:
        annotations = data["annotations"]
        annotations[0]["area"] = 3
        annotations[1]["visible_mask"]["counts"] = "zz"
        annotations[2]["occlude_rate"] = 0.987
        annotations[3]["segmentation"]["size"] = [1, 2]
        annotations[4]["invisible_mask"] = annotations[5]["segmentation"]

    edit(root, damage)
    picture = sorted(root.rglob("*.bmp"))[-1]
    picture.write_bytes(picture.read_bytes()[:900])
    return SailVos(str(root))


@pytest.fixture
def spread(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets even so few instances be checked in processes, two scenes at a time."""

    def spread() -> None:
        monkeypatch.setattr(indexed, "FEW_INSTANCES", 0)
        monkeypatch.setattr(indexed, "LOT", 2)

    return spread


def test_findings_are_the_same(damaged: SailVos, spread: Callable[[], None]) -> None:
    here = damaged.check()
    spread()
    assert damaged.check() == here
    assert len(here) >= 6


def test_dense_masks_and_runs_give_the_same_pair(damaged: SailVos) -> None:
    for place, row in enumerate(damaged.index.instances.to_dict("records")):
        if place in (1, 3):
            continue
        size = row["height"], row["width"]
        masks, pair = damaged.read_masks(row, *size), damaged.read_pair(row, *size)
        dense = Pair.of_masks(masks.visible, masks.amodal)
        assert (pair.amodal, pair.visible) == (dense.amodal, dense.visible)
        assert pair.common_pixels == int((masks.amodal & masks.visible).sum())


def test_files_of_a_picture_are_looked_for_once(damaged: SailVos, monkeypatch: pytest.MonkeyPatch) -> None:
    instances = damaged.index.instances
    expected = {row["id"]: damaged.files(row) for row in instances.to_dict("records")}
    looked: list[str] = []
    files = SailVos.files

    def noted(self: SailVos, row: Any) -> tuple[Path, ...]:
        looked.append(row["picture"])
        return files(self, row)

    monkeypatch.setattr(SailVos, "files", noted)
    assert damaged.files_of([*instances["id"], "unknown"]) == expected
    assert sorted(looked) == sorted(instances["picture"].unique())


def test_what_ends_a_process_is_a_finding(
    damaged: SailVos, spread: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    spread()
    here, fatal = damaged.check(), damaged.index.instances["image_id"].iloc[-1]
    read = SailVos.read_size

    def read_size(self: SailVos, row: Any) -> tuple[int, int]:
        if row["image_id"] == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(self, row)

    monkeypatch.setattr(SailVos, "read_size", read_size)
    found = [problem for problem in damaged.check() if problem not in here]
    what = "reading its image or one of its masks ends the process (signal 9)"
    assert [(problem.record, problem.what) for problem in found] == [(f"image {fatal}", what)]
    lost = [problem for problem in here if problem not in damaged.check()]
    assert all(problem.record == f"image {fatal}" for problem in lost)
