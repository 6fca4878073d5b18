"""Shared helpers: compose and run the harness in this process, as the command line would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from amodal_bench.config import Settings, config_folder, register_schema, settings_from
from amodal_bench.evaluate import evaluate
from amodal_bench.report.outcome import Outcome


def composed(*overrides: str) -> Settings:
    """The settings that a command line with these overrides would run with."""
    register_schema()
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        return settings_from(compose("config", overrides=list(overrides)))


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Small networks on shared machines are faster on one thread, by an order of magnitude."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., Outcome]:
    """Run the harness with overrides; results go to the test's own folder."""

    def run(*overrides: str) -> Outcome:
        outcome, _ = evaluate(composed(f"results={tmp_path / 'results'}", "sheet=0", *overrides))
        return outcome

    return run
