"""COCO-A: the documented facts on real records, and every trap of the format on small generated trees."""

from __future__ import annotations

import json
import pickle
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from params import mostly_slow
from PIL import Image
from trees import (
    Damage,
    assert_reported,
    assert_says,
    cut,
    edit,
    most_occluded,
    occlusion,
    remove,
    shrink,
    to_json,
    unread,
)

from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.core.rle import decode, encode
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import RECORD_COLUMNS, Dataset
from amodal_bench.datasets.coco_a import passes
from amodal_bench.datasets.coco_a.cocoa import Cocoa
from amodal_bench.datasets.reading import records as reading
from amodal_bench.testing.datasets import violations
from amodal_bench.testing.export.cocoa import export
from amodal_bench.toy.scene import draw_scene

HEIGHT, WIDTH = 30, 40
MEAN_IOU = {188819: 0.8316248419090728, 343254: 0.8839539971690445, 6608: 0.8847044417544175}
"""Mean IoU(V, A) of each sample by image_id: an independently published computation on the same bytes."""


def official(root: Path, images: list[Any], annotations: list[Any]) -> Path:
    """Write an annotation file in the official layout and return the folder for the pictures."""
    for folder in ("annotations", "val2014"):
        (root / folder).mkdir(parents=True)
    data = json.dumps({"images": images, "annotations": annotations})
    (root / "annotations/COCO_amodal_val2014.json").write_text(data, encoding="utf-8")
    return root / "val2014"


def draw(folder: Path, image_id: int, mode: str = "RGB", size: tuple[int, int] = (WIDTH, HEIGHT)) -> str:
    """Write a picture whose pixels all have the value `image_id`; return its file name."""
    Image.new("RGB", size, (image_id,) * 3).convert(mode).save(folder / f"{image_id}.png")
    return f"{image_id}.png"


def entry(image_id: int, **changes: Any) -> dict[str, Any]:
    return {"id": image_id, "file_name": f"{image_id}.png", "height": HEIGHT, "width": WIDTH} | changes


def box(left: int, top: int, right: int, bottom: int) -> Mask:
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


def region(left: int, top: int, right: int, bottom: int, visible: Mask | None = None, **changes: Any) -> Any:
    """A region whose A is a rectangle; without `visible` it has no mask fields, as in COCO-A."""
    polygon = [left, top, right, top, right, bottom, left, bottom]
    amodal = box(left, top, right, bottom)
    fields: dict[str, Any] = {
        "segmentation": polygon,
        "name": "thing ",
        "area": int(amodal.sum()),
        "isStuff": 0,
    }
    fields |= {"occlude_rate": 0, "order": 1}
    if visible is not None:
        hidden = amodal & ~visible
        fields |= {"occlude_rate": float(hidden.sum() / amodal.sum())}
        fields |= {"visible_mask": encode(visible), "invisible_mask": encode(hidden)}
    return fields | changes


def annotation(id: Any, image_id: Any, *regions: Any, **changes: Any) -> dict[str, Any]:
    return {"id": id, "image_id": image_id, "size": len(regions) + 4, "regions": [*regions]} | changes


def one_image(root: Path, *regions: Any, **changes: Any) -> Cocoa:
    """A dataset of one picture with one pass: annotation 7 of image 3."""
    draw(official(root, [entry(3, **changes)], [annotation(7, 3, *regions)]), 3)
    return Cocoa(str(root))


