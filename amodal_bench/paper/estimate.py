"""How long cells will take, what they lack, and how wide the intervals of a sample will be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amodal_bench.config.build import build
from amodal_bench.config.compose import compose
from amodal_bench.config.settings import Settings
from amodal_bench.core.errors import BenchError, ConfigError, UsageError, unbroken
from amodal_bench.core.ids import read_ids
from amodal_bench.datasets.base import records_of
from amodal_bench.datasets.card import load_card
from amodal_bench.models.absent import absent_weights
from amodal_bench.paper.cells import Cell
from amodal_bench.paper.kept import kept_ids
from amodal_bench.paper.record import Record, all_records, is_done, read
from amodal_bench.weights.loading import device_of

H200 = {
    "sd15": (0.00353, 0.0178, 0.0158),
    "sd2": (0.00322, 0.0175, 0.0159),
    "sdxl": (0.0195, 0.103, 0.0948),
    "inpaint_sdxl": (0.0195, 0.103, 0.0948),
    "kandinsky": (0.00955, 0.0291, 0.0862),
    "flux": (0.176, 0.103, 0.0940),
}
"""Seconds of an instance on one H200: a pass of the denoiser, encoding and decoding; see docs/benchmarks.md.

Networks of the published sizes with random numbers, in bfloat16, without compilation and without a segmenter.
"""

COUNTED = {"sam": (0.0, 5.96), "sam2": (0.0, 1.82), "pix2gestalt": (0.176, 2.4)}
"""TFLOP of an instance: a pass of one sample's denoiser, and all else; see benchmarks/operations.py.

Of SAM and SAM2 it is the image encoder; of pix2gestalt two encodings and three decodings.
"""

REACHED = 198.0
"""TFLOP/s that networks which were not measured are taken to reach on one H200: a fifth of its peak in bfloat16.

Those that were measured there reach 16 to 41 %.
"""

COUNTED_THERE = "one H200, from operations"
THERE, MEASURED = "one H200, without a segmenter", "measured here"
ELSEWHERE = "measured here, on another dataset"

EVALUATED = {"bsds": 650, "sailvos": 507_000}
"""Instances by the papers (BSDS-A's by pix2gestalt's), of datasets whose own source gives no number."""

SPREAD = 0.25
"""Standard deviation of an instance's IoU that is assumed where nothing has been run yet."""

