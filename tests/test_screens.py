"""Pictures of terminals in the documentation are what commands print."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from screens import SCREENS, Screen, draw, printed, shown  # noqa: E402


def test_every_screen_is_drawn_and_stands_on_the_page() -> None:
    page = (ROOT / "docs/screens.md").read_text(encoding="utf-8")
    names = {screen.name for screen in SCREENS}
    assert {file.stem for file in (ROOT / "docs/screens").glob("*.svg")} == names
    for name in names:
        assert f"](screens/{name}.svg)" in page
        drawn = (ROOT / f"docs/screens/{name}.svg").read_text(encoding="utf-8")
        assert "amodal-bench" in drawn and "@font-face" not in drawn and drawn.count("http") == 2  # a name, a comment


def test_what_a_line_was_led_back_over_is_gone() -> None:
    assert shown("\x1b[?25la  1%\ra 50%\r\nb\x1b[K\n\x1b[A\n") == "a 50%\nb"


def test_a_command_is_printed_in_a_terminal_of_its_width(tmp_path: Path) -> None:
    said = "import os, sys; print(os.get_terminal_size().columns, sys.stdout.isatty()); print('x<' * 9)"
    text = printed([sys.executable, "-c", said], tmp_path, 77, "")
    assert shown(text).split("\n") == ["77 True", "x<" * 9]
    draw(Screen("one", 77, "--version"), text, tmp_path / "one.svg")
    assert "x&lt;x&lt;" in (tmp_path / "one.svg").read_text(encoding="utf-8")


def test_a_command_is_looked_at_while_it_works(tmp_path: Path) -> None:
    said = "import time; print('half', flush=True); time.sleep(60); print('done')"
    assert shown(printed([sys.executable, "-c", said], tmp_path, 80, "half")).startswith("half")
