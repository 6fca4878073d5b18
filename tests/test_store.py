"""The store: rows survive, errors are tried again, masks come back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amodal_bench.core.errors import InputError
from amodal_bench.core.stages import StageCost
from amodal_bench.core.types import Mask
from amodal_bench.metrics.counts import CELLS
from amodal_bench.report.progress import Earlier, earlier_of
from amodal_bench.runner import schema
from amodal_bench.runner.bulk import Done
from amodal_bench.runner.merging import take_in
from amodal_bench.runner.place import opened
from amodal_bench.runner.store import COUNTS, Row, Store, prediction_row


def masks(seed: int = 0, shape: tuple[int, int] = (9, 13)) -> tuple[Mask, Mask, Mask, Mask]:
    predicted, amodal, visible, others = np.random.default_rng(seed).random((4, *shape)) < 0.5
    return predicted, amodal, visible, others


def test_a_prediction_comes_back_bit_for_bit(tmp_path: Path) -> None:
    predicted, amodal, visible, others = masks()
    with Store(tmp_path / "store.sqlite") as store:
        store.write([prediction_row("a", predicted, amodal, visible, others, 0.1, 0.2)])
    with Store(tmp_path / "store.sqlite") as store:
        assert np.array_equal(store.prediction("a"), predicted)
        table = store.table()
    assert table.loc[0, COUNTS].sum() == predicted.size
    assert len(COUNTS) == CELLS


def test_an_error_is_not_done_and_a_later_prediction_replaces_it(tmp_path: Path) -> None:
    with Store(tmp_path / "store.sqlite") as store:
        store.write([Row("a", error="unreadable"), prediction_row("b", *masks(), 0, 0)])
        assert store.done() == {"b"}
        with pytest.raises(KeyError):
            store.prediction("a")
        store.write([prediction_row("a", *masks(1), 0, 0)])
        assert store.done() == {"a", "b"}
        assert store.table()["error"].isna().all()


def test_rows_are_committed_write_by_write(tmp_path: Path) -> None:
    """A second connection, as a process that starts after a crash, sees what was written."""
    writer = Store(tmp_path / "store.sqlite")
    writer.write([prediction_row("a", *masks(), 0, 0)])
    with Store(tmp_path / "store.sqlite") as reader:
        assert reader.done() == {"a"}


def test_the_table_is_ordered_by_id_whatever_the_order_of_writing(tmp_path: Path) -> None:
    with Store(tmp_path / "store.sqlite") as store:
        store.write([prediction_row(id, *masks(), 0, 0) for id in ("c", "a", "b")])
        assert store.table()["id"].tolist() == ["a", "b", "c"]


def test_a_mask_of_another_shape_is_refused() -> None:
    predicted, amodal, visible, others = masks()
    with pytest.raises(ValueError, match="shapes"):
        prediction_row("a", predicted[:-1], amodal, visible, others, 0, 0)


def test_costs_of_stages_add_up_over_batches_and_over_processes_in_their_order(tmp_path: Path) -> None:
    with Store(tmp_path / "store.sqlite") as store:
        store.write([], {"encode": StageCost(1.0, 8, 8, 100), "decode": StageCost(0.5, 8, 8, 300)})
        store.write([])
    with Store(tmp_path / "store.sqlite") as store:
        store.write([], {"encode": StageCost(2.0, 4, 4, 50)})
        assert store.stages().to_dict("list") == {
            "stage": ["encode", "decode"],
            "seconds": [3.0, 0.5],
            "instances": [12, 8],
            "batch": [4, 8],
            "peak": [100, 300],
        }


# Draws


def test_rows_of_draws_stand_beside_each_other(tmp_path: Path) -> None:
    with Store(tmp_path / "store.sqlite") as store:
        store.write([prediction_row("a", *masks(draw), 0, 0, draw) for draw in (2, 0, 1)])
        store.write([prediction_row("b", *masks(5), 0, 0)])
        assert store.draws() == 3
        assert store.done() == {"a", "b"} and store.done(2) == {"a"} and store.done(3) == set()
        assert store.drawn()[["id", "draw"]].to_numpy().tolist() == [["a", 0], ["a", 1], ["a", 2], ["b", 0]]
        assert store.drawn(2)["draw"].tolist() == [0, 1, 0]
        assert store.table()["id"].tolist() == ["a", "b"] and "draw" not in store.table()
        for draw in range(3):
            assert np.array_equal(store.prediction("a", draw), masks(draw)[0])
        assert np.array_equal(store.majority("a", 3), sum(masks(draw)[0].astype(int) for draw in range(3)) >= 2)
        assert np.array_equal(store.majority("a", 2), masks(0)[0] & masks(1)[0])
        assert np.array_equal(store.majority("a", 1), masks(0)[0])
        for id in ("b", "c"):  # draws that nobody has made are not those that failed
            with pytest.raises(KeyError):
                store.majority(id, 3)
        # One of four draws, the others of which failed, is not more than half.
        store.write([Row("b", error="no face", draw=draw) for draw in (1, 2, 3)])
        assert not store.majority("b", 4).any()
    with Store(tmp_path / "empty.sqlite") as store:
        assert store.draws() == 0


def test_what_is_derived_of_a_draw_goes_with_it(tmp_path: Path) -> None:
    ones = np.ones(CELLS, np.int64)
    with Store(tmp_path / "store.sqlite") as store:
        store.write([prediction_row("a", *masks(draw), 0, 0, draw) for draw in range(3)])

        def derive() -> None:
            store.write_regions("r", {"a": ones[:4]})
            store.write_pairs([("a", "a", 0.5)])
            for draws in (2, 3):
                store.write_majorities(draws, {"a": draws * ones})

        derive()
        assert store.majorities(3)["a"].tolist() == [3] * CELLS
        store.write([prediction_row("a", *masks(9), 0, 0, 2)])
        assert (set(store.majorities(2)), set(store.majorities(3))) == ({"a"}, set())
        assert set(store.regions("r")) == {"a"} and len(store.pairs()) == 1
        derive()
        store.write([prediction_row("a", *masks(9), 0, 0, 0)])
        assert not (store.majorities(2) or store.majorities(3) or store.regions("r")) and store.pairs().empty


# Stores of earlier versions, by their own SQL

_COUNTED = ", ".join(f"c{cell:02d} INTEGER" for cell in range(16))
_FIRST = [
    f"CREATE TABLE instances (id TEXT PRIMARY KEY, error TEXT, height INTEGER, width INTEGER, rle BLOB, {_COUNTED}, "
    "data_s REAL, predict_s REAL)",
    "CREATE TABLE stages (stage TEXT PRIMARY KEY, seconds REAL, instances INTEGER, batch INTEGER, peak INTEGER)",
]
_SECOND = [
    *_FIRST,
    "CREATE TABLE records (id TEXT PRIMARY KEY, record TEXT)",
    "CREATE TABLE regions (name TEXT, id TEXT, neither INTEGER, predicted INTEGER, amodal INTEGER, both INTEGER, "
    "PRIMARY KEY (name, id))",
    "CREATE TABLE pairs (predicted TEXT, amodal TEXT, iou REAL, PRIMARY KEY (predicted, amodal))",
    "INSERT INTO records VALUES ('a', '{\"id\": \"a\"}')",
    "INSERT INTO regions VALUES ('r', 'a', 1, 2, 3, 4)",
    "PRAGMA user_version = 2",
]


@pytest.fixture(params=[1, 2])
def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A store of an earlier schema with a prediction, an error, and a stage; nothing but the file itself."""
    (tmp_path / "earlier").mkdir()
    file = tmp_path / "earlier" / "store.sqlite"
    row = prediction_row("a", *masks(), 0.1, 0.2)
    assert row.counts is not None
    marks = ", ".join("?" * (7 + CELLS))
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("PRAGMA journal_mode=WAL")
        for statement in _FIRST if request.param == 1 else _SECOND:
            database.execute(statement)
        values = ["a", None, 9, 13, row.rle, *map(int, row.counts), 0.1, 0.2]
        database.execute(f"INSERT INTO instances VALUES ({marks})", values)
        database.execute("INSERT INTO instances (id, error) VALUES ('b', 'unreadable')")
        database.execute("INSERT INTO stages VALUES ('encode', 1.5, 1, 8, 100)")
    yield file
    assert [each.name for each in file.parent.iterdir()] == ["store.sqlite"]  # nobody has left a log open


