"""Time `data check` of a tree in KINS' format and size against decoding every picture and mask one by one.

python benchmarks/check.py [--images 7517]

The pictures are links to twenty of KINS' size; what a plain loop takes is measured on some of them, in one process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import history
import numpy as np
from pycocotools import mask as coco

from amodal_bench.core.rle import encode
from amodal_bench.datasets.reading import sound

HEIGHT, WIDTH = 375, 1242
IMAGES, OBJECTS = 7517, 12.3
"""How many KINS' test split has: 92,492 objects."""

DISTINCT, PLAIN = 20, 200


def masks(rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Any], int]:
    """A and V of an object as RLEs, and the area of A."""
    y, x = np.indices((HEIGHT, WIDTH))
    cy, cx, ry, rx = rng.uniform((60, 100, 15, 15), (HEIGHT - 60, WIDTH - 100, 50, 90))
    amodal = ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1
    return dict(encode(amodal)), dict(encode(amodal & (x < cx + rng.uniform(0, 1) * rx))), int(amodal.sum())


def write(root: Path, images: int) -> int:
    """Write the tree; returns how many objects it has."""
    rng = np.random.default_rng(0)
    folder = root / "testing/image_2"
    folder.mkdir(parents=True)
    for number in range(min(images, DISTINCT)):
        smooth = cv2.resize(rng.integers(0, 256, (60, 200, 3), dtype=np.uint8), (WIDTH, HEIGHT)).astype(int)
        picture = np.clip(smooth + rng.integers(-4, 5, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number:06d}.png"), picture)
    for number in range(DISTINCT, images):
        os.link(folder / f"{number % DISTINCT:06d}.png", folder / f"{number:06d}.png")
    made = [masks(rng) for _ in range(300)]
    objects = [
        {"id": n, "image_id": int(n / OBJECTS), "category_id": 1, "area": area, "segmentation": a, "i_segm": v}
        for n in range(int(images * OBJECTS))
        for a, v, area in (made[n % len(made)],)
    ]
    told = [{"id": n, "file_name": f"{n:06d}.png", "height": HEIGHT, "width": WIDTH} for n in range(images)]
    tree = {"images": told, "categories": [{"id": 1, "name": "car"}], "annotations": objects}
    (root / "update_test_2020.json").write_text(json.dumps(tree))
    return len(objects)


def plain(root: Path) -> float:
    """Seconds that a loop takes for each picture, its masks included."""
    cv2.setNumThreads(1)
    tree = json.loads((root / "update_test_2020.json").read_text())
    of_image: dict[int, list[dict[str, Any]]] = {}
    for each in tree["annotations"]:
        of_image.setdefault(each["image_id"], []).append(each)
    images = tree["images"][:PLAIN]
    begun = time.process_time()
    for image in images:
        if cv2.imread(str(root / "testing/image_2" / image["file_name"])) is None:
            raise SystemExit(f"{image['file_name']} cannot be read")
        for each in of_image.get(image["id"], []):
            amodal, visible = (coco.decode(each[key]).astype(bool) for key in ("segmentation", "i_segm"))
            if (visible & ~amodal).any() or amodal.sum() != each["area"]:
                raise SystemExit(f"object {each['id']} is not as it was written")
    return (time.process_time() - begun) / len(images)


def main() -> None:
    """Parse the command line, do the work and print it."""
    parser = argparse.ArgumentParser(description="Time data check against a plain loop.")
    parser.add_argument("--images", type=int, default=IMAGES, help=f"pictures (default: {IMAGES}, KINS' test split)")
    history.add_option(parser)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "kins"
        objects = write(root, args.images)
        size = (root / "testing/image_2/000000.png").stat().st_size
        library = sound.inflating.__name__
        print(f"{objects} objects of {args.images} pictures of {size / 1e3:.0f} kB; unpacked by {library}")
        environment = {**os.environ, "AMODAL_BENCH_CACHE": str(Path(temporary) / "cache")}
        words = [sys.executable, "-m", "amodal_bench", "data", "check", "kins", f"dataset.root={root}"]
        own: list[float] = []
        for what in ("first, which makes the index", "again"):
            before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            done = subprocess.run(words, env=environment, cwd=temporary, capture_output=True, text=True, check=False)
            wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
            if "problems   none" not in done.stdout:
                raise SystemExit(done.stdout + done.stderr)
            own.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            print(f"{what}: {wall:.1f} s, {own[-1]:.1f} s of CPU time")
        each = plain(root)
    ratio = each * args.images / own[-1]
    print(f"a plain loop: {each * args.images:.1f} s of CPU time, by {PLAIN} pictures: {ratio:.1f} times as much")
    history.keep(args.history, "check", {f"against a plain loop, {args.images} pictures": ratio})


if __name__ == "__main__":
    main()
