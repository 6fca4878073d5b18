"""A long array looked at in lots by several processes: its elements and errors are those of a reading in one go."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amodal_bench.core.errors import InputError
from amodal_bench.core.processes import can_fork, in_processes
from amodal_bench.datasets.kins import records as kins
from amodal_bench.datasets.reading import lots
from amodal_bench.datasets.reading.index import Index
from amodal_bench.datasets.reading.lots import Aside
from amodal_bench.datasets.reading.records import read_records
from amodal_bench.datasets.reading.scan import Record
from amodal_bench.datasets.sailvos import json_file

ITEM = "items"
Seen = list[tuple[Any, int, int, tuple[str, ...]]]

VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.just('}, {"id": 1'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "a"]), inner, max_size=2),
    max_leaves=6,
)
ELEMENTS = st.lists(VALUES | st.fixed_dictionaries({"id": st.integers(), "parts": VALUES}), max_size=30)


@pytest.fixture
def small_lots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lots of few bytes, read by two processes however few cores there are."""
    monkeypatch.setattr(lots, "LARGE", 0)
    monkeypatch.setattr(lots, "LOT", 60)
    monkeypatch.setattr(lots, "in_processes", lambda work, items, workers: in_processes(work, items, workers or 2))


def kept(records: Iterator[Record]) -> Seen:
    return [(each.value, each.start, each.length, each.remarks) for each in records]


def read(file: Path, keep: Callable[[Iterator[Record]], Seen] = kept) -> tuple[list[Seen], Seen]:
    """The lots of the array `ITEM`, and the records of all others."""
    found: list[Seen] = []
    rest = kept(read_records(file, (), "a test file", "", Aside(ITEM, keep, found.append)))
    return found, rest


def in_one_go(file: Path) -> tuple[Seen, Seen]:
    records = list(read_records(file, (), "a test file", ""))
    return kept(each for each in records if each.array == ITEM), kept(each for each in records if each.array != ITEM)


@pytest.mark.skipif(not can_fork(), reason="processes are not split off here")
@pytest.mark.usefixtures("small_lots")
@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("separators", [(", ", ": "), (",", ":")])
def test_lots_are_read_by_other_processes(tmp_path: Path, indent: int | None, separators: tuple[str, str]) -> None:
    file = tmp_path / "a.json"
    elements = [{"id": n, "mask": {"size": [3, 4], "counts": "abc"}} for n in range(50)]
    content = {"before": [1, {"id": 3}], ITEM: elements, "after": elements[:9]}
    file.write_text(json.dumps(content, indent=indent, separators=separators))

    def with_process(records: Iterator[Record]) -> Any:
        return [*kept(records), os.getpid()]

    found, rest = read(file, with_process)
    assert len(found) > 9
    assert {lot.pop() for lot in found}.isdisjoint({os.getpid()})
    assert (list(chain(*found)), rest) == in_one_go(file)


@pytest.mark.usefixtures("small_lots")
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ELEMENTS, ELEMENTS, st.booleans(), st.data())
def test_any_array_gives_the_same(
    tmp_path: Path, elements: list[Any], others: list[Any], twice: bool, data: st.DataObject
) -> None:
    file = tmp_path / "a.json"
    text = json.dumps({"o": others, ITEM: elements, "p": others}, ensure_ascii=data.draw(st.booleans()))
    if twice:
        text = f'{text[:-1]}, "{ITEM}": {json.dumps(others)}}}'
    file.write_text(text, encoding="utf-8")
    lots_found, rest = read(file)
    assert (list(chain(*lots_found)), rest) == in_one_go(file)


