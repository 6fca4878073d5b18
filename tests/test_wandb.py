"""W&B, for real and offline: the run directory is written, and read back from its own file."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from conftest import composed

from amodal_bench.config.build import build
from amodal_bench.core.errors import ConfigError
from amodal_bench.report.outcome import RunInfo

BLOCK, HEADER = 32768, 7


def records(file: Path) -> Iterator[bytes]:
    """The records of a .wandb file: LevelDB's log format behind a header of seven bytes."""
    data, position, whole = file.read_bytes(), HEADER, b""
    while position + HEADER <= len(data):
        left = BLOCK - position % BLOCK
        if left < HEADER:
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + HEADER])
        whole += data[position + HEADER : position + HEADER + length]
        position += HEADER + length
        if kind in (1, 4):  # a full record, or the last part of one
            yield whole
            whole = b""


@pytest.mark.slow
def test_an_offline_run_holds_config_history_and_summary(tmp_path: Path) -> None:
    pb = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    subprocess.run(
        [sys.executable, "-m", "amodal_bench", "model=hull", "dataset.images=3", "logger=wandb",
         "logger.wandb.mode=offline", "sheet=2", "engine.batch_size=4"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    (folder,) = (tmp_path / "results" / "runs").glob("toy-hull-*")
    (file,) = (tmp_path / "results" / "wandb").rglob("*.wandb")
    config: dict[str, object] = {}
    history: list[dict[str, object]] = []
    summary: dict[str, object] = {}
    for raw in records(file):
        record = pb.Record.FromString(raw)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
            assert record.run.run_id == folder.name
        if kind == "history":
            history.append({i.key or i.nested_key[0]: json.loads(i.value_json) for i in record.history.item})
        if kind == "summary":
            summary |= {i.key or i.nested_key[0]: json.loads(i.value_json) for i in record.summary.update}
    assert config["seed"] == 0
    (file,) = folder.glob("scores/*/summary.csv")
    table = pd.read_csv(file).query("model == 'hull' and protocol == 'instance@2'").iloc[0]
    total = table["instances"]
    steps = [row for row in history if "running_miou" in row]
    assert [row["predictions"] for row in steps] == [*range(4, total, 4), total]
    assert steps[-1]["running_miou"] == pytest.approx(table["miou"])
    assert summary["miou"] == pytest.approx(table["miou"])
    assert any("contact_sheet" in row for row in history)


@pytest.mark.slow
def test_without_wandb_the_default_run_neither_warns_nor_breaks(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['wandb'] = None\n"
        "sys.argv = ['amodal_bench', 'model=hull', 'dataset.images=2', 'sheet=0']\n"
        "from amodal_bench.cli.main import main; main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "wandb" not in done.stderr + done.stdout


def test_asking_for_wandb_without_the_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    spec = composed("logger=wandb", "logger.wandb.mode=offline").logger["wandb"]
    with pytest.raises(ConfigError, match=r"pip install 'amodal-bench\[wandb\]'"):
        build(spec, "logger.wandb")


@pytest.mark.parametrize(("random", "tags"), [(True, ["random weights"]), (False, None)])
def test_runs_with_random_weights_bear_a_tag(
    random: bool, tags: list[str] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    fake = SimpleNamespace(Settings=dict, init=lambda **settings: asked.update(settings), Error=OSError)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    spec = composed("logger=wandb", "logger.wandb.mode=offline", f"results={tmp_path}").logger["wandb"]
    facts = {"model": {"segmenter": {"random_weights": random}}}
    build(spec, "logger.wandb").begin(RunInfo("sam", "toy", "0" * 12, facts, tmp_path))
    assert (asked["tags"], asked["id"]) == (tags, f"toy-sam-{'0' * 12}")
