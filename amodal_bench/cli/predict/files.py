"""What `predict` leaves in its folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as pillow

from amodal_bench.cli.predict.answer import Answer
from amodal_bench.cli.predict.overlay import save_overlay
from amodal_bench.cli.predict.strip import save_strip
from amodal_bench.core.disk import name_another
from amodal_bench.core.errors import UsageError
from amodal_bench.core.files import read_text
from amodal_bench.core.rle import encode
from amodal_bench.core.shown import one_line
from amodal_bench.core.types import Image, Mask
from amodal_bench.datasets.base import Query
from amodal_bench.models.base import Step

AMODAL, FACTS, CUT_OUT, OVERLAY = "amodal.png", "amodal.json", "object.png", "overlay.png"
VISIBLE, STEPS = "visible.png", "steps.png"
OURS = (FACTS, AMODAL, CUT_OUT, OVERLAY, VISIBLE, STEPS)
"""All that an answer may leave; the facts first, which say what made the others."""


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


def check_answer(folder: Path, model: str, target: str, image: str, read: Sequence[Path]) -> None:
    """Refuse a folder with files of an answer that another model gave, or of another picture.

    An answer of the same model to the same picture is replaced as a whole, whatever its settings and V were.

    Args:
        folder: to write to; it need not be there.
        model: its name.
        target: its class.
        image: the picture's name.
        read: files that are read, which are not counted: V may be one that an earlier call has found.

    Raises:
        UsageError: there are such files, or nothing says what made them.
    """
    there = [name for name in OURS if (folder / name).exists() and not _is_among(folder / name, read)]
    if not there:
        return
    facts = _facts(folder / FACTS)
    said = facts.get("model"), facts.get("target", target), facts.get("image")
    if said == (model, target, image):
        return
    if not all(isinstance(part, str) for part in said):
        what = f"holds {there[-1]}, and no {FACTS} that says what made it"
    else:
        what = f"holds the answer of {one_line(said[0])} to {one_line(said[2])}"
    raise UsageError(f"{folder}: {what}; name another folder, such as -o {folder / one_line(model)}")


def _is_among(file: Path, read: Sequence[Path]) -> bool:
    return file.resolve() in {each.resolve() for each in read}


def _facts(file: Path) -> dict[str, Any]:
    """What an answer's file says; nothing where it cannot be read."""
    try:
        found = json.loads(read_text(file))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def write(
    folder: Path,
    query: Query,
    answer: Answer,
    facts: Mapping[str, Any],
    found_visible: bool,
    steps: Sequence[Step],
    title: str,
    read: Sequence[Path],
) -> list[Path]:
    """Write everything in place of what an earlier call has left, none of which stays.

    Args:
        folder: is made where it is missing.
        query: what was asked.
        answer: what was answered.
        facts: what else the JSON says.
        found_visible: whether V was found and not given; then it is a file, too.
        steps: of the denoising, none where they are not wanted.
        title: what the pictures for people say made them.
        read: files that were read, which stay.

    Raises:
        BenchError: a file cannot be written.
    """
    gained = answer.amodal & ~query.visible
    counted = {"area": answer.amodal, "visible_area": query.visible, "gained": gained}
    content = {**encode(answer.amodal), **{name: int(mask.sum()) for name, mask in counted.items()}, **facts}
    writers: dict[str, Callable[[Path], object]] = {
        FACTS: lambda file: file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8"),
        AMODAL: pillow.fromarray(_grey(answer.amodal)).save,
        CUT_OUT: pillow.fromarray(answer.cut_out).save,
        OVERLAY: lambda file: save_overlay(query, answer.amodal, title, file),
    }
    if found_visible:
        writers[VISIBLE] = pillow.fromarray(_grey(query.visible)).save
    if steps:
        writers[STEPS] = lambda file: save_strip(steps, file, title)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in OURS[::-1]:  # the facts last: what is left by a kill still says what made it
            if not _is_among(folder / name, read):
                (folder / name).unlink(missing_ok=True)
        for name, save in writers.items():
            save(folder / name)
    except OSError as error:
        raise name_another(folder, error, "folder") from error
    return [folder / name for name in writers]


def _grey(mask: Mask) -> Image:
    return mask.astype(np.uint8) * 255
