"""A store that is damaged is found, named, and repaired as far as anything follows from anything else."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Run
from params import mostly_slow
from stored_runs import Things, shifted, store_run, things

from amodal_bench.api.checking import check_run
from amodal_bench.api.reopen import dataset_of
from amodal_bench.api.runs import open_run
from amodal_bench.api.score import scored_run
from amodal_bench.core.errors import BenchError, ConfigError, InputError, UsageError
from amodal_bench.datasets.toy import Toy
from amodal_bench.metrics.numbers.base import MAJORITY, PAIRS
from amodal_bench.metrics.protocols import shipped
from amodal_bench.report.scored import Scored
from amodal_bench.runner import schema
from amodal_bench.runner.place import opened
from amodal_bench.runner.regions import complete
from amodal_bench.runner.run_json import FILE, read_facts, write_again
from amodal_bench.runner.schema import INSTANCES, SUMMED
from amodal_bench.runner.store import COUNTS, STORE, Row, Store
from amodal_bench.runner.sums import SUM, summed
from amodal_bench.runner.whole import CONTENTS

DATA = things(12)


def made(folder: Path, data: Things = DATA, draws: int = 2) -> Path:
    """A run with draws, an error, regions, pairs and majorities."""
    predicted: dict[str, Sequence[Any]] = {
        id: [shifted(data.sample(id).amodal, draw + number % 3) for draw in range(draws)]
        for number, id in enumerate(data.instances)
    }
    predicted["id-003"] = ["no face"] * draws
    store_run(folder, "own", data, predicted)
    with Store(folder / STORE) as store:
        complete(store, data, ["boundary_0.02", PAIRS], data.records())
        complete(store, data, [MAJORITY], data.records(), draws)
        store.write_told(FILE, (folder / FILE).read_text(encoding="utf-8"))
    return folder


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def run_folder(pristine: Path, tmp_path: Path) -> Path:
    return shutil.copytree(pristine, tmp_path / "run")


def facts(folder: Path) -> dict[str, list[Sequence[Any]]]:
    """All that a store has, by table."""
    with Store(folder / STORE, read_only=True) as store:
        return {table: sorted(store.rows(table), key=repr) for table in schema.SUMMED}


def sql(folder: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(folder / STORE)) as database, database:
        assert database.execute(statement, values).rowcount


ALTERED = {
    "a count": "UPDATE instances SET c03 = c03 + 1 WHERE id = 'id-001' AND draw = 0",
    "text in a number": "UPDATE instances SET c03 = '5 x' WHERE id = 'id-001' AND draw = 1",
    "a size": "UPDATE instances SET height = 25 WHERE id = 'id-001' AND draw = 0",
    "a time": "UPDATE instances SET predict_s = 7 WHERE id = 'id-001' AND draw = 0",
    "a mask": "UPDATE instances SET rle = x'00' || rle WHERE id = 'id-001' AND draw = 0",
    "an error": "UPDATE instances SET error = NULL WHERE id = 'id-003'",
    "no checksum": f"UPDATE instances SET {SUM} = NULL WHERE id = 'id-001' AND draw = 0",
    "a record": "UPDATE records SET record = replace(record, '\"a\"', '\"b\"') WHERE id = 'id-000'",
    "a region": "UPDATE regions SET both = both + 1 WHERE id = 'id-002'",
    "a pair": "UPDATE pairs SET iou = 1 WHERE predicted = 'id-002'",
    "a majority": "UPDATE majorities SET c00 = 'many' WHERE id = 'id-002'",
    "a cost": "INSERT INTO stages (stage, seconds, instances, batch, peak) VALUES ('encode', 1, 1, 1, 1)",
}
LOST = {"a time": 1, "a mask": 1, "an error": 2, "no checksum": 1}
"""Rows of which nothing says what they were."""


@pytest.mark.parametrize("what", mostly_slow(ALTERED, 4))
def test_what_was_altered_is_found_and_repaired(run_folder: Path, what: str) -> None:
    before = facts(run_folder)
    assert check_run(run_folder, DATA).faults == []
    sql(run_folder, ALTERED[what])
    with pytest.raises(InputError) as raised:
        facts_by_api(run_folder)
    said = str(raised.value)
    assert said.startswith(f"{run_folder / STORE}: is damaged (") and "it is not as it was written" in said
    assert said.endswith(f"`amodal-bench results check {run_folder}` says what is left, and with --repair keeps all "
                         "that is sound")  # fmt: skip
    found = check_run(run_folder, DATA)
    assert found.faults and found.kept is None and found.lost == LOST.get(what, 0)
    repaired = check_run(run_folder, DATA, repair=True)
    assert repaired.faults == found.faults and repaired.kept == run_folder / "store-damaged-1.sqlite"
    after = facts(run_folder)
    assert len(before["instances"]) - len(after["instances"]) == found.lost
    for table in before:
        assert all(row in before[table] for row in after[table])
    if not found.lost:
        assert after == before
    assert check_run(run_folder, DATA).faults == []
    facts_by_api(run_folder)
    assert sorted(path.name for path in run_folder.iterdir()) == [".lock", FILE, "store-damaged-1.sqlite", STORE]


def facts_by_api(folder: Path) -> None:
    """Read all that tables are made of."""
    run = open_run(folder)
    run.draws(), run.records(every=True), run.regions(["boundary_0.02", PAIRS]), run.majorities(2), run.timing()


def test_a_count_that_is_wrong_and_has_a_right_checksum_is_found_by_counting_again(run_folder: Path) -> None:
    """A store is left as somebody would who alters it by its own means."""
    before = facts(run_folder)
    with Store(run_folder / STORE) as store, store.db:
        (row,) = store.rows("instances", "WHERE id = 'id-001' AND draw = 0")
        altered = list(row)
        altered[6 + 3] += 1
        store.put("instances", [altered])
        store.put("regions", [("boundary_0.02", "id-002", 1, 2, 3, 4)])
        store.put("pairs", [("id-000", "id-001", 0.25)])
        (line,) = store.rows("records", "WHERE id = 'id-004'")
        store.put("records", [(line[0], json.dumps(json.loads(line[1]) | {"occlusion_rate": 0.99}))])
    facts_by_api(run_folder)  # no row is damaged
    found = check_run(run_folder, DATA, repair=True)
    said = "\n".join(found.faults)
    assert len(found.faults) == 4 and found.lost == 0
    for part in (
        "instance 'id-001': its counts are not",
        "region boundary_0.02, instance 'id-002'",
        "their IoU",
        "0.99",
    ):
        assert part in said
    assert facts(run_folder) == before


def test_without_the_dataset_the_checksums_are_looked_at(run_folder: Path) -> None:
    before = facts(run_folder)
    assert check_run(run_folder, None).faults == []
    sql(run_folder, ALTERED["a count"])
    found = check_run(run_folder, None, repair=True)
    assert found.lost == 1 and found.recounted == 0
    after = facts(run_folder)
    assert {table: after[table] for table in after if table != "instances"} == {
        table: before[table] for table in before if table != "instances"
    }
    assert len(after["instances"]) == len(before["instances"]) - 1


# Damage to the file itself


def bit(data: bytearray, rng: random.Random) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def some_bytes(data: bytearray, rng: random.Random) -> None:
    place = rng.randrange(len(data) - 16)
    data[place : place + 8] = rng.randbytes(8)


def sector(data: bytearray, rng: random.Random) -> None:
    place = rng.randrange(len(data) // 512) * 512
    data[place : place + 512] = bytes(512)


def cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def swapped(data: bytearray, rng: random.Random) -> None:
    one, other = (page * 4096 for page in rng.sample(range(len(data) // 4096), 2))
    first, second = data[one : one + 4096], data[other : other + 4096]
    data[one : one + 4096], data[other : other + 4096] = second, first


def doubled(data: bytearray, rng: random.Random) -> None:
    one, other = (page * 4096 for page in rng.sample(range(len(data) // 4096), 2))
    data[one : one + 4096] = data[other : other + 4096]


KINDS: Sequence[Callable[[bytearray, random.Random], None]] = (bit, some_bytes, sector, cut, swapped, doubled)


def damaged_at_random(pristine: Path, base: Path, count: int, seed: int) -> dict[str, int]:
    """Damage a store so often: what is read of it is right or refused, and what is repaired of it is right."""
    whole, data = facts(pristine), (pristine / STORE).read_bytes()
    rows = {table: set(map(repr, whole[table])) for table in whole}
    rng, tally = random.Random(seed), {"unchanged": 0, "named": 0}
    for number in range(count):
        content = bytearray(data)
        kind = KINDS[number % len(KINDS)]
        kind(content, rng)
        folder = base / str(number)
        shutil.copytree(pristine, folder)
        (folder / STORE).write_bytes(content)
        where = f"damage {number} ({kind.__name__}, seed {seed})"
        try:
            facts_by_api(folder)
            found = facts(folder)
            assert found == whole, f"{where} changed what is read without a word"
            tally["unchanged"] += 1
        except (BenchError, sqlite3.Error):
            tally["named"] += 1
            assert check_run(folder, DATA, repair=True).faults, f"{where} is not found by the check"
            repaired = facts(folder)
            for table in repaired:
                assert set(map(repr, repaired[table])) <= rows[table], f"{where}: {table}"
        assert check_run(folder, DATA).faults == [], where
        shutil.rmtree(folder)
    return tally


@pytest.mark.slow
def test_random_damage_changes_no_number(pristine: Path, tmp_path: Path) -> None:
    tally = damaged_at_random(pristine, tmp_path, 6, seed=1)
    assert tally["named"] >= 3


@pytest.mark.slow
def test_much_random_damage_changes_no_number(pristine: Path, tmp_path: Path) -> None:
    tally = damaged_at_random(pristine, tmp_path, 40, seed=2)
    assert tally["named"] >= 20 and tally["unchanged"] >= 5


def test_what_is_no_database_is_put_aside_and_begun_again(run_folder: Path) -> None:
    (run_folder / STORE).write_bytes(b"<html>" * 1000)
    found = check_run(run_folder, DATA, repair=True)
    assert found.faults[0] == f"{STORE}: file is not a database" and found.rows == 0
    assert (run_folder / "store-damaged-1.sqlite").read_bytes() == b"<html>" * 1000
    with opened(run_folder) as store:
        assert store.done() == set()


def test_the_log_of_a_damaged_store_is_not_taken_for_the_new_ones(run_folder: Path) -> None:
    writer = sqlite3.connect(run_folder / STORE)
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    with writer:
        writer.execute(ALTERED["a count"])
    with closing(writer):
        assert check_run(run_folder, DATA, repair=True).lost == 0
        assert (run_folder / "store-damaged-1.sqlite-wal").stat().st_size
        assert not (run_folder / f"{STORE}-wal").exists()
    assert check_run(run_folder, DATA).faults == []


def test_a_newer_and_another_programs_store_are_left_alone(run_folder: Path) -> None:
    sql_free = run_folder / STORE
    with closing(sqlite3.connect(sql_free)) as database:
        database.execute(f"PRAGMA user_version = {schema.SCHEMA + 1}")
    with pytest.raises(InputError, match="install the version that made it"):
        check_run(run_folder, DATA, repair=True)
    sql_free.unlink()
    with closing(sqlite3.connect(sql_free)) as database, database:
        database.execute("CREATE TABLE instances (id TEXT, weight REAL)")
    before = sql_free.read_bytes()
    with pytest.raises(InputError, match="is another program's database"):
        check_run(run_folder, DATA, repair=True)
    assert sql_free.read_bytes() == before


@pytest.mark.parametrize("table", sorted(SUMMED))
def test_a_table_that_is_gone_is_named_and_made_again(run_folder: Path, table: str) -> None:
    """Also of a run that was killed, whose store has not noted which rows it has."""
    sql(run_folder, f"DROP TABLE {table}")  # the store is not sealed
    if table == "instances":
        with pytest.raises(InputError, match=r"is damaged \(its table instances is gone\); `amodal-bench results"):
            open_run(run_folder).draws()
    found = check_run(run_folder, DATA, repair=True)
    assert f"{STORE}: its table {table} is gone" in found.faults and found.kept is not None
    assert check_run(run_folder, DATA).faults == []
    with opened(run_folder) as store:
        assert all(schema.has_table(store.db, name) for name in SUMMED)


def test_a_schema_that_no_version_has_is_not_ours(run_folder: Path) -> None:
    sql(run_folder, "PRAGMA user_version = -3")
    before = (run_folder / STORE).read_bytes()
    for write in (False, True):
        with pytest.raises(InputError, match=r"another program's database \(it has schema -3, which no version"):
            check_run(run_folder, None, repair=write)
    with pytest.raises(InputError, match="schema -3"), opened(run_folder):
        pass
    assert (run_folder / STORE).read_bytes() == before


# Stores of earlier versions


def test_a_store_without_checksums_is_read_and_gets_them(run_folder: Path) -> None:
    before = facts(run_folder)
    with closing(sqlite3.connect(run_folder / STORE)) as database:
        for table, (kinds, *_) in schema.SUMMED.items():
            if table == "told":
                database.execute("DROP TABLE told")
                continue
            database.execute(f"CREATE TABLE before AS SELECT {', '.join(kinds)} FROM {table} ORDER BY rowid")
            database.execute(f"DROP TABLE {table}")
            database.execute(f"CREATE TABLE {table} ({schema._TABLES[table]})")
            database.execute(f"INSERT INTO {table} SELECT * FROM before")
            database.execute("DROP TABLE before")
        database.execute("PRAGMA user_version = 3")
        database.commit()
    old = {**before, "told": []}
    facts_by_api(run_folder)
    assert facts(run_folder) == old
    assert check_run(run_folder, DATA).faults == []
    with opened(run_folder):
        pass
    assert facts(run_folder) == old
    sql(run_folder, ALTERED["a count"])
    with pytest.raises(InputError, match="it is not as it was written"):
        facts_by_api(run_folder)


def test_text_in_a_number_is_found_without_checksums(run_folder: Path) -> None:
    with closing(sqlite3.connect(run_folder / STORE)) as database:
        kinds = schema.SUMMED["instances"].kinds
        database.execute(f"CREATE TABLE bare AS SELECT {', '.join(kinds)} FROM instances")
        database.execute("DROP TABLE instances")
        database.execute(f"CREATE TABLE instances ({schema._TABLES['instances']})")
        database.execute("INSERT INTO instances SELECT * FROM bare")
        database.execute("UPDATE instances SET c03 = '5 x' WHERE id = 'id-001' AND draw = 1")
        database.execute("PRAGMA user_version = 3")
        database.commit()
    with pytest.raises(InputError, match="row 'id-001', 1: it has '5 x' where a value of kind INTEGER belongs"):
        open_run(run_folder).draws()
    with closing(sqlite3.connect(run_folder / STORE)) as database, database:
        database.execute("UPDATE instances SET c03 = -4 WHERE id = 'id-001' AND draw = 1")
    with pytest.raises(InputError, match="it has the number -4, which must be >= 0"):
        open_run(run_folder).draws()


# run.json


@pytest.mark.parametrize("how", ["gone", "cut", "another seed", "no object"])
def test_a_broken_run_json_is_read_and_written_again_from_the_store(run_folder: Path, how: str) -> None:
    file = run_folder / FILE
    text, wanted = file.read_text(encoding="utf-8"), read_facts(run_folder)
    file.write_text({"cut": text[:40], "no object": "[]"}.get(how, text.replace('"seed": 0', '"seed": 1')))
    if how == "gone":
        file.unlink()
    assert read_facts(run_folder) == wanted and open_run(run_folder).digest == wanted.digest
    assert check_run(run_folder, DATA).faults == [f"{FILE}: is not as it was written; the store has a copy"]
    if how == "cut":
        with opened(run_folder) as store:
            assert write_again(run_folder, store)
    else:
        check_run(run_folder, DATA, repair=True)
    assert file.read_text(encoding="utf-8") == text


def test_a_store_of_an_earlier_version_gets_a_copy_of_a_whole_run_json(run_folder: Path) -> None:
    with opened(run_folder) as store:
        with store.db:
            store.db.execute("DELETE FROM told")
        assert write_again(run_folder, store)
        assert store.told(FILE) == (run_folder / FILE).read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "9" * 5000, "[]"])
def test_a_copy_of_run_json_that_anybody_has_made_is_one_line(run_folder: Path, text: str) -> None:
    with Store(run_folder / STORE) as store:
        store.write_told(FILE, text)
    (run_folder / FILE).unlink()
    with pytest.raises(InputError, match=r"run\.json: "):
        open_run(run_folder)


@pytest.mark.slow
def test_a_runs_own_command_writes_a_broken_run_json_again(bench: Callable[..., Any]) -> None:
    folder = bench("model=hull", "dataset.images=1").main.folder
    text = (folder / FILE).read_text(encoding="utf-8")
    (folder / FILE).write_text("{")
    bench("model=hull", "dataset.images=1")
    assert (folder / FILE).read_text(encoding="utf-8") == text
    (folder / FILE).unlink()
    with closing(sqlite3.connect(folder / STORE)) as database, database:
        database.execute("DELETE FROM told")
    bench("model=hull", "dataset.images=1")
    said, was = (json.loads(each) for each in ((folder / FILE).read_text(encoding="utf-8"), text))
    assert (said["identity"], said["digest"], said["name"]) == (was["identity"], was["digest"], was["name"])


# The verb


@pytest.mark.slow
def test_the_verb_says_what_is_wrong_and_repairs_it(run: Run, bench: Callable[..., Any]) -> None:
    outcome = bench("model=hull", "dataset.images=1")
    folder: Path = outcome.main.folder
    numbers = outcome.main.rows[["id", *COUNTS]]
    status, out, err = run("results", "check", str(folder))
    count = len(numbers)
    assert (status, out, err) == (0, f"sound: {count} predictions read, {count} counted again\n", "")
    with closing(sqlite3.connect(folder / STORE)) as database, database:
        database.execute("UPDATE instances SET c00 = c00 + 1")
        database.execute("UPDATE instances SET rle = NULL WHERE rowid = 1")
    status, out, err = run("results", "check", str(folder))
    lines = out.splitlines()
    assert (status, err, len(lines)) == (1, "", count + 2)
    assert lines[-2].endswith("1 of them are lost") and lines[-1].startswith("give --repair")
    assert run("results", "score", str(folder))[0] == 1
    status, out, _ = run("results", "check", str(folder), "--repair")
    assert status == 0 and f"repaired: the damaged store is {folder / 'store-damaged-1.sqlite'}" in out
    again: Scored = bench("model=hull", "dataset.images=1").main
    assert again.reused.startswith(f"{count - 1} predictions of ")
    assert np.array_equal(again.rows[["id", *COUNTS]].to_numpy(), numbers.to_numpy())
    status, _, err = run("results", "check", str(folder), "dataset.images=2")
    assert status == 2 and err.endswith("give the dataset settings of the run, such as dataset=toy\n")
    status, _, err = run("results", "check", "nowhere")
    assert status == 2 and "is not the folder of a run" in err


def test_a_run_whose_dataset_is_gone_is_checked_by_its_checksums(run: Run, run_folder: Path) -> None:
    status, out, _ = run("results", "check", str(run_folder))
    assert status == 0 and out.splitlines()[-1] == "sound: 24 predictions read"
    assert "note: not counted again: " in out and "does not say how its dataset is opened" in out


GONE = {
    "DELETE FROM instances WHERE id = 'id-001'": 1,
    "DELETE FROM records WHERE id = 'id-001'": 0,
    "DELETE FROM instances": 0,
}


@pytest.mark.parametrize("statement", GONE)
def test_rows_that_are_gone_are_missed_although_the_others_are_sound(run_folder: Path, statement: str) -> None:
    with Store(run_folder / STORE) as store:
        store.seal()
        before = len(store.table())
    facts_by_api(run_folder)
    sql(run_folder, statement)
    with pytest.raises(InputError, match="predictions or records are gone, or are those of another run"):
        facts_by_api(run_folder)
    found = check_run(run_folder, DATA, repair=True)
    assert any("rows are gone" in line for line in found.faults) and found.kept is not None
    assert check_run(run_folder, DATA).faults == []
    with Store(run_folder / STORE, read_only=True) as store:
        assert before - len(store.table()) in (0, 1, before)


def test_the_rows_of_another_run_are_not_taken_for_this_ones(run_folder: Path) -> None:
    with Store(run_folder / STORE) as store:
        store.seal()
        row = store.db.execute("SELECT id FROM instances WHERE error IS NULL ORDER BY id").fetchone()
    with closing(sqlite3.connect(run_folder / STORE)) as db, db:
        columns = list(INSTANCES)
        values = list(db.execute(f"SELECT {', '.join(columns)} FROM instances WHERE id = ?", row).fetchone())
        values[columns.index("predict_s")] = 12.5
        kinds = SUMMED["instances"].kinds.values()
        marks = ", ".join("?" for _ in range(len(columns) + 1))
        into = f"instances ({SUM}, {', '.join(columns)})"
        db.execute(f"INSERT OR REPLACE INTO {into} VALUES ({marks})", summed(values, kinds))
    with pytest.raises(InputError, match="are those of another run"):
        facts_by_api(run_folder)
    found = check_run(run_folder, DATA, repair=True)
    assert any("not those that were written" in line for line in found.faults) and found.lost
    with Store(run_folder / STORE, read_only=True) as store:
        assert store.table().empty  # the run's command predicts them again


def test_a_run_that_goes_on_has_another_seal_at_its_end(run_folder: Path) -> None:
    with Store(run_folder / STORE) as store:
        store.seal()
        first = store.told(CONTENTS)
        store.write([Row("new", None, (2, 2), b"04", np.zeros(16, np.int64))])
        assert store.told(CONTENTS) is None
    facts_by_api(run_folder)
    with Store(run_folder / STORE) as store:
        store.seal()
        assert store.told(CONTENTS) not in (None, first)
    facts_by_api(run_folder)


def test_a_run_json_that_asks_for_another_dataset_than_the_store_is_not_obeyed(run_folder: Path) -> None:
    """Its identity is whole, and a dataset of a billion pictures would be made before anything is compared."""
    spec = {"_target_": "amodal_bench.datasets.toy.Toy", "images": 2}
    said = json.loads((run_folder / FILE).read_text(encoding="utf-8"))
    said["components"] = {**said["components"], "dataset": spec}
    (run_folder / FILE).write_text(json.dumps(said), encoding="utf-8")
    with Store(run_folder / STORE) as store:
        store.write_told(FILE, json.dumps(said))
    run = open_run(run_folder)
    assert dataset_of(run, []).name == "toy"
    spec["images"] = 10**9
    (run_folder / FILE).write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(UsageError, match=r"run\.json: is not as it was written; `amodal-bench results"):
        dataset_of(open_run(run_folder), [])
    assert any(FILE in fault for fault in check_run(run_folder, None).faults)
    with pytest.raises(ConfigError, match=r"dataset\.images: 1000000000 must be between 1 and 1000000"):
        Toy(images=10**9)


def test_of_a_store_that_says_no_longer_what_it_had_nothing_is_called_safe(run: Run, run_folder: Path) -> None:
    for content, fault in ((b"", "store.sqlite: it is empty"), (b"no database" * 99, "file is not a database")):
        (run_folder / STORE).write_bytes(content)
        status, out, _ = run("results", "check", str(run_folder))
        assert status == 1 and fault in out
        assert "0 predictions read; how many there were, and are lost, is not known" in out


def test_a_value_that_would_fill_the_memory_is_not_read(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MOST_BYTES", 100_000)
    with closing(sqlite3.connect(run_folder / STORE)) as database, database:
        database.execute("UPDATE instances SET rle = zeroblob(?) WHERE rowid = 2", (100_001,))
    with pytest.raises(InputError, match=r"is damaged \(string or blob too big\)"):
        open_run(run_folder).draws()
    found = check_run(run_folder, None)
    assert found.rows == 23 and any("1 of 24 rows are gone" in fault for fault in found.faults) == (found.lost == 1)


def test_a_list_of_tables_that_is_not_utf_8_is_damage(run_folder: Path) -> None:
    """SQLite quotes it in what it says is wrong, which Python then cannot read."""
    file = run_folder / STORE
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"CREATE TABLE stages", b"CREATE TABL\xff stages"))
    assert file.read_bytes() != whole
    with pytest.raises(
        InputError, match=r"is damaged \(its list of tables is not UTF-8\); `amodal-bench results check"
    ):
        facts_by_api(run_folder)
    with pytest.raises(InputError, match="its list of tables is not UTF-8"), opened(run_folder):
        pass
    assert check_run(run_folder, DATA).faults
    check_run(run_folder, DATA, repair=True)
    assert check_run(run_folder, DATA).faults == []


def test_a_record_cannot_put_columns_in_place_of_the_stores_own(run_folder: Path) -> None:
    """Anybody may have written the records of a pack, with their checksums."""
    before = joined(run_folder)
    with opened(run_folder) as store:
        told = [
            (id, json.dumps({**json.loads(text), "error": "none", "c00": 5})) for id, text in store.rows("records")
        ]
        with store.db:
            store.put("records", told)
        store.seal()
    pd.testing.assert_frame_equal(joined(run_folder), before)


def joined(folder: Path) -> pd.DataFrame:
    """What a score has of each instance."""
    protocol = shipped("instance")
    assert protocol is not None
    return scored_run(open_run(folder), protocol)[0].joined
