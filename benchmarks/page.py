"""Time the page of two runs of 100,000 instances: writing it, and opening, sorting, filtering and brushing it.

python benchmarks/page.py [--instances 100000] [--folder FOLDER]

Stores, dataset and page are real, of made-up shapes: 256 different ones on 200 pictures of 640x480. It is opened from
the disk in Chromium without a window, which `pip install amodal-bench[browser]` and a `chromium` on the PATH give.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import pandas as pd

from amodal_bench.api.load import load_protocol
from amodal_bench.api.page import make_page
from amodal_bench.api.runs import Run, open_run
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Problem, Sample
from amodal_bench.metrics.counts import joint_counts
from amodal_bench.metrics.protocols import occlusion_rate
from amodal_bench.report.compare import amodal_pixels
from amodal_bench.runner.identity import Identity
from amodal_bench.runner.run_json import write_facts
from amodal_bench.runner.store import Row, Store, prediction_row

HEIGHT, WIDTH = 480, 640
SHAPES, PICTURES = 256, 200
ROUNDS = 5
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync")  # fmt: skip
PAINTED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""Waits until what has changed is painted."""


def blob(rng: np.random.Generator, around: tuple[int, int], radius: float) -> Mask:
    """A filled shape with a wavy outline, (HEIGHT, WIDTH) bool."""
    angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    reach = radius * (1 + sum(rng.uniform(0, 0.3) / wave * np.cos(wave * angles + rng.uniform(0, 6)) for wave in
                              range(2, 9)))  # fmt: skip
    points = np.stack([around[0] + reach * np.cos(angles), around[1] + reach * np.sin(angles)], axis=1)
    drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(drawn, [points.astype(np.int32)], (1,))
    return drawn.astype(bool)


@dataclass(frozen=True)
class Shapes:
    """A dataset whose instances take turns with the same shapes and pictures."""

    count: int

    @property
    def name(self) -> str:
        """Its name in tables."""
        return "shapes"

    @cached_property
    def masks(self) -> Sequence[tuple[Mask, Mask, Mask, Mask]]:
        """A, V and two predictions of each shape."""
        rng = np.random.default_rng(0)
        found = []
        for _ in range(SHAPES):
            around = int(rng.integers(120, WIDTH - 120)), int(rng.integers(120, HEIGHT - 120))
            amodal = blob(rng, around, float(rng.uniform(25, 90)))
            hidden = blob(rng, (around[0] + int(rng.integers(-90, 90)), around[1] + 40), float(rng.uniform(10, 60)))
            shifts = rng.integers(-12, 12, (2, 2))
            predicted = [np.roll(amodal, (int(down), int(right)), (0, 1)) for down, right in shifts]
            found.append((amodal, amodal & ~hidden, predicted[0], predicted[1] | (amodal & ~hidden)))
        return found

    def records(self) -> pd.DataFrame:
        """The index; rates are measured."""
        none = np.zeros((HEIGHT, WIDTH), bool)
        counts = np.stack([joint_counts(amodal, amodal, visible, none) for amodal, visible, *_ in self.masks])
        places = np.arange(self.count)
        pixels, rates = amodal_pixels(counts).astype(float), occlusion_rate(counts)
        return pd.DataFrame({
            "id": [f"shape-{place:06d}" for place in places], "image_id": [f"image-{p % PICTURES}" for p in places],
            "video_id": "", "category": [f"category {place % 17}" for place in places],
            "amodal_pixels": pixels[places % SHAPES], "occlusion_rate": rates[places % SHAPES],
            "stuff": False, "crowd": False, "truncated": False, "hidden": False,
        })  # fmt: skip

    def sample(self, id: str) -> Sample:
        """The masks of one instance and the picture that it shares with others."""
        place = int(id.removeprefix("shape-"))
        amodal, visible, *_ = self.masks[place % SHAPES]
        image = self._images[place % PICTURES]
        return Sample(id, image, visible, amodal, np.zeros_like(amodal))

    def fingerprint(self) -> str:
        """What tells it apart."""
        return f"{self.count:064x}"

    def check(self) -> Sequence[Problem]:
        """Nothing is wrong."""
        return []

    @cached_property
    def _images(self) -> Any:
        small = np.random.default_rng(1).integers(0, 255, (PICTURES, 12, 16, 3), np.uint8)
        return [cv2.resize(each, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) for each in small]


