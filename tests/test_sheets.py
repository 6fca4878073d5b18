"""Sheets by their pixels: contours of known masks, legends, missed regions, one frame for all pictures of a row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Pillow

from amodal_bench.core.types import Image, Mask
from amodal_bench.datasets.base import Sample
from amodal_bench.report.colours import BACK, GAINED, KEPT, MISSED, REGIONS, WRONG, Region, rgb
from amodal_bench.report.panels import DARK, LIGHT, THICK, Frame, Panel, frame_around, render, swatch, whole
from amodal_bench.report.rows import (
    OWN_VIEW,
    Shown,
    annotation_row,
    categories_of,
    choose,
    label_of,
    legend_of_annotations,
    legend_of_predictions,
    run_row,
    runs_row,
)
from amodal_bench.report.sheet import (
    CELL,
    DPI,
    EDGE,
    FONT,
    GAP,
    LINE,
    Row,
    Sheet,
    draw_sheet,
    drawable,
    heads_of,
    save_sheet,
    width_of,
    wrapped,
)
from amodal_bench.views.window import Window

SHAPE = (60, 80)


def box(top: int, bottom: int, left: int, right: int, shape: tuple[int, int] = SHAPE) -> Mask:
    mask = np.zeros(shape, bool)
    mask[top:bottom, left:right] = True
    return mask


def sample() -> Sample:
    """A rectangle of which the right half is hidden, on grey."""
    image = np.full((*SHAPE, 3), 128, np.uint8)
    return Sample("a/1", image, box(20, 40, 20, 40), box(20, 40, 20, 60), np.zeros(SHAPE, bool))


def shares(picture: Image, region: Region) -> float:
    """The share of a picture's pixels that have a region's colour."""
    return float((picture == rgb(region.colour)).all(axis=-1).mean())


def has(picture: Image, region: Region) -> bool:
    return shares(picture, region) > 0


def pixels(sheet: Sheet) -> Image:
    return np.asarray(draw_sheet(sheet))


# contours


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.name)
def test_a_contour_has_a_dark_and_a_light_edge_on_every_background(region: Region, value: int) -> None:
    """Across the border of a known mask, from outside to inside: dark, the colour, light, the picture."""
    picture = np.full((60, 60, 3), value, np.uint8)
    drawn = render(Panel(picture, {region: box(20, 40, 20, 40, (60, 60))}), Frame(0, 0, 60, 60), (180, 180))
    across = [tuple(map(int, colour)) for colour in drawn[90, 57 : 60 + THICK + 1]]
    outside = (value, value, value)
    assert across == [outside, outside, DARK, *[rgb(region.colour)] * THICK, LIGHT]
    # Nothing of it is outside of the mask but the dark edge.
    away = np.ones((180, 180), bool)
    away[59:121, 59:121] = False
    assert (drawn[away] == value).all()


def test_a_mask_of_the_pictures_own_colour_is_seen() -> None:
    """V in green on a plant of the same green, which a tint leaves as it is."""
    picture = np.full((60, 60, 3), rgb(KEPT.colour), np.uint8)
    drawn = render(Panel(picture, {KEPT: box(20, 40, 20, 40, (60, 60))}), Frame(0, 0, 60, 60), (180, 180))
    changed = (drawn != picture[0, 0]).any(axis=-1)
    ring = 4 * 60  # both edges go round the mask
    assert changed.sum() > 1.8 * ring
    assert (drawn[changed].max(axis=-1) < 30).any() and (drawn[changed].min(axis=-1) > 225).any()


def test_between_two_regions_is_one_dark_line() -> None:
    picture = np.full((60, 60, 3), 128, np.uint8)
    regions = {KEPT: box(20, 40, 20, 30, (60, 60)), GAINED: box(20, 40, 30, 40, (60, 60))}
    drawn = render(Panel(picture, regions), Frame(0, 0, 60, 60), (180, 180))
    line = [tuple(map(int, colour)) for colour in drawn[90, 88:92]]
    assert line == [rgb(KEPT.colour), DARK, rgb(GAINED.colour), rgb(GAINED.colour)]


def test_patterns_tell_missed_and_wrong_apart_without_colours() -> None:
    grey = {region: swatch(region, (60, 60)).astype(int).mean(axis=-1) for region in REGIONS}
    middle = np.s_[12:48, 12:48]
    assert grey[KEPT][middle].std() == grey[GAINED][middle].std() == 0
    assert grey[MISSED][middle].std() > 10 and grey[WRONG][middle].std() > 10
    missed, wrong = (swatch(region, (60, 60))[middle] == rgb(region.colour) for region in (MISSED, WRONG))
    # The lines of one fall, those of the other rise.
    assert np.array_equal(missed[1:, 1:], missed[:-1, :-1]) and not np.array_equal(missed[1:, :-1], missed[:-1, 1:])
    assert np.array_equal(wrong[1:, :-1], wrong[:-1, 1:]) and not np.array_equal(wrong[1:, 1:], wrong[:-1, :-1])


def test_a_region_of_one_pixel_is_seen() -> None:
    picture = np.full((*SHAPE, 3), 128, np.uint8)
    drawn = render(Panel(picture, {WRONG: box(30, 31, 30, 31)}), whole(SHAPE), (160, 160))
    assert (drawn == rgb(WRONG.colour)).all(axis=-1).sum() == 4  # of two pixels a side


# frames


def test_a_frame_is_square_holds_the_masks_and_lies_inside() -> None:
    frame = frame_around([box(0, 10, 60, 80), box(20, 30, 70, 75)])
    assert frame.width == frame.height == pytest.approx(1.3 * 30 + 8)
    assert frame.left <= 60 and frame.left + frame.width == 80 and frame.top == 0 and frame.height >= 30
    assert frame_around([np.zeros((50, 200), bool)]) == whole((50, 200)) == Frame(0, -75, 200, 200)
    assert frame_around([np.ones((50, 200), bool)]) == Frame(0, -75, 200, 200)


def test_what_is_beyond_the_image_is_grey() -> None:
    drawn = render(Panel(np.full((50, 100, 3), 7, np.uint8)), whole((50, 100)), (100, 100))
    assert (drawn[25:75] == 7).all() and (drawn[:25] == rgb(BACK)).all() and (drawn[75:] == rgb(BACK)).all()


def test_every_picture_of_a_row_shows_the_same_part_of_the_image() -> None:
    """A mark in the image lies at one place in every column, also in those of the model's own view."""
    one = sample()
    one.image[24:28, 24:28] = (250, 0, 250)
    window = Window(10, 10, 40, 40, 64)
    row = run_row(one, Shown(one.visible, 0.5), {"condition": window.image(one.image)}, window)
    assert list(row.panels) == ["image", "V", "condition", "prediction", "ground truth"]
    found = []
    for panel in row.panels.values():
        drawn = render(panel, row.frame, (CELL, CELL)).astype(int)
        mark = (drawn[..., 0] > 200) & (drawn[..., 1] < 60) & (drawn[..., 2] > 200)
        ys, xs = np.nonzero(mark)
        found.append((ys.mean(), xs.mean()))
    assert np.abs(np.array(found) - found[0]).max() < 2.5
    assert row.panels["condition"].place == Frame(10, 10, 40, 40)
    own = run_row(one, Shown(one.visible, 0.5), {"mine": one.image}).panels["mine"]
    assert own.text == OWN_VIEW and own.place == row.frame