def without(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


FRONT = region(2, 3, 12, 13)
BEHIND = region(7, 3, 17, 13, visible=box(12, 3, 17, 13))


# The real records


@pytest.fixture(scope="module")
def real(real_cocoa: Path) -> Cocoa:
    return Cocoa(str(real_cocoa))


def test_real_records_fit_their_fields(real: Cocoa) -> None:
    fields = {f"{p.label}-{n}": f for p in real.passes for n, f in enumerate(p.regions, start=1)}
    records = real.records()
    assert len(records) == 2 + 11 + 19
    assert records["stuff"].sum() == 1 and not records["hidden"].any()
    for record in records.itertuples():
        sample = real.sample(str(record.id))
        visible, amodal = sample.visible, sample.amodal
        invisible = fields[sample.id].get("invisible_mask")
        hidden = decode(invisible, *amodal.shape) if invisible else np.zeros_like(amodal)
        assert amodal.sum() == record.amodal_pixels
        np.testing.assert_array_equal(visible | hidden, amodal)
        assert not (visible & hidden).any()
        assert hidden.sum() / amodal.sum() == pytest.approx(record.occlusion_rate, abs=1e-8)


def test_real_visible_masks_are_what_regions_in_front_leave(real: Cocoa) -> None:
    for scene in real.passes:
        in_order = sorted(range(len(scene.regions)), key=lambda i: scene.regions[i]["order"])
        samples = [real.sample(f"{scene.label}-{i + 1}") for i in in_order]
        covered = np.zeros_like(samples[0].amodal)
        for sample in samples:
            np.testing.assert_array_equal(sample.visible, sample.amodal & ~covered)
            covered |= sample.amodal


@pytest.mark.parametrize("image_id", MEAN_IOU)
def test_real_mean_iou_is_the_published_one(real: Cocoa, image_id: int) -> None:
    records = real.records()
    ious: list[float] = []
    for id in records.loc[records["image_id"] == str(image_id), "id"]:
        sample = real.sample(id)
        ious.append((sample.visible & sample.amodal).sum() / (sample.visible | sample.amodal).sum())
    assert np.mean(ious) == pytest.approx(MEAN_IOU[image_id], abs=1e-12)


def test_real_records_pass_the_check(real: Cocoa) -> None:
    assert real.check() == []


# The index


def test_records_have_the_columns_and_types_of_every_dataset(tmp_path: Path) -> None:
    dataset: Dataset = one_image(tmp_path, FRONT, BEHIND)
    records = dataset.records()
    assert list(records.columns) == list(RECORD_COLUMNS)
    assert records.dtypes.equals(records.astype(RECORD_COLUMNS).dtypes)
    assert records.to_dict("records") == [
        {"id": "7-1", "image_id": "3", "video_id": "", "category": "thing", "amodal_pixels": 100, "occlusion_rate": 0}
        | {"stuff": False, "crowd": False, "truncated": False, "hidden": False},
        {
            "id": "7-2",
            "image_id": "3",
            "video_id": "",
            "category": "thing",
            "amodal_pixels": 100,
            "occlusion_rate": 0.5,
        }
        | {"stuff": False, "crowd": False, "truncated": False, "hidden": False},
    ]


def test_records_of_an_empty_file_have_the_columns(tmp_path: Path) -> None:
    official(tmp_path, [], [])
    dataset = Cocoa(str(tmp_path))
    assert list(dataset.records().columns) == list(RECORD_COLUMNS) and dataset.check() == []


def test_records_need_no_pictures(tmp_path: Path) -> None:
    official(tmp_path, [entry(3)], [annotation(7, 3, FRONT)])
    assert list(Cocoa(str(tmp_path)).records()["id"]) == ["7-1"]


@pytest.mark.parametrize(
    ("value", "stuff"),
    [(0, False), (1, True), (False, False), (True, True), ("0", False), ("1", True), (None, False)],
)
def test_stuff_flag_of_any_type(tmp_path: Path, value: Any, stuff: bool) -> None:
    assert one_image(tmp_path, FRONT | {"isStuff": value}).records()["stuff"].tolist() == [stuff]


EMPTY = encode(np.zeros((HEIGHT, WIDTH), dtype=bool))


@pytest.mark.parametrize(
    ("changes", "hidden"),
    [
        pytest.param({"occlude_rate": 1}, False, id="its rate is wrong"),
        pytest.param({"occlude_rate": 0.9996, "visible_mask": EMPTY}, True, id="by its mask, the rate is rounded"),
        pytest.param({"occlude_rate": None, "visible_mask": EMPTY}, True, id="by its mask, there is no rate"),
        pytest.param({"occlude_rate": None}, False, id="there is no rate"),
        pytest.param({"occlude_rate": None, "visible_mask": {"size": [1, 1], "counts": "01"}}, False, id="bad mask"),
    ],
)
def test_hidden_is_known_before_any_picture_is_read(tmp_path: Path, changes: dict[str, Any], hidden: bool) -> None:
    official(tmp_path, [entry(3)], [annotation(7, 3, FRONT, BEHIND | changes)])
    assert Cocoa(str(tmp_path)).records()["hidden"].tolist() == [False, hidden]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param(entry(3), [False, True, True], id="the image states its size"),
        pytest.param(without(entry(3), "height", "width"), [False, True, True], id="a mask states it"),
        pytest.param(entry(3, height=10**30, width="40"), [False, True, True], id="the stated size is none"),
        pytest.param(entry(3, height=300, width=400), [False, True, False], id="another size"),
    ],
)
def test_truncated_regions_reach_the_border(tmp_path: Path, image: Any, expected: list[bool]) -> None:
    regions = (BEHIND, region(0, 5, 9, 9), region(30, 5, WIDTH, 9))
    official(tmp_path, [image], [annotation(7, 3, *regions)])
    assert Cocoa(str(tmp_path)).records()["truncated"].tolist() == expected


def test_truncation_is_unknown_where_no_size_is(tmp_path: Path) -> None:
    official(tmp_path, [without(entry(3), "height", "width")], [annotation(7, 3, region(0, 5, 9, 9))])
    assert Cocoa(str(tmp_path)).records()["truncated"].tolist() == [False]


def test_the_lists_may_stand_in_any_order(tmp_path: Path) -> None:
    folder = official(tmp_path, [], [])
    draw(folder, 3)
    tables = {"annotations": [annotation(7, 3, region(0, 5, 9, 9))], "info": {"year": [2014]}, "images": [entry(3)]}
    (tmp_path / "annotations/COCO_amodal_val2014.json").write_text(json.dumps(tables, indent=1), encoding="utf-8")
    dataset = Cocoa(str(tmp_path))
    assert dataset.records()["truncated"].tolist() == [True] and dataset.check() == []
    assert dataset.sample("7-1").amodal.sum() == 36


