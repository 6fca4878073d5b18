"""A disk that refuses is one line with the true cause, and nothing that was committed is lost."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from stored_runs import store_run, things

import amodal_bench
from amodal_bench.api.runs import open_run
from amodal_bench.core.disk import refusal, why_unwritable
from amodal_bench.core.errors import BenchError, InputError
from amodal_bench.runner import lock, place
from amodal_bench.runner.place import check_writable, opened
from amodal_bench.runner.store import STORE, Row, Store, read_store

HERE = Path(__file__).parent
AWAY = ("rename", "move", "another results", "delete the folder")
"""What nobody may be told to do with a run that is good."""


def rows(first: int, count: int = 400) -> list[Row]:
    counts = np.arange(16)
    return [Row(f"{first + n:06d}", None, (4, 30), b"1234567890" * 20, counts) for n in range(count)]


# By SQLite itself


def test_a_full_disk_is_named_and_what_was_committed_is_kept(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.write(rows(0))

    def fill() -> None:
        with opened(tmp_path) as store:
            (pages,) = store.db.execute("PRAGMA page_count").fetchone()
            store.db.execute(f"PRAGMA max_page_count = {pages + 4}")
            store.write(rows(400, 10))
            store.write(rows(1000, 4000))

    with pytest.raises(InputError) as raised:
        fill()
    assert str(raised.value) == (
        f"{tmp_path / STORE}: cannot be written (database or disk is full); "
        "make room, then give the same command again: finished batches are kept"
    )
    with opened(tmp_path) as store:
        assert len(store.done()) == 410


def test_a_store_that_another_program_has_open_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path) as store:
        store.write(rows(0, 3))
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **named: connect(*given, **{"timeout": 0} | named))
    with closing(connect(tmp_path / STORE)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(InputError) as raised, opened(tmp_path) as store:
            store.write(rows(3, 3))
        assert str(raised.value) == (
            f"{tmp_path / STORE}: another program has it open (database is locked); "
            "close that program, then give the same command again: finished batches are kept"
        )
        assert len(open_run_rows(tmp_path)) == 3  # it can be read meanwhile


def open_run_rows(folder: Path) -> set[str]:
    return read_store(folder / STORE, lambda store: store.done())


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / STORE)) as other, other:
        other.execute("CREATE TABLE places (url TEXT)")
        other.execute("PRAGMA user_version = 3")
    before = (tmp_path / STORE).read_bytes()
    with (
        pytest.raises(InputError, match=r"is another program's database \(its tables are places\)"),
        opened(tmp_path),
    ):
        pass
    assert (tmp_path / STORE).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", STORE]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (sqlite3.SQLITE_FULL, "cannot be written (it is so); make room, "),
        (sqlite3.SQLITE_IOERR_WRITE, "cannot be read or written (it is so); check the disk and its connection, "),
        (sqlite3.SQLITE_READONLY, "cannot be written (it is so); check that it is a file that you can write to, "),
        (sqlite3.SQLITE_CANTOPEN, "cannot be written (it is so); check that it is a file that you can write to, "),
        (sqlite3.SQLITE_PROTOCOL, "its file system has no locks that work (it is so); "),
        (sqlite3.SQLITE_CORRUPT, ""),
    ],
)
def test_what_sqlite_says_has_a_cause(tmp_path: Path, code: int, says: str) -> None:
    error = sqlite3.OperationalError("it is so")
    error.sqlite_errorcode = code
    said = refusal(tmp_path, error)
    assert (said is None) == (not says)
    assert says in str(said) and not any(word in str(said) for word in AWAY)


def test_what_the_system_says_has_a_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(code: int, file: Path | None = None) -> str | None:
        error = OSError(code, os.strerror(code), str(file)) if file else OSError(code, os.strerror(code))
        found = refusal(tmp_path, error, again="")
        return None if found is None else str(found)

    assert said(errno.ENOSPC, Path("/x/y")) == "/x/y: cannot be written (No space left on device); make room"
    assert said(errno.EFBIG) and "ulimit -f" in str(said(errno.EFBIG))
    assert said(errno.EROFS) and said(errno.EIO) and said(errno.EDQUOT) and said(errno.ESTALE)
    partial = tmp_path / ".run.json.123-4.partial"
    assert said(errno.EACCES, partial) == (
        f"{tmp_path / 'run.json'}: cannot be written (Permission denied); make it writable for you"
    )
    assert said(errno.EACCES, Path("/elsewhere")) is None and said(errno.ENOENT) is None
    full = os.statvfs_result((4096, 4096, 1000, 500, 500, 100, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    assert "no inodes are left" in str(said(errno.ENOSPC))


def test_a_read_only_file_system_is_told_from_another_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert why_unwritable(tmp_path) == "Permission denied"
    read_only = os.statvfs_result((4096, 4096, 1000, 500, 500, 100, 50, 50, os.ST_RDONLY, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: read_only)
    with pytest.raises(InputError, match=r"cannot be written \(Read-only file system\); set results to a folder"):
        check_writable(tmp_path / "results")


# By a limit, and by a shim that makes calls fail


def python(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    package = str(Path(amodal_bench.__file__).parents[1])
    return subprocess.run(
        [sys.executable, *words],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([package, str(HERE)]), "OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


LIMITED = """
import resource, sys
from pathlib import Path
from test_disk import rows
from amodal_bench.runner.place import opened
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    with opened(Path(sys.argv[1])) as store:
        for first in range(0, 4000, 100):
            store.write(rows(first, 100))
