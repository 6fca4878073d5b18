"""Files and folders that appear whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from amodal_bench.core.files import fill_folder, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    file, seen = tmp_path / "table.csv", list[str]()

    def write(partial: Path) -> None:
        partial.write_text("new")
        seen.append(partial.name)
        assert file.read_text() == "old"

    file.write_text("old")
    write_whole(file, write)
    assert file.read_text() == "new" and names(tmp_path) == ["table.csv"]
    assert seen[0].startswith(f".table.csv.{os.getpid()}-") and seen[0].endswith(".partial")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("x"), KeyboardInterrupt()])
def test_what_fails_while_it_is_written_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: BaseException
) -> None:
    def write(partial: Path) -> None:
        partial.write_text("half")
        raise error

    (tmp_path / "table.csv").write_text("old")
    with pytest.raises(type(error)):
        write_whole(tmp_path / "table.csv", write)
    assert (tmp_path / "table.csv").read_text() == "old" and names(tmp_path) == ["table.csv"]


def test_two_writers_of_one_file_do_not_share_what_they_write_to(tmp_path: Path) -> None:
    def write(partial: Path) -> None:
        partial.write_text("first")
        write_whole(tmp_path / "file", lambda other: other.write_text("second"))
        assert partial.read_text() == "first"

    write_whole(tmp_path / "file", write)
    assert (tmp_path / "file").read_text() == "first" and names(tmp_path) == ["file"]


def fill(partial: Path) -> None:
    partial.mkdir()
    (partial / "part").write_text("this one")


def test_a_folder_appears_when_it_is_filled_and_one_that_is_there_is_kept(tmp_path: Path) -> None:
    fill_folder(tmp_path / "weights", fill)
    (tmp_path / "weights" / "part").write_text("the first one")
    fill_folder(tmp_path / "weights", fill)
    assert (tmp_path / "weights" / "part").read_text() == "the first one" and names(tmp_path) == ["weights"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_folder_that_is_not_filled_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    def fail(partial: Path) -> None:
        fill(partial)
        raise error

    with pytest.raises(type(error)):
        fill_folder(tmp_path / "weights", fail)
    assert names(tmp_path) == []
