"""Write what each instance scores in the rows of the README's table; runs what is missing (half an hour on one core).

python scripts/readme_rows.py --results results

The tests compare the README with this file's means, and a part of the instances with what the models give today.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

import amodal_bench
from amodal_bench.core.files import write_whole

FILE = Path(__file__).parents[1] / "tests/expected/readme_rows.csv"
PAPER = ("leakage=blend", "area=hull", "condition=paper", "model.guidance=0.75")
ROWS: dict[str, tuple[str, ...]] = {
    "visible mask": ("model=visible",),
    "convex hull": ("model=hull",),
    "tiny, leakage `conditioning`": (),
    "tiny, leakage `strength`": ("leakage=strength",),
    "tiny, leakage `blend`": ("leakage=blend",),
    "tiny, leakage `none`": ("leakage=none",),
    "tiny, leakage `soft`": ("leakage=soft",),
    "tiny, the paper's settings": PAPER,
}
"""The table's rows by how they begin, and how they are made."""


def main() -> None:
    """Run, or complete, every row, and write the IoUs of all instances: one column for each row and number."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", default="results", help="where the runs are kept")
    results = parser.parse_args().results
    columns: dict[str, pd.Series[float]] = {}
    for name, overrides in ROWS.items():
        instances = amodal_bench.evaluate(*overrides, sheet=0, results=results).main.instances().set_index("id")
        columns |= {name: instances["iou"], f"{name}, occluded": instances["occluded_iou"]}
    table = pd.DataFrame(columns).sort_index()
    write_whole(FILE, lambda partial: table.to_csv(partial, float_format="%.6f", lineterminator="\n"))
    print(f"wrote {FILE}: {len(table)} instances")


if __name__ == "__main__":
    main()