def test_a_picture_or_a_run_named_as_a_column_of_the_sheet_takes_none_of_its_places() -> None:
    one = sample()
    pictures = {name: np.zeros_like(one.image) for name in ("image", "prediction", "ground truth")}
    panels = run_row(one, Shown(one.amodal, 1.0), pictures).panels
    own = ["image\nthe model's", "prediction\nthe model's", "ground truth\nthe model's"]
    assert list(panels) == ["image", "V", *own, "prediction", "ground truth"]
    assert panels["image"].picture is one.image and panels["prediction"].text == "IoU 100.0 %"
    runs = runs_row(one, {"V": Shown(one.amodal, 1.0), "V\nthe model's": Shown(None, 0.0)}).panels
    assert list(runs) == ["image", "V", "V\nthe model's", "V\nthe model's\nthe model's", "ground truth"]


def test_a_predictions_far_end_is_in_the_frame_of_the_row() -> None:
    one, far = sample(), box(20, 40, 20, 80)
    near, wide = run_row(one, Shown(one.visible, 0.5), {}), run_row(one, Shown(far, 0.6), {})
    assert near.frame.width < wide.frame.width and wide.frame.left + wide.frame.width >= 80
    both = runs_row(one, {"A": Shown(one.visible, 0.5), "B": Shown(far, 0.6)})
    assert both.frame == wide.frame
    # What random weights predict is anywhere, and makes nothing small.
    assert run_row(one, Shown(far, 0.6, random=True), {}).frame == near.frame