def test_size_order_and_depth_constraint_are_not_needed(tmp_path: Path) -> None:
    """`size` is no count of the regions, `order` has gaps, `depth_constraint` may be empty or absent."""
    wrong = {"size": 99, "depth_constraint": ""}
    regions = FRONT | {"order": 11}, BEHIND | {"order": 4}
    draw(official(tmp_path, [entry(3)], [annotation(7, 3, *regions, **wrong), annotation(8, 3, FRONT)]), 3)
    dataset = Cocoa(str(tmp_path))
    assert list(dataset.records()["id"]) == ["7-1", "7-2", "8-1"] and dataset.check() == []
    np.testing.assert_array_equal(dataset.sample("7-2").visible, box(12, 3, 17, 13))


def test_occlusion_rates_that_are_not_stated_are_measured(tmp_path: Path) -> None:
    dataset = one_image(tmp_path, FRONT | {"occlude_rate": None}, BEHIND | {"occlude_rate": None, "area": None})
    assert dataset.records()["occlusion_rate"].tolist() == [0, 0.5]
    assert dataset.records()["amodal_pixels"].tolist() == [100, 100] and dataset.check() == []


def test_wild_values_stop_nothing(tmp_path: Path) -> None:
    """What JSON allows and arrays, files and pycocotools do not."""
    runs = {"size": [HEIGHT, WIDTH], "counts": [10**30, -(10**30)]}
    sides = {"size": [float(HEIGHT), float(WIDTH)], "counts": BEHIND["visible_mask"]["counts"]}
    wild = [
        BEHIND | {"name": "\ud800 \n fish"},
        FRONT | {"area": 10**400, "occlude_rate": float("nan")},
        FRONT | {"segmentation": runs},
        BEHIND | {"visible_mask": sides},
    ]
    dataset = one_image(tmp_path, *wild)
    assert dataset.records()["category"].tolist() == ["? fish", "thing", "thing", "thing"]
    assert [(p.record, p.what) for p in dataset.check()] == [
        ("annotation 7, region 2", "area must be a number of pixels"),
        ("annotation 7, region 2", "occlude_rate must be a number between 0 and 1"),
        ("annotation 7, region 3", "malformed RLE: counts are neither text nor whole numbers"),
    ]
    np.testing.assert_array_equal(dataset.sample("7-4").visible, box(12, 3, 17, 13))


def test_absent_numbers_are_measured(tmp_path: Path) -> None:
    bare = without(FRONT, "name", "area", "isStuff", "occlude_rate", "order")
    dataset = one_image(tmp_path, bare)
    row = dataset.records().iloc[0]
    assert row["amodal_pixels"] == 100 and row["occlusion_rate"] == 0
    assert row["category"] == "" and not row["stuff"] and not row["hidden"]
    assert dataset.sample("7-1").amodal.sum() == 100 and dataset.check() == []


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        pytest.param([7, 8], ["7-1", "8-1"], id="numbers"),
        pytest.param(["a", 8], ["a-1", "8-1"], id="text"),
        pytest.param([7, "7", 7], ["7-1", "7.2-1", "7.3-1"], id="the same"),
        pytest.param([None, None], ["entry1-1", "entry2-1"], id="missing"),
        pytest.param(["7.2", 7, 7], ["7.2-1", "7-1", "7.3-1"], id="a made-up id that is taken"),
    ],
)
def test_ids_are_unique_and_stable(tmp_path: Path, ids: list[Any], expected: list[str]) -> None:
    official(tmp_path, [entry(3)], [annotation(id, 3, FRONT) for id in ids])
    for _ in range(2):
        assert list(Cocoa(str(tmp_path)).records()["id"]) == expected


@pytest.mark.parametrize(
    ("images", "problems"),
    [
        pytest.param(
            [entry(3), entry(3, file_name="x.png")],
            [("entry 2 of images", "image 3 is listed twice; the first one is used")],
            id="the same image again",
        ),
        pytest.param([without(entry(4), "id"), entry(3)], [("entry 1 of images", "it has no id")], id="no id"),
        pytest.param([7, entry(3)], [("entry 1 of images", "it is not a JSON object")], id="no object"),
    ],
)
def test_odd_entries_of_images_are_reported(tmp_path: Path, images: list[Any], problems: list[Any]) -> None:
    draw(official(tmp_path, images, [annotation(7, 3, FRONT)]), 3)
    dataset = Cocoa(str(tmp_path))
    assert (dataset.sample("7-1").image == 3).all()
    assert [(p.record, p.what) for p in dataset.check()] == problems


def test_ids_that_are_made_up_are_reported(tmp_path: Path) -> None:
    passes = [annotation(7, 3, FRONT), annotation("7", 3, FRONT), annotation(None, 3, FRONT)]
    draw(official(tmp_path, [entry(3)], passes), 3)
    assert [(p.record, p.what) for p in Cocoa(str(tmp_path)).check()] == [
        ("annotation 7.2", "id 7 is listed twice"),
        ("annotation entry3", "entry 3 of annotations has no id"),
    ]