except Exception as error:
    print(error)
"""


@pytest.mark.slow
def test_a_limit_on_the_size_of_files_is_named(tmp_path: Path) -> None:
    done = python("-c", LIMITED, str(tmp_path))
    assert done.stdout == (
        f"{tmp_path / STORE}: cannot be written (File too large); raise the limit on the size of files "
        "(`ulimit -f` shows it), then give the same command again: finished batches are kept\n"
    )
    with opened(tmp_path) as store:
        assert store.done() and len(store.done()) % 100 == 0


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> str:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("there is no C compiler, or this is not Linux")
    made = tmp_path_factory.mktemp("shim") / "faulty_disk.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", made, HERE / "faulty_disk.c", "-ldl"], check=True)
    return str(made)


@pytest.mark.slow
def test_no_call_that_fails_loses_anything(shim: str, tmp_path: Path) -> None:
    done = python(str(HERE / "faulty_disk.py"), "refused", str(tmp_path), "7", LD_PRELOAD=shim)
    found = json.loads(done.stdout)
    assert found["tried"] >= 60 and found["lost"] == 0
    causes = ("No space left", "Disk quota", "Input/output", "Read-only", "File too large", "Permission denied")
    for cause in causes:
        assert any(f"({cause}" in line for line in found["said"])
    for line in found["said"]:
        assert line.startswith("RUN") and line.endswith("then give the same command again: finished batches are kept")
        assert not any(word in line for word in AWAY)


@pytest.mark.slow
def test_where_locks_are_lacking_nobody_believes_to_have_one(shim: str, tmp_path: Path) -> None:
    done = python(str(HERE / "faulty_disk.py"), "unlocked", str(tmp_path), LD_PRELOAD=shim)
    posix, none = json.loads(done.stdout)["answers"]
    assert posix.startswith("BASE/locked: another process is working on this run")
    assert none.startswith("BASE/locked/.lock: its file system has no locks (No locks available)")


# Locks


def test_a_file_system_without_flock_has_a_lock_that_excludes_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def lacking(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", lacking)
    with (
        opened(tmp_path),
        pytest.raises(BenchError, match="another process is working on this run"),
        opened(tmp_path),
    ):
        pass
    with opened(tmp_path):
        pass
    monkeypatch.setattr(fcntl, "lockf", lacking)
    with pytest.raises(InputError, match=r"\.lock: its file system has no locks"), opened(tmp_path):
        pass


def test_a_link_in_place_of_the_lock_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").symlink_to(tmp_path / "thesis.tex")
    with pytest.raises(InputError, match=r"\.lock: it is a link.*remove it"), opened(tmp_path / "run"):
        pass
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.slow
def test_who_waits_is_told_for_whom(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("fcntl")
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX); "
            "file.write('process 7 on far'); file.flush(); print(flush=True); sys.stdin.read()",
            str(tmp_path / ".lock"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdin and holder.stdout
    holder.stdout.readline()
    told = rf"{tmp_path}: another process is working on this run \(process 7 on far\)"
    with pytest.raises(BenchError, match=f"{told}; wait until it ends"), opened(tmp_path):
        pass
    threading.Timer(0.5, holder.stdin.close).start()
    with opened(tmp_path, wait=True):
        assert holder.wait(10) == 0
        assert (tmp_path / ".lock").read_text().startswith(f"process {os.getpid()} on ")
    assert caplog.messages == [
        f"{tmp_path}: another process is working on this run (process 7 on far); waiting for it"
    ]


def test_five_at_once_end_with_five_results_and_each_prediction_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_PAUSE", 0.01)
    made, wanted = list[str](), [row.id for row in rows(0, 20)]

    def command(_: int) -> set[str]:
        with opened(tmp_path, wait=True) as store:
            for row in rows(0, 20):
                if row.id not in store.done():
                    made.append(row.id)
                    store.write([row])
        return open_run_rows(tmp_path)

    with ThreadPoolExecutor(5) as commands:
        found = list(commands.map(command, range(5)))
    assert found == [set(wanted)] * 5 and made == wanted


MANY = """
import sys
from pathlib import Path
from faulty_disk import run
from stored_runs import things
run(Path(sys.argv[1]), things(40), wait=True)
"""


@pytest.mark.slow
def test_five_processes_at_once_leave_one_whole_run(tmp_path: Path) -> None:
    with ThreadPoolExecutor(5) as processes:
        done = list(processes.map(lambda _: python("-c", MANY, str(tmp_path)), range(5)))
    assert [each.returncode for each in done] == [0] * 5, done[0].stderr
    assert len(open_run(tmp_path).instances()) == 40


# Reading while others write, and what is read-only


def test_a_reader_takes_no_part_of_another_state(tmp_path: Path) -> None:
    """A store without a log is read as one that nobody writes: where somebody does, it is read again."""
    with Store(tmp_path / STORE) as store:
        store.write(rows(0, 300))
    reads: list[int] = []

    def read(store: Store) -> int:
        if not reads:
            with Store(tmp_path / STORE) as writer:
                writer.write(rows(300, 300))
        reads.append(len(store.drawn()))
        return reads[-1]

    assert read_store(tmp_path / STORE, read) == 600 and len(reads) == 2


@contextmanager
def held_back(file: Path) -> Iterator[None]:
    """Let a store have a log with content, as a killed writer leaves it."""
    writer = sqlite3.connect(file)
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    with writer:
        writer.execute("DELETE FROM stages")
        writer.execute("UPDATE told SET text = text")
    with closing(writer):
        yield


def test_a_log_in_a_folder_that_cannot_be_written_is_read_in_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = things(4)
    run = store_run(tmp_path / "run", "a", data, {id: [data.sample(id).visible] for id in data.instances})
    left = tmp_path / "left"
    with held_back(run / STORE):
        shutil.copytree(run, left, ignore=shutil.ignore_patterns("*-shm"))
    assert (left / f"{STORE}-wal").stat().st_size
    real, tried = sqlite3.connect, []

    def connect(name: Any, *given: Any, **named: Any) -> Any:
        tried.append(str(name))
        if "mode=ro" in str(name):
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error
        return real(name, *given, **named)

    monkeypatch.setattr(sqlite3, "connect", connect)
    before = {path.name: path.read_bytes() for path in left.iterdir()}
    assert open_run_rows(left) == set(data.instances)
    assert any("mode=ro" in name for name in tried)
    assert {path.name: path.read_bytes() for path in left.iterdir()} == before


@pytest.mark.slow
def test_read_only_results_are_scored_all_the_same(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from amodal_bench.report import csv_logger

    data = things(4)
    folder = store_run(tmp_path / "run", "a", data, {id: [data.sample(id).visible] for id in data.instances})

    def refuse(code: int) -> None:
        def write(*_: object) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(csv_logger, "write_whole", write)

    refuse(errno.EROFS)
    status, out, err = run("results", "score", str(folder), "protocol=pooled")
    assert (status, err) == (0, "") and "pooled@2" in out
    assert out.splitlines()[-1].startswith("not written: ") and out.endswith("(Read-only file system)\n")
    refuse(errno.ENOSPC)
    status, _, err = run("results", "score", str(folder), "protocol=instance")
    assert status == 1 and "(No space left on device); make room, then give the command again" in err


def test_the_advice_for_a_good_run_is_never_to_move_it() -> None:
    texts = [Path(module.__file__ or "").read_text(encoding="utf-8") for module in (place, lock)]
    texts.append((Path(amodal_bench.__file__).parent / "core/disk.py").read_text(encoding="utf-8"))
    assert not any(word in text for text in texts for word in ("rename its folder", "rename the folder", "move its"))