# rows


def test_missed_and_wrong_pixels_are_marked() -> None:
    one = sample()
    predicted = box(20, 40, 10, 50)  # half of what is hidden, and ten columns too many
    row = run_row(one, Shown(predicted, 0.6), {}, category="fish")
    assert row.label == "a/1, fish, occlusion 50.0 %"
    panel = row.panels["prediction"]
    assert panel.text == "IoU 60.0 %"
    assert {region: int(mask.sum()) for region, mask in panel.regions.items()} == {
        KEPT: 400, GAINED: 200, MISSED: 200, WRONG: 200
    }  # fmt: skip
    drawn = render(panel, row.frame, (CELL, CELL))
    assert all(has(drawn, region) for region in REGIONS)
    nothing = render(run_row(one, Shown(one.amodal, 1.0), {}).panels["prediction"], row.frame, (CELL, CELL))
    assert not has(nothing, MISSED) and not has(nothing, WRONG)


def test_a_failed_prediction_says_so_and_random_weights_are_marked() -> None:
    one = sample()
    row = runs_row(one, {"A": Shown(None, 0.0), "B": Shown(one.amodal, 1.0, random=True)})
    assert list(row.panels) == ["image", "V", "A", "B\nrandom weights", "ground truth"]
    assert row.panels["A"].picture is None and row.panels["A"].text == "failed"
    assert "prediction\nrandom weights" in run_row(one, Shown(one.amodal, 1.0, random=True), {}).panels


def test_annotated_pixels_outside_of_a_are_marked() -> None:
    one = sample()
    stray = Sample("s", one.image, box(20, 45, 20, 40), one.amodal, one.others)
    for panel in ("A", "hidden"):
        assert not annotation_row(one).panels[panel].regions[WRONG].any()
        assert annotation_row(stray).panels[panel].regions[WRONG].sum() == 100
    assert list(annotation_row(one).panels["hidden"].regions) == [GAINED, WRONG]
    assert list(legend_of_annotations(False)) == [KEPT, GAINED]
    assert list(legend_of_annotations(True)) == [KEPT, GAINED, WRONG]
    empty = Sample("e", one.image, one.visible, np.zeros(SHAPE, bool), one.others)
    assert label_of(empty) == "e, occlusion 0.0 %"


def test_an_instance_without_a_category_has_none_in_its_label() -> None:
    table = pd.DataFrame({"id": ["a", "b"], "category": ["fish", None]})
    assert categories_of(table) == {"a": "fish", "b": ""}


