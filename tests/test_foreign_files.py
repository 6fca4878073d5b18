"""What lies in the place of a file is named, with what to do: pointers, web pages, packed files, other encodings."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from one_picture import DATASETS, PLACES, opened, tree_of, write_tree

from amodal_bench.core.errors import InputError, PredictionError
from amodal_bench.core.foreign import foreign, wide
from amodal_bench.datasets.fishbowl.frames import VideoFrames
from amodal_bench.datasets.fishbowl.rows import read_subset
from amodal_bench.datasets.reading.files import annotation_digest, read_image, read_json
from amodal_bench.models.prediction_files import open_source

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 31240427\n"
PAGE = b"\n<!DOCTYPE html><html><title>Google Drive - Virus scan warning</title>"
JSON = b'{"images": [], "annotations": []}'
KINDS = {
    "lfs": (POINTER, "it is a pointer of Git LFS", "git lfs pull"),
    "annex": (b"/annex/objects/SHA256E-s1--0.json\n", "it is a pointer of git-annex", "git annex get"),
    "page": (PAGE, r"it is a web page \(HTML\)", "download the file again in a browser"),
    "denied": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "it is XML", "download"),
    "gzip": (gzip.compress(JSON), "it is compressed by gzip", "gunzip"),
    "zip": (b"PK\x03\x04" + bytes(30), "it is a zip archive", "unzip"),
    "tar": (bytes(257) + b"ustar\x0000", "it is a tar archive", "tar -xf"),
}
WIDE = {
    "utf-16": (JSON.decode().encode("utf-16"), "it is text in UTF-16", "iconv -f UTF-16 -t UTF-8"),
    "utf-16 without a mark": (JSON.decode().encode("utf-16-le"), "it is text in UTF-16", "iconv"),
    "utf-32": (JSON.decode().encode("utf-32"), "it is text in UTF-32", "iconv -f UTF-32 -t UTF-8"),
}


@pytest.mark.parametrize("kind", [*KINDS, *WIDE])
def test_what_lies_in_the_place_of_annotations_is_named(tmp_path: Path, kind: str) -> None:
    content, what, remedy = (KINDS | WIDE)[kind]
    write_tree(tmp_path, "cocoa", content)
    with pytest.raises(InputError, match=rf"COCO_amodal_val2014\.json: not JSON: {what}.*; .*{remedy}") as caught:
        opened(tmp_path, "cocoa")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", DATASETS)
def test_every_loader_names_a_pointer(tmp_path: Path, name: str) -> None:
    write_tree(tmp_path, name, POINTER)
    with pytest.raises(InputError, match=r"not JSON: it is a pointer of Git LFS.*git lfs pull"):
        opened(tmp_path, name)


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_in_the_place_of_other_files_is_named(tmp_path: Path, kind: str) -> None:
    content, what, _ = KINDS[kind]
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(InputError, match=f"not JSON: {what}"):
        read_json(file)
    with pytest.raises(InputError, match=f"no picture: {what}"):
        read_image(file)
    with pytest.raises(InputError, match=f"not a CSV: {what}"):
        read_subset(file, 1)


def test_what_lies_in_the_place_of_predictions_is_named(tmp_path: Path) -> None:
    (tmp_path / "7.png").write_bytes(POINTER)
    with pytest.raises(PredictionError, match=r"7\.png: no picture: it is a pointer of Git LFS.*; .*git lfs pull"):
        open_source(tmp_path).mask("7", 6, 8)
    (tmp_path / "results.json").write_bytes(PAGE)
    with pytest.raises(InputError, match=r"results\.json: not JSON: it is a web page"):
        open_source(tmp_path / "results.json").ids()


def test_what_lies_in_the_place_of_a_video_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "video.mp4").write_bytes(POINTER)
    with pytest.raises(InputError, match="no video: it is a pointer of Git LFS"):
        VideoFrames(lambda _: tmp_path / "video.mp4").read("1", 0)
    capfd.readouterr()  # what OpenCV says of it


def test_text_of_other_encodings_is_read_where_it_is_read_whole(tmp_path: Path) -> None:
    for name, (content, _, _) in WIDE.items():
        (tmp_path / "file").write_bytes(content)
        assert read_json(tmp_path / "file") == json.loads(JSON), name


@pytest.mark.parametrize("name", DATASETS)
@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b" \n\t"])
def test_json_is_not_taken_for_another_kind(tmp_path: Path, name: str, start: bytes) -> None:
    write_tree(tmp_path, name, start + json.dumps(tree_of(name, [{}])).encode())
    assert len(opened(tmp_path, name).records()) == 1


@pytest.mark.parametrize("content", [b"", b"[1]", b"{}", b"1", b"\x00", b'["<html>"]', b"a,b\n1,2\n"])
def test_nothing_is_said_of_other_beginnings(content: bytes) -> None:
    assert foreign(content) is None and wide(content) is None


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    write_tree(tmp_path, "kins", b"")
    with pytest.raises(InputError, match=r"cut short \(it is empty\)"):
        opened(tmp_path, "kins")
    assert (tmp_path / PLACES["kins"][0]).exists()


def test_a_file_whose_room_was_made_and_not_filled_is_no_annotation_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(JSON)
    with file.open("r+b") as opened_file:
        opened_file.truncate(20 << 30)  # sparse: it would be read for a minute
    for read in (annotation_digest, read_json):
        with pytest.raises(InputError, match="it is not whole: its end is filled with zeros; download or copy"):
            read(file)
    file.write_bytes(JSON)
    assert annotation_digest(file) and read_json(file)
