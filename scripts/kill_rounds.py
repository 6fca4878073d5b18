"""Kill the program again and again, and look whether anything is lost: `python scripts/kill_rounds.py --rounds 100`.

Each round starts a command, ends it by SIGKILL at a random time, up to three times, gives the same command again and
compares what is there with what an undisturbed command leaves: predictions and tables of a run, exported and packed
files, an index in the cache, an offline run of W&B. At the moment of the kill no file may be half written under its
own name, either. It uses a folder of its own, and ends with status 1 where something is lost.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

KINDS = ("run", "export", "cache", "wandb")
PLAIN = ("model=hull", "dataset.images=5", "engine.batch_size=4", "sheet=2")
IMPORTED = (
    "amodal_bench.cli.main",
    "amodal_bench.cli.run",
    "amodal_bench.evaluation.command",
    "amodal_bench.report.terminal",
    "amodal_bench.cli.results.export",
    "amodal_bench.cli.results.pack",
    "amodal_bench.cli.data.info",
    "amodal_bench.datasets.toy",
    "hydra._internal.hydra",
)


@dataclass(frozen=True)
class Command:
    """A command of the program.

    Attributes:
        words: what follows its name.
        output: where its output goes.
        environment: variables beside those of this process.
    """

    words: Sequence[str]
    output: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def started(self) -> int:
        """Start it in a process of its own; returns its id. A fork saves the seconds of the imports."""
        process = os.fork()
        if process:
            return process
        status = 1
        try:
            os.environ.update(self.environment)
            file = os.open(self.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            null = os.open(os.devnull, os.O_RDWR)
            for number, to in ((0, null), (1, file), (2, null)):
                os.dup2(to, number)
            from amodal_bench.cli.main import program

            status = program(list(self.words))
            sys.stdout.flush()
        finally:
            os._exit(status)

    def done(self) -> bool:
        """Do it; returns whether it succeeded."""
        return os.waitpid(self.started(), 0)[1] == 0

    def killed(self, after: float) -> bool:
        """Start it, and kill it after so many seconds; returns whether it was still at work."""
        process = self.started()
        time.sleep(after)
        os.kill(process, signal.SIGKILL)
        return os.WIFSIGNALED(os.waitpid(process, 0)[1])


@dataclass(frozen=True)
class Job:
    """What a round does, in a folder of its own.

    Attributes:
        kind: one of `KINDS`.
        folder: where all of it lies.
        run: a run's folder, whose predictions are exported.
    """

    kind: str
    folder: Path
    run: Path

    @property
    def command(self) -> Command:
        out, results = self.folder / "output.txt", f"results={self.folder / 'results'}"
        if self.kind == "export":
            return Command(["results", "export", str(self.run), "-o", str(self.folder / "made.json")], out)
        if self.kind == "pack":
            return Command(["results", "pack", str(self.run), "-o", str(self.folder / "made.zip")], out)
        if self.kind == "cache":
            cache = {"AMODAL_BENCH_CACHE": str(self.folder / "cache")}
            return Command(["data", "info", "toy", "dataset.images=8"], out, cache)
        logged = ["logger=wandb", "logger.wandb.mode=offline"] if self.kind == "wandb" else []
        return Command([*PLAIN, *logged, results], out)

    def product(self) -> str:
        """A digest of what the command is for."""
        if self.kind in ("export", "pack"):
            return _digest(file.read_bytes() for file in self.folder.glob("made.*"))
        if self.kind == "cache":
            return _digest([(self.folder / "output.txt").read_bytes()])
        if self.kind == "wandb" and not any(
            file.stat().st_size > 100 for file in (self.folder / "results" / "wandb").rglob("*.wandb")
        ):
            return "W&B has no run"
        runs = sorted((self.folder / "results" / "runs").iterdir())
        tables = [file for run in runs for file in sorted(run.glob("scores/*/*.csv")) if file.name != "timing.csv"]
        names = [str(file.relative_to(self.folder)).encode() for file in [*runs, *tables]]
        return _digest(
            [*names, *(repr(predictions(run)).encode() for run in runs), *(file.read_bytes() for file in tables)]
        )

    def half_made(self, whole: str) -> bool:
        """Whether something that is not whole has the name of a whole file."""
        return self.kind in ("export", "pack") and any(self.folder.glob("made.*")) and self.product() != whole


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def predictions(run: Path) -> list[tuple[object, ...]]:
    """All that the store in a run's folder has of its predictions but seconds."""
    with closing(sqlite3.connect(run / "store.sqlite")) as db:
        names = [row[1] for row in db.execute("PRAGMA table_info(instances)")]
        kept = ", ".join(name for name in names if not name.endswith(("_s", "sum")))
        return db.execute(f"SELECT {kept} FROM instances ORDER BY id, draw").fetchall()


