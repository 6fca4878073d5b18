"""Make a packed run a run like any other: listed, scored, compared and in tables.

    amodal-bench results unpack hull.zip
    amodal-bench results unpack hull.zip results=elsewhere
    amodal-bench results unpack hull.zip -o theirs

It goes to results/runs, under its own name, or to the folder behind -o; a folder that is there is never overwritten.
Its tables are computed again from its counts, under the protocols in the file. Use `results verify` to find out
whether the counts are true.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from amodal_bench.cli.verbs import verb, word
from amodal_bench.cli.words import files, folder_option, place
from amodal_bench.core.errors import BenchError, UsageError
from amodal_bench.core.shown import one_line


@verb(__doc__)
@word("file", "that `results pack` has written", metavar="FILE", type=place, shell_complete=files)
@word("results", "results=results by default", metavar="[results=FOLDER]", nargs=-1)
@folder_option("-o", "--output", metavar="FOLDER", help="The folder of the run, in place of one in results/runs.")
def main(file: Path, results: Sequence[str], output: Path | None) -> int:
    """Make the folder, and write the tables."""
    where = _results(results)
    if where is not None and output is not None:
        raise UsageError(f"{results[0]}: has no effect beside -o; give one of them")
    from amodal_bench.api.packs import packed_protocols, unpack, usual_folder
    from amodal_bench.cli.results.tables import write_tables
    from amodal_bench.runner.packed import opened_pack

    folder = output or usual_folder(file, where or Path("results"))
    run = unpack(file, folder)
    with opened_pack(file) as pack:
        protocols, unknown = packed_protocols(pack)
    print(f"wrote {folder}: {len(run.draws())} predictions")
    for protocol in protocols:
        try:
            write_tables(run, protocol)
        except BenchError as error:
            print(one_line(f"without a table: {protocol.label}: {error}"))
    for each in unknown:
        print(f"without a table: {one_line(each)}")
    return 0


def _results(words: Sequence[str]) -> Path | None:
    """The results folder that is asked for. Raises `UsageError` for any other word."""
    for each in words:
        if not each.startswith("results=") or len(words) > 1:
            raise UsageError(f"{each}: unpack takes one file, and results=FOLDER or -o FOLDER")
    return place(words[0].partition("=")[2]) if words else None
