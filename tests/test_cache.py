"""The cache: what is not as it was left is made again, and one that cannot be used is gone without."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from amodal_bench.core import cache, digests, files
from amodal_bench.core.cache import CACHE_VARIABLE, NOWHERE, cache_folder, keep_sealed, kept_sealed
from amodal_bench.core.digests import files_digest, is_only_touched, stat_of
from amodal_bench.core.errors import InputError
from amodal_bench.datasets.base import RECORD_COLUMNS
from amodal_bench.datasets.reading.index import Index, cached_index, make_index
from amodal_bench.datasets.toy import Toy

EMPTY, CUT, FLIPPED, OTHER = "empty", "cut", "flipped", "another's"
DAMAGES = (EMPTY, CUT, FLIPPED, OTHER)


def damage(file: Path, how: str, other: Path) -> None:
    content = bytearray(file.read_bytes())
    if how == FLIPPED:
        content[len(content) // 3] ^= 1
    elif how == OTHER:
        content = bytearray(other.read_bytes())
    if how in (EMPTY, CUT):
        del content[0 if how == EMPTY else len(content) // 2 :]
    file.write_bytes(content)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_warned", set())
    return tmp_path / "cache"


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_memo_of_a_digest_is_not_believed(place: Path, tmp_path: Path, how: str) -> None:
    (tmp_path / "a.json").write_text("a")
    wanted = files_digest([tmp_path / "a.json"])
    (memo,) = (place / "digests").iterdir()
    (tmp_path / "b.json").write_text("b")
    files_digest([tmp_path / "b.json"])
    (other,) = set((place / "digests").iterdir()) - {memo}
    whole = memo.read_bytes()
    damage(memo, how, other)
    assert files_digest([tmp_path / "a.json"]) == wanted
    assert memo.read_bytes() == whole  # and it is written again


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("table", ["instances", "problems"])
def test_a_damaged_index_is_built_again(place: Path, how: str, table: str) -> None:
    def built(id: str) -> Index:
        return make_index([dict.fromkeys(RECORD_COLUMNS, 0) | {"id": id}], [], {})

    wanted = built("a")
    cached_index("things", 1, "a" * 64, lambda: wanted)
    cached_index("things", 1, "b" * 64, lambda: built("b"))
    stem = f"things-v1-{{}}.{table}.parquet"
    damage(place / stem.format("a" * 32), how, place / stem.format("b" * 32))
    found = cached_index("things", 1, "a" * 64, lambda: wanted)
    pd.testing.assert_frame_equal(found.instances, wanted.instances)

    def never() -> Index:
        raise AssertionError("it is in the cache")

    assert cached_index("things", 1, "a" * 64, never).instances["id"].tolist() == ["a"]


def test_a_file_of_the_same_size_and_time_is_another_one(place: Path, tmp_path: Path) -> None:  # noqa: ARG001
    file, stamp = tmp_path / "a.json", 10**18
    digests_of = []
    for text, way in (("aaaa", "write"), ("bbbb", "write"), ("cccc", "replace")):
        if way == "replace":
            (tmp_path / "new").write_text(text)
            (tmp_path / "new").replace(file)
        else:
            file.write_text(text)
        os.utime(file, ns=(stamp, stamp))
        digests_of.append(files_digest([file]))
        time.sleep(0.01)  # the clock of the file system is coarse
    assert len(set(digests_of)) == 3


def test_a_link_that_a_backup_makes_changes_nothing(
    place: Path,  # noqa: ARG001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "a.json"
    file.write_text("a")
    files_digest([file])
    before = stat_of(file)
    time.sleep(0.01)
    (tmp_path / "backup").hardlink_to(file)
    assert stat_of(file) != before and is_only_touched(before, stat_of(file))
    digests.require_unchanged(file)
    monkeypatch.setattr(digests, "sha256", lambda _: pytest.fail("it was looked at already"))
    digests.require_unchanged(file)


def test_what_changed_under_a_digest_is_refused(place: Path, tmp_path: Path) -> None:  # noqa: ARG001
    file = tmp_path / "a.json"
    file.write_text("a")
    files_digest([file])
    (tmp_path / "new").write_text("b")
    os.utime(tmp_path / "new", ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    (tmp_path / "new").replace(file)
    with pytest.raises(InputError, match="changed while it was in use"):
        digests.require_unchanged(file)


# A cache that cannot be used


def test_a_file_in_place_of_the_cache_is_one_warning(
    place: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place.write_text("no folder")
    (tmp_path / "a.json").write_text("a")
    with caplog.at_level(logging.WARNING):
        assert files_digest([tmp_path / "a.json"]) == files_digest([tmp_path / "a.json"])
        assert kept_sealed(place / "x") is None
    (said,) = caplog.messages
    assert said.startswith(f"the cache {place} cannot be used (Not a directory): going on without it") and (
        CACHE_VARIABLE in said
    )
    assert place.read_text() == "no folder"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_another_users_folder_is_one_warning(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    place.mkdir(mode=0o000)
    with caplog.at_level(logging.WARNING):
        keep_sealed(place / "x", b"y")
        assert kept_sealed(place / "x") is None
    assert len(caplog.messages) == 1 and "(Permission denied)" in caplog.messages[0]


def test_a_user_without_a_home_has_no_cache(
    place: Path,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in (CACHE_VARIABLE, "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    with caplog.at_level(logging.WARNING):
        assert cache_folder() == NOWHERE
        keep_sealed(cache_folder() / "x", b"y")
        assert kept_sealed(cache_folder() / "x") is None
    assert caplog.messages == [
        "no cache (this user has no home folder): going on without it, which takes longer; "
        "set AMODAL_BENCH_CACHE to a folder that you can write to"
    ]
    assert files.home_folder() is None


# What killed processes leave


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_process_left_is_swept(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, here, old, now = 2**22 + 1, os.getpid(), time.time() - 7200, time.time()
    left = {
        (f".a.csv.{gone}-1.partial", old): False,
        (f".a.csv.{gone}-2.partial", now): True,  # perhaps another machine's
        (f".a.csv.{here}-3.partial", old): True,
        (".a.csv.partial", old): True,
        (f"a.csv.{gone}-1.partial", old): True,
    }
    for name, changed in left:
        place = tmp_path / name
        if kind == "folder":
            place.mkdir()
            (place / "part").write_text("half")
            os.utime(place / "part", (changed, changed))
        else:
            place.write_text("half")
        os.utime(place, (changed, changed))
    monkeypatch.setattr(files, "_swept", set())
    files.write_whole(tmp_path / "b.csv", lambda partial: partial.write_text("whole"))
    stays = {name for (name, _), kept in left.items() if kept}
    assert {path.name for path in tmp_path.iterdir()} == {"b.csv", *stays}
    assert files.final_name(tmp_path / f".a.csv.{gone}-1.partial") == tmp_path / "a.csv"
    assert files.final_name(tmp_path / ".a.csv") == tmp_path / ".a.csv"


def test_nothing_is_made_for_a_cache_that_is_gone_without(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write_text("a file")
    monkeypatch.delattr(pd.DataFrame, "to_parquet")
    index = cached_index("x", 1, "0" * 64, lambda: make_index([], [], {}))
    assert list(index.instances.columns) == list(RECORD_COLUMNS)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted by Linux")
def test_an_index_is_read_without_threads_that_outlive_it(place: Path) -> None:
    """Threads of Arrow's that read a file of Python's end the process by SIGABRT now and then, as it leaves."""
    count = "len(os.listdir('/proc/self/task'))"
    code = f"""if True:
        import os
        import pyarrow.parquet
        from amodal_bench.datasets.toy import Toy
        before, index = {count}, Toy(images=2).index
        print({count} - before, len(index.instances))
    """
    assert Toy(images=2).index.instances.size
    assert list(place.glob("*.parquet"))
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert int(told[0]) <= 1 and int(told[1]) > 0, "the pool that decodes, at rest"
