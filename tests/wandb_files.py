"""What W&B has written offline, read from its own files: records of its log, and the tables beside them."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

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


@dataclass
class Session:
    """One offline folder: what `wandb sync` would send."""

    folder: Path
    run: Any = None
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None

    def table(self, name: str) -> pd.DataFrame:
        """A table that was logged once, from the file that its record names."""
        (path,) = (row[f"{name}.path"] for row in self.history if f"{name}.path" in row)
        said = json.loads((self.folder / "files" / path).read_text(encoding="utf-8"))
        return pd.DataFrame(said["data"], columns=said["columns"])


def sessions(results: Path) -> list[Session]:
    """The offline folders below a folder of results, in the order of their making.

    W&B's own process may write the last records after the run was closed: they are waited for.
    """
    end = time.monotonic() + 20
    found = _read(results)
    while any(each.exit_code is None for each in found) and time.monotonic() < end:
        time.sleep(0.02)
        found = _read(results)
    return found


def _read(results: Path) -> list[Session]:
    pb = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    files = sorted((results / "wandb" / "wandb").glob("offline-run-*/*.wandb"), key=lambda file: file.stat().st_mtime)
    found = []
    for file in files:
        session = Session(file.parent)
        for raw in records(file):
            record = pb.Record.FromString(raw)
            kind = record.WhichOneof("record_type")
            if kind == "run":
                session.run = record.run
            elif kind == "config":
                session.config |= _items(record.config.update)
            elif kind == "history":
                session.history.append(_items(record.history.item))
            elif kind == "summary":
                session.summary |= _items(record.summary.update)
            elif kind == "exit":
                session.exit_code = record.exit.exit_code
        found.append(session)
    return found


def _items(items: Any) -> dict[str, Any]:
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}
