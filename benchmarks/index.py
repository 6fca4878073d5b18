"""Time the index of SAIL-VOS at full size against a plain loader: json.load of everything, RLEs in plain Python.

python benchmarks/index.py [--images 26872] [--rounds 20]

The annotations are synthetic, in the official format, and lie in a temporary folder. Each step runs in a process of
its own, so that its peak memory is its own; the steps take turns, and medians are printed. Ratios of steps are of
wall seconds, as the first indexing uses all cores; CPU seconds are those of all its processes, memory is that of the
first, whose text of the file the others share. Ratios of decoding are of CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import history
import numpy as np
import used
from PIL import Image, ImageDraw

from amodal_bench.core.rle import decode, encode
from amodal_bench.core.types import Mask
from amodal_bench.datasets.reading.records import read_record

HEIGHT, WIDTH = 800, 1280
IMAGES, INSTANCES = 26_872, 507_000
POOL = 256
"""Different objects that are drawn; the annotations take turns with them."""
FRAMES = 650
BATCH = 100
TURNS = 3


def blob(rng: np.random.Generator, centre: tuple[float, float], radius: float) -> Mask:
    """A shape with a wavy outline, such as a person or a bush has, (HEIGHT, WIDTH) bool."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    reach = int(radius * 2.5) + 2
    top, left = max(int(centre[0]) - reach, 0), max(int(centre[1]) - reach, 0)
    window = mask[top : int(centre[0]) + reach, left : int(centre[1]) + reach]
    y, x = np.indices(window.shape, np.float32)
    y, x = y + (top - centre[0]), (x + (left - centre[1])) * rng.uniform(1, 2)
    angle, edge = np.arctan2(y, x), np.full(window.shape, radius, np.float32)
    for wave in range(2, 14):
        edge += radius * rng.uniform(0, 0.6) / wave * np.cos(wave * angle + rng.uniform(0, 6.3))
    window[...] = np.hypot(y, x) < edge
    return mask


def drawn_object(rng: np.random.Generator) -> dict[str, Any]:
    """The fields of an annotation that its masks decide; three of five objects have another before them."""
    radius = float(np.clip(rng.lognormal(3.6, 0.8), 4, 300))
    centre = (rng.uniform(100, HEIGHT - 100), rng.uniform(100, WIDTH - 100))
    amodal = blob(rng, centre, radius)
    visible = amodal
    if rng.random() < 0.6:
        beside = (centre[0] + rng.uniform(-1, 1) * radius, centre[1] + rng.uniform(-1, 1) * radius)
        visible = amodal & ~blob(rng, beside, radius * rng.uniform(0.4, 0.9))
    area, seen = int(amodal.sum()), int(visible.sum())
    return {
        "bbox": [int(centre[1] - radius), int(centre[0] - radius), int(2 * radius), int(2 * radius)],
        "bbox_visible": [int(centre[1] - radius), int(centre[0] - radius), int(2 * radius), int(2 * radius)],
        "segmentation": encode(amodal),
        "visible_mask": encode(visible),
        "invisible_mask": encode(amodal & ~visible),
        "area": area,
        "area_visible": seen,
        "iscrowd": 0,
        "occlu_depth": 0,
        "occlude_rate": (area - seen) / area,
    }


