"""What fuzzing has found, one test for each kind."""

from __future__ import annotations

import json
import sqlite3
import struct
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from amodal_bench.config.compose import compose
from amodal_bench.config.overrides import expand_home, readable
from amodal_bench.core.bombs import require_plausible
from amodal_bench.core.errors import BenchError, InputError, PredictionError, UsageError
from amodal_bench.datasets.fishbowl.rows import read_subset
from amodal_bench.datasets.reading.files import read_image
from amodal_bench.datasets.sailvos.raw_folders import read_map
from amodal_bench.models.prediction_files import PngFolder
from amodal_bench.runner.identity import Identity
from amodal_bench.runner.run_json import last_day, read_facts
from amodal_bench.runner.schema import COUNTS, SUMMED
from amodal_bench.runner.store import Store
from amodal_bench.runner.sums import fault

BOMB = b"P5 8208 8224 255 " + bytes(50)
"""A picture of 8208x8224 pixels in 67 bytes."""


def test_every_error_is_one_line_whatever_a_file_has_put_into_it() -> None:
    assert str(InputError("a\nb", "mask is 12xa\nb\x1b[2J", "mend it")) == "a b: mask is 12xa b\\x1b[2J; mend it"
    assert str(BenchError("one\r\ntwo")) == "one two"


def test_a_picture_of_more_pixels_than_its_bytes_can_be_is_not_decoded(tmp_path: Path) -> None:
    file = tmp_path / "1.png"
    file.write_bytes(BOMB)
    with pytest.raises(InputError, match=r"it states 8208x8224 pixels \(width x height\) in 67 bytes"):
        read_image(file)
    with pytest.raises(PredictionError, match="it states 8208x8224 pixels"):
        PngFolder(tmp_path).mask("1", 12, 16)


def test_a_large_picture_of_one_colour_is_plausible(tmp_path: Path) -> None:
    file = tmp_path / "black.png"
    picture = Image.new("1", (5000, 5000))
    picture.save(file)
    require_plausible(picture, file)


def test_a_png_whose_depth_no_decoder_has_memory_for_is_a_damaged_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "1.png"
    Image.new("L", (4, 3)).save(file)

    def out_of_memory(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", out_of_memory)
    with pytest.raises(InputError, match="cannot be read as a picture"):
        read_image(file)
    with pytest.raises(PredictionError, match="cannot be read as a picture"):
        PngFolder(tmp_path).mask("1", 3, 4)


@pytest.mark.parametrize("shape", [b"(3, 4L", b"(9**9,)", b"((((((("])
def test_a_map_with_a_header_that_is_no_header_is_told(shape: bytes, tmp_path: Path) -> None:
    file = tmp_path / "map.npy"
    np.save(file, np.zeros((3, 4), np.int32))
    file.write_bytes(file.read_bytes().replace(b"(3, 4)", shape))
    with pytest.raises(InputError, match="cannot be read as an array of numbers"):
        read_map(file)


def test_a_member_of_a_map_that_is_no_array_is_told(tmp_path: Path) -> None:
    file = tmp_path / "map.npz"
    np.savez(file, visible_ids=np.zeros((3, 4), np.int32))
    file.write_bytes(file.read_bytes().replace(b"\x93NUMPY", b"\x92NUMPY"))
    with pytest.raises(InputError, match="cannot be read as an array of numbers"):
        read_map(file)


@pytest.mark.parametrize(
    "change",
    [{"name": [0]}, {"dates": {"begun": 5}}, {"dates": [1]}, {"split": {}}, {"components": {"dataset": [1]}}],
    ids=str,
)
def test_a_fact_of_another_kind_does_not_describe_a_run(change: dict[str, Any], tmp_path: Path) -> None:
    identity = {"dataset": {"name": "toy", "fingerprint": "f"}, "model": {}, "seed": 0}
    told = {"name": "hull", "digest": Identity(identity).digest, "identity": identity}
    (tmp_path / "run.json").write_text(json.dumps(told))
    assert read_facts(tmp_path).name == "hull"
    (tmp_path / "run.json").write_text(json.dumps({**told, **change}))
    with pytest.raises(InputError, match="does not describe a run"):
        read_facts(tmp_path)
    assert isinstance(last_day(tmp_path), str)


def test_a_row_without_a_checksum_has_all_that_it_needs() -> None:
    columns = SUMMED["regions"]
    assert fault((None, "boundary", "a", 1, 2, 3, 4), columns, False) == ""
    assert fault((None, "boundary", "a", 1, None, 3, 4), columns, False) == "it has no predicted"
    columns = SUMMED["instances"]
    counts, nothing = [1] * 16, [None] * 16
    for row, problem in (
        (("a", 0, None, 4, 4, b"x", *counts, 0.1, 0.1), ""),
        (("a", 0, "failed", None, None, None, *nothing, None, 0.1), ""),
        (("a", 0, "failed", 4, None, None, *counts, None, 0.1), "it has no width"),
        (("a", 0, None, 4, 4, b"x", *counts[1:], None, 0.1, 0.1), "it has no c15"),
    ):
        assert fault((None, *row), columns, False) == problem


@pytest.mark.parametrize("record", ["5", "[1", "[1]", '{"name": 3}'])
def test_a_record_without_a_checksum_is_an_object_with_an_id(record: str, tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite"
    with closing(sqlite3.connect(file)) as db:
        db.execute(f"CREATE TABLE instances (id TEXT PRIMARY KEY, error TEXT, rle BLOB, {', '.join(COUNTS)})")
        db.execute("CREATE TABLE records (id TEXT PRIMARY KEY, record TEXT)")
        db.execute("INSERT INTO records VALUES ('a', ?)", (record,))
        db.execute("PRAGMA user_version = 2")
        db.commit()
    with (
        Store(file, read_only=True) as store,
        pytest.raises(sqlite3.DatabaseError, match="records: one of them is not"),
    ):
        store.records(every=True)


def test_numbers_of_too_many_digits_and_names_that_no_user_has_are_text() -> None:
    (found,) = readable([f"dataset.root={'9' * 5000}"])
    assert found.endswith('9"')
    assert expand_home("~\0/x") == "~\0/x"


@pytest.mark.parametrize(
    "override",
    ["experiment=null", "experiment=3", f"view={'9' * 5000}", f"view{'a' * 300}=x", "~model=-1"],
    ids=["null", "number", "long choice", "long group", "deleted number"],
)
def test_a_choice_that_hydra_did_not_think_of_is_a_usage_error(override: str) -> None:
    with pytest.raises(UsageError) as caught:
        compose([override], [])
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 6000


def test_a_line_of_too_many_fields_leaves_each_value_in_its_column(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f"v_id,obj_id,frame_id,OCC_R\n0,5,1,0.5{',9' * 5000}\n")
    begun = time.process_time()
    subset = read_subset(file, 1)
    assert subset.videos[0][5, 1].occlusion_rate == 0.5 and subset.problems == []
    assert time.process_time() - begun < 1


def test_whatever_pillow_raises_of_a_damaged_picture_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A field that is a float where Pillow wants a whole number is a `TypeError` of its own."""
    file = tmp_path / "a.png"
    Image.new("RGB", (4, 4)).save(file)
    for error in (
        TypeError("'float' object cannot be interpreted as an integer"),
        KeyError(7),
        struct.error("short"),
    ):
        monkeypatch.setattr(Image.Image, "load", raising(error))
        with pytest.raises(InputError, match="cannot be read as a picture"):
            read_image(file)


def raising(error: Exception) -> Callable[..., object]:
    """A method that raises an error."""

    def method(*_: object, **__: object) -> object:
        raise error

    return method