def _facts(store: Store) -> object:
    rows = store.drawn().drop(columns=["data_s", "predict_s"]).astype(object)
    return (
        rows.where(rows.notna(), None).to_numpy().tolist(),
        store.prediction("a").tolist(),
        store.done(),
        store.stages().to_numpy().tolist(),
        store.draws(),
        {name: counts.tolist() for name, counts in store.regions("r").items()},
        store.records().to_dict("records"),
    )


def test_an_earlier_store_is_brought_up_to_date_when_it_is_opened_to_be_written(earlier: Path) -> None:
    with Store(earlier, read_only=True) as store:
        before = _facts(store)
    with Store(earlier) as store:
        assert _facts(store) == before
        assert store.drawn()[["id", "draw"]].to_numpy().tolist() == [["a", 0], ["b", 0]]
        assert store.table()["predict_s"].tolist()[0] == 0.2
        store.write([prediction_row("a", *masks(1), 0, 0, 1), prediction_row("b", *masks(2), 0, 0)])
        assert store.draws() == 2 and store.done() == {"a", "b"}
    with closing(sqlite3.connect(earlier)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (schema.SCHEMA,)
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables == {"instances", "stages", "records", "regions", "pairs", "majorities", "told"}
    with Store(earlier) as store:
        assert np.array_equal(store.prediction("a", 1), masks(1)[0])


def test_an_earlier_store_is_read_as_it_is(earlier: Path) -> None:
    before = earlier.read_bytes()
    with Store(earlier, read_only=True) as store:
        assert store.table()["id"].tolist() == ["a", "b"]
        assert np.array_equal(store.prediction("a"), masks()[0])
        assert np.array_equal(store.majority("a", 1), masks()[0])
        assert (store.draws(), store.done(), store.majorities(1)) == (1, {"a"}, {})
        assert store.table().loc[0, COUNTS].sum() == masks()[0].size
    assert earlier.read_bytes() == before


def test_an_update_that_is_cut_off_leaves_the_earlier_store_whole(
    earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setitem(schema._TABLES, "majorities", "no column of any kind (")
        with pytest.raises(sqlite3.OperationalError):
            Store(earlier)
    with closing(sqlite3.connect(earlier)) as database:
        assert database.execute("PRAGMA user_version").fetchone()[0] < schema.SCHEMA
        assert database.execute("SELECT id FROM instances ORDER BY id").fetchall() == [("a",), ("b",)]
    with Store(earlier) as store:
        assert store.done() == {"a"}


@pytest.mark.parametrize("read_only", [False, True])
def test_a_store_of_a_newer_version_is_refused_in_one_line(tmp_path: Path, read_only: bool) -> None:
    file = tmp_path / "store.sqlite"
    with Store(file) as store:
        store.write([prediction_row("a", *masks(), 0, 0)])
    with closing(sqlite3.connect(file)) as database:
        database.execute(f"PRAGMA user_version = {schema.SCHEMA + 1}")
    before = file.read_bytes()
    said = f"it has schema {schema.SCHEMA + 1}, and this version reads up to {schema.SCHEMA}"
    with pytest.raises(schema.NewerStore, match=said):
        Store(file, read_only)
    with pytest.raises(InputError, match=rf"{said}\); install the version that made it"), opened(tmp_path):
        pass
    assert file.read_bytes() == before


def of_draws(path: Path, count: int = 6) -> None:
    """A store of two draws of each instance, of which one has failed and one has no pixel at all."""
    shape = (9, 13)
    rows = [prediction_row(str(n), *masks(n, shape), 0.0, 0.0, draw) for n in range(count) for draw in range(2)]
    rows[3] = Row("1", "it failed", shape, None, np.zeros(CELLS, np.int64), draw=1)
    nothing = np.zeros(shape, bool)
    rows[4] = prediction_row("2", nothing, nothing, nothing, nothing, 0.0, 0.0)
    with Store(path) as store:
        store.write(rows)


def test_what_is_done_is_summed_up_in_the_store_as_from_its_rows(tmp_path: Path) -> None:
    of_draws(tmp_path / "store.sqlite")
    every, some = [str(n) for n in range(6)], ["0", "1", "2", "5"]

    def earlier(store: Store, ids: list[str], draws: int) -> Earlier:
        return earlier_of(store, ids, draws, Done(store.db, ids, draws))

    with Store(tmp_path / "store.sqlite") as store:
        summed = [earlier(store, every, draws) for draws in (1, 2)]
        of_both = summed[1].sums()
        assert (summed[1].done, of_both[1]) == (11, 10)  # an IoU of nothing with nothing is none
        assert earlier(store, some, 1).done == 4
        # An id of another selection stands in the store: then the rows are read.
        store.write([prediction_row("of another", *masks(7, (9, 13)), 0.0, 0.0)])
        store.write([prediction_row("1", *masks(7, (9, 13)), 0.0, 0.0, 1)])
        assert summed[1].sums() == of_both  # asked for as a batch has been written
        read = [earlier(store, every, draws) for draws in (1, 2)]
        assert [each.done for each in read] == [6, 12]
        assert read[0].sums() == pytest.approx(summed[0].sums())
    with Store(tmp_path / "empty.sqlite") as store:
        assert (earlier(store, every, 1).done, *earlier(store, every, 1).sums()) == (0, 0.0, 0)


def test_a_store_that_has_all_of_another_reads_no_row_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    of_draws(folder / "store.sqlite")
    with Store(tmp_path / "store.sqlite") as store:
        assert take_in(store, "", [folder]) == 11
        tables: list[str] = []
        rows = Store.rows

        def noted(self: Store, table: str, *values: Any) -> Iterator[tuple[Any, ...]]:
            tables.append(table)
            return rows(self, table, *values)

        monkeypatch.setattr(Store, "rows", noted)
        assert take_in(store, "", [folder]) == 0
        assert not {"instances", "records"} & set(tables)
