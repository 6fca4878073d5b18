"""The script that kills the program in rounds: it counts, it finds what is lost, and nothing is."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "kill_rounds.py"
pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason="the scripts are part of a checkout")


@pytest.mark.slow
def test_killed_in_rounds_the_program_loses_nothing() -> None:
    told = subprocess.run(
        [sys.executable, str(SCRIPT), "--rounds", "2", "--kinds", "run", "export"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lines = dict(line.split(maxsplit=1) for line in told.splitlines())
    assert list(lines) == ["run", "export", "all"]
    assert lines["all"].startswith("2 rounds") and lines["all"].endswith("2 survived     0 lost")


def test_what_is_lost_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that leaves half a file, and one that leaves another one than an undisturbed one."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import kill_rounds as rounds

    class Half(rounds.Command):
        def killed(self, after: float) -> bool:
            del after
            Path(self.words[-1]).write_text("ha")
            return True

        def done(self) -> bool:
            Path(self.words[-1]).write_text("whole")
            return True

    class Other(Half):
        def killed(self, after: float) -> bool:
            return bool(after)

        def done(self) -> bool:
            Path(self.words[-1]).write_text("another")
            return True

    whole = rounds.Job("export", tmp_path / "whole", tmp_path)
    for kind, said in ((Half, "half a file has the name of a whole one"), (Other, "what is there is not what an")):
        monkeypatch.setattr(rounds, "Command", kind)
        counted = rounds.Rounds("export", whole.product(), 1.0)
        lost = counted.add(rounds.Job("export", tmp_path / kind.__name__, tmp_path), random.Random(0))
        assert lost.startswith(said) and (counted.done, counted.lost) == (1, 1)
