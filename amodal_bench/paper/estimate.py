"""How long cells will take, what they lack, and how wide the intervals of a sample will be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amodal_bench.config.build import build
from amodal_bench.config.compose import compose
from amodal_bench.config.settings import Settings
from amodal_bench.core.errors import BenchError, ConfigError, UsageError, unbroken
from amodal_bench.core.files import read_text
from amodal_bench.datasets.card import load_card
from amodal_bench.models.absent import check_weights
from amodal_bench.paper.cells import Cell
from amodal_bench.paper.record import Record, all_records, is_done, read

TFLOP = {
    "sd15": (0.80, 1.12, 2.51),
    "sd2": (0.80, 1.12, 2.51),
    "sdxl": (6.76, 4.88, 10.5),
    "inpaint_sdxl": (6.76, 4.88, 10.5),
    "kandinsky": (1.99, 2.50, 4.89),
    "flux": (74.4, 4.88, 10.5),
}
"""Operations of a pass, an encoding and a decoding at the published size; see docs/benchmarks.md."""

H200 = 0.45 * 989.0
"""TFLOP/s that are assumed of one H200 in bfloat16: 45 % of its dense peak. Nothing of this was measured."""

ASSUMED, MEASURED = "one H200, by the number of operations", "measured here"
ELSEWHERE = "measured here, on another dataset"

EVALUATED = {"sailvos": 507_000}
"""Instances by the paper, of a dataset whose own source gives no number."""

SPREAD = 0.25
"""Standard deviation of an instance's IoU that is assumed where nothing has been run yet."""