def test_the_sheet_shows_instances_over_the_whole_range_of_occlusion() -> None:
    rates = np.linspace(0, 0.7, 50)
    table = pd.DataFrame({"id": [f"{n:02d}" for n in range(50)], "occlusion_rate": rates, "iou": 1.0})
    assert choose(table, 3) == ["00", "24", "49"]
    assert choose(table.assign(iou=np.nan), 3) == []


# sheets


def plain(count: int, columns: Sequence[str], label: str = "label") -> Sheet:
    panel = Panel(np.full((20, 20, 3), (90, 0, 0), np.uint8))
    return Sheet("title", [Row(label, whole((20, 20)), dict.fromkeys(columns, panel))] * count, {})


def test_a_sheet_has_a_cell_for_every_picture_and_says_its_title_and_heads_once() -> None:
    one, two = pixels(plain(1, ["image", "V", "A"])), pixels(plain(2, ["image", "V", "A"]))
    assert (one == (90, 0, 0)).all(axis=-1).sum() == 3 * CELL * CELL
    assert one.shape[1] == 2 * EDGE + 3 * CELL + 2 * GAP
    assert two.shape[0] - one.shape[0] == LINE + CELL + EDGE, "a row adds its label and its pictures"
    assert heads_of([Row("", whole((1, 1)), {"a": Panel(None)}), *plain(1, ["b", "a", "c"]).rows]) == ["b", "a", "c"]


def test_the_legend_shows_each_region_as_pictures_do() -> None:
    sheet = plain(1, ["image"])
    assert not any(has(pixels(sheet), region) for region in REGIONS)
    with_legend = Sheet(sheet.title, sheet.rows, legend_of_predictions())
    assert all(has(pixels(with_legend), region) for region in REGIONS)
    assert "in ground truth all that is hidden" in legend_of_predictions()[GAINED], "there blue is not predicted"
    only = pixels(Sheet(sheet.title, sheet.rows, legend_of_annotations(False)))
    assert has(only, KEPT) and has(only, GAINED) and not has(only, MISSED) and not has(only, WRONG)


def test_letters_are_legible_as_they_are_and_in_print() -> None:
    """Capitals are at least ten pixels high and black on white; on paper a letter has at least seven points."""
    drawn = pixels(Sheet("HHHH", plain(1, ["image"], "").rows, {}, headed=False))
    title = drawn[: EDGE + LINE]
    ys, xs = np.nonzero((title < 90).all(axis=-1))
    assert ys.max() - ys.min() + 1 >= 10 and len(xs) > 100
    assert 72 * FONT / DPI >= 7
    assert (2 * EDGE + 7 * (CELL + GAP)) / DPI < 8.27, "a run's seven columns fit the width of a page"


def test_a_text_is_wrapped_to_its_room_and_none_is_lost() -> None:
    text = "random-sdxl view=crop 0.5 leakage=blend area=hull segmenter=sam and " + "x" * 60
    lines = wrapped(text, CELL)
    assert max(map(width_of, lines)) <= CELL
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert wrapped("", 10) == wrapped(" \n ", 10) == []


def test_hostile_names_stay_one_line_and_what_they_are() -> None:
    assert wrapped("a\x1b[31mb\tc", 500) == ["a\\x1b[31mb c"]
    assert drawable("fisk-æ-魚") == "fisk-æ-\\u9b5a"
    tall = pixels(plain(1, ["image"], "a\n" * 1)).shape
    assert tall == pixels(plain(1, ["image"], "魚" * 5)).shape
    assert pixels(plain(1, ["image"], "long " * 200)).shape[1] == tall[1]


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_a_sheet_is_written_in_every_format(ending: str, tmp_path: Path) -> None:
    save_sheet(plain(1, ["image"]), tmp_path / f"sheet.{ending}")
    with Pillow.open(tmp_path / f"sheet.{ending}") as picture:
        assert picture.size == draw_sheet(plain(1, ["image"])).size
        if ending != "webp":
            assert picture.info["dpi"] == pytest.approx((DPI, DPI), abs=0.1)
