"""Write the toy aquarium in a benchmark's official format: `python -m amodal_bench.toy.export FORMAT FOLDER`.

The result is what `dataset=FORMAT dataset.root=FOLDER` reads, mask for mask the same as `dataset=toy`.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from pathlib import Path

from amodal_bench.toy import export


def main() -> None:
    formats = sorted(m.name for m in pkgutil.iter_modules(export.__path__) if not m.name.startswith("_"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("format", choices=formats)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", default="val", help="as the benchmark names its splits")
    parser.add_argument("--images", type=int, default=160)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    module = importlib.import_module(f"{export.__name__}.{args.format}")
    print(module.export(args.folder, args.split, args.images, args.seed))


if __name__ == "__main__":
    main()
