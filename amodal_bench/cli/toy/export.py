"""Write the toy aquarium in a benchmark's official format: `python -m amodal_bench.testing.export FORMAT FOLDER`.

What opens the result is printed; mask for mask it is the same as `dataset=toy` of that split.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import pkgutil
import shlex
from pathlib import Path

from amodal_bench.core.errors import BenchError
from amodal_bench.testing import export


def main() -> None:
    """Parse the command line, do the work and print it."""
    formats = sorted(m.name for m in pkgutil.iter_modules(export.__path__) if not m.name.startswith("_"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("format", choices=formats)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--split", help="as the benchmark names its splits; by default the one that dataset=FORMAT opens"
    )
    parser.add_argument("--images", type=int, default=160)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    write = importlib.import_module(f"{export.__name__}.{args.format}").export
    opened = inspect.signature(write).parameters["split"].default  # the exporters' defaults are the datasets'
    split = args.split or opened
    try:
        print(f"wrote {write(args.folder, split, args.images, args.seed)}")
    except (BenchError, OSError, ValueError) as error:
        parser.error(str(error))
    root = shlex.quote(f"dataset.root={args.folder}")
    more = "" if split == opened else f" dataset.split={split}"
    print(f"open it with: amodal-bench dataset={args.format} {root}{more}")


if __name__ == "__main__":
    main()
