"""The command line as a user meets it: a process of its own."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hydra.core.global_hydra import GlobalHydra

from amodal_bench.cli.main import main
from amodal_bench.config.settings import config_folder

DATASETS = ", ".join(sorted(file.stem for file in (config_folder() / "dataset").glob("*.yaml")))
SMALL = ["dataset.images=3", "sheet=2"]


def bench(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "amodal_bench", *arguments],
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@dataclass(frozen=True)
class Done:
    """What a command leaves, as `subprocess` would tell it."""

    returncode: int
    stdout: str
    stderr: str


Here = Callable[..., Done]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Here]:
    """The command in this process, as the console script calls it: for answers that need no process of their own."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")  # the command sets it

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["amodal-bench", *arguments])
        GlobalHydra.instance().clear()
        capfd.readouterr()
        ended: Any = 0
        try:
            main()
        except SystemExit as exit:
            ended = exit.code
        printed = capfd.readouterr()
        # Python prints a text that a program ends with, and makes it status 1.
        text = f"{ended}\n" if isinstance(ended, str) else ""
        return Done(1 if text else ended or 0, printed.out, printed.err + text)

    yield run
    GlobalHydra.instance().clear()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_mistake_ends_the_process_with_its_line_alone(tmp_path: Path) -> None:
    done = bench("model=hull", "dataset=xyz", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: dataset=xyz: there is no such choice; valid: {DATASETS}\n"


def test_nothing_heavy_is_imported_before_it_is_needed(tmp_path: Path) -> None:
    code = (
        "import sys, amodal_bench.cli.main as m\n"
        "sys.argv = ['amodal_bench', '--help']\n"
        "try: m.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'diffusers', 'pandas', 'cv2', 'wandb', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "leakage: blend, conditioning, none, soft, strength" in done.stdout
    assert "python -m amodal_bench data --help" in done.stdout


@pytest.mark.parametrize(
    ("override", "answer"),
    [
        ("dataset=cocaa", "dataset=cocaa: there is no such choice; did you mean 'cocoa'? valid: " + DATASETS),
        ("dataset=xyz", "dataset=xyz: there is no such choice; valid: " + DATASETS),
        ("dataset.imagse=3", "dataset.imagse: unknown key; did you mean 'images'?"),
        ("sed=1", "sed: unknown key; did you mean 'seed'?"),
        ("seed=abc", "could not be converted to Integer"),
        ("protocol.aggregate=median", "'median' is not one of 'instance', 'pooled'"),
        ("protocol.filter.min_occlusion=1.5", "protocol.filter: min_occlusion 1.5"),
        ("dataset=cocoa", "datasets/cocoa: the folder of COCO-A does not exist"),
        ("ids=mine.txt", "mine.txt: no such file of ids; make a list with `amodal-bench data ids"),
        ("model=random/sdx", "model=random/sdx: there is no such choice; did you mean 'random/sdxl'? valid: flux, "),
        ("photo.jpg", "photo.jpg: is no setting, which is KEY=VALUE"),
        ("70,25", "70,25: is no setting, which is KEY=VALUE"),
        ("~model", "model: has no _target_"),
        ("model.name=a/b", "model.name: 'a/b' cannot be part of a folder's name"),
        ("results=/dev/null", "cannot be written (Not a directory); set results to a folder that you can write to"),
    ],
)
def test_a_mistake_is_answered_in_one_line(here: Here, override: str, answer: str) -> None:
    done = here("model=hull", *(["dataset.images=1"] if "dataset" not in override else []), override)
    assert done.returncode != 0
    assert done.stderr.startswith("error: ")
    assert answer in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_run_prints_its_table_and_the_same_command_does_nothing_twice(tmp_path: Path) -> None:
    first = bench("model=hull", *SMALL, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    for text in ("visible", "hull", "instance@1", "pooled@1", "summary.csv", "store.sqlite", "sheet.png"):
        assert text in first.stdout
    assert "inst/s" in first.stderr
    assert "mIoU" in first.stderr
    folders = sorted((tmp_path / "results" / "runs").iterdir())
    assert len(folders) == 2
    stamps = {file: file.stat().st_mtime_ns for folder in folders for file in folder.glob("s*.[sp]*[eg]")}
    again = bench("model=hull", *SMALL, cwd=tmp_path)
    assert again.stdout == first.stdout
    assert "inst/s" not in again.stderr
    assert sorted((tmp_path / "results" / "runs").iterdir()) == folders
    assert {file: file.stat().st_mtime_ns for file in stamps} == stamps


def test_multirun_runs_every_cell_and_collect_joins_them(tmp_path: Path) -> None:
    done = bench("-m", "model=hull", "seed=1,2", "sheet=0", "dataset.images=2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    collected = subprocess.run(
        [sys.executable, "-m", "amodal_bench.cli.results.table", "results"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    table = pd.read_csv(tmp_path / "results" / "table.csv")
    assert table["run"].nunique() == 4  # visible and hull, each with both seeds
    assert "| toy | hull | instance@1 |" in collected.stdout


def test_data_is_reached_from_both_commands(here: Here, tmp_path: Path) -> None:
    """Its own exit statuses, and a list that a run takes from a file."""
    assert here("data", "check", "toi").returncode == 2
    assert here("data", "check", "cocoa").returncode == 1
    listed = here("data", "ids", "dataset.images=2")
    assert (listed.returncode, listed.stderr) == (0, "")
    (tmp_path / "ids.txt").write_text(listed.stdout)
    done = here("model=visible", "dataset.images=2", "ids=ids.txt", "sheet=0")
    assert done.returncode == 0, done.stderr
    (label,) = [line.removeprefix("# ids: ") for line in listed.stdout.splitlines() if line.startswith("# ids: ")]
    assert f"instances {label}" in done.stdout


def test_a_failing_cell_fails_the_multirun(here: Here) -> None:
    done = here("-m", "model=hull", "dataset=cocoa,toy", "sheet=0", "+dataset.images=2")
    assert done.returncode != 0
    assert "error: " in done.stderr


def test_a_cell_that_cannot_be_built_leaves_the_next_one_to_run(here: Here, tmp_path: Path) -> None:
    done = here("-m", "model=hull", "protocol.aggregate=median,instance", "sheet=0", "dataset.images=2")
    assert done.returncode != 0
    assert "'median' is not one of" in done.stderr
    assert len(list((tmp_path / "results" / "runs").glob("toy-hull-*/summary.csv"))) == 1


def test_a_damaged_store_is_named(here: Here, tmp_path: Path) -> None:
    assert here("model=hull", *SMALL, "sheet=0").returncode == 0
    (store,) = (tmp_path / "results/runs").glob("toy-hull-*/store.sqlite")
    store.write_bytes(b"no database" * 100)
    done = here("model=hull", *SMALL, "sheet=0")
    assert done.returncode != 0
    assert done.stderr == (
        f"error: {store.relative_to(tmp_path)}: is damaged, or is not the store of a run (file is not a database); "
        "rename its folder and run again\n"
    )


def test_cells_that_fail_are_listed_at_the_end_below_the_table_of_the_others(here: Here) -> None:
    aggregates = "protocol.aggregate=median,instance,mode"
    done = here("-m", "model=hull,visible", aggregates, "dataset.images=1", "sheet=0")
    assert done.returncode == 1
    failed = [
        f"model={m} protocol.aggregate={a} dataset.images=1 sheet=0"
        for m in ("hull", "visible")
        for a in ("median", "mode")
    ]
    assert done.stderr.splitlines()[-1] == f"error: 4 cells of the sweep failed: {'; '.join(failed)}"
    table = done.stdout.partition("toy, all cells")[2]
    assert table.count("hull") == table.count("visible") == 1


@pytest.mark.slow
def test_every_model_runs_in_small_by_one_command(tmp_path: Path) -> None:
    """A limit on the command line goes before the experiment's."""
    done = bench("experiment=every_model_random", "limit=1", "dataset.images=1", "sheet=0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    real, _, random = done.stdout.partition("toy, all cells")[2].partition("Random weights: ")
    assert [line.split()[0] for line in real.splitlines() if "@1" in line] == ["visible", "hull", "tiny"]
    names = [line.split()[0] for line in random.splitlines() if "@1" in line]
    models = "sam sam2 inpaint_sdxl pix2gestalt sd15 sd2 sdxl kandinsky flux"
    assert names == [f"random-{name}" for name in models.split()]
    assert done.stdout.count("\ninstances 1:") == 12