def _row(id: str, predicted: Mask, amodal: Mask, visible: Mask) -> Row:
    return prediction_row(id, predicted, amodal, visible, np.zeros_like(amodal), 0.01, 0.1)


def stored(folder: Path, data: Shapes, which: int) -> Run:
    """A run of the dataset whose predictions are one of the shapes' two; one in 500 failed."""
    folder.mkdir(parents=True)
    rows = [_row("", masks[which], *masks[:2]) for masks in data.masks]
    empty = [_row("", np.zeros_like(masks[0]), *masks[:2]).counts for masks in data.masks]
    with Store(folder / "store.sqlite") as store:
        records = data.records()
        store.write_records(records)
        written = []
        for place, id in enumerate(records["id"]):
            own = rows[place % SHAPES]
            if place % 500 == which - 2:
                written.append(Row(id, "the model answered nothing", own.shape, None, empty[place % SHAPES]))
            else:
                written.append(Row(id, None, own.shape, own.rle, own.counts, 0.01, 0.1))
        store.write(written)
    identity = Identity({"dataset": {"name": data.name, "fingerprint": data.fingerprint()},
                         "model": {"target": f"own.Model{which}"}, "seed": 0})  # fmt: skip
    write_facts(folder, f"model{which}", "", identity, None, {}, deterministic=True)
    return open_run(folder)


def measured(file: Path, executable: str) -> dict[str, list[float]]:
    """Seconds of what a reader does with the page, each some times."""
    from playwright.sync_api import Page, sync_playwright

    found: dict[str, list[float]] = {}

    def timed(name: str, page: Page, act: Callable[[], object]) -> None:
        before = time.perf_counter()
        act()
        page.evaluate(PAINTED)
        found.setdefault(name, []).append(time.perf_counter() - before)

    def drag(page: Page, plot: str, top: float) -> None:
        box = page.locator(f"#plot-{plot} canvas").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + top * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + (top + 0.3) * box["height"])
        page.mouse.up()

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        for round in range(ROUNDS):
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            timed("open", page, lambda page=page: (page.goto(file.absolute().as_uri()),
                                                   page.wait_for_selector("html[data-ready=yes]")))  # type: ignore[misc]  # fmt: skip
            for key in ("iou", "difference", "rate"):
                timed("sort", page, lambda page=page, key=key: page.click(f"[data-sort={key}]"))  # type: ignore[misc]
            page.click("#filters summary")
            timed("filter by IoU", page, lambda page=page, round=round: page.fill("#iou-least", str(40 + round)))  # type: ignore[misc]
            timed("search an id", page, lambda page=page: page.fill("#search", "99"))  # type: ignore[misc]
            page.click("#clear")
            page.click("#filters summary")
            for plot in ("occlusion", "paired"):
                timed("brush", page, lambda page=page, plot=plot: drag(page, plot, 0.1))  # type: ignore[misc]
            page.keyboard.press("Escape")
            timed("next instance", page, lambda page=page: page.keyboard.press("j"))  # type: ignore[misc]
            timed("scroll to the end", page, lambda page=page: page.evaluate(
                "document.querySelector('.scroll').scrollTop = 1e9"))  # type: ignore[misc]  # fmt: skip
            page.close()
        browser.close()
    return found


def main() -> None:
    """Print the seconds of each step, the median and the slowest of several."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where the page is kept; else it is deleted")
    asked = parser.parse_args()
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as scratch:
        data = Shapes(asked.instances)
        runs = [stored(Path(scratch) / f"run{which}", data, 2 + which) for which in range(2)]
        folder = asked.folder or Path(scratch) / "page"
        for what in ("write the page", "write it again"):
            before = time.perf_counter()
            made = make_page(runs, load_protocol("instance"), folder, data)
            print(f"{what:20} {time.perf_counter() - before:8.2f} s")
        sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
        index = (folder / "index.data.js").stat().st_size
        print(
            f"{made.instances} instances, {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB, index {index / 1e6:.1f} MB"
        )
        if executable is None:
            print("no chromium on the PATH: the page is not opened")
            return
        for name, seconds in measured(made.file, executable).items():
            print(f"{name:20} {median(seconds):8.3f} s   slowest {max(seconds):.3f} s of {len(seconds)}")


if __name__ == "__main__":
    main()
