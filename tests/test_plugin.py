"""A user's own dataset and model: one Python file and one YAML each, in a folder of the user's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

DATASET = '''
import numpy as np, pandas as pd
from amodal_bench.datasets.base import RECORD_COLUMNS, Sample

class Squares:
    """Squares whose right half is hidden."""
    name = "squares"

    def __init__(self, count):
        self.count = count

    def records(self):
        fields = ("", "square", 64.0, 0.5, False, False, False, False)
        rows = [(str(n), f"image-{n}", *fields) for n in range(self.count)]
        return pd.DataFrame(rows, columns=list(RECORD_COLUMNS)).astype(RECORD_COLUMNS)

    def sample(self, id):
        amodal = np.zeros((24, 24), bool)
        amodal[8:16, 8:16] = True
        visible = amodal.copy()
        visible[:, 12:] = False
        return Sample(id, np.zeros((24, 24, 3), np.uint8), visible, amodal, amodal & ~visible)

    def fingerprint(self):
        return f"squares-{self.count}"

    def check(self):
        return []
'''

MODEL = '''
import numpy as np

class Widen:
    """Repeats the visible mask to its right."""

    def __init__(self, shift):
        self.shift = shift

    def describe(self):
        return {"shift": self.shift}

    def predict(self, queries, seeds):
        return [q.visible | np.roll(q.visible, self.shift, axis=1) for q in queries]
'''


@pytest.mark.slow
def test_own_dataset_and_model_run_from_one_file_and_one_yaml_each(tmp_path: Path) -> None:
    (tmp_path / "my_squares.py").write_text(DATASET)
    (tmp_path / "my_widen.py").write_text(MODEL)
    for group, text in (
        ("dataset/squares", "_target_: my_squares.Squares\ncount: 6\n"),
        ("model/widen", "_target_: my_widen.Widen\nname: widen\nshift: 4\n"),
    ):
        file = tmp_path / "conf" / f"{group}.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "amodal_bench", "--config-dir", "conf", "dataset=squares", "model=widen"],
        cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("results/runs/squares-widen-*/scores/*/summary.csv")
    summary = pd.read_csv(file).set_index(["protocol", "model"])
    assert summary.loc[("instance@2", "widen"), "miou"] == 1.0
    assert summary.loc[("instance@2", "widen"), "occluded_miou"] == 1.0
    assert summary.loc[("instance@2", "visible"), "miou"] == 0.5
    assert summary.loc[("instance@2", "widen"), "instances"] == 6
    assert (file.parent / "sheet.png").exists()
