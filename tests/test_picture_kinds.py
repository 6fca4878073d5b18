"""Pictures of every depth and mode: as `predict` shows them to a model, or refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from one_picture import DATASETS, SIZE, SOUND, VISIBLE, opened, tree_of, write_tree, written
from PIL import Image as Pillow

from amodal_bench.cli.predict.pictures import read_picture
from amodal_bench.core.errors import InputError
from amodal_bench.core.types import Image
from amodal_bench.datasets.reading.files import read_image
from amodal_bench.datasets.sailvos.raw_folders import read_mask

RAMP = np.tile(np.linspace(0, 65535, SIZE[1]).round().astype(np.uint16), (SIZE[0], 1))
GREY = (RAMP // 257).astype(np.uint8)
COLOURS = np.dstack([GREY, GREY[::-1], 255 - GREY])
ORIENTATION = 0x0112


def with_alpha(mode: str, alpha: int = 255) -> Pillow.Image:
    picture = Pillow.fromarray(COLOURS).convert(mode)
    opacity = np.full(SIZE, 255, np.uint8)
    opacity[:, : SIZE[1] // 2] = alpha
    picture.putalpha(Pillow.fromarray(opacity))
    return picture


@pytest.mark.parametrize("name", DATASETS)
def test_16_bits_are_brought_to_8_in_every_dataset(tmp_path: Path, name: str) -> None:
    dataset = written(tmp_path, name, [SOUND])
    picture = next(tmp_path.rglob("*7.png"))
    Pillow.fromarray(RAMP).save(picture)
    image = dataset.sample(dataset.records()["id"][0]).image
    assert np.array_equal(image, np.dstack([GREY] * 3)) and len(np.unique(image)) == SIZE[1]
    assert np.array_equal(image, read_picture(picture))


@pytest.mark.parametrize(
    ("file", "picture", "shown"),
    [
        ("deep.png", Pillow.fromarray(RAMP), GREY),
        ("deep.tif", Pillow.fromarray(RAMP), GREY),
        ("whole.tif", Pillow.fromarray(RAMP.astype(np.int32)), GREY),
        ("dim.png", Pillow.fromarray(GREY.astype(np.uint16)), GREY),
        ("grey.png", Pillow.fromarray(GREY), GREY),
        ("bilevel.png", Pillow.fromarray(GREY > 99), (GREY > 99) * np.uint8(255)),
        ("colours.png", Pillow.fromarray(COLOURS), COLOURS),
        ("opaque.png", with_alpha("RGB"), COLOURS),
        ("alpha.png", with_alpha("RGB", 0), np.where(np.arange(SIZE[1])[None, :, None] < 40, 255, COLOURS)),
        ("grey_alpha.png", with_alpha("L", 255), np.asarray(Pillow.fromarray(COLOURS).convert("L"))),
        ("palette.png", Pillow.fromarray(GREY).convert("P"), GREY),
        ("cmyk.tif", Pillow.fromarray(COLOURS).convert("CMYK"), COLOURS),
    ],
)
def test_a_picture_of_any_mode_is_shown_as_predict_shows_it(
    tmp_path: Path, file: str, picture: Pillow.Image, shown: Any
) -> None:
    picture.save(tmp_path / file)
    image = read_image(tmp_path / file)
    expected: Image = np.dstack([shown] * 3) if shown.ndim == 2 else shown
    assert image.dtype == np.uint8 and np.array_equal(image, expected)
    assert np.array_equal(image, read_picture(tmp_path / file))


def test_a_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    flat = np.full((*SIZE, 3), (200, 40, 90), np.uint8)
    Pillow.fromarray(flat).convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    assert np.abs(read_image(tmp_path / "cmyk.jpg").astype(int) - flat).max() <= 3


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (RAMP.astype(np.float32) / 65535, "has floating-point pixels of unknown range"),
        (RAMP.astype(np.int32) * 2, "has pixels below 0 or above 65535"),
        (RAMP.astype(np.int32) - 1, "has pixels below 0 or above 65535"),
    ],
)
def test_numbers_of_unknown_range_are_refused_everywhere(tmp_path: Path, values: Any, what: str) -> None:
    file = tmp_path / "odd.tif"
    Pillow.fromarray(values).save(file)
    for read in (read_image, read_picture):
        with pytest.raises(InputError, match=rf"odd\.tif: {what}.*; save it"):
            read(file)
    dataset = written(tmp_path, "kins", [{}])
    (tmp_path / "testing/image_2/7.png").unlink()
    file.rename(tmp_path / "testing/image_2/7.png")
    assert any(what in problem.what for problem in dataset.check())


def turned(folder: Path, value: int, size: tuple[int, int]) -> Path:
    """A dataset whose picture has this EXIF orientation and whose annotations state this size."""
    tree = tree_of("kins", [{"a_segm": [[5, 5, 40, 5, 40, 40, 5, 40]], "area": 1225}])
    tree["images"][0].update(height=size[0], width=size[1])
    picture = write_tree(folder, "kins", tree)
    exif = Pillow.Exif()
    exif[ORIENTATION] = value
    Pillow.fromarray(COLOURS).save(picture, exif=exif)
    return folder


def test_annotations_lie_on_the_pixels_as_they_are_stored(tmp_path: Path) -> None:
    dataset = opened(turned(tmp_path, 6, SIZE), "kins")
    assert np.array_equal(dataset.sample("1").image, COLOURS)


@pytest.mark.parametrize(("value", "said"), [(6, True), (8, True), (3, False), (1, False)])
def test_annotations_of_a_picture_that_its_exif_tag_turns_are_named(tmp_path: Path, value: int, said: bool) -> None:
    dataset = opened(turned(tmp_path, value, SIZE[::-1]), "kins")
    with pytest.raises(InputError, match="picture is 60x80 but the annotations say 80x60") as caught:
        dataset.sample("1")
    assert ("as its EXIF tag turns it; save it upright" in str(caught.value)) is said


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_mask_of_a_raw_folder_is_what_is_not_black(tmp_path: Path, dtype: Any) -> None:
    values = VISIBLE * dtype(200 if dtype is np.uint8 else 256)
    values[0, 0] = 1
    Pillow.fromarray(values).save(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png"), values > 0)


def test_a_transparent_mask_of_a_raw_folder_is_not_white(tmp_path: Path) -> None:
    pixels = np.dstack([VISIBLE * np.uint8(255)] * 4)
    Pillow.fromarray(pixels).save(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png"), VISIBLE)
