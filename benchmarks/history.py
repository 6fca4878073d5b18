"""What benchmarks measured at each commit: ratios of one run each, which travel between machines as seconds do not.

python benchmarks/history.py                 compare the newest measurements with those of earlier commits
python benchmarks/history.py --tolerance 0.3 ... and say nothing of ratios that fell by less than 30 %

`make bench` adds to `benchmarks/measured/history.csv`, which is kept with the code; benchmarks that are started by
hand do so with `--history`. The comparison ends with status 1 where something became slower.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

FILE = Path(__file__).parent / "measured" / "history.csv"

TOLERANCE = 0.2
"""Share that a ratio may fall before it counts as slower: on a shared machine they vary by that much."""


@dataclass(frozen=True)
class Note:
    """One measurement.

    Attributes:
        commit: of the code that was measured; with "+" where files had been changed since.
        date: when, UTC.
        machine: its processor and number of cores.
        benchmark: the script, such as `counts`.
        what: of it, such as `COCO, against np.bincount`.
        ratio: how many times faster than the plain way, or which share of the ideal; more is better.
    """

    commit: str
    date: str
    machine: str
    benchmark: str
    what: str
    ratio: float


NAMES = [field.name for field in fields(Note)]


def add_option(parser: argparse.ArgumentParser) -> None:
    """Give a benchmark the option `--history`."""
    text = "add the ratios to this file (default: the one that is kept with the code)"
    parser.add_argument("--history", nargs="?", type=Path, const=FILE, metavar="FILE", help=text)


def keep(file: Path | None, benchmark: str, ratios: Mapping[str, float]) -> None:
    """Add a benchmark's ratios to a file; nothing where none is given."""
    if file is None:
        return
    about = commit(), datetime.now(UTC).strftime("%Y-%m-%d %H:%M"), machine(), benchmark
    new = not file.exists()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, NAMES, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(asdict(Note(*about, what, round(ratio, 3))) for what, ratio in ratios.items())


def notes(file: Path) -> list[Note]:
    """All that a file has, in its order. Raises `SystemExit` with a line where it is no such file."""
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            return [_note(row) for row in csv.DictReader(lines)]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SystemExit(f"{file}: is no history of benchmarks ({error}); make one with `make bench`") from error


def _note(row: Mapping[str, str]) -> Note:
    ratio = float(row["ratio"])
    return Note(row["commit"], row["date"], row["machine"], row["benchmark"], row["what"], ratio)


@dataclass(frozen=True)
class Change:
    """A ratio of the newest commit beside those of the commits before it.

    Attributes:
        benchmark, what: which.
        before: median of the commits before, the newest five; None where nobody has measured it.
        now: median of the newest commit's.
    """

    benchmark: str
    what: str
    before: float | None
    now: float

    def is_slower(self, tolerance: float) -> bool:
        """Whether it fell by more than a share."""
        return self.before is not None and self.now < self.before * (1 - tolerance)


def changes(found: Iterable[Note]) -> list[Change]:
    """What the newest commit of each benchmark changed; a commit is the measurements that bear its name."""
    kept: dict[tuple[str, str], dict[str, list[float]]] = {}
    for note in found:
        kept.setdefault((note.benchmark, note.what), {}).setdefault(note.commit, []).append(note.ratio)
    listed = []
    for (benchmark, what), commits in kept.items():
        *earlier, now = [median(ratios) for ratios in commits.values()]
        listed.append(Change(benchmark, what, median(earlier[-5:]) if earlier else None, now))
    return listed


def commit() -> str:
    """The commit of this checkout, short; with "+" where files were changed."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        name = subprocess.run([*git, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", ":!measured"], check=False).returncode
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name.stdout.strip() + "+" * bool(changed)


def machine() -> str:
    """The processor by name, where the system tells it, and the number of cores."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return f"{name}, {os.cpu_count()} cores"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what changed; 1 where something became slower."""
    parser = argparse.ArgumentParser(description="Compare the newest measurements with those of earlier commits.")
    parser.add_argument("--history", type=Path, default=FILE, metavar="FILE")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, metavar="SHARE", help=f"default: {TOLERANCE}")
    args = parser.parse_args(arguments)
    found = changes(notes(args.history))
    slower = [each for each in found if each.is_slower(args.tolerance)]
    print(f"{'benchmark':<12}{'what':<48}{'before':>9}{'now':>9}")
    for each in found:
        before = "-" if each.before is None else f"{each.before:.2f}"
        mark = "   SLOWER" if each in slower else ""
        print(f"{each.benchmark:<12}{each.what:<48}{before:>9}{each.now:>9.2f}{mark}")
    print(f"\n{len(slower)} of {len(found)} became slower by more than {100 * args.tolerance:g} %")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
