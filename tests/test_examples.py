"""The examples of parts of one's own run exactly as their READMEs print it, from another folder."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from conftest import Run

KINDS = {"model", "dataset", "backbone", "segmenter", "condition", "area", "leakage", "protocol"}
REPOSITORY = Path(__file__).parents[1]
EXAMPLES = sorted(folder for folder in (REPOSITORY / "examples").iterdir() if folder.is_dir())
sys.path.insert(0, str(REPOSITORY / "scripts"))
from adding import files_of, table  # noqa: E402


def commands(folder: Path) -> list[str]:
    """The lines of the README's code block."""
    (block,) = re.findall(r"```bash\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return [line for line in block.splitlines() if line]


@pytest.mark.slow
@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_an_example_runs_as_its_readme_prints_it(
    folder: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process: what a process of its own finds of a user's classes is what tests/test_cli.py is about."""
    for file in folder.glob("*.py"):  # not that of a test before
        monkeypatch.delitem(sys.modules, file.stem, raising=False)
    for command in commands(folder):
        program, *arguments = shlex.split(command.replace("examples/", f"{REPOSITORY}/examples/"))
        assert program == "amodal-bench"
        status, out, err = run(*arguments)
        assert status == 0, f"{command}\n{out}{err}"
    assert list((tmp_path / "results/runs").iterdir())


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_an_example_is_one_python_file_and_one_yaml(folder: Path) -> None:
    assert sorted(file.suffix for file in files_of(folder)) == [".py", ".yaml"]
    assert any("check" in command for command in commands(folder))


def test_the_page_prints_the_files_of_the_example() -> None:
    page = (REPOSITORY / "docs/your-own.md").read_text(encoding="utf-8")
    for file in files_of(REPOSITORY / "examples/grow"):
        assert f"```\n{file.read_text(encoding='utf-8')}```" in re.sub(r"```(python|yaml)", "```", page), file
    named = re.findall(r"`(examples/[\w/.]+)`", page)
    assert named and all((REPOSITORY / path).exists() for path in named)


def test_every_kind_has_an_example_and_is_small() -> None:
    assert {kind for kind, *_ in table()} == KINDS
    assert all(files == 2 and 0 < lines < 60 for *_, files, lines in table())
    listed = (REPOSITORY / "examples/README.md").read_text(encoding="utf-8")
    assert all(f"[{folder.name}]({folder.name})" in listed for folder in EXAMPLES)