def write(file: Path, images: int) -> int:
    """Write an annotation file; returns its number of instances."""
    rng = np.random.default_rng(0)
    pool = [json.dumps(drawn_object(rng))[1:] for _ in range(POOL)]
    instances = round(images * INSTANCES / IMAGES)
    videos = [f"clip_{number}_ext" for number in range((images - 1) // FRAMES + 1)]
    with file.open("w", encoding="ascii") as out:
        named = [{"id": 1, "vid_name": name, "num_frames": FRAMES, "num_objs": 100} for name in videos]
        categories = [{"id": 3 * number + 1, "name": f"class {number}"} for number in range(162)]
        out.write(
            f'{{"videos": {json.dumps(named)}, "categories": {json.dumps(categories)}, "models": [], "images": ['
        )
        for id in range(images):
            video, frame = divmod(id, FRAMES)
            comma = ", " if id else ""
            out.write(
                f'{comma}{{"id": {id}, "video_id": 1, "file_name": "{videos[video]}/images/{frame:06d}.bmp", '
                f'"frame_id": {frame}, "width": {WIDTH}, "height": {HEIGHT}}}'
            )
        out.write('], "annotations": [')
        for id in range(instances):
            comma = ", " if id else ""
            out.write(
                f'{comma}{{"id": {id}, "image_id": {id * images // instances}, "category_id": {id % 162 * 3 + 1}, '
                f'"obj_id": {id % 5000}, "model_id": {id % 700}, {pool[id % POOL]}'
            )
        out.write("]}")
    return instances


def plain_rle(rle: dict[str, Any]) -> Mask:
    """A compressed RLE as a mask, character by character; in rows, as the harness's masks are."""
    runs: list[int] = []
    run, place = 0, 0
    for character in rle["counts"]:
        code = ord(character) - 48
        run |= (code & 0x1F) << 5 * place
        place += 1
        if code & 0x20:
            continue
        if code & 0x10:
            run -= 1 << 5 * place
        runs.append(run + runs[-2] if len(runs) > 2 else run)
        run, place = 0, 0
    values = np.arange(len(runs)) % 2 == 1
    return np.ascontiguousarray(np.repeat(values, runs).reshape(rle["size"], order="F"))


@dataclass(frozen=True)
class Case:
    """An instance to decode: its row of the index, its record, and a polygon of its own."""

    row: Any
    record: dict[str, Any]
    polygon: list[float]


def native_rles(case: Case) -> list[Mask]:
    """Decode both RLEs of an instance with the harness' decoder."""
    return [decode(case.record[key], HEIGHT, WIDTH) for key in ("segmentation", "visible_mask")]


def plain_rles(case: Case) -> list[Mask]:
    """Decode both RLEs of an instance character by character, in plain Python."""
    return [plain_rle(case.record[key]) for key in ("segmentation", "visible_mask")]


def native_polygon(case: Case) -> list[Mask]:
    """Fill an instance's polygon with the harness' decoder."""
    return [decode(case.polygon, HEIGHT, WIDTH)]


def plain_polygon(case: Case) -> list[Mask]:
    """Fill an instance's polygon with Pillow."""
    canvas = Image.new("1", (WIDTH, HEIGHT))
    ImageDraw.Draw(canvas).polygon(case.polygon, fill=1)
    return [np.array(canvas)]


def open_index(folder: Path) -> dict[str, float]:
    """Open the dataset, from the file or from the cache."""
    from amodal_bench.datasets.sailvos.sailvos import SailVos

    wall, cpu = time.perf_counter(), used.cpu_seconds()
    records = SailVos(str(folder)).records()
    return {"wall": time.perf_counter() - wall, "cpu": used.cpu_seconds() - cpu, "instances": len(records)}


def open_plainly(folder: Path) -> dict[str, float]:
    """Load everything, and group it by image."""
    wall, cpu = time.perf_counter(), used.cpu_seconds()
    with (folder / "valid.json").open(encoding="utf-8") as file:
        data = json.load(file)
    by_image: dict[int, list[Any]] = defaultdict(list)
    for annotation in data["annotations"]:
        by_image[annotation["image_id"]].append(annotation)
    instances = sum(map(len, by_image.values()))
    return {"wall": time.perf_counter() - wall, "cpu": used.cpu_seconds() - cpu, "instances": instances}


JOBS: dict[str, Callable[[Path], dict[str, float]]] = {
    "first indexing": open_index,
    "opening from the cache": open_index,
    "plain loader": open_plainly,
}


def run_job(job: str, folder: Path) -> dict[str, float]:
    """Run a job in a process of its own; adds its peak memory, imports included, in MB."""
    command = [sys.executable, __file__, "--job", job, "--folder", str(folder)]
    environment = {**os.environ, "AMODAL_BENCH_CACHE": str(folder / "cache")}
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(output)
    return found


def masks_per_second(folder: Path, rounds: int) -> dict[str, tuple[float, float, float]]:
    """Masks per CPU second by the harness and plainly, and their ratio; the two take turns."""
    from amodal_bench.datasets.sailvos.sailvos import SailVos

    dataset, file = SailVos(str(folder)), folder / "valid.json"
    rng = np.random.default_rng(0)
    cases = [
        Case(row, read_record(file, int(row["start"]), int(row["length"])), outline(rng))
        for _, row in dataset.index.instances.head(BATCH).iterrows()
    ]

    def read(case: Case) -> list[Mask]:
        masks = dataset.read_masks(case.row, HEIGHT, WIDTH)
        return [masks.amodal, masks.visible]

    rates: dict[str, tuple[float, float, float]] = {}
    for name, ours, plain, alike in (
        ("RLE", native_rles, plain_rles, 1.0),
        ("RLE, read from the file", read, plain_rles, 1.0),
        # The two draw other pixels of the outline, so that only most of the mask is the same.
        ("polygon", native_polygon, plain_polygon, 0.95),
    ):
        if min(overlap(a, b) for case in cases for a, b in zip(ours(case), plain(case), strict=True)) < alike:
            raise SystemExit(f"{name}: the two ways give other masks")
        took = [(seconds(ours, cases), seconds(plain, cases)) for _ in range(rounds)]
        masks = sum(len(plain(case)) for case in cases)
        ratio = median(other / own for own, other in took)
        rates[name] = (masks / median(own for own, _ in took), masks / median(other for _, other in took), ratio)
    return rates


def seconds(way: Callable[[Case], list[Mask]], cases: list[Case]) -> float:
    """CPU seconds; each mask is let go before the next, as in a run."""
    start = time.process_time()
    for case in cases:
        way(case)
    return time.process_time() - start


def overlap(one: Mask, other: Mask) -> float:
    """Intersection over union; 1 where both are empty."""
    return float((one & other).sum() / ((one | other).sum() or 1)) if one.any() or other.any() else 1.0


def outline(rng: np.random.Generator) -> list[float]:
    """A flat polygon of 60 points."""
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    radii = rng.uniform(60, 120) * (1 + 0.2 * np.cos(5 * angles + rng.uniform(0, 6)))
    points = np.stack([radii * np.cos(angles) + 640, radii * np.sin(angles) + 400], axis=1)
    return [float(value) for value in points.ravel()]


def main() -> None:
    """Parse the command line, do the work and print it."""
    parser = argparse.ArgumentParser(description="Time the index of SAIL-VOS against a plain loader.")
    parser.add_argument("--images", type=int, default=IMAGES, help=f"frames to write (default: {IMAGES}, all)")
    parser.add_argument("--rounds", type=int, default=20, help="timings of decoding (default: 20)")
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    history.add_option(parser)
    args = parser.parse_args()
    if args.job:
        found = JOBS[args.job](args.folder)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
        print(json.dumps({**found, "memory": peak}))
        return
    with tempfile.TemporaryDirectory() as temporary:
        ratios = report(Path(temporary), max(args.images, 1), max(args.rounds, 1))
    history.keep(args.history, "index", ratios)


def report(folder: Path, images: int, rounds: int) -> dict[str, float]:
    """Write the annotations, run every step, print the tables, and return how many times faster each is."""
    start = time.process_time()
    instances = write(folder / "valid.json", images)
    size = (folder / "valid.json").stat().st_size
    took = time.process_time() - start
    print(f"{images} images, {instances} instances, {size / 1e6:.0f} MB; written in {took:.1f} CPU s")
    turns = []
    for _ in range(TURNS):
        shutil.rmtree(folder / "cache", ignore_errors=True)
        turns.append({job: run_job(job, folder) for job in JOBS})
    found = {job: {key: median(turn[job][key] for turn in turns) for key in turns[0][job]} for job in JOBS}
    plain = found["plain loader"]
    print(f"\n{'step':<26}{'wall s':>9}{'CPU s':>9}{'peak MB':>10}{'x faster':>10}{'x less memory':>15}")
    ratios: dict[str, float] = {}
    for job, step in found.items():
        if step["instances"] != instances:
            raise SystemExit(f"{job} found {step['instances']} instances of {instances}")
        faster, less = plain["wall"] / step["wall"], plain["memory"] / step["memory"]
        if job != "plain loader":
            ratios[f"{job}, wall"] = faster
        print(f"{job:<26}{step['wall']:>9.2f}{step['cpu']:>9.2f}{step['memory']:>10.0f}{faster:>10.2f}{less:>15.2f}")
    os.environ["AMODAL_BENCH_CACHE"] = str(folder / "cache")
    print(f"\n{f'masks of {HEIGHT}x{WIDTH}':<26}{'per s':>9}{'plain':>9}{'x faster':>10}")
    for name, (ours, plainly, ratio) in masks_per_second(folder, rounds).items():
        ratios[f"masks: {name}"] = ratio
        print(f"{name:<26}{ours:>9.0f}{plainly:>9.0f}{ratio:>10.2f}")
    return ratios


if __name__ == "__main__":
    main()
