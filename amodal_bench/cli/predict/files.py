"""What `predict` leaves in its folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as pillow

from amodal_bench.cli.predict.answer import Answer
from amodal_bench.cli.predict.strip import save_strip
from amodal_bench.core.errors import BenchError, UsageError
from amodal_bench.core.rle import encode
from amodal_bench.core.types import Image, Mask
from amodal_bench.datasets.base import Query
from amodal_bench.models.base import Step
from amodal_bench.report.sheet import BLUE, GREEN, overlay

AMODAL, FACTS, CUT_OUT, OVERLAY = "amodal.png", "amodal.json", "object.png", "overlay.png"
VISIBLE, STEPS = "visible.png", "steps.png"


def check_folder(folder: Path, written: Sequence[str], read: Sequence[Path]) -> None:
    """Raise `UsageError` where a folder cannot take the files, or one of them is a file that is read."""
    try:
        taken = folder.exists() and not folder.is_dir()
    except OSError as error:  # such as a name that is too long
        raise UsageError(f"{folder}: cannot be a folder ({error.strerror}); name another one with -o") from error
    if taken:
        raise UsageError(f"{folder}: is not a folder; name one with -o")
    sources = {file.resolve() for file in read}
    for name in written:
        if (folder / name).resolve() in sources:
            raise UsageError(f"{folder / name}: is an input and would be overwritten; name another folder with -o")


def write(
    folder: Path,
    query: Query,
    answer: Answer,
    facts: Mapping[str, Any],
    found_visible: bool,
    steps: Sequence[Step],
) -> list[Path]:
    """Write everything, over the files of an earlier call.

    Args:
        folder: is made where it is missing.
        query: what was asked.
        answer: what was answered.
        facts: what else the JSON says.
        found_visible: whether V was found and not given; then it is a file, too.
        steps: of the denoising, none where they are not wanted.

    Raises:
        BenchError: a file cannot be written.
    """
    gained = answer.amodal & ~query.visible
    counted = {"area": answer.amodal, "visible_area": query.visible, "gained": gained}
    content = {**encode(answer.amodal), **{name: int(mask.sum()) for name, mask in counted.items()}, **facts}
    coloured = overlay(query.image, [(query.visible, GREEN), (gained, BLUE)])
    writers: dict[str, Callable[[Path], object]] = {
        AMODAL: pillow.fromarray(_grey(answer.amodal)).save,
        FACTS: lambda file: file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8"),
        CUT_OUT: pillow.fromarray(answer.cut_out).save,
        OVERLAY: pillow.fromarray(coloured).save,
    }
    if found_visible:
        writers[VISIBLE] = pillow.fromarray(_grey(query.visible)).save
    if steps:
        writers[STEPS] = lambda file: save_strip(steps, file)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, save in writers.items():
            save(folder / name)
    except OSError as error:
        raise BenchError(f"{folder}: cannot be written ({error.strerror or error})") from error
    return [folder / name for name in writers]


def _grey(mask: Mask) -> Image:
    return mask.astype(np.uint8) * 255
