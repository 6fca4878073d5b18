"""COCOA-cls: COCO's flat layout, one object a record."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from params import mostly_slow
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
from amodal_bench.core.rle import encode
from amodal_bench.datasets.coco_a import cocoa_cls
from amodal_bench.datasets.coco_a.cocoa_cls import CocoaCls
from amodal_bench.testing.datasets import violations
from amodal_bench.testing.export.cocoa import export as export_cocoa
from amodal_bench.testing.export.cocoa_cls import export
from amodal_bench.toy.scene import draw_scene

SCENES = [draw_scene(0, "val", index) for index in range(3)]
OF_SCENE = [index for index, scene in enumerate(SCENES) for _ in scene.instances]
"""For each annotation the position of its scene."""
SCENE, NUMBER = most_occluded(SCENES)
PLAIN, OCCLUDED = OF_SCENE.index(SCENE), OF_SCENE.index(SCENE) + NUMBER
"""Positions of two annotations of one image: the front-most, of which all is visible, and one occluded in part."""
PLAIN_ID, OCCLUDED_ID = str(PLAIN + 1), str(OCCLUDED + 1)
TARGET = SCENES[SCENE].instances[NUMBER]
HEIGHT, WIDTH = TARGET.amodal.shape
EMPTY = encode(np.zeros((HEIGHT, WIDTH), dtype=bool))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cocoa_cls") / "tree"
    export(folder, "val", len(SCENES), 0)
    return folder


@pytest.fixture
def tree(exported: Path, tmp_path: Path) -> Path:
    """The scenes of `SCENES`; what the drawing decides is derived from them."""
    return Path(shutil.copytree(exported, tmp_path / "tree"))


def to_object(position: int, **changes: Any) -> Callable[[Any], None]:
    return lambda data: data["annotations"][position].update(changes)


def row(tree: Path, id: str) -> dict[str, Any]:
    records = CocoaCls(str(tree)).records()
    (found,) = records[records["id"] == id].to_dict("records")
    return {str(name): value for name, value in found.items()}


def test_exported_scenes_come_back_exactly(tree: Path) -> None:
    dataset = CocoaCls(str(tree))
    categories, truncated = [], []
    for scene in SCENES:
        for instance in scene.instances:
            categories.append(instance.kind)
            inner = np.pad(np.ones_like(instance.amodal[1:-1, 1:-1]), 1)
            truncated.append(bool((instance.amodal & ~inner).any()))
            sample = dataset.sample(str(len(categories)))
            np.testing.assert_array_equal(sample.image, scene.image)
            np.testing.assert_array_equal(sample.visible, instance.visible)
            np.testing.assert_array_equal(sample.amodal, instance.amodal)
            others = [other.visible for other in scene.instances if other is not instance]
            np.testing.assert_array_equal(sample.others, np.any(others, axis=0))
    records = dataset.records()
    assert list(records["category"]) == categories and list(records["truncated"]) == truncated
    assert list(records["image_id"]) == [str(index + 1) for index in OF_SCENE]
    assert not records[["stuff", "crowd", "hidden"]].any(axis=None)
    assert dataset.check() == [] and violations(dataset) == []


# Traps of the format


def test_an_empty_visible_mask_is_a_hidden_object(tree: Path) -> None:
    edit(tree, to_object(PLAIN, visible_mask=EMPTY, occlude_rate=1.0))
    dataset = CocoaCls(str(tree))
    assert list(dataset.records().query("hidden")["id"]) == [PLAIN_ID]
    assert not dataset.sample(PLAIN_ID).visible.any() and dataset.sample(PLAIN_ID).amodal.any()
    assert dataset.check() == []


def test_no_visible_mask_means_that_all_is_visible(tree: Path) -> None:
    edit(tree, lambda data: data["annotations"][PLAIN].pop("visible_mask"))
    dataset = CocoaCls(str(tree))
    np.testing.assert_array_equal(dataset.sample(PLAIN_ID).visible, dataset.sample(PLAIN_ID).amodal)
    assert not row(tree, PLAIN_ID)["hidden"] and dataset.check() == []


@pytest.mark.parametrize("position", [PLAIN, OCCLUDED])
def test_numbers_that_are_not_stated_come_from_the_masks(tree: Path, position: int) -> None:
    stated = row(tree, str(position + 1))
    edit(tree, to_object(position, area=None, occlude_rate=None))
    assert row(tree, str(position + 1)) == stated | {"occlusion_rate": pytest.approx(stated["occlusion_rate"])}
    edit(tree, lambda data: [image.pop("height") for image in data["images"]])  # the mask knows its size
    assert row(tree, str(position + 1))["amodal_pixels"] == stated["amodal_pixels"]


@pytest.mark.parametrize(("value", "crowd"), [(0, False), (1, True), (None, False)])
def test_crowd_flag(tree: Path, value: Any, crowd: bool) -> None:
    edit(tree, to_object(PLAIN, iscrowd=value))
    assert row(tree, PLAIN_ID)["crowd"] is crowd


def test_uncompressed_masks_and_polygons(tree: Path) -> None:
    runs = {"size": [HEIGHT, WIDTH], "counts": [0, HEIGHT * 10, HEIGHT * (WIDTH - 10)]}
    square = [[20, 20, 30, 20, 30, 30, 20, 30], [1, 2]]
    edit(tree, to_object(PLAIN, segmentation=runs, visible_mask=runs, area=HEIGHT * 10))
    edit(tree, to_object(OCCLUDED, segmentation=square, visible_mask=square, area=100, occlude_rate=0))
    edit(tree, lambda data: data["annotations"][OCCLUDED].pop("invisible_mask"))
    dataset = CocoaCls(str(tree))
    assert dataset.sample(PLAIN_ID).amodal[:, :10].all() and dataset.sample(PLAIN_ID).amodal.sum() == HEIGHT * 10
    assert dataset.sample(OCCLUDED_ID).amodal[20:30, 20:30].all() and dataset.check() == []


def test_ids_are_unique(tree: Path) -> None:
    edit(tree, lambda data: [annotation.update(id=7) for annotation in data["annotations"][:2]])
    edit(tree, to_object(2, id=None))
    assert list(CocoaCls(str(tree)).records()["id"])[:4] == ["7", "7.2", "entry3", "4"]


def test_annotations_belong_to_images_by_id(tree: Path) -> None:
    edit(tree, lambda data: data["images"].reverse())
    edit(tree, to_object(0, image_id="1"))
    dataset = CocoaCls(str(tree))
    np.testing.assert_array_equal(dataset.sample("1").image, draw_scene(0, "val", 0).image)
    assert dataset.check() == []


@pytest.mark.parametrize("box", [[0, 0, 1, 1], [3, 2, 9], "?", None])
def test_boxes_are_not_read(tree: Path, box: Any) -> None:
    """Some readers swap their axes; the masks say the same."""
    before = CocoaCls(str(tree)).records()
    edit(tree, to_object(OCCLUDED, bbox=box))
    after = CocoaCls(str(tree))
    assert after.records().equals(before) and after.check() == []


def test_there_is_no_test_split(tree: Path) -> None:
    with pytest.raises(ConfigError, match=r"COCOA-cls has no split 'test'; it has train, val$"):
        CocoaCls(str(tree), split="test")


def test_cocoa_itself_is_another_dataset(tmp_path: Path) -> None:
    file = export_cocoa(tmp_path, "val", 1, 0)
    with pytest.raises(InputError) as caught:
        CocoaCls(str(tmp_path), annotations=str(file))
    assert_says(caught.value, file.name, 'needs the list "categories"', "dataset=cocoa")


@pytest.mark.parametrize(
    ("root", "split", "parts"),
    [
        ("gone", "val", ("the folder of COCOA-cls does not exist", "set dataset.root")),
        (
            "tree",
            "train",
            ("COCO_amodal_train2014_with_classes.json", "'train'", "COCOA_annotations_detectron.tar.xz"),
        ),
    ],
)
def test_missing_files(tree: Path, root: str, split: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        CocoaCls(str(tree.with_name(root)), split=split)
    assert_says(caught.value, *parts)


def test_missing_pictures_folder(tree: Path) -> None:
    with pytest.raises(InputError) as caught:
        CocoaCls(str(tree), images=str(tree / "pictures"))
    assert_says(caught.value, str(tree / "pictures"), "does not exist", "val2014.zip", "set dataset.images")


# The cache


def test_the_index_is_kept_until_the_annotations_change(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = CocoaCls(str(tree))
    with monkeypatch.context() as patch:
        patch.setattr(cocoa_cls, "read_records", unread)
        again = CocoaCls(str(tree))
        assert again.records().equals(first.records()) and again.fingerprint() == first.fingerprint()
        np.testing.assert_array_equal(again.sample(OCCLUDED_ID).visible, first.sample(OCCLUDED_ID).visible)
    edit(tree, lambda data: data["annotations"].pop())
    changed = CocoaCls(str(tree))
    assert len(changed.records()) == len(first.records()) - 1
    assert changed.fingerprint() != first.fingerprint()


def test_fingerprint_follows_the_bytes_and_the_split_not_the_place(tree: Path) -> None:
    first = CocoaCls(str(tree))
    moved = tree.rename(tree.with_name("moved"))
    file, folder = str(moved / "annotations" / first.file.name), str(moved / "val2014")
    assert CocoaCls(str(moved)).fingerprint() == first.fingerprint()
    assert CocoaCls("nowhere", "train", file, folder).fingerprint() != first.fingerprint()


def test_a_pickled_dataset_gives_the_same(tree: Path) -> None:
    dataset = CocoaCls(str(tree))
    copy: CocoaCls = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(copy.sample(OCCLUDED_ID).visible, dataset.sample(OCCLUDED_ID).visible)


def test_a_file_that_changes_while_it_is_in_use(tree: Path) -> None:
    dataset = CocoaCls(str(tree))
    text = dataset.file.read_text()
    dataset.file.write_text(text.replace('"category_id": 1,', '"category_id":  1,', 1))
    with pytest.raises(InputError) as caught:
        dataset.sample(OCCLUDED_ID)
    assert_says(caught.value, str(dataset.file), OF_OCCLUDED, "changed while it was in use")


# Damages


def to_occluded(**changes: Any) -> Callable[[Path], None]:
    return to_json(to_object(OCCLUDED, **changes))


JSON, PICTURE = "COCO_amodal_val2014_with_classes.json", f"COCO_val2014_{SCENE + 1:012d}.png"
OF_IMAGE, OF_OCCLUDED = f"image {SCENE + 1}", f"annotation {OCCLUDED_ID}"
LOST_IMAGE = " ".join(str(position + 1) for position, index in enumerate(OF_SCENE) if index == SCENE)
HALF_SIZE = f"{HEIGHT // 2}x{WIDTH // 2}"
WRONG_RATE = occlusion(TARGET) / 2
FULL = encode(np.ones((HEIGHT, WIDTH), dtype=bool))

DAMAGES = {
    "annotations missing": Damage(remove(f"annotations/{JSON}"), JSON, "", "missing", stops=True),
    "annotations cut short": Damage(cut(f"annotations/{JSON}"), JSON, "", "not valid JSON, or cut short", stops=True),
    "another file": Damage(
        to_json(lambda data: data.pop("categories")), JSON, "", "not a COCOA-cls file: it needs the list", stops=True
    ),
    "picture missing": Damage(remove(f"val2014/{PICTURE}"), PICTURE, OF_IMAGE, "no such file", LOST_IMAGE),
    "picture cut short": Damage(cut(f"val2014/{PICTURE}"), PICTURE, OF_IMAGE, "cannot be read", LOST_IMAGE),
    "picture of another size": Damage(
        shrink(f"val2014/{PICTURE}"), PICTURE, OF_IMAGE, f"but the annotations say {HEIGHT}x{WIDTH}", LOST_IMAGE
    ),
    "image entry missing": Damage(
        to_json(lambda data: data["images"].pop(SCENE)),
        JSON,
        OF_IMAGE,
        'has no entry with a file_name in "images"',
        LOST_IMAGE,
    ),
    "record that is no object": Damage(
        to_json(lambda data: data["annotations"].append([])),
        JSON,
        f"entry {len(OF_SCENE) + 1} of annotations",
        "it is not a JSON object",
    ),
    "no A": Damage(to_occluded(segmentation=None), JSON, OF_OCCLUDED, "no segmentation", OCCLUDED_ID),
    "A of another size": Damage(
        to_occluded(segmentation=encode(np.ones((HEIGHT // 2, WIDTH // 2), dtype=bool))),
        JSON,
        OF_OCCLUDED,
        f"mask is {HALF_SIZE}",
        OCCLUDED_ID,
    ),
    "V that does not fill the picture": Damage(
        to_occluded(visible_mask={"size": [HEIGHT, WIDTH], "counts": [5, 6]}),
        JSON,
        OF_OCCLUDED,
        f"visible_mask: malformed RLE: its runs cover 11 of {HEIGHT * WIDTH} pixels",
        OCCLUDED_ID,
    ),
    "V of everything": Damage(
        to_occluded(visible_mask=FULL), JSON, OF_OCCLUDED, "visible pixels lie outside the amodal mask"
    ),
    "unknown category": Damage(
        to_occluded(category_id=99), JSON, OF_OCCLUDED, 'category_id 99 has no entry in "categories"'
    ),
    "wrong area": Damage(
        to_occluded(area=1), JSON, OF_OCCLUDED, f"amodal_pixels says 1 but the mask has {TARGET.amodal.sum()} pixels"
    ),
    "area is text": Damage(to_occluded(area="9"), JSON, OF_OCCLUDED, "area must be a number of pixels"),
    "impossible rate": Damage(
        to_occluded(occlude_rate=-0.5), JSON, OF_OCCLUDED, "occlude_rate must be a number between 0 and 1"
    ),
    "the same image again": Damage(
        to_json(lambda data: data["images"].append(data["images"][0])),
        JSON,
        f"entry {len(SCENES) + 1} of images",
        "image 1 is listed twice",
    ),
    "the same id again": Damage(
        to_json(lambda data: data["annotations"].append(data["annotations"][0])),
        JSON,
        "annotation 1.2",
        "id 1 is listed twice",
    ),
    "wrong rate": Damage(
        to_occluded(occlude_rate=WRONG_RATE), JSON, OF_OCCLUDED, f"occlude_rate says {WRONG_RATE:g} but"
    ),
    "wrong hidden part": Damage(to_occluded(invisible_mask=EMPTY), JSON, OF_OCCLUDED, "invisible_mask differs"),
}


@pytest.mark.parametrize("damage", mostly_slow(DAMAGES.values(), 3), ids=DAMAGES)
def test_damage_is_reported_and_costs_nothing_else(tree: Path, damage: Damage) -> None:
    assert_reported(damage, tree, lambda: CocoaCls(str(tree)))
