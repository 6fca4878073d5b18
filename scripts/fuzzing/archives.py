"""Files with files in them: a run's store, packs, archives of data, and checkpoints."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import struct
import tarfile
import zipfile
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from amodal_bench.api.packs import fill_run, pack_run, packed_protocols, packed_scores, score_of, usual_folder
from amodal_bench.api.runs import STORE, open_run
from amodal_bench.cli.data.unpack import unpack
from amodal_bench.metrics.numbers.base import DRAWS, MAJORITY, PAIRS
from amodal_bench.metrics.protocols import shipped
from amodal_bench.metrics.regions import REGIONS
from amodal_bench.models.pix2gestalt.checkpoint import read_state
from amodal_bench.report.compare import ordered
from amodal_bench.runner.identity import Identity
from amodal_bench.runner.packed import PREDICTIONS, opened_pack
from amodal_bench.runner.run_json import FILE, write_facts
from amodal_bench.runner.store import Row, Store, prediction_row
from fuzzing.judge import Reader, answered
from fuzzing.values import TEXTS, any_json, as_json, changed, damaged, json_files, odd

SHAPE = (12, 16)


def write_run(folder: Path) -> None:
    """A run of six instances on three images, with two draws and what is derived of them."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows, records = [], []
    for number in range(6):
        amodal, others = np.zeros((2, *SHAPE), bool)
        amodal[2:9, 3 : 8 + number] = True
        others[5:, 6:] = True
        for draw in range(2):
            predicted = amodal ^ (rng.random(SHAPE) < 0.1)
            rows.append(prediction_row(f"id-{number}", predicted, amodal, amodal & ~others, others, 0.1, 0.2, draw))
        rate = 1 - (amodal & ~others).sum() / amodal.sum()
        records.append({
            "id": f"id-{number}", "image_id": f"image-{number // 2}", "video_id": "", "category": "fish",
            "amodal_pixels": float(amodal.sum()), "occlusion_rate": float(rate), "stuff": False, "crowd": False,
            "truncated": False, "hidden": False,
        })  # fmt: skip
    rows[1] = Row("id-0", "it failed", SHAPE, None, rows[0].counts, draw=1)
    identity = Identity(
        {"dataset": {"name": "things", "fingerprint": "f" * 64}, "model": {"model": "own"}, "seed": 0}
    )
    with Store(folder / STORE) as store:
        store.write_records(pd.DataFrame(records))
        store.write(rows)
        store.write_pairs([("id-0", "id-1", 0.25)])
        store.write_regions(next(iter(REGIONS)), {"id-0": np.array([1, 2, 3, 4])})
        store.write_majorities(2, {"id-0": np.arange(16)})
        store.db.execute("PRAGMA journal_mode=DELETE")
    write_facts(folder, "own", "", identity, None, {})
    said = json.loads((folder / FILE).read_text())
    (folder / FILE).write_text(json.dumps({**said, "dates": dict.fromkeys(said["dates"]), "environment": {}}))


def look(folder: Path) -> None:
    """Ask a run for all that its store has. Raises `BenchError`, or `AssertionError` for what cannot be."""
    run = open_run(folder)
    rows = run.draws()
    run.records(every=True), run.timing(), run.errors()
    run.majorities(2), run.regions([*REGIONS, PAIRS, DRAWS, MAJORITY])
    for id, draw in list(zip(rows["id"], rows["draw"], strict=True))[:12]:
        mask = answered(partial(run.prediction, id, draw))
        assert mask is None or (mask.dtype == np.bool_ and mask.ndim == 2)
    protocol = shipped("instance")
    assert protocol is not None
    scored = score_of(run, protocol)
    for name, score in protocol.scores(scored.numbers_of(protocol, ordered(scored))).items():
        value = score if isinstance(score, float) else score.value
        assert np.isnan(value) or 0 <= value <= 1, f"{name} is {value}"


