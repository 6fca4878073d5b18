"""Checkpoints made to harm: two directories, compressed and overlapping members, pickles that call, loop or lie."""

from __future__ import annotations

import io
import pickle
import shutil
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from amodal_bench.core.errors import InputError
from amodal_bench.models.pix2gestalt import unpickled
from amodal_bench.models.pix2gestalt.checkpoint import read_state
from amodal_bench.models.pix2gestalt.unpickled import INERT, load


def whole() -> bytes:
    """A small file as a training saves it."""
    buffer = io.BytesIO()
    torch.save({"state_dict": {"weight": torch.arange(6.0).reshape(2, 3), "half": torch.ones(2).half()}}, buffer)
    return buffer.getvalue()


def repacked(change: Callable[[str, bytes], bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    """A copy with each member changed and written again by Python's own library."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole())) as old, zipfile.ZipFile(buffer, "w", how) as new:
        for name in old.namelist():
            kept = change(name.partition("/")[2], old.read(name))
            # As torch does it, numbers begin at a multiple of 64 bytes.
            info = zipfile.ZipInfo(name)
            info.compress_type = how
            gap = -(new.start_dir + 30 + len(name) + 4) % 64
            info.extra = struct.pack("<2H", 0x4246, gap) + bytes(gap)
            new.writestr(info, kept)
    return buffer.getvalue()


def pickled_as(text: bytes) -> bytes:
    return repacked(lambda name, kept: text if name == "data.pkl" else kept)


def end_of(archive: bytes) -> tuple[int, int, int]:
    """Where the directory begins, its bytes, and how many members it has."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        count, start = len(opened.namelist()), opened.start_dir
    (size,) = struct.unpack("<L", archive[-10:-6])
    return start, size, count


def with_two_directories() -> bytes:
    """One reader goes by where the directory is said to begin, another by how far it is from the file's end."""
    archive = repacked(lambda _, kept: kept)
    start, size, count = end_of(archive)
    directory = archive[start : start + size]
    other = directory.replace(b"data.pkl", b"data.pkX")
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, size, start, 0)
    return archive[:start] + directory + other + tail


def with_another_name_before_the_member() -> bytes:
    archive = repacked(lambda _, kept: kept)
    return archive.replace(b"archive/data.pkl", b"archive/data.pkX", 1)


def overlapping() -> bytes:
    """Two members in one place: the second's entry in the directory points into the first."""
    archive = bytearray(repacked(lambda _, kept: kept))
    start, _, _ = end_of(bytes(archive))
    first = archive.index(b"PK\1\2", start)
    second = archive.index(b"PK\1\2", first + 4)
    archive[second + 42 : second + 46] = archive[first + 42 : first + 46]
    return bytes(archive)


def of_another_version() -> bytes:
    archive = bytearray(repacked(lambda _, kept: kept))
    archive[end_of(bytes(archive))[0] + 6] = 255
    return bytes(archive)


def longer_than_the_file() -> bytes:
    archive = bytearray(repacked(lambda _, kept: kept))
    start, _, _ = end_of(bytes(archive))
    archive[start + 20 : start + 28] = struct.pack("<2L", 1 << 30, 1 << 30)
    return bytes(archive)


def tensor(
    numel: int = 6, offset: int = 0, sides: tuple[Any, ...] = (2, 3), steps: tuple[Any, ...] = (3, 1)
) -> bytes:
    """A pickle of one tensor whose sizes are as told."""
    parts = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
    parts += b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpu" + number(numel) + b"tQ" + number(offset)
    parts += b"(" + b"".join(map(number, sides)) + b"t(" + b"".join(map(number, steps)) + b"t"
    return b"\x80\x02}X\x0a\x00\x00\x00state_dict}X\x01\x00\x00\x00w" + parts + b"\x89NtRss."


def number(value: int) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


DOUBLING = b"K\x01q\x010" + b"h\x01h\x01\x86q\x010" * 200 + b"h\x01"
"""A tuple of twice the tuple before it, two hundred times: as a key, its hash would take for ever."""

REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "two directories": (with_two_directories, "it has two directories"),
    "something before": (lambda: b"x" * 64 + repacked(lambda _, kept: kept), "it has two directories"),
    "something after": (lambda: repacked(lambda _, kept: kept)[:-2] + b"\3\0abc", "something follows its directory"),
    "another name": (with_another_name_before_the_member, "'archive/data.pkl' has two names"),
    "compressed": (lambda: repacked(lambda _, kept: kept, zipfile.ZIP_DEFLATED), "is compressed or encrypted"),
    "overlapping": (overlapping, "overlaps another one"),
    "another version of ZIP": (of_another_version, "zip file version 25.5"),
    "longer than the file": (longer_than_the_file, "overlaps another one"),
    "too long a pickle": (lambda: pickled_as(bytes(17 << 20)), "a part of 17,825,792 bytes may have 16,777,216"),
    "other byte order": (
        lambda: repacked(lambda name, kept: b"middle" if name == "byteorder" else kept),
        "with the byte order 'middle'",
    ),
    "numbers cut off": (
        lambda: repacked(lambda name, kept: kept[:4] if name == "data/0" else kept),
        "data/0 has not the size that the pickle says",
    ),
    "negative side": (lambda: pickled_as(tensor(sides=(2, -3))), "a size that is negative or not a number"),
    "negative length": (lambda: pickled_as(tensor(-6)), "a storage that cannot be"),
    "side that is a truth value": (
        lambda: pickled_as(tensor(sides=(True, 3))),
        "a size that is negative or not a number",
    ),
    "beyond its storage": (lambda: pickled_as(tensor(offset=1)), "reaches beyond its storage"),
    "one element, many times": (lambda: pickled_as(tensor(sides=(1 << 30, 1), steps=(0, 1))), "too many elements"),
    "too many sides": (lambda: pickled_as(tensor(sides=(1,) * 9, steps=(1,) * 9)), "a tensor that cannot be"),
    "no numbers": (lambda: pickled_as(tensor().replace(b"X\x01\x00\x00\x000", b"X\x01\x00\x00\x007")), "no numbers"),
    "unknown step": (lambda: pickled_as(b"(I1\nio\n."), "the step"),
    "loop without an end": (lambda: pickled_as(b"\x80\x02]q\x00h\x00a"), "before seeing STOP"),
    "empty stack": (lambda: pickled_as(b"\x80\x02R."), "its pickle is damaged"),
    "doubling key": (
        lambda: pickled_as(b"\x80\x02}X\x0a\x00\x00\x00state_dict}" + DOUBLING + b"Nss."),
        "no state_dict",
    ),
}


