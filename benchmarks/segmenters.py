"""Time SAM alone on the toy aquarium: each picture encoded once for all its instances, against once for each of them.

By default the network is SAM's in small, so that it can be timed on a CPU; the encoder is nearly all of its cost, as
it is of SAM's. `--size huge --device cuda` times the real architecture on a GPU. Weights are random: nothing is
downloaded, and time does not depend on them.

python benchmarks/segmenters.py [--images 12] [--rounds 3] [--size small|base|large|huge] [--device cpu]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from unittest.mock import patch

import history
import numpy as np

from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Query
from amodal_bench.datasets.toy import Toy
from amodal_bench.models.segment_only import SegmentOnly
from amodal_bench.segmenters import promptable
from amodal_bench.segmenters.sam import Sam

PER_CALL = 16
"""Instances that a run hands to its model at once, unless engine.batch_size says otherwise."""

BATCHES = (1, 4, 8)

SIZES = {
    "small": {"hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 3, "global_attn_indexes": [3]},
    "base": {},
    "large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "global_attn_indexes": [5, 11, 17, 23],
    },
    "huge": {
        "hidden_size": 1280,
        "num_hidden_layers": 32,
        "num_attention_heads": 16,
        "global_attn_indexes": [7, 15, 23, 31],
    },
}
"""What differs from the library's default, ViT-B; `small` has a third of its layers and a quarter of its width."""


def queries_of(images: int) -> list[Query]:
    """All instances of some scenes, in a run's order."""
    dataset = Toy(images=images)
    return [dataset.sample(id).query for id in dataset.records()["id"]]


def save_random(folder: Path, size: str, side: int) -> None:
    """SAM of one of `SIZES`, for pictures of `side` pixels."""
    import torch
    from transformers import SamConfig, SamModel
    from transformers.utils import logging

    disable: Callable[[], None] = logging.disable_progress_bar
    disable()
    torch.manual_seed(0)
    vision = {**SIZES[size], "image_size": side}
    SamModel(SamConfig(vision_config=vision, prompt_encoder_config={"image_size": side})).save_pretrained(folder)


@contextmanager
def unshared() -> Iterator[None]:
    """No two pictures are the same."""
    with patch.object(promptable, "distinct", lambda images: [[place] for place in range(len(images))]):
        yield


def predicted(model: SegmentOnly, queries: list[Query]) -> tuple[list[Mask], float]:
    """Masks of all queries, as a run asks for them, and the seconds that it took."""
    started, masks = time.perf_counter(), list[Mask]()
    for first in range(0, len(queries), PER_CALL):
        some = queries[first : first + PER_CALL]
        masks += model.predict(some, range(first, first + len(some)))
    return masks, time.perf_counter() - started


def measure(model: SegmentOnly, queries: list[Query], rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of every round with and without sharing; they take turns, so that both meet the same load."""
    shared, apart = list[float](), list[float]()
    for turn in range(rounds + 1):
        masks, seconds = predicted(model, queries)
        with unshared():
            others, more = predicted(model, queries)
        if not all(np.array_equal(a, b) for a, b in zip(masks, others, strict=True)):
            raise SystemExit("a mask changes with sharing")
        if turn:  # the first one warms up
            shared.append(seconds)
            apart.append(more)
    return shared, apart


def main() -> None:
    """Parse the command line, do the work and print it."""
    parser = argparse.ArgumentParser(description="Time SAM with and without shared encodings.")
    parser.add_argument("--images", type=int, default=12, help="toy scenes (default: 12)")
    parser.add_argument("--rounds", type=int, default=3, help="timings of each way (default: 3)")
    parser.add_argument("--size", choices=SIZES, default="small", help="of the image encoder (default: small)")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda in half precision (default: cpu)")
    history.add_option(parser)
    arguments = parser.parse_args()
    ratios: dict[str, float] = {}
    queries = queries_of(arguments.images)
    each = len(queries) / arguments.images
    print(f"SAM {arguments.size} on {arguments.device}, {history.machine()}")
    print(f"{each:.1f} instances a picture, {PER_CALL} in a call")
    print(f"{'segmenter.batch':<18}{'shared ms':>12}{'unshared ms':>14}{'ratio':>8}   (per instance)")
    with TemporaryDirectory() as folder:
        save_random(Path(folder), arguments.size, 256 if arguments.size == "small" else 1024)
        for batch in BATCHES:
            model = SegmentOnly(Sam(folder, device=arguments.device, batch=batch))
            shared, apart = measure(model, queries, max(arguments.rounds, 1))
            ratio = median(more / less for more, less in zip(apart, shared, strict=True))
            ratios[f"SAM {arguments.size} shared, segmenter.batch {batch}"] = ratio
            times = [median(seconds) / len(queries) * 1e3 for seconds in (shared, apart)]
            print(f"{batch:<18}{times[0]:>12.1f}{times[1]:>14.1f}{ratio:>8.2f}")
    history.keep(arguments.history, "segmenters", ratios)


if __name__ == "__main__":
    main()
