"""Whatever is killed, and under whichever engine a run goes on: rows, tables and page are as of a run in peace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "engine_rounds.py"
ROUNDS = int(os.environ.get("ENGINE_ROUNDS", "3"))
"""Thirty take ten minutes. Ray's actors are killed in test_ray.py; the script kills them, too."""


@pytest.mark.slow
def test_engines_leave_the_same_after_any_end(tmp_path: Path) -> None:
    words = ["--rounds", str(ROUNDS), "--model", "hull", "--engines", "local", "shard"]
    environment = {**os.environ, "AMODAL_BENCH_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *words], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{ROUNDS} the same, 0 lost" in done.stdout