def _round(job: Job, whole: str, seconds: float, rng: random.Random) -> tuple[int, str]:
    """How often the command was killed, and what was lost; "" where nothing was."""
    job.folder.mkdir(parents=True)
    kills = 0
    for _ in range(rng.randint(1, 3)):
        kills += job.command.killed(rng.uniform(0.02, 1.0) * seconds)
        if job.half_made(whole):
            return kills, "half a file has the name of a whole one"
    if not job.command.done():
        return kills, "the same command fails"
    return kills, "" if job.product() == whole else "what is there is not what an undisturbed command leaves"


@dataclass
class Rounds:
    """The rounds of one kind, and what an undisturbed command of it leaves.

    Attributes:
        kind: one of `KINDS`, or `pack`.
        whole: the digest of its product.
        seconds: how long it takes.
        done, kills, lost: how many rounds, kills of a command at work, and rounds that lost something.
    """

    kind: str
    whole: str
    seconds: float
    done: int = 0
    kills: int = 0
    lost: int = 0

    @classmethod
    def of(cls, job: Job) -> Rounds:
        """Rounds of a job's kind, after it has been done undisturbed. Raises SystemExit where it fails."""
        job.folder.mkdir()
        begun = time.monotonic()
        if not job.command.done():
            sys.exit(f"error: the undisturbed command fails: amodal-bench {' '.join(job.command.words)}")
        return cls(job.kind, job.product(), time.monotonic() - begun)

    def add(self, job: Job, rng: random.Random) -> str:
        """Do one more; returns what was lost."""
        kills, lost = _round(job, self.whole, self.seconds, rng)
        self.done, self.kills, self.lost = self.done + 1, self.kills + kills, self.lost + bool(lost)
        return lost

    def __str__(self) -> str:
        told = f"{self.done:4} rounds  {self.kills:4} kills at work  {self.done - self.lost:4} survived"
        return f"{self.kind:8} {told}  {self.lost:4} lost"


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100, help="how many; 100")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="of what; all")
    parser.add_argument("--seed", type=int, default=0, help="of the times of the kills; 0")
    return parser.parse_args()


def main() -> int:
    """Do the rounds; returns the exit status."""
    asked = _asked()
    for name in IMPORTED:
        importlib.import_module(name)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    kinds = [part for kind in asked.kinds for part in (("export", "pack") if kind == "export" else (kind,))]
    if "wandb" in kinds and not importlib.util.find_spec("wandb"):
        print("wandb is not installed: no rounds of it")
        kinds.remove("wandb")
    rng, rounds = random.Random(asked.seed), dict[str, Rounds]()
    with tempfile.TemporaryDirectory(prefix="kill-rounds-") as at:
        base = Path(at)
        os.environ["AMODAL_BENCH_CACHE"] = str(base / "cache")
        undisturbed = Rounds.of(Job("run", base / "exported", base))
        (run,) = (base / "exported" / "results" / "runs").glob("toy-hull-*")
        for number in range(asked.rounds):
            kind = kinds[number % len(kinds)]
            if kind not in rounds and kind == "run":
                rounds[kind] = undisturbed
            elif kind not in rounds:
                rounds[kind] = Rounds.of(Job(kind, base / f"whole-{kind}", run))
            if lost := rounds[kind].add(Job(kind, base / f"round-{number}", run), rng):
                print(f"round {number}, {kind}: {lost}", flush=True)
    counts = zip(*((each.done, each.kills, each.lost) for each in rounds.values()), strict=True)
    total = Rounds("all", "", 0.0, *map(sum, counts))
    print(*rounds.values(), total, sep="\n")
    return int(total.lost > 0)


if __name__ == "__main__":
    sys.exit(main())