UNITS = {"h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0, "d": 86400.0}


@dataclass(frozen=True)
class Estimate:
    """What is known of a cell before it runs.

    Attributes:
        cell: which one.
        done: whether it has been run.
        instances: how many it has; None where nobody knows.
        seconds: of one instance; None where nobody knows.
        source: where `seconds` is from.
        lacking: what is missing, in one line; "" where nothing is.
    """

    cell: Cell
    done: bool
    instances: int | None
    seconds: float | None
    source: str
    lacking: str

    @property
    def total(self) -> float | None:
        """Seconds of all instances; None where nobody knows."""
        return None if self.seconds is None or self.instances is None else self.seconds * self.instances


def estimates(
    cells: Sequence[Cell], results: Path, config_dirs: Sequence[Path], sample: int | None = None
) -> list[Estimate]:
    """An estimate for each cell; nothing is loaded, and of datasets that are here the index is read.

    Args:
        cells: of a table.
        results: the folder of results.
        config_dirs: folders of the user's.
        sample: of how many instances a dataset that is not here will be sampled; None for all of them.

    Raises:
        UsageError: no cell's settings can be composed.
    """
    known = all_records(results)
    found: list[Estimate] = []
    wrong: list[UsageError] = []
    for cell in cells:
        try:
            found.append(_estimate(cell, results, known, config_dirs, sample))
        except UsageError as error:
            wrong.append(error)
            found.append(Estimate(cell, False, None, None, "", unbroken(error)))
    if wrong and len(wrong) == len(found):
        raise wrong[0]
    return found


def _estimate(
    cell: Cell, results: Path, known: Sequence[Record], config_dirs: Sequence[Path], sample: int | None
) -> Estimate:
    record = read(results, cell.key)
    settings = compose([*cell.words, "baselines=null"], config_dirs)
    instances, absent = _instances(cell, settings, sample)
    lacking = [absent] if absent else []
    try:
        check_weights([build(settings.model, "model")])
    except BenchError as error:
        lacking.append(unbroken(error))
    seconds, source = _seconds(cell, known, settings.model)
    return Estimate(cell, is_done(results, record), instances, seconds, source, "; ".join(lacking))


def _seconds(cell: Cell, known: Sequence[Record], settings: Mapping[str, Any]) -> tuple[float | None, str]:
    """Seconds of an instance: of the same model here, on the same dataset if it was run there; else by operations."""
    model = _value(cell.words, "model")
    alike = [each for each in known if each.seconds and _value(each.words, "model") == model]
    same = [each for each in alike if _value(each.words, "dataset") == _value(cell.words, "dataset")]
    if found := same or alike:
        return max(each.seconds or 0.0 for each in found), MEASURED if same else ELSEWHERE
    if model in TFLOP:
        one_pass, encode, decode = TFLOP[model]
        passes = int(settings.get("steps", 20)) * (2 if settings.get("guidance") else 1)  # Eq. 11 needs two a step
        return (passes * one_pass + 2 * encode + decode) / H200, ASSUMED
    return None, ""


def _instances(cell: Cell, settings: Settings, sample: int | None) -> tuple[int | None, str]:
    """How many instances a cell has, and what of its dataset is missing; "" where nothing is.

    They are those of its sample, of the dataset where it is here, or else as many as were published.
    """
    if cell.sampled is not None:
        return len(read_text(cell.sampled).splitlines()), ""
    try:
        dataset, protocol = build(settings.dataset, "dataset"), build(settings.protocol, "protocol")
        return len(protocol.filter.select(dataset.records())[0]), ""
    except BenchError as error:
        absent = unbroken(error)
    every = _published_instances(cell, settings)
    return (every if every is None or sample is None else min(every, sample)), absent


def _published_instances(cell: Cell, settings: Settings) -> int | None:
    name, split = _value(cell.words, "dataset"), str(settings.dataset.get("split"))
    counts = [each.instances for each in load_card(name).published if each.instances and each.split == split]
    return counts[0] if counts else EVALUATED.get(name)


def _value(words: Sequence[str], key: str) -> str:
    return next((word.partition("=")[2] for word in reversed(words) if word.partition("=")[0] == key), "")


def duration(text: str) -> float:
    """Seconds of a text such as `8h`, `90m` or `2d`. Raises `ConfigError` where it is none."""
    number, unit = text.rstrip("abcdefghijklmnopqrstuvwxyz"), text.lstrip("0123456789.")
    try:
        seconds = float(number) * UNITS[unit]
    except (ValueError, KeyError):
        raise ConfigError(f"budget: {text!r} must be a time such as 8h, 90m or 2d") from None
    if not (math.isfinite(seconds) and seconds > 0):
        raise ConfigError(f"budget: {text!r} must be more than nothing")
    return seconds


def in_words(seconds: float | None) -> str:
    """A time to be read: `40 s`, `12 min`, `3.5 h`, `9 days`."""
    if seconds is None:
        return "unknown"
    for limit, unit, name in ((90.0, 1.0, "s"), (5400.0, 60.0, "min"), (172800.0, 3600.0, "h")):
        if seconds < limit:
            return f"{seconds / unit:.2g} {name}"
    return f"{seconds / 86400.0:.2g} days"


def affordable(estimates: Sequence[Estimate], budget: float) -> int:
    """How many instances of each dataset the cells that are not done can be run on in so many seconds.

    Raises:
        ConfigError: nobody knows what an instance of some cell costs, or not even one instance fits.
    """
    waiting = [each for each in estimates if not each.done and not each.lacking]
    if unknown := [each.cell for each in waiting if each.seconds is None]:
        cell = unknown[0]
        raise ConfigError(
            f"budget: what an instance of {cell.row} on {cell.column} takes is not known; run it once with sample=50"
        )
    each = sum(found.seconds or 0.0 for found in waiting)
    size = int(budget / each) if each else 0
    if waiting and size < 1:
        raise ConfigError(f"budget: is too short for one instance in each of {len(waiting)} cells ({in_words(each)})")
    return size


def half_width(instances: int) -> float:
    """Half the width, in points, of the 95 % interval that so many independent instances will give, about."""
    return 100 * 1.96 * SPREAD / math.sqrt(max(instances, 1))