def test_an_unknown_split_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^dataset.split: COCO-A has no split 'vall'; it has train, val, test$"):
        Cocoa(str(tmp_path), split="vall")


def test_images_are_joined_by_id_not_by_position(tmp_path: Path) -> None:
    folder = official(tmp_path, [entry(5), entry(3), entry(9)], [annotation(1, 3, FRONT), annotation(2, "9", FRONT)])
    for image_id in (3, 5, 9):
        draw(folder, image_id)
    dataset = Cocoa(str(tmp_path))
    assert (dataset.sample("1-1").image == 3).all() and (dataset.sample("2-1").image == 9).all()


def test_several_passes_over_one_image_do_not_mix(tmp_path: Path) -> None:
    passes = [annotation(1, 3, FRONT, BEHIND), annotation(2, 3, region(20, 20, 30, 30))]
    draw(official(tmp_path, [entry(3)], passes), 3)
    dataset = Cocoa(str(tmp_path))
    assert list(dataset.records()["id"]) == ["1-1", "1-2", "2-1"]
    assert not dataset.sample("2-1").others.any()


# Samples


def test_masks_equal_numpy_slices(tmp_path: Path) -> None:
    dataset = one_image(tmp_path, FRONT, BEHIND)
    front, behind = dataset.sample("7-1"), dataset.sample("7-2")
    np.testing.assert_array_equal(front.amodal, box(2, 3, 12, 13))
    np.testing.assert_array_equal(front.visible, front.amodal)
    np.testing.assert_array_equal(front.others, box(12, 3, 17, 13))
    np.testing.assert_array_equal(behind.amodal, box(7, 3, 17, 13))
    np.testing.assert_array_equal(behind.visible, box(12, 3, 17, 13))
    np.testing.assert_array_equal(behind.others, box(2, 3, 12, 13))
    assert dataset.check() == []


def test_hidden_region_has_an_empty_visible_mask(tmp_path: Path) -> None:
    dataset = one_image(tmp_path, FRONT, region(3, 4, 8, 8, visible=box(0, 0, 0, 0)))
    assert dataset.records()["hidden"].tolist() == [False, True]
    assert not dataset.sample("7-2").visible.any() and dataset.sample("7-2").amodal.sum() == 20
    assert dataset.check() == []


def test_region_of_the_whole_frame(tmp_path: Path) -> None:
    dataset = one_image(tmp_path, region(0, 0, WIDTH, HEIGHT, isStuff=1))
    assert dataset.sample("7-1").amodal.all() and dataset.check() == []


@pytest.mark.parametrize("mode", ["L", "P", "1", "RGBA", "CMYK"])
def test_pictures_of_any_mode_become_rgb(tmp_path: Path, mode: str) -> None:
    folder = official(tmp_path, [entry(3, file_name="a.tif")], [annotation(7, 3, FRONT)])
    Image.new("RGB", (WIDTH, HEIGHT), (255, 255, 255)).convert(mode).save(folder / "a.tif")
    image = Cocoa(str(tmp_path)).sample("7-1").image
    assert image.shape == (HEIGHT, WIDTH, 3) and image.dtype == np.uint8 and (image == 255).all()


def test_grey_jpeg(tmp_path: Path) -> None:
    folder = official(tmp_path, [entry(3, file_name="a.jpg")], [annotation(7, 3, FRONT)])
    Image.new("L", (WIDTH, HEIGHT), 128).save(folder / "a.jpg")
    assert (Cocoa(str(tmp_path)).sample("7-1").image == 128).all()


def test_exif_rotation_is_not_applied(tmp_path: Path) -> None:
    folder = official(tmp_path, [entry(3, file_name="a.jpg")], [annotation(7, 3, FRONT)])
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees
    Image.new("RGB", (WIDTH, HEIGHT)).save(folder / "a.jpg", exif=exif)
    assert Cocoa(str(tmp_path)).sample("7-1").image.shape == (HEIGHT, WIDTH, 3)


def test_size_of_the_picture_counts_where_none_is_stated(tmp_path: Path) -> None:
    draw(official(tmp_path, [without(entry(3), "height", "width")], [annotation(7, 3, FRONT)]), 3)
    dataset = Cocoa(str(tmp_path))
    assert dataset.sample("7-1").amodal.shape == (HEIGHT, WIDTH) and dataset.check() == []


def test_regions_of_one_image_share_their_pixels(tmp_path: Path) -> None:
    dataset = one_image(tmp_path, FRONT, BEHIND)
    first, second = dataset.sample("7-1"), dataset.sample("7-2")
    assert first.image is second.image
    for shared in (first.image, first.visible, first.amodal, second.visible):
        assert not shared.flags.writeable


