"""Write the toy aquarium in a benchmark's official format, to try a loader or a tool of your own on it.

What opens the result is printed; mask for mask it is the same as `dataset=toy` of that split.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import shlex
from pathlib import Path

import click

from amodal_bench.cli.verbs import verb, word
from amodal_bench.cli.words import among, folders, place
from amodal_bench.config.build import suggest
from amodal_bench.core.errors import BenchError, InputError, UsageError
from amodal_bench.testing import export

FORMATS = sorted(m.name for m in pkgutil.iter_modules(export.__path__) if not m.name.startswith("_"))

SPLITS = {
    "bsds": ("train", "val", "test"),
    "cocoa": ("train", "val", "test"),
    "cocoa_cls": ("train", "val"),
    "kins": ("train", "val", "test"),
    "sailvos": ("train", "val"),
}
"""The splits of each format, as its exporter's docstring has them."""


@verb(__doc__)
@word("format", ", ".join(FORMATS), metavar="FORMAT", shell_complete=among(lambda ctx: FORMATS))
@word("folder", "a new or an empty folder", metavar="FOLDER", type=place, shell_complete=folders)
@click.option("--split", help="As the benchmark names its splits; by default the one that dataset=FORMAT opens.")
@click.option("--images", type=int, default=160, metavar="N", help="160 by default.")
@click.option("--seed", type=int, default=0, metavar="N", help="0 by default.")
def main(format: str, folder: Path, split: str | None, images: int, seed: int) -> int:
    """Write the tree of a format, and print how to open it."""
    if format not in FORMATS:
        raise UsageError(f"toy export {format}: there is no such format; {suggest(format, FORMATS)}")
    write = importlib.import_module(f"{export.__name__}.{format}").export
    opened = inspect.signature(write).parameters["split"].default  # the exporters' defaults are the datasets'
    split = split or opened
    if images < 1:
        raise UsageError(f"--images: {images} must be >= 1")
    try:
        _check_split(format, split)
        if folder.is_dir() and any(folder.iterdir()):
            raise UsageError(f"{folder}: is not empty; name a new or an empty folder")
        print(f"wrote {write(folder, split, images, seed)}")
    except BenchError:
        raise
    except ValueError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        remedy = "name a folder that you can write to"
        raise InputError(folder, f"cannot be written ({error.strerror or error})", remedy) from error
    root = shlex.quote(f"dataset.root={folder}")
    more = "" if split == opened else f" dataset.split={split}"
    print(f"open it with: amodal-bench dataset={format} {root}{more}")
    return 0


def _check_split(format: str, split: str) -> None:
    """Raise `UsageError` for a split that the benchmark does not have; FishBowl takes any name of a folder."""
    if format == "fishbowl":
        if not split.strip() or Path(split).name != split:
            raise UsageError(f"--split: {split!r} cannot be the name of a folder")
    elif split not in SPLITS[format]:
        raise UsageError(f"--split: {format} has no split {split!r}; valid: {', '.join(SPLITS[format])}")
