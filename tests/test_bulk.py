"""Columns of texts in one piece, what is done by ids in bulk, and a large file that is looked at in a thread."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from amodal_bench.core.errors import InputError
from amodal_bench.metrics.counts import CELLS
from amodal_bench.runner import store as store_module
from amodal_bench.runner import whole
from amodal_bench.runner.bulk import Done, are_among, texts
from amodal_bench.runner.place import opened
from amodal_bench.runner.schema import INSTANCES
from amodal_bench.runner.store import STORE, Row, Store, _frame
from amodal_bench.runner.sums import DamagedRow


@pytest.mark.parametrize(
    "values",
    [[], ["a"], [""], ["", ""], ["a", "b c", "ü", "\u2028"], ["a\nb", "c"], ["a\nb", None], [None], ["a\0b", "c"]],
)
def test_texts_are_as_they_are_one_by_one(values: Sequence[str | None]) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, a TEXT, b TEXT)")
        db.executemany("INSERT INTO t (a, b) VALUES (?, ?)", [(value, f"{n}") for n, value in enumerate(values)])
        first, second = texts(db, ["a", "b"], "FROM t")
        assert first.to_pylist() == list(values)
        assert second.to_pylist() == [f"{n}" for n in range(len(values))]


def test_texts_of_more_bytes_than_one_may_have_come_one_by_one() -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1000)
        db.execute("CREATE TABLE t (a TEXT)")
        wanted = [f"{n:0200}" for n in range(9)]
        db.executemany("INSERT INTO t VALUES (?)", [(each,) for each in wanted])
        assert texts(db, ["a"], "FROM t")[0].to_pylist() == wanted


def row(id: str, draw: int = 0, error: str | None = None) -> Row:
    """A prediction, or one that failed."""
    return Row(id, error, (2, 2), None if error else b"04", np.zeros(CELLS, np.int64), draw=draw)


def test_what_is_done_says_what_is_lacking_of_which_draw(tmp_path: Path) -> None:
    with Store(tmp_path / STORE) as store:
        store.write([row("a"), row("a", 1), row("b"), row("c", 1), row("d", 0, "failed"), row("other")])
        done = Done(store.db, ["d", "b", "a", "c", "e"], 2)
        assert done.lacking == ["d", "b", "c", "e"]
        assert [key for id in "abcde" for key in [(id, 0), (id, 1)] if key in done] == [("b", 0), ("c", 1)]
        assert (done.among, len(done), done.within) == (4, 5, False)
        assert Done(store.db, ["a", "b", "other"], 1).within
        assert not Done(store.db, ["a"], 1).lacking
    with Store(tmp_path / "empty.sqlite") as store:
        assert not Done(store.db, ["a"], 1)


@pytest.fixture
def in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any file is looked at in a thread, and again by each who opens it."""
    monkeypatch.setattr(whole, "AT_ONCE", -1)
    monkeypatch.setattr(whole, "_whole", set())


def sealed_and_robbed(folder: Path) -> None:
    """A finished run's store out of which somebody has taken a row."""
    with Store(folder / STORE) as store:
        store.write([row(f"{n}") for n in range(9)])
        store.seal()
    with closing(sqlite3.connect(folder / STORE)) as db, db:
        db.execute("DELETE FROM instances WHERE id = '3'")


@pytest.mark.usefixtures("in_a_thread")
def test_a_store_that_lacks_rows_is_never_written_and_never_left_without_a_word(tmp_path: Path) -> None:
    sealed_and_robbed(tmp_path)
    before = (tmp_path / STORE).read_bytes()
    for read_only in (True, False):
        with pytest.raises(DamagedRow, match="are gone"), Store(tmp_path / STORE, read_only) as store:
            assert len(store.table()) == 8  # is read, but whoever reads it hears of it as the store is left
    with pytest.raises(InputError, match=r"is damaged .* are gone"), opened(tmp_path) as store:
        store.write([row("3")])
    with pytest.raises(DamagedRow), Store(tmp_path / STORE) as store, store.db:
        pytest.fail("a store that is not whole was given to be written")
    assert (tmp_path / STORE).read_bytes() == before


@pytest.mark.usefixtures("in_a_thread")
def test_an_error_of_whoever_reads_is_not_replaced_and_the_thread_ends(tmp_path: Path) -> None:
    sealed_and_robbed(tmp_path)
    with pytest.raises(KeyError, match="mine"), Store(tmp_path / STORE):
        raise KeyError("mine")
    assert not [each for each in threading.enumerate() if each.name == "looking"]


@pytest.mark.usefixtures("in_a_thread")
def test_a_whole_file_is_looked_at_once(tmp_path: Path) -> None:
    with Store(tmp_path / STORE) as store:
        store.write([row("a")])
    with Store(tmp_path / STORE, read_only=True) as store:
        assert store.done() == {"a"}
    assert len(whole._whole) >= 1
    with Store(tmp_path / STORE, read_only=True) as store:
        assert store._check._thread is None


def test_tables_have_the_kinds_that_pandas_makes_of_rows_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_LOT", 3)
    whole_rows, failed = [row(f"{n}") for n in range(8)], [Row("8", "failed"), row("9", 0, "failed")]
    for rows in (whole_rows, whole_rows + failed, failed[:1], []):
        with Store(tmp_path / f"{len(rows)}.sqlite") as store:
            store.write(rows)
            found = store.drawn()
            kept = list(store.rows("instances", "ORDER BY id, draw"))
        expected = pd.DataFrame(kept, columns=list(INSTANCES)).drop(columns="rle")
        pd.testing.assert_frame_equal(found, expected if kept else expected.astype(object), check_dtype=bool(kept))


def test_records_are_the_same_table_column_by_column() -> None:
    values = [1, None, 1.5, True, "a", [1], {"a": 1}, 10**30, float("nan")]
    for one, other in product(values, repeat=2):
        records = [{"id": "x", "v": one}, {"v": other, "id": "y"}]
        pd.testing.assert_frame_equal(_frame(records), pd.DataFrame(records))
    records = [{"id": "x", "v": 1}, {"id": "y", "w": 2}]
    pd.testing.assert_frame_equal(_frame(records), pd.DataFrame(records))
    assert _frame([]).empty


@pytest.mark.parametrize(
    ("ids", "known"),
    [("", ""), ("ab", ""), ("", "ab"), ("abc", "ab"), ("ab", "abc"), ("abc", "cab"), ("abcab", "ab"), ("xab", "ab")],
)
def test_which_texts_are_among_others_whether_or_not_they_begin_alike(ids: str, known: str) -> None:
    found = are_among(pa.array(list(ids), pa.string()), pa.array(list(known), pa.string()))
    assert found.dtype == bool
    assert found.tolist() == [id in list(known) for id in ids]