UNITS = {"h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0, "d": 86400.0}


@dataclass(frozen=True)
class Estimate:
    """What is known of a cell before it runs.

    Attributes:
        cell: which one.
        done: whether it has been run, and nothing has changed since that would have it run again.
        instances: how many it has; None where nobody knows.
        seconds: of one instance; None where nobody knows.
        source: where `seconds` is from.
        lacking: what is missing, the dataset and each network's weights, in a line each.
        kept: how many of the instances are stored already, of this sample or another one.
        changed: whether it has been run, with other code, annotations or named files than those of now.
        unfit: what this machine has not, though another one may, in a line each.
    """

    cell: Cell
    done: bool
    instances: int | None
    seconds: float | None
    source: str
    lacking: Sequence[str] = ()
    kept: int = 0
    changed: bool = False
    unfit: Sequence[str] = ()

    @property
    def total(self) -> float | None:
        """Seconds of all instances that are not stored; None where nobody knows."""
        if self.seconds is None or self.instances is None:
            return None
        return self.seconds * max(self.instances - self.kept, 0)


def estimates(
    cells: Sequence[Cell],
    results: Path,
    config_dirs: Sequence[Path],
    sample: int | None = None,
    inputs: Mapping[str, str] | None = None,
) -> list[Estimate]:
    """An estimate for each cell; nothing is loaded, and of datasets that are here the index is read.

    Args:
        cells: of a table.
        results: the folder of results.
        config_dirs: folders of the user's.
        sample: of how many instances a dataset that is not here will be sampled; None for all of them.
        inputs: as `digests` finds them now; None where nobody has looked, so that a change of them is not told.

    Raises:
        UsageError: no cell's settings can be composed.
    """
    known = all_records(results)
    found: list[Estimate] = []
    wrong: list[UsageError] = []
    for cell in cells:
        try:
            found.append(_estimate(cell, results, known, config_dirs, sample, inputs or {}))
        except UsageError as error:
            wrong.append(error)
            found.append(Estimate(cell, False, None, None, "", [unbroken(error)]))
    if wrong and len(wrong) == len(found):
        raise wrong[0]
    return found


def _estimate(
    cell: Cell,
    results: Path,
    known: Sequence[Record],
    config_dirs: Sequence[Path],
    sample: int | None,
    inputs: Mapping[str, str],
) -> Estimate:
    record = read(results, cell.key)
    settings = compose([*cell.words, "baselines=null"], config_dirs)
    instances, absent = _instances(cell, settings, sample)
    lacking = [absent] if absent else []
    try:
        lacking += [unbroken(error) for error in absent_weights([build(settings.model, "model")])]
    except BenchError as error:
        lacking.append(unbroken(error))
    seconds, source = seconds_of_an_instance(cell, known, settings.model, settings.samples)
    done = is_done(results, record, None if absent else inputs.get(cell.key))
    kept = kept_ids(cell, known, results, inputs)
    if cell.sampled is not None:
        kept = set(kept).intersection(read_ids(cell.sampled))
    return Estimate(
        cell,
        done,
        instances,
        seconds,
        source,
        lacking,
        len(kept),
        changed=not done and record is not None and not record.failed,
        unfit=list(dict.fromkeys(_unfit(settings.model))),
    )


def _unfit(settings: Any) -> Iterator[str]:
    """What is said of each device among settings that this machine has not."""
    if not isinstance(settings, Mapping):
        return
    for key, value in settings.items():
        yield from _unfit(value)
        if key == "device" and isinstance(value, str) and value not in ("auto", "cpu"):
            try:
                device_of(value)
            except ConfigError as error:
                yield unbroken(error)


def seconds_of_an_instance(
    cell: Cell, known: Sequence[Record], settings: Mapping[str, Any], draws: int
) -> tuple[float | None, str]:
    """Seconds of an instance with all its draws, and where they are from; None and "" where nobody knows.

    They are of the same model here, on the same dataset if it was run there; else as measured on an H200, or counted.

    Args:
        cell: of a table.
        known: every record in the folder of results.
        settings: of the cell's model: its steps, guidance and samples.
        draws: predictions of each instance.
    """
    model = _value(cell.words, "model")
    alike = [each for each in known if each.seconds and _value(each.words, "model") == model]
    same = [each for each in alike if _value(each.words, "dataset") == _value(cell.words, "dataset")]
    if found := same or alike:
        return max(each.seconds or 0.0 for each in found), MEASURED if same else ELSEWHERE
    passes = int(settings.get("steps", 20)) * (2 if settings.get("guidance") else 1)  # Eq. 11 needs two a step
    if model in H200:
        one_pass, encode, decode = H200[model]
        return draws * (passes * one_pass + encode + decode), THERE
    if model in COUNTED:
        one_pass, once = COUNTED[model]
        work = int(settings.get("samples", 1)) * passes * one_pass + once
        return draws * work / REACHED, COUNTED_THERE
    return None, ""


def _instances(cell: Cell, settings: Settings, sample: int | None) -> tuple[int | None, str]:
    """How many instances a cell has, and what of its dataset is missing; "" where nothing is.

    They are those of its sample, of the dataset where it is here, or else as many as were published.
    """
    if cell.sampled is not None:
        return len(read_ids(cell.sampled)), ""
    try:
        dataset, protocol = build(settings.dataset, "dataset"), build(settings.protocol, "protocol")
        return len(protocol.filter.select(records_of(dataset))[0]), ""
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


@dataclass(frozen=True)
class Priced:
    """What a cell costs on the first images or videos of its dataset.

    Attributes:
        estimate: of the cell.
        ends: (K,) int64, how many instances the first 1 to K of them have.
        kept: (K,) int64, how many of these are stored already.
    """

    estimate: Estimate
    ends: NDArray[np.int64]
    kept: NDArray[np.int64]

    def seconds(self, size: int) -> float:
        """Seconds of what is not stored of the whole images or videos that `size` instances have room for."""
        clusters = int(np.searchsorted(self.ends, size, side="right"))
        new = self.ends[clusters - 1] - self.kept[clusters - 1] if clusters else 0
        return float(new) * (self.estimate.seconds or 0.0)


def affordable(priced: Sequence[Priced], budget: float) -> int:
    """The most instances of each dataset whose whole images or videos can be run in all cells in so many seconds.

    Raises:
        ConfigError: nobody knows what an instance of some cell costs, or not even one image or video of each fits.
    """
    if unknown := [each.estimate.cell for each in priced if each.estimate.seconds is None]:
        cell = unknown[0]
        raise ConfigError(
            f"budget: what an instance of {cell.row} on {cell.column} takes is not known; run it once with sample=50"
        )
    least, size, beyond = (max(int(each.ends[end]) for each in priced) for end in (0, 0, -1))
    if (first := sum(each.seconds(least) for each in priced)) > budget:
        what = f"the first image or video in each of {len(priced)} cells"
        raise ConfigError(f"budget: is too short for {what}, which takes {in_words(first)}")
    while size < beyond:  # the price never falls with the size
        middle = (size + beyond + 1) // 2
        if sum(each.seconds(middle) for each in priced) <= budget:
            size = middle
        else:
            beyond = middle - 1
    return size


def half_width(instances: int) -> float:
    """Half the width, in points, of the 95 % interval that so many independent instances will give, about."""
    return 100 * 1.96 * SPREAD / math.sqrt(max(instances, 1))
