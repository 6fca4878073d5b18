"""What is found out before hours of work: weights that are missing, and a model that fails on everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from huggingface_hub import constants
from params import mostly_slow

import amodal_bench
from amodal_bench.core.errors import BenchError, InputError
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Query
from amodal_bench.datasets.toy import Toy
from amodal_bench.report.outcome import Outcome


@pytest.fixture
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any published weights, which asks nobody for them."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.mark.usefixtures("no_weights")
@pytest.mark.parametrize(
    ("choices", "names"),
    mostly_slow(
        [
            (["model=sd15"], ["stable-diffusion-v1-5/stable-diffusion-inpainting", "facebook/sam-vit-huge"]),
            (["model=sd15", "segmenter=grabcut"], ["stable-diffusion-v1-5/stable-diffusion-inpainting"]),
            (
                ["model=kandinsky"],
                [
                    "kandinsky-community/kandinsky-2-2-decoder-inpaint",
                    "kandinsky-community/kandinsky-2-2-prior",
                    "facebook/sam-vit-huge",
                ],
            ),
            (["model=hull", "+model@baselines.sam=sam"], ["facebook/sam-vit-huge"]),
            (["model=pix2gestalt"], ["cvlab/pix2gestalt-weights"]),
        ]
    ),
)
def test_all_weights_that_are_missing_are_named_before_a_baseline_runs(
    bench: Callable[..., Outcome], tmp_path: Path, choices: list[str], names: list[str]
) -> None:
    with pytest.raises(InputError) as missing:
        bench("dataset.images=2", *choices)
    text = str(missing.value)
    assert "\n" not in text and not (tmp_path / "results").exists()
    for name in names:
        assert f"{name}: " in text and f"`amodal-bench models fetch {name}`" in text
    assert text.count("its weights are not on this machine") == len(names)


class Broken:
    """A user's model with a mistake in it."""

    def describe(self) -> dict[str, str]:
        return {}

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
        del seeds
        return [query.mask for query in queries]  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_model_that_fails_on_everything_stops_with_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BenchError, match="Broken: the first 16 predictions all failed, so nothing more") as stopped:
        amodal_bench.evaluate(model=Broken(), sheet=0)
    (file,) = Path("results/runs").glob("*-Broken-*/traceback.txt")
    assert "return [query.mask for query in queries]" in file.read_text()
    assert str(file) in str(stopped.value) and "\n" not in str(stopped.value)
    assert "'Query' object has no attribute 'mask'" in str(stopped.value)


@pytest.mark.slow
def test_the_program_says_it_in_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "class Broken:\n    def describe(self): return {}\n    def predict(self, queries, seeds): return 1 / 0\n"
    )
    (tmp_path / "conf/model").mkdir(parents=True)
    (tmp_path / "conf/model/broken.yaml").write_text("_target_: broken.Broken\nname: broken\n")
    status, _, printed = run("--config-dir", "conf", "model=broken", "dataset.images=8", "sheet=0")
    assert status == 1 and "Traceback" not in printed
    (line,) = [line for line in printed.splitlines() if "predictions all failed" in line]
    assert "ZeroDivisionError: division by zero" in line and "traceback.txt has the traceback" in line
    run_all = ("--config-dir", "conf", "model=broken", "dataset.images=8", "sheet=0", "engine.max_error_share=1")
    status, printed, _ = run(*run_all)
    assert status == 0 and "broken" in printed


class Unready(Toy):
    """A user's dataset with a mistake in it."""

    def __init__(self, fault: str) -> None:
        super().__init__(images=1)
        self.fault = fault

    def records(self) -> Any:
        found = super().records()
        if self.fault == "raises":
            raise KeyError("no such column")
        if self.fault == "table":
            return found.to_dict()
        return {
            "columns": found.drop(columns=["category", "occlusion_rate", "hidden"]),
            "renamed": found.rename(columns={"amodal_pixels": "area"}),
        }.get(self.fault, found)

    def fingerprint(self) -> str:
        return f"{1 // (self.fault != 'fingerprint')}"


SAYS_MORE = "; `amodal-bench data check` says what else is wrong"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("raises", "records() raises KeyError: 'no such column'"),
        ("table", "records() returns a dict, not a DataFrame"),
        ("columns", f"records() lacks the column 'category', lacks the column 'occlusion_rate'{SAYS_MORE}"),
        ("renamed", f"records() has a column 'area', which is called 'amodal_pixels' now{SAYS_MORE}"),
        ("fingerprint", "fingerprint() raises ZeroDivisionError: integer division or modulo by zero"),
    ],
)
def test_a_dataset_with_a_mistake_is_one_line(run: Run, fault: str, said: str) -> None:
    own = (f"dataset._target_={__name__}.Unready", "~dataset.split", "~dataset.images", "~dataset.seed")
    status, out, err = run(*own, f"+dataset.fault={fault}", "model=hull", "baselines=null")
    assert (status, out) == (2, "") and err == f"error: dataset: Unready.{said}\n"
