"""Time how long a run of half a million instances takes to go on: from the start to the first prediction.

python benchmarks/resume.py [--images 26872]

The dataset is SAIL-VOS' validation split, of made-up annotations, its index warm; its pictures are links to one. The
run's store has all predictions but the last thousand. "limit" is what Python takes to import the program and compose
its settings, without which nothing can go on.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import history
import numpy as np
from index import FRAMES, HEIGHT, IMAGES, WIDTH, write
from PIL import Image

LACKING = 1000


def pictures(folder: Path, images: int) -> None:
    """A picture for each frame, all of them links to one file."""
    first = folder / "picture.bmp"
    Image.new("RGB", (WIDTH, HEIGHT)).save(first)
    for number in range(images):
        video, frame = divmod(number, FRAMES)
        place = folder / f"clip_{video}_ext" / "images" / f"{frame:06d}.bmp"
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(first, place)


def command(folder: Path) -> list[str]:
    """The words of the run."""
    return [f"dataset.root={folder}", f"results={folder / 'results'}", *WORDS]


WORDS = ["dataset=sailvos", "model=hull", "baselines=null", "sheet=0"]


def job(name: str, words: Sequence[str]) -> None:
    """Run the command in this process up to its loop, and do something else in its place."""
    sys.argv[1:] = list(words)
    from amodal_bench.cli.main import main as command_line
    from amodal_bench.runner import engines

    vars(engines)["run"] = JOBS[name]
    command_line()


def fill(work: Any, store: Any, _: object) -> None:
    """Write rows for all but the last instances, with notes of their pictures."""
    from amodal_bench.runner.pictures import NOTE, _Look
    from amodal_bench.runner.store import Row

    counts, look = np.arange(16), _Look()
    ids = work.ids[:-LACKING]
    with store.db:
        for id, files in work.dataset._source.files_of(ids).items():
            store.db.execute(NOTE, (id, look.digest(files), look.stat(files)))
    for start in range(0, len(ids), 10_000):
        store.write([Row(id, None, (HEIGHT, WIDTH), b"0" * 200, counts) for id in ids[start : start + 10_000]])
    os._exit(0)


def stop(work: Any, *_: object) -> None:
    """End where the first prediction would be asked for."""
    if len(work.ids) != LACKING:
        raise SystemExit(f"{len(work.ids)} instances lack a prediction, not {LACKING}")
    os._exit(0)


JOBS: dict[str, Callable[..., None]] = {"fill": fill, "stop": stop}


def timed(words: Sequence[str], environment: dict[str, str]) -> float:
    """Seconds that a process takes."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *words], env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> None:
    """Write the run, go on with it some times, and print how long that takes."""
    parser = argparse.ArgumentParser(description="Time how long a large run takes to go on.")
    parser.add_argument("--images", type=int, default=IMAGES, help=f"frames (default: {IMAGES}, all)")
    parser.add_argument("--rounds", type=int, default=3, help="starts that are timed (default: 3)")
    parser.add_argument("--folder", type=Path, help="keep the run there, and use it where it is there already")
    history.add_option(parser)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        environment = {**os.environ, "AMODAL_BENCH_CACHE": str(folder / "cache")}
        if not (folder / "results").is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            pictures(folder, args.images)
            instances = write(folder / "valid.json", args.images)
            print(f"{instances} instances of {args.images} images")
            first = timed([__file__, "--job", "fill", *command(folder)], environment)
            print(f"first start, which makes the index and the run: {first:.1f} s")
        limit = min(
            timed(["-m", "amodal_bench", "--cfg", "job", *command(folder)], environment) for _ in range(args.rounds)
        )
        took = min(timed([__file__, "--job", "stop", *command(folder)], environment) for _ in range(args.rounds))
    print(f"going on: {took:.2f} s, of which imports and settings (limit) {limit:.2f} s")
    history.keep(args.history, "resume", {f"imports and settings over going on, {args.images} images": limit / took})


if __name__ == "__main__":
    if sys.argv[1:2] == ["--job"]:
        job(sys.argv[2], sys.argv[3:])
    main()
