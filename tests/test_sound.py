"""The size of a PNG without decoding it: right for sound files, and never told of one that cannot be read."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pillow

from amodal_bench.core.errors import InputError
from amodal_bench.datasets.reading import sound
from amodal_bench.datasets.reading.files import read_image
from amodal_bench.datasets.reading.sound import sound_png


@pytest.fixture(autouse=True, params=["zlib", "isal.isal_zlib"])
def unpacked_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both libraries that may unpack: they have to see the same damage."""
    monkeypatch.setattr(sound, "inflating", pytest.importorskip(request.param))


def png(mode: str = "RGB", size: tuple[int, int] = (23, 17), **options: object) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    sixteen = pillow.fromarray(noise[..., 0].astype(np.uint16))
    picture = sixteen if mode == "I;16" else pillow.fromarray(noise).convert(mode)
    picture.save(file, "PNG", **options)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def with_pixels(content: bytes) -> bytes:
    """A PNG of 23x17 pixels whose checksums are right, whatever its pixels are."""
    raw = png()
    return raw[:33] + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def test_a_sound_file_has_its_size(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    for options in ({}, {"compress_level": 0}, {"dpi": (72, 72)}):
        file.write_bytes(png(**options))
        assert sound_png(file) == read_image(file).shape[:2] == (17, 23)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "I;16"])
def test_nothing_is_told_of_other_kinds(tmp_path: Path, mode: str) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(png(mode))
    assert sound_png(file) is None


def test_nothing_is_told_of_transparency(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(png(transparency=(1, 2, 3)))
    assert sound_png(file) is None


@pytest.mark.parametrize(
    "pixels",
    [
        zlib.compress(bytes(17 * 70)),
        zlib.compress(bytes(17 * 70))[:-1],
        zlib.compress(bytes(17 * 70 - 1)),
        zlib.compress(bytes(17 * 70 + 1)),
        zlib.compress(bytes([5] + [0] * (17 * 70 - 1))),
        zlib.compress(bytes(17 * 70)) + b"x",
        b"nothing that was compressed",
        b"",
    ],
)
def test_pixels_that_fit_are_those_that_can_be_read(tmp_path: Path, pixels: bytes) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(with_pixels(pixels))
    if sound_png(file) is not None:
        assert pixels == zlib.compress(bytes(17 * 70))
        assert read_image(file).shape == (17, 23, 3)


def test_no_damaged_file_is_taken_for_a_sound_one(tmp_path: Path) -> None:
    whole, file = png(), tmp_path / "a.png"
    rng = np.random.default_rng(0)
    told = 0
    for _ in range(300):
        damaged = bytearray(whole)
        if rng.random() < 0.5:
            del damaged[int(rng.integers(len(whole))) :]
        else:
            damaged[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
        file.write_bytes(damaged)
        if sound_png(file) is None:
            continue
        told += 1
        assert read_image(file).shape[:2] == sound_png(file)
    assert not told  # each byte is under a checksum


def test_a_missing_file_has_no_size(tmp_path: Path) -> None:
    assert sound_png(tmp_path / "none.png") is None
    with pytest.raises(InputError):
        read_image(tmp_path / "none.png")