class StoreReader(Reader):
    """The database of a run."""

    name = "store"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.run = folder / "run"
        write_run(self.run)
        self.whole = (self.run / STORE).read_bytes()

    def changed(self, random: Random) -> bytes:
        return damaged(self.whole, random) if random.random() < 0.3 else self._altered(random)

    def _altered(self, random: Random) -> bytes:
        """A store with values that no run writes, or without some of its parts."""
        with closing(sqlite3.connect(":memory:")) as db:
            db.deserialize(self.whole)
            if random.random() < 0.5:  # as an earlier version has made it, without checksums
                for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                    if "checksum" in [row[1] for row in db.execute(f"PRAGMA table_info({table})")]:
                        db.execute(f"ALTER TABLE {table} DROP COLUMN checksum")
                db.execute("PRAGMA user_version = 3")
            for _ in range(random.choice([1, 1, 2])):
                table = random.choice(
                    ["instances", "instances", "records", "regions", "pairs", "majorities", "stages"]
                )
                columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
                column, value = random.choice(columns or ["id"]), odd(random)
                if isinstance(value, str):
                    value = value.encode("utf-8", "ignore").decode()
                elif (isinstance(value, int) and abs(value) >= 2**63) or isinstance(value, list | dict):
                    value = json.dumps(value)[:300]
                value = random.choice([value, value, None, b"\xff\xfe\0", 5, "[1]"])
                where = random.choice(["", " WHERE rowid = 1", " WHERE rowid % 2"])
                alter = random.choice([
                    *[f"UPDATE OR IGNORE {table} SET {column} = ?{where}"] * 2,
                    f"UPDATE OR IGNORE {table} SET {column} = {column} + 1{where}", f"DELETE FROM {table}{where}",
                    f"UPDATE OR IGNORE {table} SET {column} = substr({column}, 2){where}",
                    f"UPDATE OR IGNORE {table} SET {column} = CAST({column} AS TEXT) || 'x'{where}",
                    f"DROP TABLE {table}", f"ALTER TABLE {table} RENAME COLUMN {column} TO another",
                    f"ALTER TABLE {table} RENAME TO another", "PRAGMA user_version = 2", "PRAGMA user_version = 99",
                    f"CREATE VIEW v AS SELECT * FROM {table}",
                ])  # fmt: skip
                try:
                    db.execute(alter, (value,) * alter.count("?"))
                except (sqlite3.Error, OverflowError):
                    continue
            db.commit()
            return bytes(db.serialize())

    def generated(self) -> SearchStrategy[bytes]:
        starts = st.sampled_from([b"", b"SQLite format 3\0", self.whole[:100], self.whole[:4096]])
        return st.tuples(starts, st.binary(max_size=200)).map(b"".join)

    def read(self, data: bytes) -> None:
        (self.run / STORE).write_bytes(data)
        look(self.run)


class PackReader(Reader):
    """A run in one file, unpacked as a run's folder and looked at."""

    name = "pack"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        write_run(folder / "run")
        pack_run(open_run(folder / "run"), folder / "pack.zip")
        self.whole = (folder / "pack.zip").read_bytes()
        with zipfile.ZipFile(io.BytesIO(self.whole)) as archive:
            self.parts = {name: archive.read(name) for name in archive.namelist()}

    def changed(self, random: Random) -> bytes:
        if random.random() < 0.2:
            return damaged(self.whole, random)
        parts = dict(self.parts)
        name = random.choice([*parts, PREDICTIONS])
        lines = parts[name].splitlines() if name.endswith(".jsonl") else [parts[name]]
        if lines:
            number = random.randrange(len(lines))
            lines[number] = as_json(changed(json.loads(lines[number]), random), random)
        parts[name] = b"\n".join(lines)
        return _zipped(parts, random.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]))

    def generated(self) -> SearchStrategy[bytes]:
        names = st.sampled_from(sorted(self.parts))
        part = json_files(any_json)
        return st.dictionaries(names, part, max_size=3).map(lambda found: _zipped({**self.parts, **found}))

    def read(self, data: bytes) -> None:
        file, folder = self.folder / "pack.zip", self.folder / "unpacked"
        file.write_bytes(data)
        shutil.rmtree(folder, ignore_errors=True)
        usual_folder(file, self.folder)
        with opened_pack(file) as pack:
            packed_protocols(pack)
            packed_scores(pack)
            fill_run(pack, folder)
        look(folder)