def test_files_may_lie_elsewhere(tmp_path: Path) -> None:
    draw(official(tmp_path / "a", [entry(3)], [annotation(7, 3, FRONT)]), 3)
    (tmp_path / "a/val2014").rename(tmp_path / "pictures")
    (tmp_path / "a/annotations/COCO_amodal_val2014.json").rename(tmp_path / "mine.json")
    dataset = Cocoa("nowhere", annotations=str(tmp_path / "mine.json"), images=str(tmp_path / "pictures"))
    assert (dataset.sample("7-1").image == 3).all()


def test_a_pickled_dataset_gives_the_same(tmp_path: Path) -> None:
    dataset = one_image(tmp_path, FRONT, BEHIND)
    dataset.sample("7-1")  # fills the caches, which do not travel
    copy: Cocoa = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(copy.sample("7-2").visible, dataset.sample("7-2").visible)


def test_fingerprint_follows_the_annotations_and_the_split(tmp_path: Path) -> None:
    a, b = one_image(tmp_path / "a", FRONT), one_image(tmp_path / "b", BEHIND)
    file, folder = str(a.file), str(a.folder)
    assert a.fingerprint() == Cocoa("nowhere", "val", file, folder).fingerprint()
    assert len({a.fingerprint(), b.fingerprint(), Cocoa("nowhere", "train", file, folder).fingerprint()}) == 3


# Broken inputs


def test_missing_root(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        Cocoa(str(tmp_path / "gone"))
    assert_says(caught.value, str(tmp_path / "gone"), "does not exist", "set dataset.root")


def test_missing_annotation_file(tmp_path: Path) -> None:
    official(tmp_path, [], [])
    with pytest.raises(InputError) as caught:
        Cocoa(str(tmp_path), split="test")
    assert_says(caught.value, "COCO_amodal_test2014.json", "'test'", "github.com/Wakeupbuddy/amodalAPI")


def test_missing_pictures_folder(tmp_path: Path) -> None:
    official(tmp_path, [], []).rmdir()
    with pytest.raises(InputError) as caught:
        Cocoa(str(tmp_path))
    assert_says(caught.value, str(tmp_path / "val2014"), "does not exist", "val2014.zip")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b'{"images": [\n{"id": 3, "fi', "line 2, column 11", id="cut short"),
        pytest.param(b"", "it is empty", id="empty"),
        pytest.param(b"\xff\xd8\xff\xe0", "not UTF-8", id="a picture"),
        pytest.param(b"[1, 2]", 'the lists "images" and "annotations"', id="a list"),
        pytest.param(b'{"images": [], "annotations": {}}', 'the lists "images" and "annotations"', id="object"),
        pytest.param(b'{"image_id": 3, "regions": []}', 'the lists "images" and "annotations"', id="one record"),
    ],
)
def test_damaged_annotation_file(tmp_path: Path, content: bytes, problem: str) -> None:
    official(tmp_path, [], [])
    (tmp_path / "annotations/COCO_amodal_val2014.json").write_bytes(content)
    with pytest.raises(InputError) as caught:
        Cocoa(str(tmp_path))
    assert_says(caught.value, "COCO_amodal_val2014.json", problem, ";")


BAD_REGIONS = [
    pytest.param(without(FRONT, "segmentation"), "no segmentation", id="no segmentation"),
    pytest.param(FRONT | {"segmentation": [1, 2, 3, 4]}, "no part with three points", id="two points"),
    pytest.param(FRONT | {"segmentation": encode(np.ones((10, 20), bool))}, "mask is 10x20", id="other size"),
    pytest.param(
        FRONT | {"visible_mask": encode(np.ones((10, 20), bool))},
        "visible_mask: mask is 10x20 but the image is 30x40",
        id="visible mask of another size",
    ),
    pytest.param(
        FRONT | {"visible_mask": {"size": [30, 40], "counts": "3"}},
        "visible_mask: malformed RLE",
        id="malformed",
    ),
    pytest.param(None, "no segmentation", id="null"),
    pytest.param("region", "no segmentation", id="text"),
]


@pytest.mark.parametrize(("bad", "problem"), BAD_REGIONS)
def test_bad_region_fails_alone(tmp_path: Path, bad: Any, problem: str) -> None:
    dataset = one_image(tmp_path, FRONT, bad, BEHIND)
    assert list(dataset.records()["id"]) == ["7-1", "7-2", "7-3"]
    with pytest.raises(InputError) as caught:
        dataset.sample("7-2")
    assert_says(caught.value, str(dataset.file), "annotation 7, region 2", problem, "download")
    np.testing.assert_array_equal(dataset.sample("7-1").others, box(12, 3, 17, 13))
    np.testing.assert_array_equal(dataset.sample("7-3").others, box(2, 3, 12, 13))
    found = dataset.check()
    assert [p.record for p in found] == ["annotation 7, region 2"]
    assert problem in found[0].what


NAMELESS = 'has no entry with a file_name in "images"'


def one_pass(root: Path, images: list[Any], image_id: Any = 3) -> Cocoa:
    official(root, images, [annotation(7, image_id, FRONT)])
    return Cocoa(str(root))


