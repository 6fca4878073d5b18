"""Draw what commands print in a terminal as SVG files for the documentation.

python scripts/screens.py [docs/screens] [--only run,narrow]

Every command runs in a pseudo-terminal of the width that is told, on the toy aquarium, in a folder of its own;
nothing is drawn by hand. A picture's text can be selected and read aloud, and no font is fetched.
"""

from __future__ import annotations

import argparse
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text


@dataclass(frozen=True)
class Screen:
    """One picture.

    Attributes:
        name: of its file.
        width: of the terminal in columns.
        words: of the command, after `amodal-bench`; `{run}` stands for the newest run whose name has `tiny` in it.
        until: what has to be printed for it to be looked at while it still works; "" for its end.
        last: only so many of the last lines are shown.
    """

    name: str
    width: int
    words: str
    until: str = ""
    last: int | None = None


RUN = "dataset.images=40"

SCREENS = [
    Screen("progress", 100, f"model=tiny {RUN}", until="toy tiny, predicting:  50%"),
    Screen("run", 100, f"model=tiny {RUN}"),
    Screen("narrow", 60, f"model=tiny {RUN}"),
    Screen("info", 100, "data info toy"),
    Screen("check", 100, "data check toy"),
    Screen("table", 120, "results table results"),
    Screen("compare", 100, "results compare {hull} {run}"),
    Screen("published", 120, "published --dataset kins --method tuning_free"),
    Screen("dry-run", 120, "paper table2 toy=1 --dry-run"),
    Screen("mistake", 80, "dta list"),
]


def printed(command: Sequence[str], folder: Path, width: int, until: str) -> str:
    """What a command prints into a terminal of that width; it is stopped where it is looked at before its end."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(width), "PYTHONWARNINGS": "ignore"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=follower, stdout=follower, stderr=follower, close_fds=True
    )
    os.close(follower)
    found = b""
    ended = False
    os.set_blocking(leader, False)
    while True:
        try:
            part = os.read(leader, 65536)
        except BlockingIOError:
            part = b""
            time.sleep(0.05)
        except OSError:  # the other end is closed
            break
        found += part
        if not part and ended:
            break
        ended = process.poll() is not None  # what it has printed last is read before that counts
        if until and until.encode() in found:
            process.terminate()
            process.wait()
            break
    os.close(leader)
    process.wait()
    return found.decode("utf-8", "replace")


def shown(text: str) -> str:
    """The lines that a terminal would show at last: what a carriage return led back over is overwritten."""
    text = re.sub(r"\x1b\[\?\d+[hl]|\x1b\[[0-9]*[AKJ]", "", text.replace("\r\n", "\n"))
    return "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n")).strip("\n")


def draw(screen: Screen, text: str, file: Path) -> None:
    """Write a terminal with that text as an SVG file."""
    lines = shown(text).split("\n")
    if screen.last is not None:
        lines = lines[-screen.last :]
    console = Console(record=True, width=screen.width, file=io.StringIO(), force_terminal=True, color_system="256")
    console.print(Text(f"$ amodal-bench {screen.words}", style="bold"))
    console.print(Text.from_ansi("\n".join(lines)), soft_wrap=False)
    svg = console.export_svg(title="", theme=DIMMED_MONOKAI, unique_id=screen.name)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    file.write_text(svg.replace("Fira Code, monospace", "monospace"), encoding="utf-8")


def main() -> int:
    """Draw what the command line asks for."""
    parser = argparse.ArgumentParser(description="Draw what commands print in a terminal as SVG files.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("docs/screens"))
    parser.add_argument("--only", type=lambda text: text.split(","), help="names of screens (default: all)")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        for screen in SCREENS:
            if args.only and screen.name not in args.only:
                continue
            runs = sorted(Path(temporary).glob("results/runs/*"))
            places = {kind: next((f"results/runs/{run.name}" for run in runs if f"-{kind}-" in run.name), "")
                      for kind in ("hull", "tiny")}  # fmt: skip
            words = screen.words.format(run=places["tiny"], hull=places["hull"])
            command = [sys.executable, "-m", "amodal_bench", *words.split()]
            text = printed(command, Path(temporary), screen.width, screen.until)
            told = Screen(screen.name, screen.width, words, screen.until, screen.last)
            draw(told, text, args.folder / f"{screen.name}.svg")
            print(args.folder / f"{screen.name}.svg", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