def _zipped(parts: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as archive:
        for name, part in parts.items():
            info = zipfile.ZipInfo(name)  # of one date, so that an input is the same at any time
            info.compress_type = how
            archive.writestr(info, part)
    return buffer.getvalue()


class ArchiveReader(Reader):
    """A zip or a tar as data come in: what it writes lies in the folder, and is no more than it may be."""

    name = "archive"
    most = 1 << 20

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        parts = {"a/1.txt": b"one" * 50, "a/b/2.txt": b"", "a/é.txt": b"\0" * 3000}
        self.whole = [
            _zipped(parts),
            _zipped(parts, zipfile.ZIP_DEFLATED),
            *(_tarred(parts, m) for m in ("", "gz", "bz2", "xz")),
        ]

    def changed(self, random: Random) -> bytes:
        return self._listed(random) if random.random() < 0.4 else damaged(random.choice(self.whole), random)

    def _listed(self, random: Random) -> bytes:
        """An archive with members that no sound one has."""
        names = [*TEXTS, "../x", "/tmp/x", "a/../../x", "a", "a/b", "a/b/", "input", "x" * 300, "a/" * 200 + "x"]
        if random.random() < 0.5:
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
                for _ in range(random.randint(1, 4)):
                    info = zipfile.ZipInfo(random.choice(names).encode("utf-8", "ignore").decode() or "x")
                    info.compress_type = zipfile.ZIP_DEFLATED
                    info.external_attr = random.choice([0o100644, 0o120777, 0o020666]) << 16
                    archive.writestr(info, random.choice([b"", b"../..", b"\0" * random.choice([10, 2_000_000])]))
            return buffer.getvalue()
        buffer = io.BytesIO()
        kinds = [
            tarfile.REGTYPE,
            tarfile.SYMTYPE,
            tarfile.LNKTYPE,
            tarfile.CHRTYPE,
            tarfile.FIFOTYPE,
            tarfile.DIRTYPE,
        ]
        kinds += [tarfile.GNUTYPE_SPARSE, tarfile.CONTTYPE]
        mode: Any = random.choice(["w:", "w:gz"])
        with tarfile.open(fileobj=buffer, mode=mode, errors="surrogateescape") as tar:
            for _ in range(random.randint(1, 4)):
                member = tarfile.TarInfo(random.choice(names).encode("utf-8", "ignore").decode())
                member.type, member.linkname = (
                    random.choice(kinds),
                    random.choice(["a", "../x", "/etc/passwd", member.name]),
                )
                content = b"\0" * random.choice([0, 5, 3000])
                member.size = len(content) if member.type == tarfile.REGTYPE else random.choice([0, 0, len(content)])
                tar.addfile(member, io.BytesIO(content))
        return buffer.getvalue()

    def generated(self) -> SearchStrategy[bytes]:
        starts = st.sampled_from([whole[:n] for whole in self.whole for n in (6, 60, 300, 700)])
        return st.tuples(starts, st.binary(max_size=600)).map(b"".join)

    def read(self, data: bytes) -> None:
        base = self.folder / "in"
        shutil.rmtree(base, ignore_errors=True)
        (base / "out").mkdir(parents=True)
        file = base / "input"
        file.write_bytes(data)
        try:
            unpack(file, base / "out", self.most)
        finally:
            assert sorted(path.name for path in base.iterdir()) == ["input", "out"], "it is written outside"
            assert file.read_bytes() == data, "it is written over itself"
            found = list((base / "out").rglob("*"))
            assert not any(path.is_symlink() for path in found), "it makes a link"
            assert sum(path.stat().st_size for path in found if path.is_file()) <= self.most + 1_048_576, "too much"


def _tarred(parts: dict[str, bytes], how: str) -> bytes:
    buffer = io.BytesIO()
    mode: Any = f"w:{how}"
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for name, part in parts.items():
            member = tarfile.TarInfo(name)
            member.size = len(part)
            tar.addfile(member, io.BytesIO(part))
    return buffer.getvalue()


_STEPS = (
    *(bytes([code]) for code in b"()]}NtsuRQ02baeqh.\x81\x85\x86\x87\x94"), b"K\x05", b"q\0", b"h\0",
    b"X\x01\0\0\0a", b"X\x01\0\0\0" + b"0", b"\x8a\x09" + b"\xff" * 9, b"G" + b"\x7f" * 8,
    b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch\nFloatStorage\n",
    b"cos\nsystem\n", b"ccollections\nOrderedDict\n", b"X\x07\0\0\0storage", b"X\x0a\0\0\0state_dict",
)  # fmt: skip
"""Steps of a pickle, in whatever order."""


class CheckpointReader(Reader):
    """A training's checkpoint; nothing in it may be run."""

    name = "checkpoint"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        buffer = io.BytesIO()
        state = {"weight": torch.arange(6.0).reshape(2, 3), "half": torch.ones(2).half(), "whole": torch.arange(4)}
        torch.save({"state_dict": state, "epoch": 3, "loops": {"a": [1, (2, None)]}}, buffer)
        self.whole = buffer.getvalue()
        with zipfile.ZipFile(io.BytesIO(self.whole)) as archive:
            self.parts = {name: archive.read(name) for name in archive.namelist()}
        self.pickle = next(name for name in self.parts if name.endswith("data.pkl"))

    def changed(self, random: Random) -> bytes:
        if random.random() < 0.35:
            return damaged(self.whole, random)
        parts = dict(self.parts)
        kind = random.random()
        if kind < 0.7:
            parts[self.pickle] = damaged(parts[self.pickle], random)
        elif kind < 0.85:
            name = random.choice(list(parts))
            parts[name] = damaged(parts[name], random)
        else:
            parts[random.choice(list(parts))[:-1] + random.choice("0123x/")] = b"0" * random.choice([0, 8, 24])
        return _aligned(parts)

    def generated(self) -> SearchStrategy[bytes]:
        steps = st.sampled_from(_STEPS)
        program = st.lists(steps, max_size=30).map(lambda found: b"\x80\x02" + b"".join(found) + b".")
        return program.map(lambda found: _aligned({**self.parts, self.pickle: found}))

    def read(self, data: bytes) -> None:
        file = self.folder / "model.ckpt"
        file.write_bytes(data)
        for name, tensor in read_state(file).items():
            assert isinstance(name, str) and tensor.device.type == "cpu"
            if tensor.numel():
                tensor[(0,) * tensor.ndim].item()
                tensor[(-1,) * tensor.ndim].item()


def _aligned(parts: dict[str, bytes]) -> bytes:
    """An archive as torch writes it: stored, and what is in it at multiples of 64 bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, part in parts.items():
            info = zipfile.ZipInfo(name)
            gap = -(archive.start_dir + 30 + len(name) + 4) % 64
            info.extra = struct.pack("<2H", 0x4246, gap) + bytes(gap)
            archive.writestr(info, part)
    return buffer.getvalue()


READERS: tuple[type[Reader], ...] = (StoreReader, PackReader, ArchiveReader, CheckpointReader)
