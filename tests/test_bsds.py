"""BSDS-A: several annotators per image, pictures without a split in their name; the rest is as in COCO-A."""

from __future__ import annotations

import itertools
import json
import pickle
import shutil
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
from amodal_bench.core.rle import encode
from amodal_bench.datasets.coco_a import passes
from amodal_bench.datasets.coco_a.bsds import Bsds
from amodal_bench.testing.datasets import violations
from amodal_bench.testing.export.bsds import FIRST_NUMBER, export
from amodal_bench.toy.scene import Scene, draw_scene

IMAGES = 3
PICTURES = "BSR/BSDS500/data/images"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bsds") / "tree"
    export(folder, "test", IMAGES, 0)
    return folder


@pytest.fixture
def tree(exported: Path, tmp_path: Path) -> Path:
    """Three scenes, each in two passes: 1 and 2, 3 and 4, 5 and 6."""
    return Path(shutil.copytree(exported, tmp_path / "tree"))


def scene(index: int) -> Scene:
    return draw_scene(0, "test", index)


def passes_of(dataset: Bsds) -> list[str]:
    """The labels of the passes that a dataset consists of."""
    return list(dict.fromkeys(id.rpartition("-")[0] for id in dataset.records()["id"]))


@pytest.mark.slow
def test_exported_scenes_come_back_exactly_from_every_annotator(tree: Path) -> None:
    dataset = Bsds(str(tree), annotator="all")
    expected = []
    for index in range(IMAGES):
        instances = scene(index).instances
        for label, listed in ((2 * index + 1, instances), (2 * index + 2, instances[::-1])):
            for number, instance in enumerate(listed, start=1):
                expected.append(f"{label}-{number}")
                sample = dataset.sample(expected[-1])
                np.testing.assert_array_equal(sample.image, scene(index).image)
                np.testing.assert_array_equal(sample.visible, instance.visible)
                np.testing.assert_array_equal(sample.amodal, instance.amodal)
                others = [other.visible for other in instances if other is not instance]
                np.testing.assert_array_equal(sample.others, np.any(others, axis=0))
    assert list(dataset.records()["id"]) == expected
    assert dataset.check() == [] and violations(dataset) == []


def test_the_first_annotator_of_each_image_is_the_default(tree: Path) -> None:
    edit(tree, lambda data: data["annotations"].reverse())
    dataset = Bsds(str(tree))
    assert passes_of(dataset) == ["6", "4", "2"]
    assert dataset.records()["image_id"].is_monotonic_decreasing and violations(dataset) == []


def test_an_annotator_by_name(tree: Path) -> None:
    assert passes_of(Bsds(str(tree), annotator="behind")) == ["2", "4", "6"]
    edit(tree, lambda data: data["annotations"][1].update(author=" another"))
    assert passes_of(Bsds(str(tree), annotator="behind")) == ["4", "6"]
    assert passes_of(Bsds(str(tree), annotator="another")) == ["2"]


def test_an_unknown_annotator_is_a_wrong_setting(tree: Path) -> None:
    with pytest.raises(ConfigError, match=r"no pass is by 'ahed'; one of: all, first, random, ahead, behind$"):
        Bsds(str(tree), annotator="ahed")


