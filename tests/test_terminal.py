"""The tables of a sweep and of a folder of runs: each result once, and random weights apart from real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from amodal_bench.cli.results import table
from amodal_bench.report import csv_logger
from amodal_bench.report.outcome import Outcome
from amodal_bench.report.scored import Scored
from amodal_bench.report.terminal import MEANINGLESS, Cell, show_cells

Bench = Callable[..., Outcome]


@pytest.fixture
def outcome(bench: Bench) -> Outcome:
    return bench("model=hull", "dataset.images=2")


def as_random(outcome: Outcome) -> Outcome:
    """A report whose own model is made of random weights."""
    model = {**outcome.main.facts["model"], "backbone": {"random_weights": True}}
    facts = {**outcome.main.facts, "model": model}
    main: Scored = replace(outcome.main, name="random-sd15", digest="r" * 12, settings="random weights", facts=facts)
    return replace(outcome, scored=[*outcome.scored, main])


def shown(capsys: pytest.CaptureFixture[str], *cells: Cell) -> list[str]:
    capsys.readouterr()
    show_cells(cells)
    return [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip(" ─")]


def labels(lines: list[str]) -> list[str]:
    """The name of each row, and the settings beside it or below."""
    found: list[str] = []
    for line in lines:
        if "@2" in line:
            found.append(line.partition("  ")[0])
        elif found and "=" in line and "  " not in line:
            found[-1] += f" {line}"
    return found


@pytest.mark.slow
def test_a_baseline_stands_once_and_models_with_what_sets_them_apart(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = [
        Cell.of(bench(*words), words)
        for seed in (0, 1)
        for model in ("hull", "visible")
        for words in [[f"model={model}", "dataset.images=2", f"seed={seed}"]]
    ]
    lines = shown(capsys, *cells)
    assert lines[0] == "toy, all cells"
    assert labels(lines) == ["hull seed=0", "visible seed=0", "hull seed=1", "visible seed=1"]
    assert labels(shown(capsys, *cells[:2])) == ["hull", "visible"]
    assert labels(shown(capsys, cells[0], cells[2])) == ["visible", "hull seed=0", "hull seed=1"]


@pytest.mark.slow
def test_models_that_share_a_name_are_told_apart(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """A run of another name has the digest of the baseline that it is, which is shown all the same."""
    cells = [
        Cell.of(bench(*words), words)
        for model in ("hull", "visible")
        for words in [[f"model={model}", "dataset.images=2", "model.name=x"]]
    ]
    assert labels(shown(capsys, *cells)) == [
        "visible", "hull", "x model=hull", "x model=visible _target_=amodal_bench.models.visible.VisibleMask"
    ]  # fmt: skip


@pytest.mark.slow
def test_protocols_stand_one_after_the_other(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    cells = [
        Cell.of(bench(*words), words)
        for name in ("pooled", "instance")
        for words in [["model=hull", "dataset.images=2", f"protocol={name}"]]
    ]
    lines = [line for line in shown(capsys, *cells) if "@2" in line]
    assert [line.split()[-1] for line in lines] == ["instance@2"] * 2 + ["pooled@2"] * 2
    assert labels(lines) == ["visible", "hull protocol=instance", "visible", "hull protocol=pooled"]


def test_random_weights_never_stand_beside_real_results(outcome: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    real, random = Cell.of(outcome, ["model=hull"]), Cell.of(as_random(outcome), ["model=random/sd15"])
    lines = shown(capsys, real, random)
    apart = lines.index(MEANINGLESS)
    assert labels(lines[:apart]) == ["visible", "hull"]
    assert labels(lines[apart:]) == ["random-sd15 random weights"]
    alone = replace(random, rows=random.rows.tail(1))
    assert shown(capsys, alone, alone)[:2] == ["toy, all cells", MEANINGLESS]


def test_every_dataset_has_a_table_of_its_own(outcome: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["dataset=toy", "dataset=aquarium"]
    cells = [Cell.of(replace(outcome, dataset=word.removeprefix("dataset=")), [word]) for word in words]
    lines = shown(capsys, *cells)
    second = lines.index("aquarium, all cells")
    assert lines[0] == "toy, all cells"
    assert labels(lines[:second]) == ["visible", "hull dataset=toy"]
    assert labels(lines[second:]) == ["visible", "hull dataset=aquarium"]


def test_a_table_of_all_runs_has_random_weights_apart(
    outcome: Outcome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "all"
    for name, one in {"real": outcome, "random": as_random(outcome)}.items():
        (folder / "runs" / name).mkdir(parents=True)
        one.table().to_csv(folder / "runs" / name / "summary.csv", index=False)
    assert table.main([str(folder)]) == 0
    real, _, random = capsys.readouterr().out.partition(f"{MEANINGLESS}:")
    assert "| toy | hull | instance@2 |" in real and "random-" not in real
    assert random.count("| toy | random-sd15 random weights |") == 2
    assert "hull" not in random and "visible" not in random
    written, apart = (pd.read_csv(folder / f"{name}.csv") for name in ("table", "table_random_weights"))
    assert len(written) == 4 and set(written["model"]) == {"visible", "hull"}
    assert len(apart) == 2 and set(apart["model"]) == {"random-sd15"}


def test_a_table_goes_without_damaged_summaries_and_without_being_written(
    outcome: Outcome, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "all"
    for name, text in {"good": outcome.table().to_csv(index=False), "empty": "", "other": "a,b\n1,2\n"}.items():
        (folder / "runs" / name).mkdir(parents=True)
        (folder / "runs" / name / "summary.csv").write_text(text)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(csv_logger, "write_csv", refuse)
    assert table.main([str(folder)]) == 0
    shown = capsys.readouterr()
    assert "| toy | hull | instance@2 |" in shown.out
    assert f"not written: {folder / 'table.csv'} (Permission denied)" in shown.out
    assert len(shown.err.splitlines()) == 2 and "empty" in shown.err and "it lacks the column dataset" in shown.err
