"""Compare what all engines leave, whatever is killed: `python scripts/engine_rounds.py --rounds 30`.

A run of 64 instances or more is made once, undisturbed, in one process. Each round makes it again in a folder of its
own: up to three commands, each with an engine (this process, one to four Ray actors, a shard of one, three or seven),
a batch size and an end at random - SIGKILL or SIGTERM of the command, SIGKILL of one of its actors, or none - and at
last one that is left alone. Then rows, tables and the page of the run are compared, all but seconds. It ends with
status 1 where they differ.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from kill_rounds import predictions

RUN = ("dataset=toy", "~baselines.hull", "sheet=0")
MODELS = {"tiny": ("model=tiny", "model.steps=2"), "hull": ("model=hull",)}
DATA = "index.data.js"
ENDS = ("command killed", "command ended by SIGTERM", "actor killed", "left alone")


def command(results: Path, run: Sequence[str], words: Sequence[str]) -> list[str]:
    """The command line of a run with some engine."""
    return [sys.executable, "-m", "amodal_bench", *RUN, *run, f"results={results}", *words]


def engine(rng: random.Random, kinds: Sequence[str], whole: bool) -> list[str]:
    """The words of an engine at random; of a `whole` run it is no shard."""
    words = [f"engine.batch_size={rng.choice((1, 3, 8, 16))}"]
    kind = rng.choice([kind for kind in kinds if not (whole and kind == "shard")])
    if kind == "ray":
        return [*words, "engine=ray", f"engine.actors={rng.choice((1, 2, 4))}"]
    if kind == "shard":
        count = rng.choice((1, 3, 7))
        return [*words, f"engine.shard={rng.randrange(count)}/{count}"]
    return words


def product(results: Path) -> tuple[object, ...]:
    """All rows of the stores of the run and of V but seconds, and the run's tables and page."""
    visible, run = sorted((results / "runs").iterdir(), key=lambda folder: "-visible-" not in folder.name)
    rows = predictions(run)
    tables = {f"{file.parent.name}/{file.name}": file.read_bytes() for file in run.glob("scores/*/*.csv")}
    whole = {name: data for name, data in tables.items() if name.split("/")[0].endswith(_ids_of(len(rows), tables))}
    return run.name, rows, predictions(visible), whole, page(run, results.with_name(f"{results.name}-page"))


def page(run: Path, folder: Path) -> dict[str, bytes]:
    """The files of the run's page, pictures and masks included; the table of its times is left out."""
    words = [sys.executable, "-m", "amodal_bench", "results", "page", str(run), "-o", str(folder)]
    subprocess.run(words, check=True, capture_output=True)
    found = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    before, data, after = re.split(rb"(\{.*\})", found[DATA], maxsplit=1, flags=re.DOTALL)
    told = json.loads(data)
    tables = [table for table in told["tables"] if table["title"] != "Time"]
    assert len(tables) == len(told["tables"]) - 1
    return {**found, DATA: before + json.dumps({**told, "tables": tables}).encode() + after}


def _ids_of(count: int, tables: dict[str, bytes]) -> str:
    """How the folder of the score of all instances ends: those of shards are about their part."""
    for name, data in tables.items():
        if name.endswith("/instances.csv") and data.count(b"\n") == count + 1:
            return name.split("/")[0]
    return ""


def actors_of(process: int) -> list[int]:
    """The processes of a command's Ray actors, in which something is built: their raylet is the command's child."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            if (place / "cmdline").read_bytes().startswith(b"ray::Worker") and _parent(_parent(place.name)) == str(
                process
            ):
                found.append(int(place.name))
    return found


def _parent(process: str) -> str:
    return (Path("/proc") / process / "stat").read_text().rpartition(")")[2].split()[1]


def disturbed(words: Sequence[str], log: Path, rng: random.Random, seconds: float, how: str) -> str:
    """Give a command and end it, or one of its actors, at a random time; returns what was done."""
    with log.open("ab") as said:
        started = subprocess.Popen(words, stdout=said, stderr=said)
        until = time.monotonic() + rng.uniform(0.1, 1.0) * seconds
        while time.monotonic() < until and started.poll() is None:
            time.sleep(0.05)
        done = "left alone"
        if started.poll() is None and how == "actor killed":
            while started.poll() is None and not (actors := actors_of(started.pid)):
                time.sleep(0.2)
            if started.poll() is None:
                with suppress(ProcessLookupError):
                    os.kill(rng.choice(actors), signal.SIGKILL)
                    done = how
        elif started.poll() is None and how != "left alone":
            started.send_signal(signal.SIGKILL if how == "command killed" else signal.SIGTERM)
            done = how
        started.wait()
    return done


def main() -> int:
    """Do the rounds; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="how many; 30")
    parser.add_argument("--images", type=int, default=20, help="of the toy aquarium; 20, which are 65 instances")
    parser.add_argument("--model", choices=MODELS, default="tiny", help="tiny, with two steps, or hull; tiny")
    parser.add_argument("--engines", nargs="+", choices=("local", "ray", "shard"), default=["local", "ray", "shard"])
    parser.add_argument("--seed", type=int, default=0, help="of what happens; 0")
    asked = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    run = [*MODELS[asked.model], f"dataset.images={asked.images}"]
    rng, ends, lost = random.Random(asked.seed), Counter[str](), 0
    with tempfile.TemporaryDirectory(prefix="engine-rounds-") as at:
        base = Path(at)
        began = time.monotonic()
        with (base / "log").open("wb") as said:
            subprocess.run(command(base / "whole", run, []), check=True, stdout=said, stderr=said)
        seconds, whole = time.monotonic() - began, product(base / "whole")
        for number in range(asked.rounds):
            results, log, told = base / f"round-{number}", base / f"log-{number}", list[str]()
            for _ in range(rng.randint(1, 3)):
                words = engine(rng, asked.engines, whole=False)
                how = rng.choice([end for end in ENDS if end != "actor killed" or "engine=ray" in words])
                done = disturbed(command(results, run, words), log, rng, seconds, how)
                ends[done] += 1
                told.append(f"{' '.join(words)}: {done}")
            words = engine(rng, asked.engines, whole=True)
            told.append(" ".join(words))
            with log.open("ab") as said:
                status = subprocess.run(
                    command(results, run, words), stdout=said, stderr=said, check=False
                ).returncode
            if status or product(results) != whole:
                lost += 1
                print(f"round {number} differs, status {status}: {'; '.join(told)}", flush=True)
                print(log.read_text(errors="replace")[-2000:], flush=True)
    print(f"{asked.rounds} rounds, {asked.rounds - lost} the same, {lost} lost; {dict(ends)}")
    return int(lost > 0)


if __name__ == "__main__":
    sys.exit(main())