@pytest.mark.slow
def test_a_random_annotator_depends_on_the_seed_and_the_image_alone(tree: Path) -> None:
    drawn = {seed: passes_of(Bsds(str(tree), annotator="random", seed=seed)) for seed in range(5)}
    for labels in drawn.values():
        assert [(int(label) - 1) // 2 for label in labels] == [0, 1, 2]  # one of each image
    assert len(set(map(tuple, drawn.values()))) > 2
    edit(tree, lambda data: data.update(annotations=data["annotations"][2:]))
    for seed, labels in drawn.items():
        assert passes_of(Bsds(str(tree), annotator="random", seed=seed)) == labels[1:]


def test_fingerprint_follows_what_is_chosen(tree: Path) -> None:
    def of(**options: Any) -> str:
        return Bsds(str(tree), **options).fingerprint()

    assert of() == of(annotator="first") == of(seed=3)
    distinct = [of(), of(annotator="all"), of(annotator="behind"), of(annotator="random")]
    distinct.append(of(annotator="random", seed=3))
    assert len(set(distinct)) == len(distinct)
    before = of()
    tree.rename(tree.with_name("moved"))
    assert Bsds(str(tree.with_name("moved"))).fingerprint() == before


def test_one_index_serves_every_annotator_until_the_file_changes(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = len(Bsds(str(tree)).records())
    with monkeypatch.context() as patch:
        patch.setattr(passes, "read_records", unread)
        assert len(Bsds(str(tree), annotator="all").records()) == 2 * whole
    edit(tree, lambda data: data["annotations"].pop())
    assert len(Bsds(str(tree), annotator="all").records()) == 2 * whole - len(scene(IMAGES - 1).instances)


def test_a_pickled_dataset_gives_the_same(tree: Path) -> None:
    dataset = Bsds(str(tree), annotator="behind")
    copy: Bsds = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(copy.sample("2-1").visible, dataset.sample("2-1").visible)


# Traps of the format


def test_the_stuff_flag_says_nothing(tmp_path: Path) -> None:
    with_plant = next(n for n in itertools.count() if "plant" in {shown.kind for shown in scene(n).instances})
    export(tmp_path, "test", with_plant + 1, 0)
    records = Bsds(str(tmp_path)).records()
    assert "plant" in set(records["category"]) and not records["stuff"].any()


@pytest.mark.parametrize("value", ["?", 4, None, {"name": "?"}])
def test_licence_and_date_do_not_matter(tree: Path, value: Any) -> None:
    edit(tree, lambda data: [image.update(license=value, date_captured=value) for image in data["images"]])
    assert Bsds(str(tree)).check() == []


def to_split(split: str) -> Callable[[Path], Path]:
    def move(tree: Path) -> Path:
        (tree / PICTURES / split).mkdir(exist_ok=True)
        for picture in (tree / PICTURES / "test").iterdir():
            picture.rename(tree / PICTURES / split / picture.name)
        return tree / PICTURES

    return move


def flat(tree: Path) -> Path:
    return (tree / PICTURES / "test").rename(tree / "mine")


def official(tree: Path) -> Path:
    return tree / PICTURES


@pytest.mark.parametrize("move", [official, to_split("train"), to_split("val"), flat])
def test_pictures_are_found_in_any_split_and_in_one_folder(tree: Path, move: Callable[[Path], Path]) -> None:
    dataset = Bsds(str(tree), images=str(move(tree)))
    np.testing.assert_array_equal(dataset.sample("1-1").image, scene(0).image)


def test_the_split_of_the_annotations_is_looked_in_first(tree: Path) -> None:
    name = "100001.png"
    for split in ("train", "val"):
        (tree / PICTURES / split).mkdir()
        shutil.copy(tree / PICTURES / "test" / "100002.png", tree / PICTURES / split / name)
    np.testing.assert_array_equal(Bsds(str(tree)).sample("1-1").image, scene(0).image)


def test_jpeg_and_portrait_pictures(tmp_path: Path) -> None:
    height, width = 48, 32
    amodal = np.zeros((height, width), dtype=bool)
    amodal[10:40, 5:20] = True
    (tmp_path / "annotations").mkdir()
    (tmp_path / PICTURES / "train").mkdir(parents=True)
    Image.new("L", (width, height), 128).save(tmp_path / PICTURES / "train" / "100075.jpg")
    image = {"id": 100075, "file_name": "100075.jpg", "height": height, "width": width, "license": "?"}
    regions = [{"name": "bear", "segmentation": encode(amodal), "area": 450, "isStuff": False, "occlude_rate": 0}]
    written = {"images": [image], "annotations": [{"id": 1, "image_id": 100075, "author": "x", "regions": regions}]}
    (tmp_path / "annotations" / "BSDS_amodal_train.json").write_text(json.dumps(written))
    dataset = Bsds(str(tmp_path), split="train")
    assert dataset.check() == []
    assert (dataset.sample("1-1").image == 128).all() and dataset.sample("1-1").image.shape == (height, width, 3)


def test_missing_root(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        Bsds(str(tmp_path / "gone"))
    assert_says(caught.value, str(tmp_path / "gone"), "the folder of BSDS-A does not exist", "set dataset.root")


def test_an_unknown_split_is_a_wrong_setting(tree: Path) -> None:
    with pytest.raises(ConfigError, match=r"BSDS-A has no split 'all'; it has train, val, test$"):
        Bsds(str(tree), split="all")


def test_missing_split(tree: Path) -> None:
    with pytest.raises(InputError) as caught:
        Bsds(str(tree), split="val")
    assert_says(caught.value, "BSDS_amodal_val.json", "'val'", "github.com/Wakeupbuddy/amodalAPI")


def test_missing_pictures(tree: Path) -> None:
    shutil.rmtree(tree / "BSR")
    with pytest.raises(InputError) as caught:
        Bsds(str(tree))
    assert_says(caught.value, str(tree / PICTURES), "does not exist", "BSR_bsds500.tgz", "set dataset.images")


# Damages, done to the two passes of an image that shows something occluded in part

INDEX, FROM_FRONT = most_occluded([scene(index) for index in range(IMAGES)])
TARGET, REGIONS = scene(INDEX).instances[FROM_FRONT], len(scene(INDEX).instances)
AHEAD, BEHIND = 2 * INDEX + 1, 2 * INDEX + 2
"""Labels of the passes, the second of which lists the instances from back to front."""
REGION = REGIONS - FROM_FRONT
"""Number of the region that is occluded in part, in the second pass."""


def to_pass(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Change the second pass."""
    return to_json(lambda data: change(data["annotations"][BEHIND - 1]))


def to_region(**changes: Any) -> Callable[[Path], None]:
    """Change the region of the second pass that is occluded in part."""
    return to_pass(lambda data: data["regions"][REGION - 1].update(changes))


def without_mask(data: Any) -> None:
    for key in ("visible_mask", "invisible_mask"):
        data["regions"][REGION - 1].pop(key)


JSON, PICTURE = "BSDS_amodal_test.json", f"{FIRST_NUMBER + INDEX}.png"
OF_REGION, LOST_REGION = f"annotation {BEHIND}, region {REGION}", f"{BEHIND}-{REGION}"

DAMAGES = {
    "annotations missing": Damage(remove(f"annotations/{JSON}"), JSON, "", "missing", stops=True),
    "annotations cut short": Damage(cut(f"annotations/{JSON}"), JSON, "", "not valid JSON, or cut short", stops=True),
    "another file": Damage(
        to_json(lambda data: data.pop("annotations")), JSON, "", "not a BSDS-A file: it needs the list", stops=True
    ),
    "pass without regions": Damage(
        to_pass(lambda data: data.update(regions="?")),
        JSON,
        f"entry {BEHIND} of annotations",
        'it has no list "regions"',
        f"{BEHIND}-*",
    ),
    "region that is none": Damage(
        to_pass(lambda data: data["regions"].append(None)),
        JSON,
        f"annotation {BEHIND}, region {REGIONS + 1}",
        "no segmentation",
        f"{BEHIND}-{REGIONS + 1}",
    ),
    "empty segmentation": Damage(to_region(segmentation=[]), JSON, OF_REGION, "no segmentation", LOST_REGION),
    "V that is no mask": Damage(
        to_region(visible_mask="?"), JSON, OF_REGION, "visible_mask: a segmentation is", LOST_REGION
    ),
    "V lost": Damage(to_pass(without_mask), JSON, OF_REGION, f"occlude_rate says {occlusion(TARGET):g} but"),
    "A without V of another size": Damage(
        to_region(invisible_mask={"size": [1, 1], "counts": [1]}),
        JSON,
        OF_REGION,
        "invisible_mask: mask is 1x1",
    ),
    "wrong area": Damage(to_region(area=7.5), JSON, OF_REGION, "amodal_pixels says 7.5"),
}

TO_PICTURE = {
    "missing": (remove(f"{PICTURES}/test/{PICTURE}"), "nor is it in the other splits' folders"),
    "cut short": (cut(f"{PICTURES}/test/{PICTURE}"), "cannot be read as a picture"),
    "of another size": (shrink(f"{PICTURES}/test/{PICTURE}"), "but the annotations say"),
}


@pytest.mark.parametrize("damage", mostly_slow(DAMAGES.values(), 3), ids=DAMAGES)
def test_damage_is_reported_and_costs_nothing_else(tree: Path, damage: Damage) -> None:
    assert_reported(damage, tree, lambda: Bsds(str(tree), annotator="all"))


@pytest.mark.parametrize(("do", "what"), TO_PICTURE.values(), ids=TO_PICTURE)
def test_a_bad_picture_costs_its_own_passes_only(tree: Path, do: Callable[[Path], None], what: str) -> None:
    damage = Damage(do, PICTURE, f"annotation {AHEAD}", what, f"{AHEAD}-*")
    assert_reported(damage, tree, lambda: Bsds(str(tree), annotator="first"))
