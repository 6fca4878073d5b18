"""Give every reader damaged, foreign and made-up files: `python scripts/fuzz.py --inputs 20000`.

Each input has to get a right answer or the project's own error in one line, within a second and 500 MB; what does not
is a finding, and is written into a folder, from which `--again FILE` reads it and shows where it fails. Inputs depend
on the seed and their number alone.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from fuzzing import READERS
from fuzzing.judge import Counts, judge

from amodal_bench.core.errors import BenchError

LINE = "{:14} {:>8} {:>13} {:>20} {:>9} {:>9}"


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000, help="of each reader; 20000")
    parser.add_argument("--reader", nargs="+", choices=READERS, default=list(READERS), help="which; all")
    parser.add_argument("--seed", type=int, default=0, help="of the inputs; 0")
    parser.add_argument("--workers", type=int, default=1, help="processes at the same time; 1")
    parser.add_argument("--keep", type=Path, default=Path("findings"), help="where findings are written; findings")
    parser.add_argument("--again", type=Path, help="read this finding again, and show where it fails")
    return parser.parse_args()


def _again(file: Path) -> int:
    """Read one finding in this process; its name begins with that of its reader."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as at:
        os.environ |= {"AMODAL_BENCH_CACHE": f"{os.devnull}/none", "TQDM_DISABLE": "1"}
        try:
            READERS[file.name.rpartition("-")[0]](Path(at)).read(file.read_bytes())
        except BenchError as error:
            print(f"the project's own error: {error}")
        except Exception:
            traceback.print_exc()
            return 1
        else:
            print("a right answer")
    return 0


def _row(found: Counts, seconds: float) -> str:
    numbers = (
        found.inputs,
        found.answers,
        found.errors,
        len(found.findings),
        f"{found.inputs / max(seconds, 1e-9):.0f}",
    )
    return LINE.format(found.name, *numbers)


def main() -> int:
    """Read all; returns the exit status, 1 where there is a finding."""
    asked = _asked()
    if asked.again:
        return _again(asked.again)
    print(LINE.format("reader", "inputs", "right answer", "project's own error", "findings", "inputs/s"))
    status = 0
    for name in asked.reader:
        begun = time.perf_counter()
        found = judge(READERS[name], asked.inputs, asked.seed, asked.workers, asked.keep)
        print(_row(found, time.perf_counter() - begun), flush=True)
        kinds = Counter(what for _, what in found.findings)
        first = {what: number for number, what in reversed(found.findings)}
        for what, times in kinds.most_common(20):
            print(f"  {times} times, first in input {first[what]}: {what}", flush=True)
        status |= bool(found.findings)
    return status


if __name__ == "__main__":
    sys.exit(main())