@pytest.mark.parametrize(
    ("images", "image_id", "problem"),
    [
        pytest.param([], 3, f"image_id 3 {NAMELESS}", id="no such image"),
        pytest.param([entry(4)], 3, f"image_id 3 {NAMELESS}", id="another image"),
        pytest.param([entry(3)], None, f"image_id (none) {NAMELESS}", id="no image_id"),
    ],
)
def test_pass_without_its_image(tmp_path: Path, images: list[Any], image_id: Any, problem: str) -> None:
    dataset = one_pass(tmp_path, images, image_id)
    assert list(dataset.records()["id"]) == ["7-1"]
    with pytest.raises(InputError) as caught:
        dataset.sample("7-1")
    assert_says(caught.value, str(dataset.file), "annotation 7, region 1", problem, "download")
    assert [(p.record, p.what) for p in dataset.check()] == [("annotation 7", problem)]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"file_name": None}, "it has no file_name"),
        ({"file_name": "../x.png"}, "its file_name leads out of the dataset's folder"),
    ],
)
def test_the_fault_of_a_picture_is_named_once_and_is_the_cause_of_its_instances(
    tmp_path: Path, change: dict[str, Any], fault: str
) -> None:
    official(tmp_path, [entry(3) | change], [annotation(7, 3, FRONT), annotation(8, 3, FRONT)])
    dataset = Cocoa(str(tmp_path))
    assert [(p.record, p.what) for p in dataset.check()] == [("image 3", fault)]
    with pytest.raises(InputError) as caught:
        dataset.sample("8-1")
    problem = f'its picture has a bad entry in "images" ({fault})'
    assert_says(caught.value, str(dataset.file), "annotation 8, region 1", problem, "download")


def test_sizes_and_flags_that_cannot_be_are_named(tmp_path: Path) -> None:
    region = FRONT | {"isStuff": "yes"}
    official(tmp_path, [entry(3) | {"height": 10**9, "width": -4}], [annotation(7, 3, region)])
    dataset = Cocoa(str(tmp_path))
    Image.frombytes("RGB", (WIDTH, HEIGHT), noise()).save(dataset.folder / entry(3)["file_name"])
    problems = [(p.record, p.what) for p in dataset.check()]
    sides = "must be a whole number of pixels between 1 and 65535; it is taken for unknown"
    assert problems[:2] == [("image 3", f"height {sides}"), ("image 3", f"width {sides}")]
    assert problems[2] == ("annotation 7, region 1", "isStuff must be 0 or 1; it is taken for 0")


def test_keys_that_stand_twice_are_named(tmp_path: Path) -> None:
    official(tmp_path, [entry(3)], [annotation(7, 3, FRONT)])
    file = Cocoa(str(tmp_path)).file
    text = file.read_text()
    file.write_text(
        text.replace('"id": 7', '"id": 6, "id": 7').replace('"images": [', '"images": [], "images": [', 1)
    )
    dataset = Cocoa(str(tmp_path))
    assert list(dataset.records()["id"]) == ["7-1"]
    said = [(str(row.record), str(row.what)) for row in dataset.index.problems.itertuples()]
    assert ("entry 1 of annotations", 'its key "id" stands twice; the last value is taken') in said
    assert ("entry 1 of images", 'the list "images" stands twice in the file; both are read') in said


def noise() -> bytes:
    """Pixels that no format can compress to almost nothing."""
    return np.random.default_rng(0).bytes(HEIGHT * WIDTH * 3)


