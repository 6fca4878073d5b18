"""The contract of datasets: kept by the toy and by every format it is exported to, and each clause can be broken."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import pkgutil
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import composed
from params import mostly_slow

from amodal_bench.cli.toy import export as command
from amodal_bench.config.build import build
from amodal_bench.config.settings import config_folder
from amodal_bench.core.errors import InputError
from amodal_bench.datasets.base import RECORD_COLUMNS, Problem, Sample
from amodal_bench.datasets.toy import Toy
from amodal_bench.testing import export
from amodal_bench.testing.datasets import Verdict, examine, of_settings, violations

FORMATS = sorted(module.name for module in pkgutil.iter_modules(export.__path__) if not module.name.startswith("_"))
SIDE = 24


class Squares:
    """Two pictures, each with a square before another one; in the second picture the one behind is hidden.

    Args:
        fault: the clause that is broken, a key of `FAULTS`; None for a dataset without fault.
    """

    name: Any = "squares"

    def __init__(self, fault: str | None = None) -> None:
        self.fault = fault
        self.calls = 0
        if fault == "no name":
            self.name = ""
        if fault == "unpicklable":
            self.callback = lambda: None

    def records(self) -> Any:
        rows = []
        for id in ("0-front", "0-behind", "1-front", "1-behind"):
            masks = self._masks(id)
            area, seen = int(masks["amodal"].sum()), int(masks["visible"].sum())
            row: dict[str, object] = {"id": id, "image_id": id[0], "video_id": "", "category": "square"}
            row |= {"amodal_pixels": area, "occlusion_rate": 1 - seen / area, "hidden": seen == 0}
            rows.append(row | dict.fromkeys(("stuff", "crowd", "truncated"), False))
        frame = pd.DataFrame(rows, columns=list(RECORD_COLUMNS)).astype(RECORD_COLUMNS)
        return self._spoilt("records", frame)

    def sample(self, id: str) -> Any:
        if id not in ("0-front", "0-behind", "1-front", "1-behind"):
            if self.fault == "unknown id is a KeyError":
                raise KeyError(id)
            if self.fault != "unknown id is answered":
                raise InputError("squares.txt", "no such instance", "take another", id)
            id = "0-front"
        masks = self._masks(id)
        return self._spoilt("sample", Sample(id, np.full((SIDE, SIDE, 3), 9, np.uint8), **masks))

    def fingerprint(self) -> Any:
        return self._spoilt("fingerprint", "0" * 64)

    def check(self) -> Any:
        return self._spoilt("check", [])

    def _masks(self, id: str) -> dict[str, Any]:
        front, behind = np.zeros((2, SIDE, SIDE), bool)
        front[4:14, 4:14] = True
        behind[8:18, 8:18] = id[0] == "0"
        behind[6:10, 6:10] |= id[0] == "1"
        if id.endswith("front"):
            return {"visible": front, "amodal": front, "others": behind & ~front}
        return {"visible": behind & ~front, "amodal": behind, "others": front}

    def _spoilt(self, part: str, value: Any) -> Any:
        self.calls += 1
        where, spoil, _ = FAULTS.get(self.fault or "", ("", None, ""))
        return spoil(self, value) if where == part and spoil is not None else value


def cell(row: int, column: str, value: Any) -> Callable[[Squares, pd.DataFrame], pd.DataFrame]:
    def spoil(_: Squares, frame: pd.DataFrame) -> pd.DataFrame:
        changed = frame.copy()
        changed.loc[row, column] = value
        return changed

    return spoil


def part(name: str, change: Callable[[Any], Any]) -> Callable[[Squares, Sample], Sample]:
    return lambda _, sample: replace(sample, **{name: change(getattr(sample, name))})


def refuse(error: BaseException) -> Callable[[Squares, Any], Any]:
    def spoil(*_: Any) -> Any:
        raise error

    return spoil


def of(id: str, change: Callable[[Squares, Sample], Any]) -> Callable[[Squares, Sample], Any]:
    """Spoils one sample only."""
    return lambda dataset, sample: change(dataset, sample) if sample.id == id else sample


def drift(dataset: Squares, sample: Sample) -> Sample:
    return replace(sample, image=np.full_like(sample.image, dataset.calls % 256))


BAD_RECORD = InputError("squares.txt", "cut short", "copy it again")
FAULTS: dict[str, tuple[str, Callable[[Any, Any], Any] | None, str]] = {
    "records raises": ("records", refuse(KeyError("x")), r"records\(\) raises KeyError: 'x'"),
    "records is a list": ("records", lambda _, frame: frame.to_dict("records"), "returns a list, not a DataFrame"),
    "no crowd": ("records", lambda _, frame: frame.drop(columns="crowd"), "lacks the column 'crowd'"),
    "old name": (
        "records",
        lambda _, frame: frame.rename(columns={"amodal_pixels": "area"}),
        "column 'area' of records.. is called 'amodal_pixels' now",
    ),
    "flag with gaps": (
        "records",
        lambda _, f: f.assign(stuff=[True, None, False, False]),
        "column 'stuff' of records.. is object",
    ),
    "number ids": ("records", lambda _, frame: frame.assign(id=range(4)), "column 'id' of records.. is int64"),
    "text rate": ("records", lambda _, f: f.assign(occlusion_rate="0.5"), "column 'occlusion_rate' of records"),
    "nothing": ("records", lambda _, frame: frame.iloc[:0], r"records\(\) is empty"),
    "id twice": ("records", cell(1, "id", "0-front"), "id '0-front' stands more than once"),
    "empty id": ("records", cell(1, "id", ""), "id '' is empty"),
    "comment id": ("records", cell(1, "id", "#0"), "id '#0' is empty, begins with '#'"),
    "negative area": ("records", cell(1, "amodal_pixels", -4.0), "amodal_pixels is negative: -4"),
    "no area": (
        "records",
        lambda _, f: f.assign(amodal_pixels=float("nan")),
        "column 'amodal_pixels' of records.. has no number: every row is NaN",
    ),
    "no rate": (
        "records",
        lambda _, f: f.assign(occlusion_rate=float("nan")),
        "column 'occlusion_rate' of records.. has no number: every row is NaN",
    ),
    "rate in percent": ("records", cell(1, "occlusion_rate", 36.0), r"outside of \[0, 1\]: 36"),
    "random records": (
        "records",
        lambda dataset, frame: frame.assign(category=f"square {dataset.calls}"),
        r"records\(\) differs from one call to the next",
    ),
    "no name": ("", None, "name is ''"),
    "short fingerprint": ("fingerprint", lambda *_: "squares-4", "'squares-4', not 64 hex digits"),
    "random fingerprint": ("fingerprint", lambda d, _: f"{d.calls:064x}", "fingerprint.. differs from one call"),
    "sample raises": ("sample", of("0-behind", refuse(OSError("gone"))), "'0-behind' raises OSError: gone, not an"),
    "no sample can be read": (
        "sample",
        refuse(BAD_RECORD),
        "finds no problem, but a sample cannot be read: squares",
    ),
    "sample is a tuple": ("sample", of("0-front", lambda _, s: (s.image, s.visible)), "is a tuple, not a Sample"),
    "another id": ("sample", of("0-front", part("id", lambda id: "7")), "sample '0-front' has the id '7'"),
    "float image": ("sample", of("0-front", part("image", lambda i: i / 255)), r"the image is \(24, 24, 3\) float64"),
    "grey image": ("sample", of("0-front", part("image", lambda i: i[..., 0])), r"the image is \(24, 24\) uint8"),
    "number mask": ("sample", of("0-front", part("visible", lambda v: v * 1)), r"visible is \(24, 24\) int64"),
    "cut mask": ("sample", of("0-front", part("amodal", lambda a: a[:20])), r"amodal is \(20, 24\) bool, not \(24"),
    "no others": ("sample", of("0-front", part("others", lambda _: None)), "others is a NoneType"),
    "random sample": ("sample", of("0-front", drift), "sample '0-front' differs from one call to the next"),
    "empty A": ("sample", of("0-front", part("amodal", lambda a: a & False)), "the amodal mask is empty"),
    "empty V": ("records", cell(3, "hidden", False), "visible mask is empty, but records.. does not say hidden"),
    "hidden V": ("records", cell(1, "hidden", True), "hidden in records.., but its visible mask is not empty"),
    "pixels": (
        "records",
        cell(1, "amodal_pixels", 80.0),
        r"amodal_pixels is 80 in records\(\), but the amodal mask has 100 pixels",
    ),
    "rate": (
        "records",
        cell(1, "occlusion_rate", 0.1),
        r"occlusion rate is 0.1 in records.., but the masks give 0.36",
    ),
    "border": ("records", cell(0, "truncated", True), "truncated is True in records.., but the amodal mask says oth"),
    "program ends": ("sample", of("0-behind", refuse(SystemExit(0))), "'0-behind' raises SystemExit: 0, not an Inp"),
    "records end the program": ("records", refuse(SystemExit(0)), "records.. raises SystemExit: 0"),
    "others of nobody": (
        "sample",
        of("0-front", part("others", lambda o: ~o)),
        "covers pixels that are visible of no",
    ),
    "others forgotten": (
        "sample",
        of("0-behind", part("others", lambda o: o & False)),
        "others lacks visible pixels",
    ),
    "unknown id is a KeyError": ("", None, "sample.. of an unknown id raises KeyError"),
    "unknown id is answered": ("", None, "sample.. of an unknown id returns something"),
    "unpicklable": ("", None, "cannot be pickled for worker processes"),
    "check raises": ("check", refuse(BAD_RECORD), "check.. raises InputError: squares.txt: cut short; copy it again"),
    "check returns text": ("check", lambda *_: ["squares.txt is cut short"], "does not return a sequence of Problem"),
}


def test_a_dataset_without_fault_has_no_violation() -> None:
    assert violations(Squares()) == []


@pytest.mark.parametrize("fault", mostly_slow(FAULTS, 19))
def test_each_broken_clause_is_named_and_no_other(fault: str) -> None:
    found = violations(Squares(fault))
    assert len(found) == 1, found
    assert re.search(FAULTS[fault][2], found[0]), found
    assert "\n" not in found[0]


class CutShort(Squares):
    """One bad record, which `check` reports."""

    def sample(self, id: str) -> Any:
        if id == "0-behind":
            raise BAD_RECORD
        return super().sample(id)

    def check(self) -> list[Problem]:
        return [Problem("squares.txt", "0-behind", "cut short")]


def test_a_bad_record_is_a_matter_of_the_files_not_of_the_class() -> None:
    assert examine(CutShort(), samples=4) == Verdict([], CutShort().check(), read=3)
    assert examine(Squares(), samples=4) == Verdict([], [], read=4)


class Grey(Squares):
    """A dataset that has one fault in every sample."""

    def sample(self, id: str) -> Any:
        sample = super().sample(id)
        return replace(sample, image=sample.image[..., 0])


class Beyond(Squares):
    """A dataset whose V reaches beyond A, but whose rates are those of areas alone."""

    def sample(self, id: str) -> Any:
        sample = super().sample(id)
        if id != "0-behind":
            return sample
        corner = np.zeros_like(sample.visible)
        corner[:2, :5] = True
        return replace(sample, visible=sample.visible | corner, others=sample.others)

    def records(self) -> Any:
        return super().records().assign(occlusion_rate=[0.0, 0.26, 0.0, 1.0])


def test_a_visible_mask_beyond_the_amodal_one_is_named_beside_the_wrong_rate() -> None:
    found = [line for line in violations(Beyond(), samples=4) if "rate" in line]
    assert [line.partition("; ")[2] for line in found] == [
        "10 pixels of the visible mask lie outside of the amodal mask"
    ]


class OneImage(Squares):
    """All samples share the array of the image."""

    image = np.zeros((SIDE, SIDE, 3), np.uint8)

    def sample(self, id: str) -> Any:
        sample = super().sample(id)
        self.image[:] = len(id) + 10 * int(id[0])
        return replace(sample, image=self.image)


class Empty(Squares):
    """An image has no pixel."""

    def sample(self, id: str) -> Any:
        return replace(super().sample(id), image=np.zeros((0, SIDE, 3), np.uint8))


def test_an_image_without_a_pixel_is_told_as_empty() -> None:
    (said,) = violations(Empty())
    assert said.endswith("the image is (0, 24, 3) uint8 (empty), not (H, W, 3) uint8 (4 samples)")


def test_one_fault_of_many_samples_is_one_line() -> None:
    (said,) = violations(Grey())
    assert said.endswith("the image is (24, 24) uint8, not (H, W, 3) uint8 (4 samples)")


def test_samples_may_not_share_their_arrays() -> None:
    assert any("changes when another one is read" in line for line in violations(OneImage()))


class Counted(Squares):
    """A dataset with settings, which its fingerprint may forget."""

    def __init__(self, shade: int = 9, kept: str = "all", workers: int = 1) -> None:
        super().__init__()
        self.shade, self.kept, self.workers = shade, kept, workers

    def sample(self, id: str) -> Any:
        sample = super().sample(id)
        return replace(sample, image=np.full_like(sample.image, self.shade % 256))

    def fingerprint(self) -> Any:
        process = os.getpid() if self.kept == "process" else 0
        shade = 0 if self.kept == "none" else self.shade
        return hashlib.sha256(f"{shade} {process}".encode()).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ("all", []),
        ("none", ["dataset.shade=10 instead of 9 answers differently, but fingerprint() says the same"]),
        ("process", ["fingerprint() says something else in a second process"]),
    ],
)
def test_a_fingerprint_tells_settings_apart_and_no_processes(kept: str, said: list[str]) -> None:
    verdict = of_settings({"_target_": f"{__name__}.Counted", "kept": kept, "shade": 9})
    assert [line for line in verdict.violations if "kept" not in line] == said


@pytest.mark.slow
def test_data_check_holds_the_fingerprint_to_the_settings_and_collects_what_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from amodal_bench.cli.data.command import main

    monkeypatch.setattr("sys.path", [*sys.path, str(Path(__file__).parent)])
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset/noisy.yaml").write_text("_target_: noisy_squares.Noisy\nshade: 9\n")
    (tmp_path / "noisy_squares.py").write_text(
        "from test_contract import Counted\n\n\nclass Noisy(Counted):\n"
        "    def __init__(self, shade=9):\n        super().__init__(shade, 'none')\n"
        "    def records(self):\n        print('reading')\n        return super().records()\n"
    )
    assert main(["check", "noisy", "--config-dir", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("noisy: contract: dataset.shade=10 instead of 9 answers differently")
    assert lines.count("reading") <= 1 and any(line.startswith("note       it prints ") for line in lines)


def test_data_check_does_not_end_with_the_program_of_a_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from amodal_bench.cli.data.command import main

    monkeypatch.setattr("sys.path", list(sys.path))
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset/ends.yaml").write_text("_target_: ends_all.Ends\n")
    (tmp_path / "ends_all.py").write_text("class Ends:\n    def __init__(self):\n        raise SystemExit(0)\n")
    assert main(["check", "ends", "--config-dir", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "error: dataset: Ends cannot be built: SystemExit: 0"


def test_a_copy_that_forgets_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(_: Squares) -> dict[str, Any]:
        return {"fault": "short fingerprint", "calls": 0}

    monkeypatch.setattr(Squares, "__getstate__", forget, raising=False)
    assert violations(Squares()) == ["a pickled copy of it gives other records, samples or fingerprint"]


def test_a_copy_that_lacks_something_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Squares, "__getstate__", lambda self: {"calls": 0}, raising=False)
    missing = "AttributeError: 'Squares' object has no attribute 'fault'"
    assert violations(Squares()) == [f"a pickled copy of it raises {missing}"]


def test_several_passes_over_an_image_need_not_know_of_each_other() -> None:
    """COCO-A does so: visible masks overlap, so nobody can tell which instances belong together."""

    class Twice(Squares):
        def records(self) -> Any:
            once = super().records()
            return pd.concat([once, once.assign(id="again " + once["id"])], ignore_index=True)

        def sample(self, id: str) -> Any:
            return replace(super().sample(id.removeprefix("again ")), id=id)

        def __reduce__(self) -> Any:
            return Squares, ()

    assert violations(Twice()) == ["a pickled copy of it gives other records, samples or fingerprint"]


@pytest.mark.slow
def test_the_toy_keeps_the_contract() -> None:
    assert violations(Toy("test", 4, 0), samples=8) == []
    assert Toy("test", 2, 0).fingerprint() == Toy("test", 2, 0).fingerprint()


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--split", "train"]], ids=["default", "train"])
@pytest.mark.parametrize("name", FORMATS)
def test_the_printed_command_opens_what_was_exported(
    name: str,
    options: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main([name, str(tmp_path / "a tree"), "--images", "1", *options]) == 0
    program, *overrides = shlex.split(capsys.readouterr().out.splitlines()[-1].partition(": ")[2])
    assert program == "amodal-bench" and bool(options) == any("split" in part for part in overrides)
    dataset = build(composed(*overrides).dataset, "dataset")
    assert len(dataset.records()) > 0 and dataset.check() == []


@pytest.mark.parametrize("name", mostly_slow(FORMATS))
def test_every_exported_format_keeps_the_contract(name: str, tmp_path: Path) -> None:
    if not (config_folder() / "dataset" / f"{name}.yaml").exists():
        pytest.skip(f"there is no dataset={name} yet")
    module = importlib.import_module(f"{export.__name__}.{name}")
    split = inspect.signature(module.export).parameters["split"].default
    module.export(tmp_path / name, images=3)
    spec = composed(f"dataset={name}", f"dataset.root={tmp_path / name}").dataset
    try:
        importlib.import_module(spec["_target_"].rpartition(".")[0])
    except ModuleNotFoundError as error:
        pytest.skip(f"dataset={name} has no loader yet ({error})")
    dataset = build(spec | {"split": split} if "split" in spec else spec, "dataset")
    assert violations(dataset) == []
    assert list(dataset.check()) == []
