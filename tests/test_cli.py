"""The command line as a user meets it: a process of its own."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from hydra.core.global_hydra import GlobalHydra

import amodal_bench
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

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["amodal-bench", *arguments])
        GlobalHydra.instance().clear()
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, printed.out, printed.err)

    yield run
    GlobalHydra.instance().clear()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.slow
def test_a_mistake_ends_the_process_with_its_line_alone(tmp_path: Path) -> None:
    done = bench("model=hull", "dataset=xyz", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: dataset=xyz: there is no such choice; valid: {DATASETS}\n"


def test_nothing_heavy_is_imported_before_it_is_needed(tmp_path: Path) -> None:
    code = (
        "import sys, amodal_bench.cli.main as m\n"
        "sys.argv = ['amodal_bench', '--help']\n"
        "try: m.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'diffusers', 'pandas', 'cv2', 'wandb', 'numpy', 'hydra', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "leakage: blend, conditioning, none, soft, strength" in done.stdout
    assert "\n  data      datasets: list, fetch, check" in done.stdout


@pytest.mark.slow
def test_a_run_prints_its_table_and_the_same_command_does_nothing_twice(tmp_path: Path) -> None:
    first = bench("model=hull", *SMALL, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    for text in ("visible", "hull", "instance@2", "pooled@2", "summary.csv", "store.sqlite", "sheet.png"):
        assert text in first.stdout
    assert first.stderr == ""  # a bar is for people
    folders = sorted((tmp_path / "results" / "runs").iterdir())
    assert len(folders) == 2
    stamps = {file: file.stat().st_mtime_ns for folder in folders for file in folder.glob("s*.[sp]*[eg]")}
    again = bench("model=hull", *SMALL, cwd=tmp_path)
    lines = again.stdout.splitlines()
    told = [line for line in lines if line.startswith("reused: visible 9 predictions of ")]
    assert [line for line in lines if line not in told] == first.stdout.splitlines()
    assert len(told) == 1
    assert "inst/s" not in again.stderr
    assert sorted((tmp_path / "results" / "runs").iterdir()) == folders
    assert {file: file.stat().st_mtime_ns for file in stamps} == stamps


@pytest.mark.slow
def test_multirun_runs_every_cell_and_one_table_joins_them(tmp_path: Path) -> None:
    done = bench("-m", "model=hull", "seed=1,2", "sheet=0", "dataset.images=2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    collected = bench("results", "table", cwd=tmp_path)
    assert (collected.returncode, collected.stderr) == (0, "")
    table = pd.read_csv(tmp_path / "results" / "table.csv")
    assert table["run"].nunique() == 4  # visible and hull, each with both seeds
    assert "| toy | hull seed=1 | instance@2 |" in collected.stdout


@pytest.mark.slow
def test_a_list_of_ids_is_what_a_run_takes_from_a_file(here: Here, tmp_path: Path) -> None:
    listed = here("data", "ids", "dataset.images=2")
    assert (listed.returncode, listed.stderr) == (0, "")
    (tmp_path / "ids.txt").write_text(listed.stdout)
    done = here("model=visible", "dataset.images=2", "ids=ids.txt", "sheet=0")
    assert done.returncode == 0, done.stderr
    (label,) = [line.removeprefix("# ids: ") for line in listed.stdout.splitlines() if line.startswith("# ids: ")]
    assert f"instances {label}" in done.stdout


@pytest.mark.slow
def test_a_failing_cell_fails_the_multirun(here: Here) -> None:
    done = here("-m", "model=hull", "ids=none.txt,null", "sheet=0", "dataset.images=2")
    assert done.returncode == 2
    assert "Error executing job" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: 1 cell of the sweep failed: model=hull ids=none.txt ")


@pytest.mark.slow
def test_a_cell_that_cannot_be_built_leaves_the_next_one_to_run(here: Here, tmp_path: Path) -> None:
    done = here("-m", "model=hull", "protocol.errors=ignore,zero", "sheet=0", "dataset.images=2")
    assert done.returncode != 0
    assert "'ignore' is not one of" in done.stderr
    assert len(list((tmp_path / "results" / "runs").glob("toy-hull-*/scores/*/summary.csv"))) == 1


@pytest.mark.slow
def test_a_damaged_store_is_named(here: Here, tmp_path: Path) -> None:
    assert here("model=hull", *SMALL, "sheet=0").returncode == 0
    (store,) = (tmp_path / "results/runs").glob("toy-hull-*/store.sqlite")
    store.write_bytes(b"no database" * 100)
    done = here("model=hull", *SMALL, "sheet=0")
    assert done.returncode != 0
    folder = store.relative_to(tmp_path).parent
    assert done.stderr == (
        f"error: {folder / 'store.sqlite'}: is damaged (file is not a database); "
        f"`amodal-bench results check {folder}` says what is left, and with --repair keeps all that is sound\n"
    )
    assert here("results", "check", str(folder), "--repair").returncode == 0
    assert here("model=hull", *SMALL, "sheet=0").returncode == 0


@pytest.mark.slow
def test_cells_that_fail_are_listed_at_the_end_below_the_table_of_the_others(here: Here) -> None:
    failures = "protocol.errors=ignore,zero,drop"
    done = here("-m", "model=hull,visible", failures, "dataset.images=1", "sheet=0")
    assert done.returncode == 2  # all for a setting that is wrong
    failed = [
        f"model={m} protocol.errors={a} dataset.images=1 sheet=0"
        for m in ("hull", "visible")
        for a in ("ignore", "drop")
    ]
    assert done.stderr.splitlines()[-1] == f"error: 4 cells of the sweep failed: {'; '.join(failed)}"
    table, first, rest = done.stdout.partition("toy, all cells")[2].partition("failed: ")
    assert table.count("hull") == table.count("visible") == 1
    lines = (first + rest).splitlines()[:4]
    assert all(line.startswith(f"failed: {cell}: ") for line, cell in zip(lines, failed, strict=True))


MODEL = """
import numpy as np
import random