@pytest.mark.parametrize("damage", ["missing", "text", "empty", "cut"])
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_unreadable_picture(tmp_path: Path, damage: str, ending: str) -> None:
    dataset = one_pass(tmp_path, [entry(3, file_name=f"a.{ending}")])
    path = dataset.folder / f"a.{ending}"
    Image.frombytes("RGB", (WIDTH, HEIGHT), noise()).save(path)
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"text": b"no picture", "empty": b"", "cut": content[: len(content) // 2]}[damage])
    problem = "no such file" if damage == "missing" else "cannot be read as a picture"
    with pytest.raises(InputError) as caught:
        dataset.sample("7-1")
    assert_says(caught.value, str(path), "annotation 7, region 1", problem, "download")
    assert [(p.file, p.record) for p in dataset.check()] == [(str(path), "annotation 7")]


def test_picture_of_another_size(tmp_path: Path) -> None:
    dataset = one_image(tmp_path, FRONT, height=60, width=80)
    with pytest.raises(InputError) as caught:
        dataset.sample("7-1")
    assert_says(caught.value, "3.png", "annotation 7, region 1", "picture is 30x40 but the annotations say 60x80")
    assert len(dataset.check()) == 1


def test_a_mended_picture_is_read_again(tmp_path: Path) -> None:
    dataset = one_pass(tmp_path, [entry(3)])
    with pytest.raises(InputError):
        dataset.sample("7-1")
    draw(dataset.folder, 3)
    assert (dataset.sample("7-1").image == 3).all()


def test_unknown_id(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        one_image(tmp_path, FRONT).sample("7-2")
    assert_says(caught.value, "instance 7-2", "no such instance", "records()")


@pytest.mark.parametrize("broken", [None, 5, {"id": 8, "image_id": 3}, {"id": 8, "image_id": 3, "regions": {}}])
def test_annotation_without_regions_is_a_problem_not_a_stop(tmp_path: Path, broken: Any) -> None:
    draw(official(tmp_path, [entry(3)], [broken, annotation(7, 3, FRONT)]), 3)
    dataset = Cocoa(str(tmp_path))
    assert list(dataset.records()["id"]) == ["7-1"]
    what = 'it has no list "regions"' if isinstance(broken, dict) else "it is not a JSON object"
    assert [(p.record, p.what) for p in dataset.check()] == [("entry 1 of annotations", what)]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        pytest.param({"area": 99}, "amodal_pixels says 99 but the mask has 100 pixels", id="area"),
        pytest.param({"occlude_rate": 0.502}, "occlude_rate says 0.502 but the masks give 0.5", id="rate"),
        pytest.param(
            {"visible_mask": encode(box(12, 3, 18, 13))},
            "10 visible pixels lie outside the amodal mask",
            id="V",
        ),
        pytest.param(
            {"invisible_mask": encode(box(8, 3, 12, 13))},
            "invisible_mask differs in 10 pixels from what the amodal mask has beyond the visible one",
            id="A without V",
        ),
        pytest.param(
            {"invisible_mask": encode(np.ones((10, 20), bool))},
            "invisible_mask: mask is 10x20 but the image is 30x40 (height x width)",
            id="A without V of another size",
        ),
        pytest.param({"area": 0, "segmentation": encode(box(0, 0, 0, 0))}, "the amodal mask is empty", id="A"),
    ],
)
def test_check_finds_disagreement(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    dataset = one_image(tmp_path, FRONT, BEHIND | changes)
    assert [(p.record, p.what) for p in dataset.check()] == [("annotation 7, region 2", problem)]


def test_check_allows_a_rounded_rate(tmp_path: Path) -> None:
    assert one_image(tmp_path, FRONT, BEHIND | {"occlude_rate": 0.5005}).check() == []


# A whole tree in the official layout


SCENES = [draw_scene(0, "val", index) for index in range(3)]
PASS, REGION = most_occluded(SCENES)
"""Positions of a pass and of a region in it that is occluded in part."""
TARGET = SCENES[PASS].instances[REGION]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cocoa") / "tree"
    export(folder, "val", len(SCENES), 0)
    return folder


@pytest.fixture
def tree(exported: Path, tmp_path: Path) -> Path:
    """The scenes of `SCENES`, each in one pass; what the drawing decides is derived from them."""
    return Path(shutil.copytree(exported, tmp_path / "tree"))


def test_exported_scenes_come_back_exactly(tree: Path) -> None:
    dataset = Cocoa(str(tree))
    expected = []
    for index, scene in enumerate(SCENES):
        for number, instance in enumerate(scene.instances, start=1):
            expected.append(f"{index + 1}-{number}")
            sample = dataset.sample(expected[-1])
            np.testing.assert_array_equal(sample.image, scene.image)
            np.testing.assert_array_equal(sample.visible, instance.visible)
            np.testing.assert_array_equal(sample.amodal, instance.amodal)
            others = [other.visible for other in scene.instances if other is not instance]
            np.testing.assert_array_equal(sample.others, np.any(others, axis=0))
    assert list(dataset.records()["id"]) == expected
    assert dataset.check() == [] and violations(dataset) == []


def test_a_pass_is_parsed_once_for_all_its_regions(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = Cocoa(str(tree))
    parsed: Counter[int] = Counter()

    def counted(path: Path, start: int, length: int) -> Any:
        parsed[start] += 1
        return read(path, start, length)

    read = reading.read_record
    monkeypatch.setattr(passes, "read_record", counted)
    for id in dataset.records()["id"]:
        dataset.sample(id)
    assert sorted(parsed.values()) == [1] * len(SCENES)


def test_the_index_is_kept_until_the_annotations_change(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Cocoa(str(tree))
    with monkeypatch.context() as patch:
        patch.setattr(passes, "read_records", unread)
        again = Cocoa(str(tree))
        assert again.records().equals(first.records()) and again.fingerprint() == first.fingerprint()
        np.testing.assert_array_equal(again.sample(LOST_REGION).visible, first.sample(LOST_REGION).visible)
    edit(tree, lambda data: data["annotations"].pop())
    changed = Cocoa(str(tree))
    assert len(changed.records()) == len(first.records()) - len(SCENES[-1].instances)
    assert changed.fingerprint() != first.fingerprint()


def test_a_copy_of_the_tree_has_the_same_fingerprint_and_its_own_problems(tree: Path) -> None:
    edit(tree, lambda data: data["annotations"].append({}))
    first = Cocoa(str(tree))
    assert [Path(p.file) for p in first.check()] == [first.file]
    moved = Cocoa(str(tree.rename(tree.with_name("moved"))))
    assert moved.fingerprint() == first.fingerprint()
    assert [Path(p.file) for p in moved.check()] == [moved.file] and moved.file != first.file


@pytest.mark.parametrize("damage", ["cut", "shifted"])
def test_a_file_that_changes_while_it_is_in_use(tree: Path, damage: str) -> None:
    dataset = Cocoa(str(tree))
    text = dataset.file.read_text()
    dataset.file.write_text(text[:100] if damage == "cut" else text.replace('"id": 1,', '"id":  1,', 1))
    with pytest.raises(InputError) as caught:
        dataset.sample("3-1")
    assert_says(caught.value, str(dataset.file), "annotation 3, region 1", "changed while it was in use")


# Damages. What each has to be reported as is stated beside it.


def to_region(**changes: Any) -> Callable[[Path], None]:
    """Change the region that is occluded in part."""
    return to_json(lambda data: data["annotations"][PASS]["regions"][REGION].update(changes))


JSON, PICTURE = "COCO_amodal_val2014.json", f"COCO_val2014_{PASS + 1:012d}.png"
SHAPE = TARGET.amodal.shape
SIZE, HALF_SIZE = f"{SHAPE[0]}x{SHAPE[1]}", f"{SHAPE[0] // 2}x{SHAPE[1] // 2}"
OF_HALF_SIZE = encode(np.ones((SHAPE[0] // 2, SHAPE[1] // 2), dtype=bool))
OF_PASS, OF_REGION = f"annotation {PASS + 1}", f"annotation {PASS + 1}, region {REGION + 1}"
LOST_PASS, LOST_REGION = f"{PASS + 1}-*", f"{PASS + 1}-{REGION + 1}"
WRONG_RATE = occlusion(TARGET) / 2

DAMAGES = {
    "annotations missing": Damage(remove(f"annotations/{JSON}"), JSON, "", "missing", stops=True),
    "annotations cut short": Damage(cut(f"annotations/{JSON}"), JSON, "", "cut short (line 1, column", stops=True),
    "another file": Damage(to_json(lambda data: data.pop("images")), JSON, "", 'needs the list "images"', stops=True),
    "picture missing": Damage(remove(f"val2014/{PICTURE}"), PICTURE, OF_PASS, "no such file", LOST_PASS),
    "picture cut short": Damage(cut(f"val2014/{PICTURE}"), PICTURE, OF_PASS, "cannot be read", LOST_PASS),
    "picture of another size": Damage(
        shrink(f"val2014/{PICTURE}"),
        PICTURE,
        OF_PASS,
        f"picture is {HALF_SIZE} but the annotations say {SIZE}",
        LOST_PASS,
    ),
    "image entry missing": Damage(
        to_json(lambda data: data["images"].pop(PASS)),
        JSON,
        OF_PASS,
        f"image_id {PASS + 1} {NAMELESS}",
        LOST_PASS,
    ),
    "pass without regions": Damage(
        to_json(lambda data: data["annotations"][PASS].pop("regions")),
        JSON,
        f"entry {PASS + 1} of annotations",
        'it has no list "regions"',
        LOST_PASS,
    ),
    "polygon of two points": Damage(
        to_region(segmentation=[1, 2, 3, 4]), JSON, OF_REGION, "no part with three points", LOST_REGION
    ),
    "coordinate far outside": Damage(
        to_region(segmentation=[0, 0, 1e9, 0, 5, 5]), JSON, OF_REGION, "far outside the image", LOST_REGION
    ),
    "V of another size": Damage(
        to_region(visible_mask=OF_HALF_SIZE), JSON, OF_REGION, f"visible_mask: mask is {HALF_SIZE}", LOST_REGION
    ),
    "V cut short": Damage(
        to_region(visible_mask={"size": [*SHAPE], "counts": "PQ1"}),
        JSON,
        OF_REGION,
        "visible_mask: malformed RLE: its runs cover",
        LOST_REGION,
    ),
    "V of everything": Damage(
        to_region(visible_mask=encode(np.ones(SHAPE, dtype=bool))),
        JSON,
        OF_REGION,
        "visible pixels lie outside the amodal mask",
    ),
    "wrong area": Damage(
        to_region(area=1), JSON, OF_REGION, f"amodal_pixels says 1 but the mask has {TARGET.amodal.sum()} pixels"
    ),
    "negative area": Damage(to_region(area=-1), JSON, OF_REGION, "area must be a number of pixels"),
    "impossible rate": Damage(
        to_region(occlude_rate=7), JSON, OF_REGION, "occlude_rate must be a number between 0 and 1"
    ),
    "wrong rate": Damage(
        to_region(occlude_rate=WRONG_RATE), JSON, OF_REGION, f"occlude_rate says {WRONG_RATE:g} but"
    ),
    "wrong hidden part": Damage(
        to_region(invisible_mask=encode(np.zeros(SHAPE, dtype=bool))),
        JSON,
        OF_REGION,
        "invisible_mask differs",
    ),
}


@pytest.mark.parametrize("damage", mostly_slow(DAMAGES.values(), 3), ids=DAMAGES)
def test_damage_is_reported_and_costs_nothing_else(tree: Path, damage: Damage) -> None:
    assert_reported(damage, tree, lambda: Cocoa(str(tree)))