@pytest.mark.parametrize(("made", "says"), REFUSED.values(), ids=REFUSED)
def test_a_file_made_to_harm_is_one_line(tmp_path: Path, made: Callable[[], bytes], says: str) -> None:
    path = tmp_path / "x.ckpt"
    path.write_bytes(made())
    start = time.process_time()
    with pytest.raises(InputError) as caught:
        read_state(path)
    assert time.process_time() - start < 1
    line = str(caught.value)
    assert line.startswith(f"{path}: ") and says in line and "\n" not in line and len(line) < 600


def test_the_same_members_written_by_another_library_are_read(tmp_path: Path) -> None:
    """What the refusals above have in common is not why they are refused."""
    path = tmp_path / "x.ckpt"
    for written in (whole(), repacked(lambda _, kept: kept), pickled_as(tensor())):
        path.write_bytes(written)
        found = read_state(path)
        (name,) = {"weight", "w"} & set(found)
        assert torch.equal(found[name], torch.arange(6.0).reshape(2, 3))


def test_no_reader_of_torch_is_given_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's reader and torch's saw two files in one: a checkpoint was checked, and TorchScript was run."""

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("torch read the file")

    for module, name in ((torch, "load"), (torch.jit, "load"), (torch._C, "PyTorchFileReader")):
        monkeypatch.setattr(module, name, never)
    path = tmp_path / "x.ckpt"
    path.write_bytes(whole())
    assert set(read_state(path)) == {"weight", "half"}


def test_setting_the_state_of_a_known_function_changes_nothing() -> None:
    """BUILD on `_rebuild_tensor_v2` put other code into the function itself."""
    function = torch._utils._rebuild_tensor_v2
    before = dict(vars(function)), function.__code__, function.__defaults__
    state = b"ctorch._utils\n_rebuild_tensor_v2\n(N}X\x0c\x00\x00\x00__defaults__(K\x01K\x02tstb"
    for pickled in (
        b"\x80\x02" + state + b".",
        b"\x80\x02" + state.replace(b"(N}", b"}").replace(b"tstb", b"tsb") + b".",
    ):
        assert load(pickled) == ("torch._utils", "_rebuild_tensor_v2")
    assert (dict(vars(function)), function.__code__, function.__defaults__) == before


def test_loops_and_doublings_are_read_in_the_time_of_their_text() -> None:
    loop = load(b"\x80\x02]q\x00h\x00a.")
    assert loop[0] is loop
    start = time.process_time()
    doubled = load(b"\x80\x02" + DOUBLING + b".")
    assert len(doubled) == 2 and doubled[0] is doubled[1]
    assert load(b"\x80\x02}" + DOUBLING + b"Ns.") == {}  # as a key, it is dropped
    assert time.process_time() - start < 0.5


def test_a_pickle_takes_no_more_steps_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpickled, "MOST_STEPS", 100)
    with pytest.raises(ValueError, match="takes more than 100 steps"):
        load(b"\x80\x02" + b"]0" * 100 + b"N.")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_content_is_what_pickle_reads(protocol: int) -> None:
    content = {
        "a": [1, -2, 1 << 70, 2.5, None, True, "é", b"x"],
        "b": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        7: {},
    }
    found = load(pickle.dumps(content, protocol))
    if protocol == 2:  # bytes are written as a call
        assert found["a"][-1] is INERT
        content["a"][-1] = INERT  # type: ignore[index]
    assert found == content


@pytest.mark.slow
def test_a_pickle_in_place_of_safetensors_is_not_loaded(tmp_path: Path) -> None:
    """The libraries fall back to one where a folder has no safetensors, and the weights' digest would not have it."""
    from safetensors.torch import load_file

    from amodal_bench.backbones.stable_diffusion import StableDiffusion
    from amodal_bench.tiny.networks import WEIGHTS

    shutil.copytree(WEIGHTS, tmp_path / "weights")
    file = tmp_path / "weights" / "vae" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(file), file.with_suffix(".bin"))
    file.unlink()
    with pytest.raises(InputError, match="cannot be loaded as Stable Diffusion"):
        _ = StableDiffusion(str(tmp_path / "weights"), device="cpu", precision="float32").vae
