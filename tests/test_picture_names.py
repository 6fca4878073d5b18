"""Names of pictures as other systems write them: found, or named with the folder that has such a file."""

from __future__ import annotations

from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from one_picture import DATASETS, PLACES, SOUND, opened, tree_of, write_tree, written

from amodal_bench.core.errors import InputError
from amodal_bench.datasets.reading.names import found_in, namesake, place_in
from amodal_bench.datasets.sailvos.frames import find_picture, video_of

REPEATS = {"cocoa": "val2014", "cocoa_cls": "val2014", "bsds": "test", "kins": "testing/image_2"}
"""The end of the path of the pictures' folder."""


def in_other_ways(name: str, own: str) -> list[str]:
    """A picture's name as other systems and tools have it."""
    prefixed = [f"{REPEATS[name]}/{own}"] if name in REPEATS else []
    names = [own.upper(), *prefixed, *(each.upper() for each in prefixed), f"./{own}"]
    return [*names, *(each.replace("/", "\\") for each in (own, *prefixed))]


@pytest.mark.parametrize("name", DATASETS)
def test_a_picture_is_found_under_the_name_of_another_system(tmp_path: Path, name: str) -> None:
    own = "video/images/000007.png" if name == "sailvos" else "7.png"
    first = written(tmp_path, name, [SOUND])
    expected = first.sample(first.records()["id"][0]).image
    for other in in_other_ways(name, own):
        dataset = written(tmp_path, name, [SOUND], other)
        id = dataset.records()["id"][0]
        assert np.array_equal(dataset.sample(id).image, expected), other
        ((place,),) = dataset.files_of([id]).values()
        assert place.samefile(tmp_path / PLACES[name][1]), other
        assert not dataset.check(), other


@pytest.mark.parametrize("composed", [True, False])
def test_a_name_is_found_in_the_other_form_of_unicode(tmp_path: Path, composed: bool) -> None:
    on_disk, written_as = normalize("NFD", "Größe é.png"), normalize("NFC", "Größe é.png")
    if composed:
        on_disk, written_as = written_as, on_disk
    (tmp_path / on_disk).write_bytes(b"")
    assert on_disk != written_as
    found = found_in(tmp_path, written_as)
    assert found is not None and found.name == on_disk


def test_a_file_of_the_very_name_goes_first(tmp_path: Path) -> None:
    for name in ("a.png", "A.png", "back\\slash.png"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "slash.png").write_bytes(b"")
    assert found_in(tmp_path, "A.png") == tmp_path / "A.png"
    assert found_in(tmp_path, "back\\slash.png") == tmp_path / "back\\slash.png"
    (tmp_path / "back\\slash.png").unlink()
    assert found_in(tmp_path, "back\\slash.png") == tmp_path / "back/slash.png"


def test_of_two_files_neither_is_guessed(tmp_path: Path) -> None:
    for name in ("ab.png", "AB.png"):
        (tmp_path / name).write_bytes(b"")
    assert found_in(tmp_path, "Ab.png") is None
    assert place_in(tmp_path, "sub\\Ab.png") == tmp_path / "sub" / "Ab.png"


def test_a_file_that_comes_later_is_found(tmp_path: Path) -> None:
    assert found_in(tmp_path, "A.PNG") is None
    (tmp_path / "a.png").write_bytes(b"")
    assert found_in(tmp_path, "A.PNG") == tmp_path / "a.png"


@pytest.mark.parametrize("name", ["..", "a/../../b", "\0", "a\0/b", "x" * 5000, ""])
def test_what_cannot_be_a_name_is_not_found(tmp_path: Path, name: str) -> None:
    (tmp_path / "b").write_bytes(b"")
    assert found_in(tmp_path / "sub", name) is None


def test_a_name_that_means_another_splits_picture_is_named(tmp_path: Path) -> None:
    dataset = written(tmp_path, "kins", [SOUND], "training/image_2/7.png")
    with pytest.raises(InputError, match=r"no such file, but .*testing/image_2 has one of this name; .*file_name"):
        dataset.sample("1")


@pytest.mark.parametrize("name", [name for name in DATASETS if name != "bsds"])
def test_a_picture_that_is_nowhere_is_named(tmp_path: Path, name: str) -> None:
    write_tree(tmp_path, name, tree_of(name, [SOUND], "video/images/8.png"))
    dataset = opened(tmp_path, name)
    with pytest.raises(InputError, match=r"images/8\.png: .*no such file; check the path"):
        dataset.sample(dataset.records()["id"][0])


def test_a_namesake_is_looked_for_nearby_alone(tmp_path: Path) -> None:
    (tmp_path / "7.png").write_bytes(b"")
    assert namesake(tmp_path / "a" / "7.png") == tmp_path
    assert namesake(tmp_path / "a/b/c/d/7.png") is None
    assert namesake(tmp_path / "7.png") is None


def test_a_video_is_the_first_folder_of_a_name_on_any_system(tmp_path: Path) -> None:
    assert video_of("clip\\images\\0.bmp") == video_of("clip/images/0.bmp") == "clip"
    (tmp_path / "Clip" / "images").mkdir(parents=True)
    (tmp_path / "Clip" / "images" / "0.png").write_bytes(b"")
    assert find_picture(tmp_path, "clip\\images\\0.bmp") == tmp_path / "Clip/images/0.png"
