"""List the datasets, and whether their files are at hand.

"found" means that the dataset's folder is there and not empty; with --open each one that is found is opened, which
reads its annotations the first time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from amodal_bench.cli.data.compose import open_dataset, root_of
from amodal_bench.cli.verbs import add_config_dir
from amodal_bench.config.compose import choices, compose
from amodal_bench.core.errors import BenchError
from amodal_bench.datasets.card import card_names, load_card


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments and options of this verb to its parser."""
    parser.add_argument("--open", action="store_true", help="open each dataset that is found")
    add_config_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do what the verb says with parsed arguments, and return the exit status."""
    rows = [
        (name, _title(name, file), _state(name, arguments.config_dir, arguments.open))
        for name, file in choices("dataset", arguments.config_dir).items()
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, title, state in rows:
        print(f"{name:{widths[0]}}  {title:{widths[1]}}  {state}")
    return 0


def _title(name: str, file: Path) -> str:
    """A dataset's title by its card, else the comment that its YAML begins with."""
    if name in card_names():
        return load_card(name).title
    first = file.read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ").strip() if first.startswith("#") else "-"


def _state(name: str, config_dirs: list[Path], opened: bool) -> str:
    try:
        settings = compose([f"dataset={name}"], config_dirs)
        root = root_of(settings.dataset)
        if root is not None and not (root.is_dir() and any(root.iterdir())):
            return f"not in {root}"
        state = "needs no files" if root is None else f"found in {root}"
        return f"{state}, {len(open_dataset(settings).records())} instances" if opened else state
    except BenchError as error:
        return f"error: {error}"