@pytest.mark.usefixtures("small_lots")
def test_elements_inside_of_elements_are_none(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    elements = [{"id": n, "parts": [{"id": 7, "n": k} for k in range(n)]} for n in range(20)]
    file.write_text(json.dumps({ITEM: elements}))
    found, _ = read(file)
    assert [each[0] for each in chain(*found)] == elements


@pytest.mark.usefixtures("small_lots")
@pytest.mark.parametrize("damage", ['{"id": 3', '{"id": 3,}', "nul", '{"id" 3}', '{"id": 1e}', "[" * 5000])
def test_what_is_damaged_is_named_as_ever(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "a.json"
    sound = [json.dumps({"id": n, "text": "x" * 30}) for n in range(30)]
    file.write_text(f'{{"{ITEM}": [\n' + ",\n".join([*sound, damage, *sound]) + "]}")
    with pytest.raises(InputError) as expected:
        in_one_go(file)
    with pytest.raises(InputError) as error:
        read(file)
    assert str(error.value) == str(expected.value)


@pytest.mark.usefixtures("small_lots")
@pytest.mark.parametrize("between", [", ", ",\n  "])
def test_a_file_that_is_cut_anywhere_is_named_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, between: str
) -> None:
    monkeypatch.setattr(lots, "in_processes", lambda work, items, _: (work(item) for item in items))
    file = tmp_path / "a.json"
    whole = f'{{"{ITEM}": [{between.join(json.dumps({"id": n, "a": ["b"]}) for n in range(5))}], "other": [1]}}'
    for length in range(len(whole)):
        file.write_text(whole[:length])
        with pytest.raises(InputError) as expected:
            in_one_go(file)
        with pytest.raises(InputError) as error:
            read(file)
        assert str(error.value) == str(expected.value), whole[:length]


@pytest.mark.usefixtures("small_lots")
def test_a_process_that_ends_costs_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps({ITEM: [{"id": n, "text": "x" * 30} for n in range(30)]}))
    here = os.getpid()

    def dies(records: Iterator[Record]) -> Seen:
        found = kept(records)
        if os.getpid() != here and any(each[0]["id"] == 20 for each in found):
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    found, _ = read(file, dies)
    assert list(chain(*found)) == in_one_go(file)[0]


@pytest.mark.usefixtures("small_lots")
def test_what_keeping_raises_is_raised_here(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps({ITEM: [{"id": n, "text": "x" * 30} for n in range(30)]}))

    def fails(records: Iterator[Record]) -> Seen:
        if any(each[0]["id"] == 20 for each in kept(records)):
            raise KeyError("id 20")
        return []

    with pytest.raises(KeyError, match="id 20"):
        read(file, fails)


def odd_file(late: bool) -> dict[str, Any]:
    """Annotations with most faults that a file may have, some in several lots, before or behind their pictures."""
    mask, seen = {"size": [3, 4], "counts": [3, 6, 3]}, {"size": [3, 4], "counts": [3, 3, 6]}
    annotations: list[Any] = [
        {"id": n, "image_id": n // 4, "category_id": n % 3, "segmentation": mask, "visible_mask": seen}
        for n in range(40)
    ]
    annotations[7]["id"] = annotations[31]["id"] = 3
    annotations[30]["id"] = "3.2"
    del annotations[9]["id"], annotations[33]["id"], annotations[34]["visible_mask"]
    annotations[11] |= {"iscrowd": 5, "area": -1, "occlude_rate": 1}
    annotations[12:12] = [None, 5]
    images = [{"id": n, "file_name": f"v/images/{n:06d}.bmp", "height": 3, "width": 4} for n in range(9)]
    pictures = {"images": images, "categories": [{"id": n, "name": f"class {n}"} for n in range(2)]}
    return {"annotations": annotations, **pictures} if late else {**pictures, "annotations": annotations}


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("build", [kins.build_index, json_file.build_index])
def test_an_index_in_lots_is_that_of_one_reading(
    build: Callable[[Path], Index], late: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(odd_file(late)))
    whole = build(file)
    request.getfixturevalue("small_lots")
    in_lots = build(file)
    pd.testing.assert_frame_equal(in_lots.instances, whole.instances)
    pd.testing.assert_frame_equal(in_lots.problems, whole.problems)
    assert in_lots.instances["id"].tolist()[7:10] == ["3.2", "8", "entry10"]
    told = in_lots.problems.set_index("record")["what"]
    assert told["entry 13 of annotations"] == "it is not a JSON object"
    assert told["annotation entry10"] == "entry 10 of annotations has no id"
    assert set(in_lots.instances["picture"]) == {f"v/images/{n:06d}.bmp" for n in range(9)} | {""}
    assert in_lots.instances["amodal_pixels"].notna().sum() == 36


def test_pictures_that_come_behind_are_known_to_all(tmp_path: Path) -> None:
    """Two lists of images, one before and one behind the annotations, as a file that two were joined to has."""
    file, whole = tmp_path / "a.json", odd_file(late=False)
    images = whole.pop("images")
    text = json.dumps({"images": images[:4], **whole})
    file.write_text(f'{text[:-1]}, "images": {json.dumps(images[4:])}}}')
    for build in (kins.build_index, json_file.build_index):
        assert build(file).instances["amodal_pixels"].notna().sum() == 36