class Own:
    def describe(self):
        return {"own": random.Random(0).random()}

    def predict(self, queries, seeds):
        return [q.visible for q in queries]
"""

DOORS = {
    "module": ["-m", "amodal_bench"],
    "safe": ["-P", "-m", "amodal_bench"],
    "script": ["script/amodal-bench"],
}


@pytest.fixture
def traps(tmp_path: Path) -> Path:
    """A working folder with files named like libraries, and a model in a folder of configurations beside it."""
    folder = tmp_path / "work"
    folder.mkdir()
    for name in ("random", "json", "numpy", "cv2", "torch", "pandas", "click", "hydra", "rich", "tqdm"):
        (folder / f"{name}.py").write_text(f"raise SystemExit('{name}.py of the working folder was imported')")
    (folder / "my_hidden.py").write_text(MODEL)
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "own.yaml").write_text("_target_: my_own.Own\nname: own\n")
    (tmp_path / "conf" / "my_own.py").write_text(MODEL)
    (folder / "script").mkdir()
    (folder / "script" / "amodal-bench").write_text("from amodal_bench.cli.main import main\nmain()\n")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("door", DOORS)
def test_a_file_named_like_a_library_is_not_imported_and_own_classes_are_found(door: str, traps: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(amodal_bench.__file__).parents[1])}

    def called(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *DOORS[door], *words],
            cwd=traps, env=environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip

    done = called("--config-dir", "../conf", "model=own", "dataset.images=1", "sheet=0")
    assert done.returncode == 0, done.stderr
    assert "toy-own-" in done.stdout
    if door == "script":
        done = called("model=hull", "model._target_=my_hidden.Own", "model.name=mine", "dataset.images=1", "sheet=0")
        assert done.returncode == 0 and "toy-mine-" in done.stdout, done.stderr
        (traps / "json.py").write_text("class Mine: pass")
        done = called("model=hull", "model._target_=json.Mine")
        assert done.returncode == 2
        assert done.stderr.endswith(
            f"{traps / 'json.py'} has the name of a library that is imported instead; rename it\n"
        )


@pytest.mark.slow
def test_every_model_runs_in_small_by_one_command(tmp_path: Path) -> None:
    """A limit on the command line goes before the experiment's."""
    done = bench("experiment=every_model_random", "limit=1", "dataset.images=1", "sheet=0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    real, _, random = done.stdout.partition("toy, all cells")[2].partition("Random weights: ")
    assert [line.split()[0] for line in real.splitlines() if "@2" in line] == ["visible", "hull", "tiny"]
    names = [line.split()[0] for line in random.splitlines() if "@2" in line]
    models = "sam sam2 inpaint_sdxl pix2gestalt sd15 sd2 sdxl kandinsky flux"
    assert names == [f"random-{name}" for name in models.split()]
    assert done.stdout.count("\ninstances 1:") == 12
