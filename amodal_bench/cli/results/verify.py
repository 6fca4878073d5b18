"""Recount a packed run against your own copy of its dataset.

    amodal-bench results verify hull.zip
    amodal-bench results verify theirs.zip dataset.root=/data/cocoa -o differences.csv

Every mask of the file is counted again with the masks of your dataset, and all numbers are computed again under the
protocols in the file. It prints "same numbers", or the first things that differ, and ends with status 1 then; -o FILE
writes them all. Numbers of a protocol that this version has not cannot be computed again: they are named, nothing is
called the same, and the status is 1, too. Without settings the dataset is opened as the run's was, which works for
the toy aquarium; settings are of the run's dataset, unless dataset=NAME is another one. With another version of the
dataset, what has the same ids is compared.

Nothing in the file is believed: sizes, ids and masks are checked, and no class is loaded that it names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from amodal_bench.cli.answers import DONE, FAILED
from amodal_bench.cli.verbs import verb, word
from amodal_bench.cli.words import config_dir, file_option, files, overrides, place
from amodal_bench.core.disk import name_another
from amodal_bench.core.errors import UsageError

SHOWN = 5


@verb(__doc__)
@word("file", "that `results pack` has written", metavar="FILE", type=place, shell_complete=files)
@file_option("-o", "--output", metavar="FILE", help="Write all differences there, as CSV.")
@overrides("your dataset, such as dataset.root=/data/cocoa; dataset=NAME where it is not the run's")
@config_dir
def main(file: Path, output: Path | None, overrides: Sequence[str], config_dir: Sequence[Path]) -> int:
    """Print whether the numbers are the same."""
    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        raise UsageError(f"{output}: cannot be a file, since it {'is a' if output.is_dir() else 'lies in no'} folder")
    from amodal_bench.api.verified import first_lines
    from amodal_bench.api.verify import verify
    from amodal_bench.cli.data.compose import open_dataset
    from amodal_bench.config.compose import compose
    from amodal_bench.report.csv_logger import write_csv

    dataset = open_dataset(compose(_with_dataset(file, overrides, config_dir), config_dir)) if overrides else None
    found = verify(file, dataset, config_dir)
    for note in found.notes:
        print(note)
    if output is not None:
        try:
            write_csv(found.table(), output)
        except OSError as error:
            raise name_another(output, error, "file") from error
    counted = f"{found.recounted} predictions recounted with {found.dataset}"
    if found.same:
        print(f"same numbers: {counted}; {', '.join(found.scores) or 'no scores'}")
        return DONE
    if found.unscored:
        print(f"not recounted: the numbers of {', '.join(found.unscored)}, which this version has not")
    if not found.differences:
        print(f"without a verdict: {counted} are the same; {', '.join(found.scores) or 'no scores'}")
        return FAILED
    print(f"{len(found.differences)} differences: {counted}")
    for line in first_lines(found, SHOWN):
        print(f"  {line}")
    if len(found.differences) > SHOWN:
        print(f"  ... and {len(found.differences) - SHOWN} more" + ("" if output else "; -o FILE writes them all"))
    if output is not None:
        print(f"wrote {output}")
    return FAILED


def _with_dataset(file: Path, overrides: Sequence[str], config_dirs: Sequence[Path]) -> list[str]:
    """The settings with the dataset that the run is of, where they do not name another and there is such a choice."""
    from amodal_bench.api.packs import dataset_named
    from amodal_bench.config.compose import choices

    if any(word.partition("=")[0].lstrip("+") == "dataset" for word in overrides):
        return [*overrides]
    name = dataset_named(file)
    return [f"dataset={name}", *overrides] if name in choices("dataset", config_dirs) else [*overrides]
