"""Files that are no files, a pipe, a device that never ends or a folder, in every place that opens one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from trees import edit

import amodal_bench
from amodal_bench.api.checking import check_run
from amodal_bench.cli.data.unpack import unpack
from amodal_bench.cli.predict.pictures import read_mask
from amodal_bench.cli.results.table import collect
from amodal_bench.config.compose import compose
from amodal_bench.config.faulty import fault_of
from amodal_bench.config.search import composer
from amodal_bench.core.digests import files_digest, sha256
from amodal_bench.core.errors import BenchError, ConfigError, InputError, UsageError
from amodal_bench.core.files import is_regular, open_regular, read_bytes, read_text
from amodal_bench.core.ids import read_ids
from amodal_bench.datasets.coco_a.cocoa import Cocoa
from amodal_bench.datasets.fishbowl.frames import VideoFrames
from amodal_bench.datasets.fishbowl.rows import _table
from amodal_bench.datasets.reading.fields import LEADS_OUT, file_name
from amodal_bench.datasets.reading.files import read_image, read_json
from amodal_bench.datasets.reading.records import read_record, read_records
from amodal_bench.datasets.sailvos.raw_folders import read_map
from amodal_bench.models.pix2gestalt.checkpoint import read_state
from amodal_bench.models.prediction_files import ResultsFile, open_source
from amodal_bench.paper.frozen import read_plan
from amodal_bench.runner.packed import opened_pack
from amodal_bench.runner.place import check_writable, opened
from amodal_bench.runner.store import STORE
from amodal_bench.testing.export.cocoa import export
from amodal_bench.weights.loading import named_errors
from amodal_bench.weights.null_prompt import null_prompt
from amodal_bench.weights.source import WeightsSource


@pytest.fixture(autouse=True)
def impatience() -> Iterator[None]:
    """What waits for a pipe would wait for ever."""

    def ring(*_: Any) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 20)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(params=["pipe", "folder", "device"])
def no_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "x.png"
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    return path


def png_of(path: Path) -> object:
    """The mask of a folder of pictures in which one is no file."""
    source = open_source(path.parent)
    assert list(source.ids()) == ["x"]
    return source.mask("x", 1, 1)


def weights(path: Path) -> object:
    with named_errors(path.parent, "a network", "do this"):
        raise AssertionError("the libraries were asked")


READERS: dict[str, Callable[[Path], object]] = {
    "digest": sha256,
    "digest of files": lambda path: files_digest([path]),
    "ids": read_ids,
    "json": read_json,
    "records": lambda path: list(read_records(path, (), "a file", "do this")),
    "record": lambda path: read_record(path, 0, 5),
    "picture": read_image,
    "rows": _table,
    "map": read_map,
    "video": lambda path: VideoFrames(lambda _: path).read("1", 0),
    "results file": lambda path: ResultsFile(path).ids(),
    "png": png_of,
    "mask": lambda path: read_mask(path, (1, 1)),
    "checkpoint": read_state,
    "plan": read_plan,
    "archive": lambda path: unpack(path, path.parent / "out", 100),
    "weights": weights,
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_what_is_no_file_is_one_line(no_file: Path, read: Callable[[Path], object]) -> None:
    if no_file.is_dir() and read is weights:
        return  # a folder of weights has folders
    with pytest.raises(BenchError) as caught:
        read(no_file)
    assert "\n" not in str(caught.value) and str(no_file.parent) in str(caught.value)


def test_a_pack_a_store_and_tables(no_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.png"), opened_pack(no_file):
        pass
    run = tmp_path / "runs" / "a"
    run.mkdir(parents=True)
    no_file.rename(run / "summary.csv")
    assert collect(tmp_path).empty
    (run / "summary.csv").rename(run / "store.sqlite")
    (run / "run.json").write_text("{}")
    with pytest.raises(BenchError):
        amodal_bench.open_run(run).instances()


def test_a_configuration_and_a_null_prompt(no_file: Path, tmp_path: Path) -> None:
    assert "it is a" in str(fault_of(no_file))
    no_file.rename(tmp_path / "null_prompt.safetensors")
    with pytest.raises(OSError, match="it is a"):
        null_prompt(tmp_path, "", "cpu", dict)


def test_a_regular_file_is_read_as_far_as_it_may_be(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"caf\xc3\xa9\r\n")
    assert read_text(file) == "café\r\n" and read_bytes(file, 7) == file.read_bytes() and is_regular(file)
    with pytest.raises(OSError, match="it has more than 0 MiB"):
        read_bytes(file, 6)
    (tmp_path / "link").symlink_to(file)
    with open_regular(tmp_path / "link") as opened:
        assert opened.read(3) == b"caf"
    assert not is_regular(tmp_path / "absent") and not is_regular("a" * 5000) and not is_regular("a\0b")
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "absent")


OUTSIDE = ["../../secret.png", "/etc/secret.png", "a/../../secret.png", "..\\secret.png", "C:\\secret.png", ".."]


def test_a_file_name_leaves_no_root(tmp_path: Path) -> None:
    assert [file_name(name) for name in OUTSIDE] == [""] * len(OUTSIDE)
    assert file_name("a..b/c d.png") == "a..b/c d.png" and file_name("x:y.png") == "x:y.png"
    export(tmp_path / "cocoa", "val", 1, 0)
    Image.fromarray(np.full((128, 128, 3), 7, np.uint8)).save(tmp_path / "secret.png")
    edit(tmp_path / "cocoa", lambda data: data["images"][0].update(file_name=OUTSIDE[0]))
    dataset = Cocoa(str(tmp_path / "cocoa"), "val")
    assert any(LEADS_OUT in str(problem) for problem in dataset.check())
    with pytest.raises(InputError, match=r"a bad entry in .images. \(its file_name leads out"):
        dataset.sample(str(dataset.records()["id"][0]))


@pytest.mark.parametrize("name", ["a" * 5000 + ".png", "9" * 5000 + ".png", "."])
def test_a_name_that_no_file_can_have_is_one_line(tmp_path: Path, name: str) -> None:
    from amodal_bench.datasets.sailvos.frames import find_picture, frame_ranks

    assert frame_ranks([name.removesuffix(".png")]) == {name.removesuffix(".png"): 0}
    export(tmp_path / "cocoa", "val", 1, 0)
    edit(tmp_path / "cocoa", lambda data: data["images"][0].update(file_name=name))
    dataset = Cocoa(str(tmp_path / "cocoa"), "val")
    with pytest.raises(InputError):
        dataset.sample(str(dataset.records()["id"][0]))
    with pytest.raises(InputError):
        read_image(find_picture(tmp_path, name))


def test_a_map_of_more_numbers_than_a_picture_has_takes_no_memory(tmp_path: Path) -> None:
    """Zeros are packed a thousand to one, and a header may say any size."""
    np.savez_compressed(tmp_path / "map.npz", visible_ids=np.zeros(1 << 20, np.int64))
    small = np.arange(6, dtype=np.int16).reshape(2, 3)
    np.save(tmp_path / "map.npy", small)
    np.testing.assert_array_equal(read_map(tmp_path / "map.npy"), small)
    assert read_map(tmp_path / "map.npz").shape == (1 << 20,)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("amodal_bench.datasets.sailvos.raw_folders.MOST_BYTES", 8)
        for name in ("map.npy", "map.npz"):
            with pytest.raises(InputError, match="larger than any picture's map"):
                read_map(tmp_path / name)
    text = (tmp_path / "map.npy").read_bytes()
    (tmp_path / "map.npy").write_bytes(text.replace(b"(2, 3), }        ", b"(2, 3000000000)}"))
    with pytest.raises(InputError, match="cannot be read as an array of numbers"):
        read_map(tmp_path / "map.npy")


@pytest.mark.parametrize("end", ["", "-wal", "-shm", "-journal"])
def test_what_lies_in_the_place_of_a_store_or_beside_it_is_named(tmp_path: Path, end: str) -> None:
    """SQLite itself waits for a pipe for ever, or says that the disk fails."""
    folder = tmp_path / "run"
    with opened(folder):
        pass
    place = folder / f"{STORE}{end}"
    place.unlink(missing_ok=True)
    for make, said in (
        (os.mkfifo, "it is a pipe"),
        (Path.mkdir, "it is a folder"),
        (lambda at: at.symlink_to(at.name), "it is a link that leads to itself"),
        (lambda at: at.symlink_to("nothing"), "it is a link that leads nowhere"),
    ):
        make(place)
        for use in (lambda: opened(folder).__enter__(), lambda: check_run(folder, None)):
            with pytest.raises(InputError, match=rf"{STORE}{end}: cannot be used \({said}\); remove it or"):
                use()
        place.rmdir() if place.is_dir() else place.unlink()


def test_links_that_lead_nowhere_and_sockets_are_named(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    with pytest.raises(InputError, match=r"loop/results: cannot be written \(it is a link that leads to itself\)"):
        check_writable(loop / "results")
    with pytest.raises(InputError, match=r"loop: cannot be used \(it is a link that leads to itself\); remove it"):
        opened(loop).__enter__()
    for make in (os.mkfifo, lambda at: at.symlink_to(at.name), lambda at: at.symlink_to("nothing")):
        (tmp_path / "run").mkdir(exist_ok=True)
        make(lock := tmp_path / "run" / ".lock")
        with pytest.raises(InputError, match=r"\.lock: it is .*; remove it, then"):
            opened(tmp_path / "run").__enter__()
        lock.unlink()


def test_a_pipe_among_configurations_is_refused_before_hydra_waits_for_it(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    os.mkfifo(tmp_path / "model" / "mine.yaml")
    said = r"mine\.yaml: is not a configuration \(it is a pipe\)"
    with pytest.raises(ConfigError, match=said), composer(tmp_path, []):
        pass
    with pytest.raises(UsageError, match=said):
        compose(["model=mine"], [tmp_path])


def test_an_annotation_file_without_end_is_refused_before_it_is_read(tmp_path: Path) -> None:
    export(tmp_path, images=1)
    file = Cocoa(str(tmp_path)).file
    with file.open("r+b") as opened_file:
        opened_file.truncate(400 << 30)
    for read in (lambda: Cocoa(str(tmp_path)), lambda: read_json(file), lambda: list(read_records(file, [], "", ""))):
        with pytest.raises(InputError, match="it has 400 GiB, and an annotation file may have 32"):
            read()


def test_a_pointer_in_the_place_of_weights_is_named(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text("{}")
    weights = tmp_path / "unet" / "diffusion_pytorch_model.safetensors"
    source = WeightsSource(str(tmp_path))
    for text, said in (
        ("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n", "a pointer of Git LFS, not the file"),
        ("<!DOCTYPE html><html>", "a web page"),
    ):
        weights.write_text(text)
        with pytest.raises(InputError, match=f"safetensors: not the file of a network: it is {said}"):
            source.folder(["unet"])
    weights.write_bytes(b"\x1f\x8b\0\0\0\0\0\0{}")  # the length of a header, and no packed file
    assert source.folder(["unet"]) == tmp_path
    weights.unlink()
    with weights.open("wb") as hole:
        hole.truncate(400 << 30)
    with pytest.raises(InputError, match="holds no weights: it begins with zeros alone"):
        source.folder(["unet"])
    checkpoint = tmp_path / "model.ckpt"
    checkpoint.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(InputError, match="it is a pointer of Git LFS"):
        WeightsSource(str(checkpoint)).folder(["model.ckpt"])
