"""Write a page to look into runs: opens from the disk in any browser, without a server and without a network.

    amodal-bench results page results/runs/toy-tiny-0123456789ab -o look
    amodal-bench results page RUN_A RUN_B -o look                     # paired differences of two runs
    amodal-bench results page RUN_A RUN_B protocol=pooled ids=ids.txt -o look
    amodal-bench results page RUN dataset=cocoa dataset.root=/data/cocoa -o look

Open look/index.html. It lists the instances, sorted and filtered by any number; shows the picture of one with V, A
and the prediction of every run; has plots in which instances are selected, the tables of all scores, and the errors.

The runs must be about the same instances of one dataset; --common shows those that all have. Without settings, the
dataset is opened as the first run's was; where that cannot be, the page has no pictures and says why. Pictures are
made once: the same command again, or one for other runs, uses those that are there. No run is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amodal_bench.cli.results.words import known_words, parted
from amodal_bench.cli.verbs import verb, word
from amodal_bench.cli.words import config_dir, folder_option
from amodal_bench.core.errors import BenchError, UsageError
from amodal_bench.core.progress import Progress
from amodal_bench.core.shown import one_line

if TYPE_CHECKING:
    from amodal_bench.api.runs import Run
    from amodal_bench.config.settings import Settings
    from amodal_bench.datasets.base import Dataset

NOT_ASKED = "pictures were not asked for (--no-pictures)"


@verb(__doc__)
@word(
    "words",
    "one or more, then protocol=NAME and its settings, ids=FILE, samples=K and the dataset's settings",
    metavar="RUN_FOLDER... [OVERRIDE]...",
    nargs=-1,
    shell_complete=known_words,
)
@folder_option("-o", "--output", metavar="FOLDER", help="The page's folder; RUN_FOLDER/page of the first run.")
@click.option("--common", is_flag=True, help="Show the instances that all runs have.")
@click.option("--no-pictures", is_flag=True, help="Leave out pictures, V and A; the dataset is not opened.")
@config_dir
def main(
    words: Sequence[str], output: Path | None, common: bool, no_pictures: bool, config_dir: Sequence[Path]
) -> int:
    """Write the page, and say what to open."""
    folders, overrides = parted(words)
    if not folders:
        raise UsageError("page: takes the folders of one run or more; `amodal-bench results list` shows the runs")
    from amodal_bench.api.page import make_page
    from amodal_bench.api.runs import open_run
    from amodal_bench.cli.results.compare import refuse_other_protocols
    from amodal_bench.config.build import build
    from amodal_bench.config.compose import compose
    from amodal_bench.report.page.folder import check_folder

    refuse_other_protocols("a page", overrides)
    folder = output or folders[0] / "page"
    runs = [open_run(each) for each in folders]
    check_folder(folder)
    settings = compose(overrides, config_dir)
    keys = [each.partition("=")[0].lstrip("+~") for each in overrides]
    samples = settings.samples if "samples" in keys else None
    asked = any(key.partition(".")[0] == "dataset" for key in keys)
    dataset, why = (None, NOT_ASKED) if no_pictures else _dataset(runs[0], settings if asked else None, config_dir)
    with _Bars() as bars:
        protocol = build(settings.protocol, "protocol")
        made = make_page(runs, protocol, folder, dataset, why, settings.ids, samples, common, bars.told)
    if why:
        print(f"without pictures: {one_line(why)}")
    if common:
        print(f"left out: {made.left_out} instances that not all runs have or annotate alike")
    if made.missing:
        print(f"not run, and not on the page: {made.missing} instances that the protocol selects")
    if made.unreadable:
        print(f"without a picture: {made.unreadable} instances that the dataset cannot read; the page says why")
    reused = f"; of {made.reused} instances they were there already" if made.reused else ""
    print(f"{made.instances} instances, {made.pictures} pictures{reused}")
    print(f"wrote {made.file}: open it in a browser")
    return 0


def _dataset(run: Run, settings: Settings | None, config_dirs: Sequence[Path]) -> tuple[Dataset | None, str]:
    """The run's dataset, or why there is none.

    Raises `UsageError` where the user's settings describe another one.
    """
    from amodal_bench.api.reopen import dataset_of
    from amodal_bench.cli.data.compose import open_dataset

    ran = run.facts["dataset"]
    if settings is not None:
        dataset = open_dataset(settings)
        if (own := dataset.fingerprint()) != ran["fingerprint"]:
            raise UsageError(
                f"{run.folder}: was run on {ran['name']} {ran['fingerprint'][:12]}, but these settings describe "
                f"{dataset.name} {own[:12]}; give the dataset settings of the run, such as dataset={ran['name']}"
            )
        return dataset, ""
    try:
        dataset = dataset_of(run, list(config_dirs))
        if dataset.fingerprint() != ran["fingerprint"]:
            return None, f"{run.folder.name}: its dataset has changed since"
    except BenchError as error:
        return None, str(error)
    return dataset, ""


class _Bars:
    """Shows how far each thing is that is made, one after the other."""

    def __init__(self) -> None:
        self._open: Progress | None = None

    def __enter__(self) -> _Bars:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def told(self, what: str, done: int, total: int) -> None:
        """Show how much is done."""
        if self._open is None or what != self._open.title:
            self._close()
            self._open = Progress(what, total, "instance")
        self._open.advance(done - self._open.done)

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
