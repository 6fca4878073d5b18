"""List the datasets, and whether their files are at hand.

"found" means that the dataset's folder is there and not empty; with --open each one that is found is opened, which
reads its annotations the first time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from amodal_bench.cli.columns import print_columns
from amodal_bench.cli.data.compose import open_dataset, root_of
from amodal_bench.cli.verbs import verb
from amodal_bench.cli.words import config_dir
from amodal_bench.config.compose import choices, compose
from amodal_bench.core.errors import BenchError
from amodal_bench.datasets.card import card_names, load_card


@verb(__doc__)
@click.option("--open", "opened", is_flag=True, help="Open each dataset that is found.")
@config_dir
def main(opened: bool, config_dir: Sequence[Path]) -> int:
    """Print a row for each dataset."""
    files = choices("dataset", config_dir)
    print_columns((name, _title(name, file), _state(name, config_dir, opened)) for name, file in files.items())
    return 0


def _title(name: str, file: Path) -> str:
    """A dataset's title by its card, else the comment that its YAML begins with."""
    if name in card_names():
        return load_card(name).title
    first = file.read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ").strip() if first.startswith("#") else "-"


def _state(name: str, config_dirs: Sequence[Path], opened: bool) -> str:
    from amodal_bench.datasets.base import records_of

    try:
        settings = compose([f"dataset={name}"], config_dirs)
        root = root_of(settings.dataset)
        if root is not None and not (root.is_dir() and any(root.iterdir())):
            return f"not in {root}"
        state = "needs no files" if root is None else f"found in {root}"
        return f"{state}, {len(records_of(open_dataset(settings)))} instances" if opened else state
    except BenchError as error:
        return f"error: {error}"
