"""Write a run into one file, for others to verify and to compare with.

    amodal-bench results pack results/runs/toy-hull-0123456789ab -o hull.zip
    amodal-bench results verify hull.zip dataset=toy
    amodal-bench results unpack hull.zip

The file is a ZIP of JSON: the run's identity and run.json, the protocols in full and what they gave, and of each
prediction its mask as an RLE, its counts or its error. Pictures and annotations are not in it. Absolute paths, keys
and passwords are taken out; the identity stays as it is, since its digest names the run. The same run gives the same
bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from amodal_bench.cli.verbs import verb, word
from amodal_bench.cli.words import file_option, place, runs
from amodal_bench.core.errors import UsageError
from amodal_bench.core.shown import one_line


@verb(__doc__)
@word("run", "such as results/runs/toy-hull-0123456789ab", metavar="RUN_FOLDER", type=place, shell_complete=runs)
@file_option("-o", "--output", metavar="FILE", help="The folder's name with .zip, in the working folder, by default.")
def main(run: Path, output: Path | None) -> int:
    """Write the file, and say what is in it."""
    output = output or Path(f"{run.resolve().name}.zip")
    if output.is_dir() or not output.parent.is_dir():
        raise UsageError(f"{output}: cannot be a file, since it {'is a' if output.is_dir() else 'lies in no'} folder")
    if output.exists() and output.resolve().parent == run.resolve() and output.suffix != ".zip":
        raise UsageError(f"{output}: is a file of the run and would be overwritten; name another file")
    from amodal_bench.api.packs import pack_run
    from amodal_bench.api.runs import open_run

    packed = pack_run(open_run(run), output)
    failed = f", {packed.errors} errors" if packed.errors else ""
    print(f"wrote {output}: {packed.predictions} predictions{failed}; {', '.join(packed.protocols) or 'no scores'}")
    for each in packed.unscored:
        print(f"without numbers: {one_line(each)}")
    if packed.private:
        print(
            f"note: {run}: its identity names a path, and is packed as it is, since it names the run", file=sys.stderr
        )
    return 0
