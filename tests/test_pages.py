"""The pages that people read: their commands, links and lists agree with the source."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import Run
from pages import PAGES, ROOT, Command, all_commands, lines, placeholder, prose, spans
from params import mostly_slow

from amodal_bench.cli.main import main
from amodal_bench.config.compose import choices, compose

COMMANDS = all_commands()
VERBS = sorted({command.verb for command in COMMANDS if command.verb and "VERB" not in command.words})


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_pages_have_commands() -> None:
    assert len(COMMANDS) > 60
    assert {verb[0] for verb in VERBS} == {"data", "models", "results", "published", "paper", "toy", "predict"}


def test_the_tests_that_the_security_page_names_are_there() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:tests|core)/\w+\.py)`", text)
    assert len(named) >= 8
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "amodal_bench" / name).exists(), name


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_a_verb_of_the_pages_exists_and_has_their_options(
    verb: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["amodal-bench", *verb, "--help"])
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(SystemExit) as exited:
        main()
    said = capsys.readouterr().out
    assert exited.value.code in {0, None}, said
    for command in (command for command in COMMANDS if command.verb == verb):
        for option in command.options:
            assert option in said, f"{command}: {option}"


@pytest.mark.parametrize("command", mostly_slow([c for c in COMMANDS if c.overrides], 5), ids=str)
def test_the_settings_of_a_command_compose(command: Command) -> None:
    overrides = list(map(_parted, command.overrides))
    if any(placeholder(value) and "." not in key for key, _, value in overrides):
        pytest.skip("a placeholder for a name")
    cells = [overrides]
    if "-m" in command.words:  # one cell for each value of the first setting
        key, equals, values = overrides[0]
        cells = [[(key, equals, value), *overrides[1:]] for value in values.split(",")]
    for cell in cells:
        # An experiment is a sweep of its own, which no single run has: its name is what can be wrong.
        assert all(value in choices("experiment", []) for key, _, value in cell if key == "experiment")
        # Hydra's own settings are no settings of a run.
        said = [each for each in cell if each[0] != "experiment" and not each[0].startswith("hydra")]
        compose(["".join(each) for each in said], command.config_dirs)


def _parted(override: str) -> tuple[str, str, str]:
    return override.partition("=")


def test_configuration_folders_of_the_pages_exist() -> None:
    for command in COMMANDS:
        for folder in command.config_dirs:
            assert folder.is_dir(), str(command)


def test_make_targets_of_the_pages_exist() -> None:
    rules = re.findall(r"^([a-z0-9 -]+):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    targets = {target for rule in rules for target in rule.split()}
    named = {
        word for page in PAGES for each in [*lines(page), *spans(page)] for word in re.findall(r"^make (\S+)", each)
    }
    assert named
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)\s]*\)", prose(page)):
        if "://" not in target:
            assert (page.parent / target).exists(), target
    places = (ROOT, ROOT / "amodal_bench", ROOT / "conf", ROOT / "docs")
    for span in [*spans(page), *lines(page)]:
        for path in re.findall(r"(?:^|\s)([a-z_]+/[\w/.]+\.(?:py|yaml|md))(?=\s|$)", span):
            if not re.search(r"[A-Z]{3}|^my_", path) or path.endswith("README.md"):
                assert any((place / path).exists() for place in places), path
        for module in re.findall(r"-m (amodal_bench\S*)", span):
            assert find_spec(module) is not None, module


def test_every_page_is_in_the_navigation() -> None:
    named = set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE))
    assert named == {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}


def test_the_table_of_settings_lists_every_choice() -> None:
    """Each folder of conf/ has a row, and each of its files is named in it; random/ stands for the small models."""
    page = (ROOT / "docs" / "command-line.md").read_text()
    rows = dict(re.findall(r"^\| `([\w/]+)` \| (.*) \|$", page, re.MULTILINE))
    groups = {path.name for path in (ROOT / "conf").iterdir() if path.is_dir()} - {"hydra"} | {"hydra/launcher"}
    assert groups <= set(rows)
    for group in groups:
        for name in choices(group, []):
            assert f"`{name}`" in rows[group], f"{group}={name}"


RUN = [
    "amodal-bench data list",
    "amodal-bench models list",
    "amodal-bench toy export kins /tmp/toy-kins",
    "amodal-bench data check kins dataset.root=/tmp/toy-kins",
    "amodal-bench model=random/sdxl limit=8",
    "amodal-bench --config-dir examples/grow model=grow",
    "amodal-bench results table",
]
"""Cheap commands of the pages that are run as printed, in this order."""

ELSEWHERE = ["amodal-bench models check grow --config-dir examples/grow"]
"""Commands that tests/test_examples.py runs, for they stand beside an example, too."""


@pytest.mark.slow
def test_cheap_commands_run_as_printed(run: Run, tmp_path: Path) -> None:
    printed = {" ".join(("amodal-bench", *command.words)) for command in COMMANDS}
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for command in RUN:
        assert command in printed, command
        status, out, err = run(*command.replace("/tmp/", f"{tmp_path}/").split()[1:])
        assert status == 0, f"{command}: {out[-2000:]}{err[-2000:]}"


def test_commands_that_stand_beside_an_example_are_the_same() -> None:
    printed = {" ".join(("amodal-bench", *command.words)) for command in COMMANDS}
    beside = {line for file in (ROOT / "examples").glob("*/README.md") for line in lines(file)}
    assert set(ELSEWHERE) <= printed & beside
